//! API keys: creation, scopes, expiry and deletion. One key with `access:write` always remains.

mod create;
mod delete;
mod expiry;
mod use_and_list;

use signet_tests::{Client, Value, json};

/// Creates an API key. Returns a client that uses it, and its id.
async fn create(creator: &Client, anonymous: &Client, scopes: &[&str]) -> (Client, String) {
    let created = creator.post("api-keys", json!({"name": "ci", "scopes": scopes})).await.expect_status(201);
    (anonymous.with_api_key(text(&created["api_key"])), text(&created["id"]).to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the path of an API key.
fn path_of(id: &str) -> String {
    format!("api-keys/{id}")
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().into_iter().flatten().map(|key| text(&key["id"])).collect()
}
