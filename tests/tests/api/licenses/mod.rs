//! License keys: issuing, reading, listing and revoking.

mod audit;
mod batch;
mod events;
mod expiry_grace;
mod expiry_times;
mod filters;
mod get_and_revoke;
mod issue;
mod lifecycle;
mod list;
mod overrides;
mod statistics;
mod update;
mod validate;

use signet_tests::{Stack, Value, text};

fn ids(list: &Value) -> Vec<Value> {
    list["items"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

async fn get_license(stack: &Stack, id: &Value) -> Value {
    stack.operator.get(&format!("license-keys/{}", text(id))).await.expect_status(200)
}
