//! The only place that knows a table key or an attribute's name.
//!
//! Rules that money hangs on are conditions on writes. A race that was lost is an outcome, decided where its
//! condition is written, from the old item that DynamoDB hands back.

pub mod activations;
pub mod api_keys;
pub mod audit;
pub mod backoff;
pub mod catalog;
pub mod customers;
pub mod events;
pub mod idempotency;
pub mod key_ring;
pub mod keys;
pub mod license_writes;
pub mod licenses;
pub mod pagination;
pub mod rate_limiter;
pub mod schema;
pub mod seats;
pub mod sessions;
pub mod statistics;
pub mod table;
pub mod transaction;

pub use backoff::Backoff;
pub use table::{StoreError, Table};
