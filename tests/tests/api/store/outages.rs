//! Outages of DynamoDB on every operation. They also prove that the injected faults have an effect.

use std::time::Duration;

use futures_util::future::join_all;
use shared::{Timeouts, domain::rate_limit::RateLimits, store::statistics::UpdateLimits};
use signet_local::Options;
use signet_tests::{Browser, Fault, Gate, Operation, Rule, Stack, TestResponse, check_each, json};

/// Operations that need no table: documents that are generated once, and cached data.
const WITHOUT_TABLE: [&str; 11] = [
    "/.well-known/license-configuration",
    "/.well-known/jwks.jwt",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/openapi-3.0.json",
    "/llms.txt",
    "/docs",
    "/docs/{file}",
    "/problems",
    "/problems/{code}",
    "/api/v1.0/products/catalog",
];

/// Starts a stack with short timeouts, in milliseconds.
async fn start_with_timeouts(attempt: u64, request: u64) -> Stack {
    let millis = Duration::from_millis;
    let timeouts = Timeouts {
        attempt: millis(attempt),
        operation: millis(3 * attempt),
        request: millis(request),
        ..Timeouts::default()
    };
    Stack::start_with(Options { timeouts, rate_limits: RateLimits::UNLIMITED, ..Options::default() }).await
}

/// Calls every operation during each of these faults, and afterwards.
async fn assert_503_then_recovery(stack: &Stack, faults: &[Fault]) {
    let operations = stack.operations_with_own_resources().await;
    stack.anonymous.get("products/catalog").await.expect_status(200);
    let (without, with): (Vec<Operation>, Vec<Operation>) = operations
        .into_iter()
        .filter(|operation| operation.template != "/health")
        .partition(|operation| WITHOUT_TABLE.contains(&operation.template.as_str()));
    assert_eq!(without.len(), WITHOUT_TABLE.len());
    for fault in faults {
        stack.faults.add(Rule::new("*", fault.clone()).always());
        check_each(send_concurrently(&with).await, async |(response, took)| {
            response.expect_problem(503, "unavailable");
            assert!(took < Duration::from_secs(8), "{fault:?}: {} took {took:?}", response.request);
            assert!(!response.text.contains("by the test"), "the cause is only logged");
        })
        .await;
        check_each(send_concurrently(&without).await, async |(response, _)| {
            assert!(matches!(response.status, 200 | 404), "{fault:?}: {} {}", response.request, response.text);
        })
        .await;
        stack.faults.clear();
    }
    check_each(&with, async |operation| {
        let response = operation.send_valid().await;
        let is_signing_key = response.request.contains("/signing-keys/");
        assert!(response.status < if is_signing_key { 500 } else { 300 }, "{} {}", response.request, response.text);
    })
    .await;
}

async fn send_concurrently(operations: &[Operation]) -> Vec<(TestResponse, Duration)> {
    let mut tasks = tokio::task::JoinSet::new();
    for operation in operations {
        let operation = operation.clone();
        tasks.spawn(async move {
            let started = std::time::Instant::now();
            (operation.send_valid().await, started.elapsed())
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_returns_503_while_dynamodb_fails_and_recovers() {
    let faults = [
        Fault::RefuseConnection,
        Fault::Respond(400, "ThrottlingException"),
        Fault::Respond(400, "ProvisionedThroughputExceededException"),
        Fault::Respond(400, "RequestLimitExceeded"),
        Fault::Respond(500, "InternalServerError"),
        Fault::Respond(503, "ServiceUnavailable"),
        Fault::Respond(502, "SomethingElse"),
    ];
    assert_503_then_recovery(&start_with_timeouts(2000, 8000).await, &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_returns_503_while_dynamodb_hangs_and_recovers() {
    assert_503_then_recovery(&start_with_timeouts(500, 4000).await, &[Fault::HoldRequest(Gate::default())]).await;
}

#[tokio::test]
async fn public_documents_are_served_from_memory_for_a_day_while_dynamodb_is_unavailable() {
    let stack = start_with_timeouts(2000, 8000).await;
    stack.operator.create_product().await;
    let paths = ["/.well-known/jwks.json", "/.well-known/jwks.jwt", "products/catalog"];
    let mut fresh = Vec::new();
    for path in paths {
        fresh.push(stack.anonymous.get(path).await);
    }
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    for (seconds, status) in [(301, 200), (86_098, 200), (1, 503)] {
        stack.advance(seconds);
        for (path, fresh) in paths.iter().zip(&fresh) {
            let response = stack.anonymous.get(path).await;
            assert_eq!(response.status, status, "{path} after {seconds} s: {}", response.text);
            assert!(status != 200 || (&response.text, response.header("etag")) == (&fresh.text, fresh.header("etag")));
        }
    }
    stack.faults.clear();
    stack.operator.create_product().await;
    let catalog = stack.anonymous.get("products/catalog").await.expect_status(200);
    assert_eq!(catalog["products"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn failed_maintenance_and_writes_do_not_end_the_publication_of_documents() {
    let stack = start_with_timeouts(2000, 8000).await;
    let product = stack.operator.create_product().await;
    let paths = ["/.well-known/jwks.json", "/.well-known/jwks.jwt", "products/catalog"];
    for path in paths {
        stack.anonymous.get(path).await.expect_status(200);
    }
    stack.faults.add(Rule::new("TransactWriteItems", Fault::SERVER_ERROR).always());
    stack.operator.replace("products", &product, &json!({"name": "New"})).await.expect_problem(503, "unavailable");
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    stack.local.app.maintain_key_ring().await.unwrap_err();
    for path in paths {
        assert_eq!(stack.anonymous.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_wait_at_most_a_second_for_a_table_that_hangs_and_later_only_one_request_does() {
    let stack = start_with_timeouts(2000, 8000).await;
    let get = async || stack.anonymous.get("products/catalog").await;
    get().await.expect_status(200);
    stack.advance(61);
    let gate = Gate::default();
    stack.faults.add(Rule::new("Query", Fault::HoldRequest(gate.clone())).always());
    // The gate stays closed: the time limit ends the read.
    assert_eq!(get().await.header("cache-control"), "public, max-age=60");
    gate.wait_for_request().await;
    stack.advance(5);
    let others = async {
        gate.wait_for_request().await;
        stack.faults.reset_calls();
        let others = join_all((0..20).map(|_| get())).await;
        assert!(others.iter().all(|response| response.status == 200));
        assert_eq!(stack.faults.calls().len(), 0, "the others return the outdated catalog without a read");
    };
    let (retry, ()) = tokio::join!(get(), others);
    assert_eq!(retry.header("cache-control"), "public, max-age=60");
}

#[tokio::test]
async fn outdated_documents_are_returned_at_once_and_outdated_keys_sign_nothing() {
    let stack = start_with_timeouts(2000, 8000).await;
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
    stack.faults.add(Rule::new("Query", Fault::RefuseConnection).always());
    stack.advance(301);
    // Also a request that fails for want of fresh keys.
    stack.anonymous.heartbeat(signet_tests::text(&activated["token"]), "one").await.expect_problem(503, "unavailable");
    let stale = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!((stale.status, stale.header("cache-control")), (200, "public, max-age=60"));
    stack.faults.reset_calls();
    let stale = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!((stale.status, stack.faults.calls().len()), (200, 0), "the next attempt is five seconds later");
    stack.advance(5);
    stack.faults.clear();
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
}

#[tokio::test]
async fn slow_request_returns_503_at_the_timeout_and_takes_effect_once() {
    let stack = start_with_timeouts(2000, 2000).await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let issue = async || stack.operator.with_header("idempotency-key", "once").post("license-keys", body.clone()).await;
    // Starts after the idempotency record is reserved.
    stack.faults.add(Rule::new("*", Fault::Delay(Duration::from_millis(900))).nth(3).always());
    issue().await.expect_problem(503, "unavailable");
    stack.faults.clear();
    // The first request may still be running.
    issue().await.expect_problem(409, "idempotency_in_progress");
    stack.advance(31);
    let issued = issue().await.expect_status(201);
    assert_eq!(issue().await.expect_status(201), issued);
    let list = format!("license-keys?customer_id={}", signet_tests::text(&license.customer["id"]));
    assert_eq!(stack.operator.get(&list).await.expect_status(200)["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn throttled_transaction_is_retried_until_the_deadline() {
    // At once, because each waits for the deadline.
    let reasons = ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"];
    join_all(reasons.map(assert_retried_until_the_deadline)).await;
}

async fn assert_retried_until_the_deadline(reason: &'static str) {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel(reason)).times(5));
    stack.operator.create_product().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel(reason)).always());
    let body = json!({"code": "atlas", "name": "Atlas"});
    stack.operator.post("products", body).await.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn single_failure_is_retried_and_repeated_failures_return_503() {
    let stack = Stack::start().await;
    stack.operator.get("products").await.expect_status(200);
    let expected = stack.faults.calls().len();
    for fault in [Fault::RefuseConnection, Fault::LoseResponse, Fault::THROTTLE, Fault::SERVER_ERROR] {
        stack.faults.reset_calls();
        stack.faults.add(Rule::new("GetItem", fault.clone()));
        stack.operator.get("products").await.expect_status(200);
        assert_eq!(stack.faults.calls().len(), expected + 1, "{fault:?}: one request is retried");

        stack.faults.add(Rule::new("*", fault.clone()).always());
        let response = stack.operator.get("products").await;
        response.expect_problem(503, "unavailable");
        assert!(!response.text.contains("by the test"), "the cause is only logged");
        stack.faults.clear();
    }
}

#[tokio::test]
async fn write_with_a_lost_response_takes_effect_once() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    stack.operator.create_product().await;
    let list = stack.operator.get("products").await.expect_status(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let writes = stack.faults.calls().iter().filter(|call| *call == "TransactWriteItems").count();
    assert_eq!(writes, 2);
}

#[tokio::test]
async fn transaction_conflict_is_retried() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")).times(3));
    stack.operator.create_product().await;
}

#[tokio::test]
async fn gate_holds_a_request_until_it_opens() {
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

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_waits_for_the_statistics() {
    // Long enough that only a held request can reach them.
    let stack = start_with_timeouts(20_000, 60_000).await;
    let operations = stack.operations_with_own_resources().await;
    stack.faults.add(Rule::new("*", Fault::HoldRequest(Gate::default())).containing("STATISTICS").always());
    let requests = async {
        check_each(send_concurrently(&operations).await, async |(response, _)| {
            assert!(response.status < 300 || response.request.contains("/signing-keys/"), "{}", response.request);
        })
        .await;
        let mut grace = Browser::operator(&stack).await;
        for path in ["/dashboard/license-keys", "/dashboard/customers", "/dashboard/products"] {
            grace.get(path).await.expect_status(200);
        }
    };
    let update = stack.local.app.table.update_statistics(stack.clock.now(), UpdateLimits::default());
    tokio::select! {
        _ = update => panic!("the update needs the statistics, and nothing else waits for them"),
        () = requests => {}
    }
}

#[tokio::test]
async fn start_with_an_existing_table_takes_the_same_time_for_any_number_of_items() {
    let stack = Stack::start().await;
    stack.faults.reset_calls();
    stack.local.app.table.create_if_missing().await.unwrap();
    // Not `DescribeTable`, for which dynoxide counts all items.
    assert_eq!(stack.faults.calls(), [&["Query"; 9][..], &["DescribeTimeToLive"]].concat());
}
