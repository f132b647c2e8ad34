//! The health endpoint.

use std::time::{Duration, Instant};

use reqwest::Method;
use shared::{AppState, auth::Oidc};
use signet_local::all_routes;
use signet_tests::{Client, Fault, Gate, Rule, Stack, TestResponse, Value, json};

/// Returns the name and status of each check, without its latency.
fn checks(response: &TestResponse) -> Vec<(String, String)> {
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = response.body["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            assert!(check["latency_ms"].is_u64(), "{check}");
            (string(&check["name"]), string(&check["status"]))
        })
        .collect()
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

const ALL_OK: [(&str, &str); 4] = [("dynamodb", "ok"), ("signing", "ok"), ("signed_keys", "ok"), ("oidc", "ok")];

/// Returns the checks with all statuses `ok` except one.
fn all_ok_except(name: &str, status: &str) -> Vec<(String, String)> {
    expected(&ALL_OK.map(|(own, ok)| (own, if own == name { status } else { ok })))
}

#[tokio::test]
async fn health_returns_200_with_all_checks() {
    let stack = Stack::start().await;
    let response = stack.anonymous.get("/health").await;
    assert_eq!((response.status, &response.body["status"]), (200, &json!("ok")));
    assert_eq!(checks(&response), expected(&ALL_OK));
    assert_eq!(response.body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(response.header("cache-control"), "no-store");
    let head = stack.anonymous.send(Method::HEAD, "/health", |request| request).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), response.text.len().to_string());
}

#[tokio::test]
async fn health_returns_503_while_dynamodb_is_unreachable() {
    let stack = Stack::start().await;
    stack.anonymous.get("/health").await.expect_status(200);
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    // The result is cached for five seconds.
    stack.advance(4);
    stack.anonymous.get("/health").await.expect_status(200);
    stack.advance(1);
    let response = stack.anonymous.get("/health").await;
    assert_eq!((response.status, &response.body["status"]), (503, &json!("down")));
    assert_eq!(checks(&response), all_ok_except("dynamodb", "down"));
    assert_eq!((response.header("content-type"), response.header("retry-after")), ("application/json", "5"));
    for inner in ["by the test", "connection", "127.0.0.1", "error"] {
        assert!(!response.text.contains(inner), "the cause is only logged: {}", response.text);
    }
    assert_eq!(stack.anonymous.send(Method::HEAD, "/health", |request| request).await.status, 503);
    stack.faults.clear();
    stack.anonymous.get("/health").await.expect_status(503);
    stack.advance(5);
    assert_eq!(checks(&stack.anonymous.get("/health").await), expected(&ALL_OK));
}

#[tokio::test]
async fn health_makes_one_read_in_five_seconds_for_all_requests() {
    let stack = Stack::start().await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("GetItem", Fault::HoldRequest(gate.clone())));
    let send = || {
        let client = stack.anonymous.clone();
        tokio::spawn(async move { client.get("/health").await.expect_status(200) })
    };
    let mut tasks: Vec<_> = (0..20).map(|_| send()).collect();
    gate.wait_for_request().await;
    tasks.extend((0..20).map(|_| send()));
    gate.open();
    for task in tasks {
        task.await.unwrap();
    }
    stack.advance(4);
    stack.anonymous.get("/health").await.expect_status(200);
    assert_eq!(stack.faults.calls(), ["GetItem"]);
    stack.advance(1);
    stack.anonymous.get("/health").await.expect_status(200);
    assert_eq!(stack.faults.calls(), ["GetItem", "GetItem"]);
}

#[tokio::test]
async fn health_returns_503_after_two_seconds_when_a_check_hangs() {
    let stack = Stack::start().await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("*", Fault::HoldRequest(gate.clone())).always());
    let started = Instant::now();
    let response = stack.anonymous.get("/health").await;
    let took = started.elapsed();
    assert_eq!((response.status, &checks(&response)[0].1), (503, &"down".to_owned()));
    assert!(Duration::from_secs(2) <= took && took < Duration::from_secs(4), "{took:?}");
    gate.open();
}

#[tokio::test]
async fn health_returns_503_without_a_current_signing_key() {
    let stack = Stack::start().await;
    let kid = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200)["keys"][0]["kid"].clone();
    let retire = json!({
        "Key": {"PK": {"S": "KEYRING"}, "SK": {"S": format!("KEY#{}", kid.as_str().unwrap())}},
        "UpdateExpression": "SET #state = :state",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":state": {"S": "previous"}},
    });
    stack.call_dynamodb("UpdateItem", retire).await;
    // The key ring cache expires.
    stack.advance(300);
    let response = stack.anonymous.get("/health").await;
    assert_eq!(response.status, 503);
    assert_eq!(checks(&response), all_ok_except("signing", "down"));
}

#[tokio::test]
async fn health_returns_degraded_when_the_key_ring_is_not_maintained() {
    let stack = Stack::start().await;
    stack.advance(2 * 86_400 - 1);
    assert_eq!(checks(&stack.anonymous.get("/health").await), expected(&ALL_OK));
    stack.advance(5);
    let response = stack.anonymous.get("/health").await;
    assert_eq!((response.status, checks(&response)), (200, all_ok_except("signed_keys", "degraded")));
    stack.local.app.maintain_key_ring().await.unwrap();
    stack.advance(5);
    assert_eq!(checks(&stack.anonymous.get("/health").await), expected(&ALL_OK));
}

/// Starts a server on the stack's state with another OIDC issuer.
async fn serve_with_issuer(stack: &Stack, oidc: Option<Oidc>) -> Client {
    let app = AppState { oidc, ..stack.local.app.clone() };
    stack.serve_routes(all_routes(), &app).await
}

#[tokio::test]
async fn health_returns_degraded_when_the_oidc_issuer_is_unreachable() {
    let stack = Stack::start().await;
    let without = serve_with_issuer(&stack, None).await.get("/health").await;
    assert_eq!(checks(&without), expected(&ALL_OK[..3]));

    let settings = stack.local.app.settings.oidc.clone().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let unreachable = Oidc::new(&shared::auth::OidcSettings { issuer: url.clone(), ..settings.clone() }).unwrap();
    let response = serve_with_issuer(&stack, Some(unreachable)).await.get("/health").await;
    assert_eq!((response.status, &response.body["status"]), (200, &json!("degraded")));
    assert_eq!(checks(&response), all_ok_except("oidc", "degraded"));
    assert!(!response.text.contains(&url));
}
