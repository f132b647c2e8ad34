//! Whether what we need answers.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::time::{Duration, Instant};

use reqwest::Method;
use shared::{AppState, auth::Oidc};
use signet_local::all_routes;
use signet_tests::{Client, Fault, Gate, Rule, Stack, TestResponse, Value, json};

/// What each check says, without how long it took.
fn checks(answer: &TestResponse) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = answer.body["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            assert!(check["latency_ms"].is_u64(), "{check}");
            (word(&check["name"]), word(&check["status"]))
        })
        .collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

const WELL: [(&str, &str); 4] = [("dynamodb", "ok"), ("signing", "ok"), ("signed_keys", "ok"), ("oidc", "ok")];

/// All is well but for one.
fn but(name: &str, status: &str) -> Vec<(String, String)> {
    said(&WELL.map(|(own, ok)| (own, if own == name { status } else { ok })))
}

#[tokio::test]
async fn health_200() {
    let stack = Stack::start().await;
    let answer = stack.anonymous.get("/health").await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")));
    assert_eq!(checks(&answer), said(&WELL));
    assert_eq!(answer.body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let head = stack.anonymous.send(Method::HEAD, "/health", |request| request).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), answer.text.len().to_string());
}

#[tokio::test]
async fn health_503_while_dynamodb_is_away() {
    let stack = Stack::start().await;
    stack.anonymous.get("/health").await.expect_status(200);
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    // What was found out a moment ago still holds.
    stack.advance(4);
    stack.anonymous.get("/health").await.expect_status(200);
    stack.advance(1);
    let answer = stack.anonymous.get("/health").await;
    assert_eq!((answer.status, &answer.body["status"]), (503, &json!("down")));
    assert_eq!(checks(&answer), but("dynamodb", "down"));
    assert_eq!((answer.header("content-type"), answer.header("retry-after")), ("application/json", "5"));
    for inner in ["by the test", "connection", "127.0.0.1", "error"] {
        assert!(!answer.text.contains(inner), "a caller learns what, not why: {}", answer.text);
    }
    assert_eq!(stack.anonymous.send(Method::HEAD, "/health", |request| request).await.status, 503);
    stack.faults.clear();
    stack.anonymous.get("/health").await.expect_status(503);
    stack.advance(5);
    assert_eq!(checks(&stack.anonymous.get("/health").await), said(&WELL));
}

#[tokio::test]
async fn health_costs_one_read_in_five_seconds_however_many_ask() {
    let stack = Stack::start().await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("GetItem", Fault::HoldRequest(gate.clone())));
    let ask = || {
        let client = stack.anonymous.clone();
        tokio::spawn(async move { client.get("/health").await.expect_status(200) })
    };
    let mut asked: Vec<_> = (0..20).map(|_| ask()).collect();
    gate.wait_for_request().await;
    asked.extend((0..20).map(|_| ask()));
    gate.open();
    for one in asked {
        one.await.unwrap();
    }
    stack.advance(4);
    stack.anonymous.get("/health").await.expect_status(200);
    assert_eq!(stack.faults.calls(), ["GetItem"]);
    stack.advance(1);
    stack.anonymous.get("/health").await.expect_status(200);
    assert_eq!(stack.faults.calls(), ["GetItem", "GetItem"]);
}

#[tokio::test]
async fn health_waits_for_nothing_longer_than_two_seconds() {
    let stack = Stack::start().await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("*", Fault::HoldRequest(gate.clone())).always());
    let begun = Instant::now();
    let answer = stack.anonymous.get("/health").await;
    let took = begun.elapsed();
    assert_eq!((answer.status, &checks(&answer)[0].1), (503, &"down".to_owned()));
    assert!(Duration::from_secs(2) <= took && took < Duration::from_secs(4), "{took:?}");
    gate.open();
}

#[tokio::test]
async fn health_503_without_a_key_that_signs() {
    let stack = Stack::start().await;
    let kid = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200)["keys"][0]["kid"].clone();
    let retire = json!({
        "Key": {"PK": {"S": "KEYRING"}, "SK": {"S": format!("KEY#{}", kid.as_str().unwrap())}},
        "UpdateExpression": "SET #state = :state",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":state": {"S": "previous"}},
    });
    stack.call_dynamodb("UpdateItem", retire).await;
    // The copy of the key ring is read anew.
    stack.advance(300);
    let answer = stack.anonymous.get("/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(checks(&answer), but("signing", "down"));
}

#[tokio::test]
async fn health_200_degraded_while_nobody_looks_after_the_signing_keys() {
    let stack = Stack::start().await;
    stack.advance(2 * 86_400 - 1);
    assert_eq!(checks(&stack.anonymous.get("/health").await), said(&WELL));
    stack.advance(5);
    let answer = stack.anonymous.get("/health").await;
    assert_eq!((answer.status, checks(&answer)), (200, but("signed_keys", "degraded")));
    stack.local.app.maintain_key_ring().await.unwrap();
    stack.advance(5);
    assert_eq!(checks(&stack.anonymous.get("/health").await), said(&WELL));
}

/// Asks a server with the stack's parts but for the issuer of bearer tokens.
async fn with_issuer(stack: &Stack, oidc: Option<Oidc>) -> Client {
    let app = AppState { oidc, ..stack.local.app.clone() };
    stack.serve_routes(all_routes().split_for_parts().0, &app).await
}

#[tokio::test]
async fn health_200_degraded_without_the_keys_of_the_issuer() {
    let stack = Stack::start().await;
    let without = with_issuer(&stack, None).await.get("/health").await;
    assert_eq!(checks(&without), said(&WELL[..3]));

    let settings = stack.local.app.settings.oidc.clone().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let away = Oidc::new(&shared::auth::OidcSettings { issuer: url.clone(), ..settings.clone() }).unwrap();
    let answer = with_issuer(&stack, Some(away)).await.get("/health").await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("degraded")));
    assert_eq!(checks(&answer), but("oidc", "degraded"));
    assert!(!answer.text.contains(&url));
}
