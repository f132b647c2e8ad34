//! The common crate of all Signet functions.
//!
//! Each module imports only from those above it:
//!
//! - `domain`: the rules of licenses, seats and keys, without I/O.
//! - `clock`, `ttl_cache`, `timeouts`, `retries` and `aws`: the time, cached values, time limits, budgets of retries, and
//!   the configuration of AWS clients.
//! - `queue`: the queue that wakes the function `webhooks-sender`.
//! - `store`: the DynamoDB table. The only module that knows its layout.
//! - `secrets`: the secrets of an installation.
//! - `tokens`: signing, verification and encryption. The only module that uses cryptographic keys.
//! - `http`: the context of a request, extractors, responses and problems.
//! - `auth`: authentication and authorization of callers.
//! - `app`: the application state, its configuration, the middleware and the entry point of a function.

pub mod app;
pub mod auth;
mod aws;
mod clock;
pub mod domain;
pub mod http;
pub mod queue;
mod retries;
pub mod secrets;
pub mod store;
mod timeouts;
pub mod tokens;
pub mod ttl_cache;

pub use app::{AppState, Configuration, ConfigurationError, KeySource, Keys, Settings, StartError};
pub use aws::{Aws, LoadCertificatesError, http_client};
pub use clock::Clock;
pub use timeouts::Timeouts;
