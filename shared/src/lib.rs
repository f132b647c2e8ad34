//! What every function of Signet uses.
//!
//! `domain` is what is true, with no I/O. `store` is the only place that knows how the table looks, `tokens` the only
//! one that touches keys, `auth` knows who asks, `http` how questions and answers are written. All of them build on
//! `domain`, and `domain` on none.

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
