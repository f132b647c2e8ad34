//! That faults break what they should: a test that relies on one that does nothing would prove nothing.

use std::time::Duration;

use shared::{Timeouts, domain::rate_limit::RateLimits};
use signet_local::Options;
use signet_tests::{Fault, Gate, Operation, Rule, Stack, TestResponse, json};

/// What needs no table: documents that are made once, and copies of what seldom changes, here some minutes old at most.
const WITHOUT_A_TABLE: [&str; 9] = [
    "/.well-known/license-configuration",
    "/.well-known/jwks.jwt",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs",
    "/docs/{file}",
    "/problems",
    "/problems/{code}",
    "/api/v1.0/products/catalog",
];

/// A stack whose requests wait no longer than a test likes to.
async fn impatient(attempt: u64, request: u64) -> Stack {
    let millis = Duration::from_millis;
    let timeouts = Timeouts { attempt: millis(attempt), operation: millis(3 * attempt), request: millis(request) };
    Stack::start_with(Options { timeouts, rate_limits: RateLimits::NONE, ..Options::default() }).await
}

/// Asks for everything while DynamoDB has each of these faults, and then when it has none.
async fn all_503_then_well(stack: &Stack, faults: &[Fault]) {
    let operations = stack.operations().await;
    stack.anonymous.get("products/catalog").await.expect_status(200);
    let (without, with): (Vec<Operation>, Vec<Operation>) = operations
        .into_iter()
        .filter(|operation| operation.template != "/health")
        .partition(|operation| WITHOUT_A_TABLE.contains(&operation.template.as_str()));
    assert_eq!(without.len(), WITHOUT_A_TABLE.len());
    for fault in faults {
        stack.faults.add(Rule::new("*", fault.clone()).always());
        for (answer, took) in at_once(&with).await {
            answer.expect_problem(503, "unavailable");
            assert!(took < Duration::from_secs(8), "{fault:?}: {} took {took:?}", answer.request);
            assert!(!answer.text.contains("by the test"), "the cause is for the log alone");
        }
        for (answer, _) in at_once(&without).await {
            assert!(matches!(answer.status, 200 | 404), "{fault:?}: {} {}", answer.request, answer.text);
        }
        stack.faults.clear();
    }
    for operation in &with {
        let answer = operation.send_valid().await;
        let is_of_ring = answer.request.contains("/signing-keys/");
        assert!(answer.status < if is_of_ring { 500 } else { 300 }, "{} {}", answer.request, answer.text);
    }
}

async fn at_once(operations: &[Operation]) -> Vec<(TestResponse, Duration)> {
    let mut tasks = tokio::task::JoinSet::new();
    for operation in operations {
        let operation = operation.clone();
        tasks.spawn(async move {
            let began = std::time::Instant::now();
            (operation.send_valid().await, began.elapsed())
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_dynamodb_is_away_throttles_or_fails_all_is_503_and_then_well_again() {
    let faults = [
        Fault::RefuseConnection,
        Fault::Respond(400, "ThrottlingException"),
        Fault::Respond(400, "ProvisionedThroughputExceededException"),
        Fault::Respond(400, "RequestLimitExceeded"),
        Fault::Respond(500, "InternalServerError"),
        Fault::Respond(503, "ServiceUnavailable"),
        Fault::Respond(502, "SomethingElse"),
    ];
    all_503_then_well(&impatient(2000, 8000).await, &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_dynamodb_is_stuck_all_is_503_and_then_well_again() {
    all_503_then_well(&impatient(500, 4000).await, &[Fault::HoldRequest(Gate::default())]).await;
}

#[tokio::test]
async fn what_is_slow_in_every_part_is_503_in_time_and_is_done_once() {
    let stack = impatient(2000, 2000).await;
    let sold = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    let issue = async || stack.operator.with_header("idempotency-key", "once").post("license-keys", body.clone()).await;
    // From what follows the claim of its key on.
    stack.faults.add(Rule::new("*", Fault::Delay(Duration::from_millis(900))).nth(3).always());
    issue().await.expect_problem(503, "unavailable");
    stack.faults.clear();
    // Whether the first try is still at it, nobody can know for a while.
    issue().await.expect_problem(409, "idempotency_in_progress");
    stack.advance(31);
    let issued = issue().await.expect_status(201);
    assert_eq!(issue().await.expect_status(201), issued);
    let list = format!("license-keys?customer_id={}", signet_tests::text(&sold.customer["id"]));
    assert_eq!(stack.operator.get(&list).await.expect_status(200)["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_transaction_that_is_throttled_is_tried_again_for_a_while() {
    let stack = Stack::start().await;
    for reason in ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"] {
        stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel(reason)).times(5));
        stack.operator.create_product().await;
        stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel(reason)).always());
        let body = json!({"code": "atlas", "name": "Atlas"});
        stack.operator.post("products", body).await.expect_problem(503, "unavailable");
        stack.faults.clear();
    }
}

#[tokio::test]
async fn one_fault_is_mended_by_the_sdk_and_many_are_503() {
    let stack = Stack::start().await;
    stack.operator.get("products").await.expect_status(200);
    let usual = stack.faults.calls().len();
    for fault in [Fault::RefuseConnection, Fault::LoseResponse, Fault::THROTTLE, Fault::SERVER_ERROR] {
        stack.faults.reset_calls();
        stack.faults.add(Rule::new("GetItem", fault.clone()));
        stack.operator.get("products").await.expect_status(200);
        assert_eq!(stack.faults.calls().len(), usual + 1, "{fault:?}: one request is repeated");

        stack.faults.add(Rule::new("*", fault.clone()).always());
        let answer = stack.operator.get("products").await;
        answer.expect_problem(503, "unavailable");
        assert!(!answer.text.contains("by the test"), "the cause is for the log alone");
        stack.faults.clear();
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_done_once() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    stack.operator.create_product().await;
    let list = stack.operator.get("products").await.expect_status(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let writes = stack.faults.calls().iter().filter(|call| *call == "TransactWriteItems").count();
    assert_eq!(writes, 2);
}

#[tokio::test]
async fn a_conflict_is_tried_again() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")).times(3));
    stack.operator.create_product().await;
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_opens() {
    let stack = Stack::start().await;
    let (gate, operator) = (Gate::default(), stack.operator.clone());
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let waiting = tokio::spawn(async move { operator.create_product().await });
    gate.wait_for_request().await;
    let list = stack.operator.get("products").await.expect_status(200);
    assert!(list["items"].as_array().unwrap().is_empty() && !waiting.is_finished());
    gate.open();
    waiting.await.unwrap();
    stack.stop().await;
}
