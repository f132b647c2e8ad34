//! The common crate of all Signet functions.
//!
//! - `domain`: the rules of licenses, seats and keys, without I/O. Depends on no other module.
//! - `store`: the DynamoDB table. The only module that knows its layout.
//! - `tokens`: signing, verification and encryption. The only module that uses cryptographic keys.
//! - `auth`: authentication and authorization of callers.
//! - `http`: extractors, responses, problems and middleware.

mod app_state;
pub mod auth;
mod aws;
mod clock;
pub mod configuration;
pub mod domain;
pub mod http;
pub mod key_issuance;
pub mod reencryption;
pub mod secrets;
pub mod store;
mod timeouts;
pub mod tokens;

pub use app_state::{AppState, Keys, Settings, StartError};
pub use aws::{Aws, LoadCertificatesError, http_client};
pub use clock::Clock;
pub use configuration::{Configuration, ConfigurationError, KeySource};
pub use secrets::Secrets;
pub use timeouts::Timeouts;
