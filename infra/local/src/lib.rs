//! The whole of Signet in one process: every function's routes behind one listener, an embedded DynamoDB that the real
//! AWS SDK speaks to, and keys in files. `cargo run` starts it, and the black-box tests start it many times.

mod demo;
mod document;
mod embedded;
mod folder;
mod issuer;
mod keys;
mod options;
mod routes;
mod stack;

pub use demo::{Demo, DemoError};
pub use document::openapi;
pub use folder::{Folder, FolderError, LocalJson};
pub use keys::KmsError;
pub use options::{Options, TABLE, issuer_url, listen_address};
pub use routes::all_routes;
pub use stack::{Stack, StartError};
