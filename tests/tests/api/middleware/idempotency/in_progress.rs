//! Repeats while the first request runs, and abandoned reservations.

use futures_util::future::join_all;
use signet_tests::{Fault, Gate, Rule, Stack, check_each, json, random_word};

use super::{HEADER, cases, replayed_parts};

/// Lets all writes fail except the one that reserves the record, as if the process died after the reservation.
fn fail_after_reservation(stack: &Stack) {
    for operation in ["TransactWriteItems", "UpdateItem", "DeleteItem"] {
        stack.faults.add(Rule::new(operation, Fault::RefuseConnection).always());
    }
}

#[tokio::test]
async fn an_abandoned_reservation_is_taken_over_after_30_seconds() {
    let stack = Stack::start().await;
    let cases = cases(&stack).await;
    let before = stack.snapshot_items().await;
    let key = |index| format!("key-{index}");
    fail_after_reservation(&stack);
    check_each(cases.iter().enumerate(), async |(index, case)| {
        case.send(&key(index)).await.expect_problem(503, "unavailable");
    })
    .await;
    stack.faults.clear();
    // The request timeout is ten seconds: after that, the reservation is abandoned, and stale 30 seconds after its start.
    for (seconds, retry_after) in [(0, "2"), (10, "20"), (19, "1")] {
        stack.advance(seconds);
        check_each(cases.iter().enumerate(), async |(index, case)| {
            let response = case.send(&key(index)).await;
            response.expect_problem(409, "idempotency_in_progress");
            assert_eq!(response.header("retry-after"), retry_after, "{}", case.path);
            case.send_other(&key(index)).await.expect_problem(422, "idempotency_key_reused");
        })
        .await;
    }
    stack.assert_unchanged_since(&before).await;
    stack.advance(1);
    let mut responses = Vec::new();
    check_each(cases.iter().enumerate(), async |(index, case)| {
        let response = case.send(&key(index)).await;
        assert_eq!(response.status, case.status, "{}: {}", case.path, response.text);
        responses.push(response);
    })
    .await;
    let done = stack.snapshot_items().await;
    check_each(cases.iter().zip(responses).enumerate(), async |(index, (case, response))| {
        assert_eq!(replayed_parts(&case.send(&key(index)).await), replayed_parts(&response), "{}", case.path);
    })
    .await;
    stack.assert_unchanged_since(&done).await;
}

#[tokio::test]
async fn a_slow_request_has_no_effect_after_its_reservation_was_taken_over() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let client = stack.operator.with_header(HEADER, "slow");
    let slow = {
        let (client, body) = (client.clone(), body.clone());
        tokio::spawn(async move { client.post("license-keys", body).await })
    };
    gate.wait_for_request().await;
    stack.advance(30);
    let response = client.post("license-keys", body.clone()).await;
    assert_eq!(response.status, 201);
    gate.open();
    let slow = slow.await.unwrap();
    slow.expect_problem(409, "idempotency_in_progress");
    assert_eq!(slow.header("retry-after"), "2");
    assert_eq!(replayed_parts(&client.post("license-keys", body).await), replayed_parts(&response));
    let list =
        stack.operator.get(&format!("license-keys?customer_id={}", license.customer["id"].as_str().unwrap())).await;
    assert_eq!(list.expect_status(200)["items"].as_array().unwrap().len(), 2, "the first license, and one more");
}

#[tokio::test]
async fn concurrent_requests_with_one_key_take_effect_once() {
    let stack = Stack::start().await;
    let (single, concurrent) = (cases(&stack).await, cases(&stack).await);
    let before = stack.snapshot_items().await.len();
    check_each(single.into_iter().enumerate(), async |(index, case)| {
        assert_eq!(case.send(&format!("single-{index}")).await.status, case.status);
    })
    .await;
    let between = stack.snapshot_items().await.len();
    check_each(concurrent.into_iter().enumerate(), async |(index, case)| {
        let key = format!("concurrent-{index}");
        let responses = join_all((0..3).map(|_| case.send(&key))).await;
        let last = case.send(&key).await;
        assert_eq!(last.status, case.status, "{}: {}", case.path, last.text);
        for response in &responses {
            if response.status == 409 {
                response.expect_problem(409, "idempotency_in_progress");
            } else {
                assert_eq!(replayed_parts(response), replayed_parts(&last), "{}", case.path);
            }
        }
    })
    .await;
    assert_eq!(stack.snapshot_items().await.len() - between, between - before, "each had one effect");
}

#[tokio::test]
async fn a_repeat_returns_409_while_the_first_request_is_in_progress() {
    let stack = Stack::start().await;
    let email = format!("{}@example.com", random_word("ada"));
    let body = json!({"name": "Ada", "email": email});
    let client = stack.operator.with_header(HEADER, "one");
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let first = {
        let (client, body) = (client.clone(), body.clone());
        tokio::spawn(async move { client.post("customers", body).await })
    };
    gate.wait_for_request().await;
    client.post("customers", body.clone()).await.expect_problem(409, "idempotency_in_progress");
    client.post("customers", json!({"name": "Bob"})).await.expect_problem(422, "idempotency_key_reused");
    gate.open();
    let first = first.await.unwrap();
    assert_eq!(first.status, 201);
    assert_eq!(replayed_parts(&client.post("customers", body).await), replayed_parts(&first));
}
