//! The seat protocol: conditions, concurrent requests, failures and costs (docs/explanation/seat-protocol.md).

mod concurrent_changes;
mod conditions;
mod costs;
mod faults;
mod race;
