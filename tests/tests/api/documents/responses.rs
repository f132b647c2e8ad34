//! The typical response of every operation of the API, as one snapshot. `just generate` updates it; review the change.

use reqwest::Method;
use signet_tests::{Stack, json};

#[tokio::test]
async fn every_operation_returns_its_typical_response() {
    let stack = Stack::start_without_rate_limits().await;
    let mut operations = stack.operations_with_own_resources().await;
    operations.retain(signet_tests::Operation::is_api);
    // The newest event, at a time of its own.
    let license =
        operations.iter().find(|operation| operation.template.ends_with("/license-keys/{id}/events")).unwrap();
    stack.advance(1);
    stack.operator.post(&license.path.replace("/events", "/audit"), json!({})).await.expect_status(200);
    // Before the others create more resources.
    operations.sort_by_key(|operation| operation.method != Method::GET);
    let mut responses = Vec::new();
    for operation in &operations {
        // A list shows one row.
        let separator = if operation.path.contains('?') { '&' } else { '?' };
        let limit =
            if operation.query_parameters().contains(&"limit") { format!("{separator}limit=1") } else { String::new() };
        let body = operation.body.as_ref().map(|body| body.to_string().into_bytes());
        let media_type = body.as_ref().map(|_| "application/json");
        let path = operation.path.clone() + &limit;
        responses.push(operation.send_to(&path, media_type, body.unwrap_or_default()).await.snapshot());
    }
    let responses = responses.join("\n").replace(&stack.local.base_url, "[base URL]");
    insta::assert_snapshot!(responses);
}
