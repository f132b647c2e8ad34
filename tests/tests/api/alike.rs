//! What is someone else's, and what is not there, can't be told apart: neither by the answer nor by how long it takes, which
//! is how often the table is asked.

use signet_tests::{Client, Stack, TestResponse, Value, json, text};

const PERSON: &str = "openid email";

/// What an answer says, but for the name by which the log knows it; and what it cost.
async fn ask(stack: &Stack, client: &Client, method: &str, path: &str) -> (TestResponse, Value, Vec<String>) {
    stack.faults.reset_calls();
    let answer = if method == "GET" { client.get(path).await } else { client.post(path, json!({})).await };
    let mut body = answer.body.clone();
    body["trace_id"] = Value::Null;
    let mut calls = stack.faults.calls();
    calls.sort_unstable();
    (answer, body, calls)
}

#[tokio::test]
async fn what_is_someone_elses_costs_what_nothing_costs() {
    let stack = Stack::start_without_rate_limits().await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    let (license, activation) = (sold.license_id.as_str(), text(&activated["activation"]["id"]));
    let none = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
    let of_none = activation.replace(license.trim_start_matches("lic_"), none.trim_start_matches("lic_"));
    let customer = stack.sign_in("bob@example.com", PERSON).await;
    customer.post("register", json!({})).await.expect_status(201);
    let stranger = stack.sign_in("eve@example.com", PERSON).await;
    for client in [&customer, &stranger] {
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
            let (there, said, cost) = ask(&stack, client, method, &fill(license, activation)).await;
            let (_, said_of_none, cost_of_none) = ask(&stack, client, method, &fill(none, &of_none)).await;
            assert_eq!(there.status, status, "{}", there.text);
            assert_eq!((said, cost), (said_of_none, cost_of_none), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_of_a_key_costs_what_an_unknown_key_costs() {
    let stack = Stack::start().await;
    let good = stack.local.operator_api_key.expose();
    let (id, _) = good.rsplit_once('_').expect("a secret");
    let wrong = format!("{id}_{}", "0".repeat(64));
    let unknown = format!("signet_key_01JD8W0V5XK6Q3R7T2N4M8P9ZB_{}", "0".repeat(64));
    let mut found = Vec::new();
    for key in [wrong, unknown] {
        let (answer, said, cost) = ask(&stack, &stack.anonymous.with_api_key(&key), "GET", "customers").await;
        answer.expect_problem(401, "unauthenticated");
        found.push((said, cost));
    }
    assert_eq!(found[0], found[1]);
}
