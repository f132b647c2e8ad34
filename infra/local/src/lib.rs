//! Signet in one process, for development and tests: the routes of every function behind one listener, an embedded
//! DynamoDB that the AWS SDK calls over loopback, keys in files, and a development OpenID Connect issuer. Besides, the
//! commands of `signet` that call a running installation.

pub mod cli;
mod connections;
mod data_directory;
mod demo;
mod embedded;
mod issuer;
mod keys;
mod openapi;
mod options;
mod routes;
mod server;
mod webhook_worker;

pub use connections::ConnectionTimeouts;
pub use data_directory::{DataDirectory, DataDirectoryError, LocalJson};
pub use demo::{Demo, DemoError};
pub use keys::KmsError;
pub use openapi::{OpenApiVersion, openapi_document};
pub use options::{DEFAULT_TABLE, Options, issuer_url, listen_address};
pub use routes::all_routes;
pub use server::{LocalServer, LocalServerError};
pub use webhook_worker::{WebhookOptions, WebhookWorker};
