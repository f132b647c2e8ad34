//! Client of [Signet](https://github.com/signet-licensing/signet), a software licensing backend.
//!
//! [`License::open`] returns a handle at once, without a network. It reads the stored license, verifies it, and renews it
//! in a background thread. [`License::state`] says at any time whether the app may run.
//!
//! ```no_run
//! use signet_client::{License, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = std::fs::read_to_string("signet-app.json")?.parse()?;
//! let license = License::open(config, Options::default())?;
//! if !license.state().may_run() {
//!     license.activate("ATLAS-…")?;
//! }
//! println!("PDF export: {}", license.has("export.pdf"));
//! # Ok(())
//! # }
//! ```
//!
//! The feature `tokio` adds an asynchronous handle, `AsyncLicense`.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "tokio")]
mod async_license;
mod background;
mod callbacks;
mod client;
mod clock;
mod config;
mod core;
mod diagnose;
mod error;
mod file_storage;
mod files;
mod http;
mod identity;
mod import;
mod json;
mod jwt;
mod key_set;
mod license;
mod license_file;
mod machine_id;
mod offline_request;
mod options;
mod outcome;
mod ports;
mod problem;
mod renewal;
mod requests;
mod schedule;
mod secrets;
mod signal;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod token;

#[cfg(feature = "tokio")]
pub use async_license::AsyncLicense;
pub use config::AppConfig;
pub use error::Error;
pub use license::License;
pub use options::Options;
pub use ports::Storage;
pub use state::{OfflineReason, State};
