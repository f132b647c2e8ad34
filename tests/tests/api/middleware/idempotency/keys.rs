//! The header's value, and what a record is bound to.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use shared::domain::Scope;
use signet_tests::{Client, Stack, TestResponse, json, merged};

use super::{HEADER, record_count, replayed_parts};

#[tokio::test]
async fn a_record_is_bound_to_its_credential_and_path() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let issue = async |client: &Client| client.with_header(HEADER, "same").post("license-keys", body.clone()).await;
    let mut ids = Vec::new();
    let mut add_id = |response: TestResponse| {
        let id = response.expect_status(201)["license"]["id"].as_str().unwrap().to_owned();
        assert!(!ids.contains(&id));
        ids.push(id);
    };
    let by_operator = issue(&stack.operator).await;
    add_id(by_operator.clone());
    add_id(issue(&stack.client_with_scopes(&[Scope::LicensesWrite]).await).await);
    let ada = stack.sign_in("ada@example.com", "role:operator").await;
    let by_ada = issue(&ada).await;
    add_id(by_ada.clone());
    add_id(issue(&stack.sign_in("bob@example.com", "role:operator").await).await);
    // A user is identified by issuer and subject, not by the token.
    stack.advance(1);
    let ada = stack.sign_in("ada@example.com", "role:operator").await;
    assert_eq!(replayed_parts(&issue(&ada).await), replayed_parts(&by_ada));
    // `v1` is an alias of `v1.0`.
    let client = stack.operator.with_header(HEADER, "same");
    assert_eq!(replayed_parts(&client.post("/api/v1/license-keys", body).await), replayed_parts(&by_operator));

    // The same key on another path is another request.
    for id in ids.iter().rev().take(1) {
        for (action, status) in [("suspend", "suspended"), ("reinstate", "active"), ("revoke", "revoked")] {
            let path = format!("license-keys/{id}/{action}");
            assert_eq!(client.post(&path, json!({})).await.expect_status(200)["status"], status);
        }
    }
}

#[tokio::test]
async fn the_key_may_be_quoted() {
    let stack = Stack::start().await;
    let body = json!({"name": "ci", "scopes": ["licenses:read"]});
    let send = async |key: &str| stack.operator.with_header(HEADER, key).post("api-keys", body.clone()).await;
    let bare = send("8e03978e-40d5").await;
    assert_eq!(bare.status, 201);
    assert_eq!(replayed_parts(&send("\"8e03978e-40d5\"").await), replayed_parts(&bare));
    assert_ne!(send("8e03978e-40d6").await.expect_status(201)["id"], bare.body["id"]);
    for valid in ["x", &"x".repeat(255), "a b", "a\"", "a\"b"] {
        send(valid).await.expect_status(201);
    }
}

#[tokio::test]
async fn an_invalid_key_returns_400() {
    let stack = Stack::start().await;
    let before = stack.snapshot_items().await;
    let send = async |values: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        let body = json!({"name": "Ada", "email": "ada@example.com"});
        stack.operator.send(Method::POST, "customers", |request| request.headers(headers).json(&body)).await
    };
    let long = "x".repeat(256);
    let quotes: [&[&[u8]]; 3] = [&[b"\"\""], &[b"\""], &[b"\"a"]];
    let others: [&[&[u8]]; 6] = [&[b""], &[b"  "], &[b"a\tb"], &[long.as_bytes()], &["é".as_bytes()], &[b"a", b"a"]];
    for invalid in quotes.into_iter().chain(others) {
        send(invalid).await.expect_problem(400, "idempotency_key_invalid");
    }
    stack.assert_unchanged_since(&before).await;
    assert_eq!(record_count(&stack).await, 0);
    // Requests that do not support the header ignore its value.
    stack.operator.with_header(HEADER, "").get("customers").await.expect_status(200);
    let body = json!({"license_key": "x"});
    stack.anonymous.with_header(HEADER, "").post("license-keys/validate", body).await.expect_status(200);
}

#[tokio::test]
async fn unauthenticated_requests_create_no_record() {
    let stack = Stack::start().await;
    let client = stack.anonymous.with_header(HEADER, "mine");
    client.post("customers", json!({})).await.expect_problem(401, "unauthenticated");
    client.with_api_key("signet_x").post("customers", json!({})).await.expect_problem(401, "unauthenticated");
    assert_eq!(record_count(&stack).await, 0);
}

#[tokio::test]
async fn idempotent_operations_ignore_the_header() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let client = stack.anonymous.with_header(HEADER, "same");
    let activate = json!({"license_key": license.license_key, "machine_id": "m1"});
    let first = client.post("license-activations/activate", activate.clone()).await.expect_status(201);
    assert_eq!(client.post("license-activations/activate", activate.clone()).await.status, 200);
    let other = merged(activate, &json!({"machine_id": "m2"}));
    let second = client.post("license-activations/activate", other).await.expect_status(201);
    for (machine, activated) in [("m1", &first), ("m2", &second)] {
        stack.advance(1800);
        let body = json!({"token": activated["token"], "machine_id": machine});
        let heartbeat = client.post("license-keys/heartbeat", body.clone()).await.expect_status(200);
        assert_eq!(heartbeat["renewed"], true);
        stack.advance(1800);
        let next = client.post("license-keys/heartbeat", body).await.expect_status(200);
        assert_ne!(next["token"], heartbeat["token"]);
        let valid = client.post("license-keys/validate", json!({"token": heartbeat["token"]})).await.expect_status(200);
        assert_eq!(valid["code"], "valid");
    }
    let operator = stack.operator.with_header(HEADER, "same");
    for (activated, body) in [(&first, json!({})), (&second, json!({"token": second["token"]}))] {
        let path = format!("license-activations/{}/deactivate", activated["activation"]["id"].as_str().unwrap());
        assert_eq!(operator.post(&path, body).await.expect_status(200)["status"], "deactivated");
    }
    // Only POST requests have records.
    let path = format!("customers/{}", license.customer["id"].as_str().unwrap());
    for name in ["Ada", "Bob"] {
        let body = json!({"name": name, "email": license.customer["email"]});
        assert_eq!(operator.put(&path, body).await.expect_status(200)["name"], name);
        assert_eq!(operator.get(&path).await.expect_status(200)["name"], name);
    }
    assert_eq!(record_count(&stack).await, 0);
}
