//! Resources of other users and resources that do not exist are indistinguishable, by the response and by the calls to
//! DynamoDB, which determine the latency.

use signet_tests::{Client, Stack, TestResponse, Value, json, text};

const USER_SCOPES: &str = "openid email";

/// Sends a request. Returns the response, its body without the trace id, and the calls to DynamoDB.
async fn send(stack: &Stack, client: &Client, method: &str, path: &str) -> (TestResponse, Value, Vec<String>) {
    stack.faults.reset_calls();
    let response = if method == "GET" { client.get(path).await } else { client.post(path, json!({})).await };
    let mut body = response.body.clone();
    body["trace_id"] = Value::Null;
    let mut calls = stack.faults.calls();
    calls.sort_unstable();
    (response, body, calls)
}

#[tokio::test]
async fn foreign_resources_are_indistinguishable_from_missing_ones() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let (license, activation) = (license.license_id.as_str(), text(&activated["activation"]["id"]));
    let missing = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
    let missing_activation = activation.replace(license.trim_start_matches("lic_"), missing.trim_start_matches("lic_"));
    let customer = stack.sign_in("bob@example.com", USER_SCOPES).await;
    customer.post("register", json!({})).await.expect_status(201);
    let unregistered = stack.sign_in("eve@example.com", USER_SCOPES).await;
    for client in [&customer, &unregistered] {
        for (method, path, status) in [
            ("GET", "license-keys/{license}", 403),
            ("GET", "license-keys/{license}/events", 403),
            ("POST", "license-keys/{license}/revoke", 403),
            ("POST", "license-keys/{license}/regenerate", 403),
            ("GET", "license-activations?license_id={license}", 404),
            ("GET", "license-activations/{activation}", 404),
            ("POST", "license-activations/{activation}/deactivate", 404),
        ] {
            let fill = |license: &str, activation: &str| {
                path.replace("{license}", license).replace("{activation}", activation)
            };
            let (response, body, calls) = send(&stack, client, method, &fill(license, activation)).await;
            let (_, missing_body, missing_calls) =
                send(&stack, client, method, &fill(missing, &missing_activation)).await;
            assert_eq!(response.status, status, "{}", response.text);
            assert_eq!((body, calls), (missing_body, missing_calls), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn wrong_secret_is_indistinguishable_from_an_unknown_api_key() {
    let stack = Stack::start().await;
    let key = stack.local.operator_api_key.expose();
    let (id, _) = key.rsplit_once('_').expect("a secret");
    let wrong = format!("{id}_{}", "0".repeat(64));
    let unknown = format!("signet_key_01JD8W0V5XK6Q3R7T2N4M8P9ZB_{}", "0".repeat(64));
    let mut found = Vec::new();
    for key in [wrong, unknown] {
        let (response, body, calls) = send(&stack, &stack.anonymous.with_api_key(&key), "GET", "customers").await;
        response.expect_problem(401, "unauthenticated");
        found.push((body, calls));
    }
    assert_eq!(found[0], found[1]);
}
