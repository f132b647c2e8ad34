//! State transitions of a license key: suspend, reinstate, renew, change, regenerate and revoke.

mod change;
mod regenerate;
mod renew;
mod suspend_and_revoke;

use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use signet_tests::{Fault, Gate, Rule, START, Stack, TestResponse, Value};

/// Requests a state transition of a license key.
async fn transition(stack: &Stack, id: &str, action: &str, body: Value) -> TestResponse {
    stack.operator.post(&format!("license-keys/{id}/{action}"), body).await
}

async fn read(stack: &Stack, id: &str) -> Value {
    stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200)
}

/// Validates a license key or a token and returns the code.
async fn validate(stack: &Stack, body: Value) -> Value {
    stack.anonymous.post("license-keys/validate", body).await.expect_status(200)["code"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Returns the claims of a token without verifying it.
fn claims(token: &Value) -> Value {
    let payload = text(token).split('.').nth(1).unwrap();
    String::from_utf8(BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap().parse().unwrap()
}

/// Returns the time this many seconds after the start.
fn after(seconds: i64) -> String {
    (START + SignedDuration::from_secs(seconds)).to_string()
}

/// Runs two transitions concurrently: both read the license before either writes.
async fn transition_concurrently(stack: &Stack, id: &str, requests: [(&'static str, Value); 2]) -> Vec<TestResponse> {
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let tasks = requests.map(|(action, body)| {
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{action}"));
        tokio::spawn(async move { operator.post(&path, body).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut responses = Vec::new();
    for task in tasks {
        responses.push(task.await.unwrap());
    }
    responses
}
