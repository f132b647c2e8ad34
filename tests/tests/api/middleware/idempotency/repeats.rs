//! Repeats after success and after failure.

use signet_tests::{Fault, Rule, Stack, TestResponse, check_each};

use super::{Case, cases, record_count, replayed_parts};

/// The key of a case, by its position.
fn key(index: usize) -> String {
    format!("key-{index}")
}

/// Sends each request and returns the responses.
async fn send_all(cases: &[Case]) -> Vec<TestResponse> {
    let mut responses = Vec::new();
    check_each(cases.iter().enumerate(), async |(index, case)| {
        let response = case.send(&key(index)).await;
        assert_eq!(response.status, case.status, "{}: {}", case.path, response.text);
        responses.push(response);
    })
    .await;
    responses
}

/// Sends each request, of which all writes have this fault.
async fn send_all_with_fault(stack: &Stack, cases: &[Case], fault: Fault) {
    stack.faults.add(Rule::new("TransactWriteItems", fault).always());
    check_each(cases.iter().enumerate(), async |(index, case)| {
        case.send(&key(index)).await.expect_problem(503, "unavailable");
    })
    .await;
    stack.faults.clear();
}

/// Asserts that a repeat of each request returns its response again.
async fn assert_replayed(cases: &[Case], responses: &[TestResponse]) {
    check_each(cases.iter().zip(responses).enumerate(), async |(index, (case, response))| {
        assert_eq!(replayed_parts(&case.send(&key(index)).await), replayed_parts(response), "{}", case.path);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_returns_the_stored_response_without_effect() {
    let stack = Stack::start().await;
    let cases = cases(&stack).await;
    let first = send_all(&cases).await;
    let done = stack.snapshot_items().await;
    stack.advance(1);
    check_each(cases.iter().zip(&first).enumerate(), async |(index, (case, first))| {
        stack.faults.reset_calls();
        let repeated = case.send(&key(index)).await;
        assert_eq!(replayed_parts(&repeated), replayed_parts(first), "{}", case.path);
        assert_eq!(repeated.header("cache-control"), "no-store");
        let replayed = [first, &repeated].map(|response| response.header("idempotent-replayed"));
        assert_eq!(replayed, ["", "true"], "{}", case.path);
        assert_ne!(repeated.header("x-request-id"), first.header("x-request-id"), "{}", case.path);
        // A replay only reads the API key, if there is one, and the record.
        let calls = stack.faults.calls();
        let is_minimal = calls == ["PutItem"] || calls == ["GetItem", "PutItem"];
        assert!(is_minimal || case.is_resumed(), "{}: {calls:?}", case.path);
        let other = case.send_other(&key(index)).await;
        let problem = other.expect_problem(422, "idempotency_key_reused");
        assert_eq!(problem["errors"][0]["parameter"], "Idempotency-Key");
        assert_eq!(other.header("idempotent-replayed"), "", "{}", case.path);
    })
    .await;
    // The stored responses have not changed.
    assert_replayed(&cases, &first).await;
    stack.assert_unchanged_since(&done).await;
}

#[tokio::test]
async fn a_repeat_returns_the_result_when_the_first_response_was_lost() {
    let stack = Stack::start().await;
    let cases = cases(&stack).await;
    send_all_with_fault(&stack, &cases, Fault::LoseResponse).await;
    // All requests took effect, because the repeats return their results and change nothing.
    let done = stack.snapshot_items().await;
    let responses = send_all(&cases).await;
    assert_replayed(&cases, &responses).await;
    stack.assert_unchanged_since(&done).await;
}

#[tokio::test]
async fn a_repeat_performs_a_request_that_failed() {
    let stack = Stack::start().await;
    let mut cases = cases(&stack).await;
    cases.retain(|case| !case.is_resumed());
    let (before, records) = (stack.snapshot_items().await, record_count(&stack).await);
    send_all_with_fault(&stack, &cases, Fault::RefuseConnection).await;
    stack.assert_unchanged_since(&before).await;
    assert_eq!(record_count(&stack).await, records);
    let responses = send_all(&cases).await;
    assert_replayed(&cases, &responses).await;
}
