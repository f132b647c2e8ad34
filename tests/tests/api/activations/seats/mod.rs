//! The seat protocol: conditions, concurrent requests, failures, costs and a model check (docs/explanation/seat-protocol.md).

mod concurrent_changes;
mod conditions;
mod costs;
mod facts;
mod faults;
mod model;
mod race;
