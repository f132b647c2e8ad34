//! What every function of Signet uses.
//!
//! `domain` is what is true, with no I/O. `store` is the only place that knows how the table looks, `tokens` the only
//! one that touches keys, `auth` knows who asks, `http` how questions and answers are written. All of them build on
//! `domain`, and `domain` on none.

pub mod auth;
mod aws;
mod clock;
pub mod configuration;
pub mod domain;
pub mod http;
pub mod keymaking;
mod patience;
pub mod rewrapping;
pub mod secrets;
mod services;
pub mod store;
pub mod tokens;

pub use aws::{Aws, NoCertificates, http_client};
pub use clock::Clock;
pub use configuration::{Configuration, ConfigurationInvalid, KeySource};
pub use patience::Patience;
pub use secrets::Secrets;
pub use services::{Keys, Services, Settings, StartError};
