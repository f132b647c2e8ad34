//! Events of all resources: who recorded them, lists with filters, and exports.

mod coverage;
mod expiry;
mod exports;
mod filters;
mod origins;
mod seat_limit;

use signet_tests::{Stack, Value};

/// Returns the types of events.
fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// Returns the event items that were added since `before`, oldest first.
async fn added_since(stack: &Stack, before: &[Value]) -> Vec<Value> {
    let mut events = stack.event_items().await;
    events.retain(|event| before.iter().all(|old| old["id"] != event["id"]));
    events
}
