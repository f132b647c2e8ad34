//! `Idempotency-Key`: a repeated request returns the stored response, and its effect happens once.

mod in_progress;
mod keys;
mod repeats;
mod stored_responses;

use signet_tests::{Client, Operation, Stack, TestResponse, Value, all_cases, json, merged};

const HEADER: &str = "idempotency-key";

/// A POST that supports the header: its caller, a valid body, and the expected status.
#[derive(Debug, Clone)]
struct Case {
    client: Client,
    path: String,
    body: Value,
    status: u16,
}

impl Case {
    /// Whether the response is stored before the changes are made, so that a repeat completes them.
    fn is_resumed(&self) -> bool {
        self.path.ends_with("/batch")
    }

    /// Sends the request with an idempotency key.
    async fn send(&self, key: &str) -> TestResponse {
        self.client.with_header(HEADER, key).post(&self.path, self.body.clone()).await
    }

    /// Sends another body with an idempotency key.
    async fn send_other(&self, key: &str) -> TestResponse {
        self.client.with_header(HEADER, key).post(&self.path, merged(self.body.clone(), &json!({"x": 1}))).await
    }
}

/// Returns every POST that supports the header, each with its own resources. The operations on signing keys are tested
/// in `access/signing_keys`: they need a key ring in a certain state.
async fn cases(stack: &Stack) -> Vec<Case> {
    let mut operations = stack.operations_with_own_resources().await;
    operations.retain(|operation| {
        let parameters = operation.spec["parameters"].as_array().into_iter().flatten();
        let is_supported = parameters.into_iter().any(|one| one["$ref"] == "#/components/parameters/IdempotencyKey");
        is_supported && !operation.template.contains("/signing-keys/")
    });
    // Each test sends each request several times, so without all cases every second operation is enough.
    let is_selected = |(index, _): &(usize, Operation)| all_cases() || index.is_multiple_of(2);
    let operations = operations.into_iter().enumerate().filter(is_selected);
    let cases = operations.map(|(_, operation)| {
        let responses = operation.spec["responses"].as_object().unwrap().keys();
        // With several success statuses, the highest one: 201 for a new resource.
        let status = responses.filter(|status| status.starts_with('2')).max().unwrap().parse().unwrap();
        let body = operation.body.unwrap_or_else(|| json!({}));
        Case { client: operation.caller, path: operation.path, body, status }
    });
    cases.collect()
}

/// Returns the parts of a response that a replay must repeat: the status, the body, and the headers that describe it.
fn replayed_parts(response: &TestResponse) -> (u16, &str, [&str; 3]) {
    (response.status, &response.text, ["location", "etag", "content-type"].map(|name| response.header(name)))
}

/// Returns the number of idempotency records.
async fn record_count(stack: &Stack) -> usize {
    let is_record = |item: &Value| item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#");
    stack.items().await.iter().filter(|item| is_record(item)).count()
}
