//! Storage in DynamoDB. Only this module knows table keys and attribute names.
//!
//! Rules that must hold under concurrency are conditions of writes. A failed condition is an outcome, not an error; its
//! meaning is decided where the condition is written, from the old item that DynamoDB returns.

pub mod activations;
pub mod api_keys;
pub mod audit;
pub mod backoff;
pub mod borrows;
pub mod catalog;
mod commit;
pub mod count;
pub mod customers;
pub mod deactivations;
pub mod erasure;
mod error;
pub mod events;
pub mod expiry;
pub mod export;
pub mod full_licenses;
mod holder;
pub mod idempotency;
pub mod imports;
pub mod indexes;
pub mod item;
pub mod key_ring;
pub mod keys;
pub mod lapsed;
pub mod license_writes;
pub mod licenses;
pub mod machine_facts;
mod metadata;
mod override_writes;
mod overrides;
pub mod pagination;
pub mod rate_limiter;
pub mod renewals;
pub mod schema;
pub mod search;
pub mod search_backfill;
pub mod search_index;
pub mod seat_limit;
pub mod seats;
pub mod sessions;
pub mod statistics;
pub mod table;
pub mod transaction;
pub mod webhooks;

pub use backoff::Backoff;
pub use error::StoreError;
pub use table::Table;
