//! The signing key ring: rotation, condemned keys, the signed key set, and apps that verify tokens offline throughout.

mod instances;
mod key_set;
mod offline_apps;
mod rotation;

use data_encoding::BASE64URL_NOPAD;
use signet_tests::{Stack, TestResponse, Value, VerifiedToken, json, text};

const KEYS: &str = "signing-keys";

const ROTATE: &str = "signing-keys/rotate";

/// Returns the states of all keys, newest first.
fn states(ring: &Value) -> Vec<&str> {
    ring["items"].as_array().unwrap().iter().map(|key| text(&key["state"])).collect()
}

/// Returns the `kid` of the first key in a state.
fn kid<'a>(ring: &'a Value, state: &str) -> &'a str {
    text(&ring["items"].as_array().unwrap().iter().find(|key| key["state"] == state).unwrap()["kid"])
}

async fn get_ring(stack: &Stack) -> Value {
    stack.operator.get(KEYS).await.expect_status(200)
}

async fn condemn(stack: &Stack, kid: &str) -> TestResponse {
    stack.operator.post(&format!("{KEYS}/{kid}/condemn"), json!({"reason": "leaked"})).await
}

/// Maintains the ring, as the schedule does every few minutes.
async fn maintain(stack: &Stack) {
    stack.local.app.maintain_key_ring().await.unwrap();
}

/// Returns the `kid` in a token's header.
fn kid_of(token: &Value) -> String {
    let header = BASE64URL_NOPAD.decode(text(token).split('.').next().unwrap().as_bytes()).unwrap();
    text(&serde_json::from_slice::<Value>(&header).unwrap()["kid"]).to_owned()
}

/// Returns the kids in the signed key set, and its claims, verified with the first root key.
async fn signed_set(stack: &Stack, ring: &Value) -> (Vec<String>, Value) {
    let response = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(response.header("content-type"), "application/jwk-set+jwt");
    let claims = VerifiedToken::claims_with_key(&response.text, &ring["root_keys"][0]).unwrap();
    let kids = claims["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect();
    (kids, claims)
}
