//! Repeats after success and after failure.

use signet_tests::{Fault, Rule, Stack, check_each};

use super::{cases, record_count, replayed_parts, snapshot};

#[tokio::test]
async fn a_repeated_request_returns_the_stored_response_without_effect() {
    let stack = Stack::start().await;
    check_each(cases(&stack).await.into_iter().enumerate(), async |(index, case)| {
        let key = format!("key-{index}");
        let first = case.send(&key).await;
        assert_eq!(first.status, case.status, "{}", first.text);
        let done = snapshot(&stack).await;
        stack.advance(1);
        stack.faults.reset_calls();
        let repeated = case.send(&key).await;
        assert_eq!(replayed_parts(&repeated), replayed_parts(&first), "{}", case.path);
        assert_eq!(repeated.header("cache-control"), "no-store");
        // A replay only reads the API key, if there is one, and the record.
        let calls = stack.faults.calls();
        assert_eq!(calls.last().map(String::as_str), Some("PutItem"), "{}", case.path);
        assert!(calls.len() == 1 || calls == ["GetItem", "PutItem"], "{}: {calls:?}", case.path);
        let other = case.send_other(&key).await;
        let problem = other.expect_problem(422, "idempotency_key_reused");
        assert_eq!(problem["errors"][0]["parameter"], "Idempotency-Key");
        assert_eq!(snapshot(&stack).await, done, "{}", case.path);
        // The stored response has not changed.
        assert_eq!(replayed_parts(&case.send(&key).await), replayed_parts(&first), "{}", case.path);
    })
    .await;
}

#[tokio::test]
async fn a_repeat_returns_the_result_when_the_first_response_was_lost() {
    let stack = Stack::start().await;
    check_each(cases(&stack).await.into_iter().enumerate(), async |(index, case)| {
        let (key, before) = (format!("key-{index}"), snapshot(&stack).await);
        stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse).always());
        case.send(&key).await.expect_problem(503, "unavailable");
        stack.faults.clear();
        let done = snapshot(&stack).await;
        assert_ne!(done, before, "{}: it took effect", case.path);
        let response = case.send(&key).await;
        assert_eq!(response.status, case.status, "{}: {}", case.path, response.text);
        assert_eq!(replayed_parts(&case.send(&key).await), replayed_parts(&response), "{}", case.path);
        assert_eq!(snapshot(&stack).await, done, "{}: it took effect once", case.path);
    })
    .await;
}

#[tokio::test]
async fn a_repeat_performs_a_request_that_failed() {
    let stack = Stack::start().await;
    check_each(cases(&stack).await.into_iter().enumerate(), async |(index, case)| {
        let key = format!("key-{index}");
        let before = (snapshot(&stack).await, record_count(&stack).await);
        stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).always());
        case.send(&key).await.expect_problem(503, "unavailable");
        stack.faults.clear();
        assert_eq!((snapshot(&stack).await, record_count(&stack).await), before, "{}", case.path);
        let response = case.send(&key).await;
        assert_eq!(response.status, case.status, "{}: {}", case.path, response.text);
        assert_eq!(replayed_parts(&case.send(&key).await), replayed_parts(&response), "{}", case.path);
    })
    .await;
}
