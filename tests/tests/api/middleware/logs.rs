//! The request log and the CloudWatch metrics in it.

use std::collections::BTreeSet;

use axum::{Router, routing::get};
use reqwest::Method;
use shared::{domain::rate_limit::RateLimits, http::log::Format};
use signet_local::Options;
use signet_tests::{Fault, Gate, Logs, Rule, Stack, Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Removes the fields of a log line whose values are unpredictable.
fn predictable_fields(mut line: Value) -> Value {
    let fields = line.as_object_mut().unwrap();
    for name in ["timestamp", "trace_id", "latency_ms"] {
        assert!(fields.remove(name).is_some(), "no {name}");
    }
    line
}

#[tokio::test]
async fn each_request_is_logged_as_one_line() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let key = stack.local.operator_api_key.expose().split('_').nth(2).unwrap().to_owned();
    let product = stack.operator.create_product().await;
    logs.clear();
    let path = format!("products/{}?x={}", product["id"].as_str().unwrap(), "a");
    let response = stack.operator.get(&path).await;
    assert_eq!(response.status, 200);
    let lines = logs.lines();
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    let trace = line["trace_id"].as_str().unwrap();
    assert_eq!(response.header("x-request-id"), trace);
    assert!(trace.len() == 32 && trace.bytes().all(|letter| letter.is_ascii_hexdigit()), "{trace}");
    assert_eq!(
        predictable_fields(line.clone()),
        json!({
            "level": "INFO", "message": "request", "method": "GET", "route": "/api/v1.0/products/{id}", "status": 200,
            "actor": "api_key", "actor_id": format!("key_{key}"),
        })
    );
    // The problem and the log line have the same trace id, and the line has the problem's code.
    logs.clear();
    let rejected = stack.anonymous.get("/nothing/at/all?key=1").await;
    let line = logs.last_request();
    assert_eq!((logs.lines().len(), &line["trace_id"]), (1, &rejected.body["trace_id"]));
    let mut line = predictable_fields(line);
    line.as_object_mut().unwrap().remove("_aws").unwrap();
    assert_eq!(
        line,
        json!({
            "level": "INFO", "message": "request", "method": "GET", "status": 404, "code": "not_found", "refused": 1,
        })
    );
}

#[tokio::test]
async fn the_log_line_has_the_authenticated_actor() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let ada = stack.sign_in("ada@example.com", "openid email").await;
    let actor = || (logs.last_request()["actor"].clone(), logs.last_request()["actor_id"].clone());
    let app = |id: &Value| (json!("app"), id.clone());

    ada.get("user/licenses").await.expect_status(200);
    let (kind, subject) = actor();
    assert_eq!(kind, "user");
    assert!(!subject.as_str().unwrap().contains('@'), "{subject}");
    stack.anonymous.post("license-keys/validate", json!({"license_key": license.license_key})).await.expect_status(200);
    assert_eq!(actor(), app(&license.license_id.as_str().into()));
    stack.anonymous.post("license-keys/validate", json!({"token": license.issued["token"]})).await.expect_status(200);
    assert_eq!(actor(), app(&license.license_id.as_str().into()));
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(actor(), app(&license.license_id.as_str().into()));
    stack.anonymous.heartbeat(activated["token"].as_str().unwrap(), "one").await.expect_status(200);
    assert_eq!(actor(), app(&activated["activation"]["id"]));
    stack
        .anonymous
        .heartbeat(activated["token"].as_str().unwrap(), "two")
        .await
        .expect_problem(403, "machine_mismatch");
    assert_eq!(actor(), app(&activated["activation"]["id"]));

    for response in [
        stack.anonymous.get("products/catalog").await,
        stack.anonymous.get("products").await,
        stack.anonymous.with_api_key(&format!("{}0", stack.local.operator_api_key.expose())).get("products").await,
        stack.anonymous.with_header("authorization", "Bearer a.b.c").get("products").await,
        stack.anonymous.activate("ATLAS-00000", "one").await,
        stack.anonymous.heartbeat("a.b.c", "one").await,
    ] {
        assert_eq!(actor(), (Value::Null, Value::Null), "{}", response.request);
    }
}

#[tokio::test]
async fn an_error_is_logged_once_with_its_cause() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    logs.clear();
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    let response = stack.operator.get("products").await;
    response.expect_problem(503, "unavailable");
    let lines = logs.lines();
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    assert_eq!((&line["level"], &line["code"], &line["status"]), (&json!("ERROR"), &json!("unavailable"), &json!(503)));
    let cause = line["cause"].as_str().unwrap();
    assert!(cause.contains("connection refused by the test"), "{cause}");
    assert!(!response.text.contains("by the test"));
    // Also with an Idempotency-Key, where an inner middleware creates the response.
    logs.clear();
    stack.faults.clear();
    stack.faults.add(Rule::new("Query", Fault::RefuseConnection).always());
    let idempotent = stack.operator.with_header("idempotency-key", "a");
    idempotent.post("products", json!({"code": "atlas", "name": "Atlas"})).await.expect_problem(503, "unavailable");
    let failed: Vec<_> = logs.lines().into_iter().filter(|line| line["level"] == "ERROR").collect();
    let [line] = &failed[..] else { panic!("one line: {failed:?}") };
    assert!(line["cause"].as_str().unwrap().contains("by the test") && line["code"] == "unavailable", "{line}");
    // Other lines that are logged during the request have its trace id.
    stack.advance(3600);
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    logs.clear();
    stack.anonymous.get("/health").await.expect_status(503);
    let trace = logs.last_request()["trace_id"].clone();
    let failed: Vec<_> = logs.lines().into_iter().filter(|line| line["message"] == "a health check failed").collect();
    assert!(failed.len() >= 2 && failed.iter().all(|line| line["trace_id"] == trace), "{failed:?}");
    assert!(failed.iter().all(|line| line["level"] == "WARN" && line["cause"].is_string()), "{failed:?}");
}

#[tokio::test]
async fn a_panic_is_logged() {
    async fn panics() -> &'static str {
        panic!("a panic in the test's handler")
    }
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let routes = Router::new().route("/broken", get(panics));
    let response = stack.serve_routes(routes, &stack.local.app).await.get("/broken").await;
    let line = logs.last_request();
    assert_eq!((&line["level"], &line["status"], &line["route"]), (&json!("ERROR"), &json!(500), &json!("/broken")));
    assert_eq!((&line["cause"], &line["code"]), (&json!("a handler panicked"), &json!("internal_error")));
    assert_eq!(line["trace_id"], response.body["trace_id"]);
}

#[tokio::test]
async fn a_disconnected_client_is_logged() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("Query", Fault::HoldRequest(gate.clone())).always());
    let address = stack.local.base_url.trim_start_matches("http://").to_owned();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let key = stack.local.operator_api_key.expose();
    let request = format!("GET /api/v1.0/customers HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    gate.wait_for_request().await;
    logs.clear();
    drop(socket);
    while logs.text().is_empty() {
        tokio::task::yield_now().await;
    }
    let line = logs.last_request();
    assert_eq!((&line["level"], &line["status"]), (&json!("WARN"), &Value::Null));
    assert_eq!((&line["route"], &line["actor"]), (&json!("/api/v1.0/customers"), &json!("api_key")));
    assert_eq!(line["cause"], "the client disconnected before the response");
    gate.open();
}

#[tokio::test]
async fn the_log_contains_no_client_supplied_values() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    logs.clear();
    let secret = "7K3QM0V2ND4W8XT6RJ5H1CBYE9QXZT";
    for header in ["x-amzn-trace-id", "user-agent", "host", "idempotency-key", "if-none-match", "origin", "cookie"] {
        let value = if header == "x-amzn-trace-id" { format!("Root={secret}") } else { secret.to_owned() };
        stack.operator.with_header(header, &value).post(&format!("x/{secret}?a={secret}"), json!({"a": secret})).await;
    }
    let method = Method::from_bytes(secret.as_bytes()).unwrap();
    stack.operator.send(method, "products", |request| request).await.expect_problem(405, "method_not_allowed");
    assert_eq!(logs.requests().len(), 8);
    assert!(!logs.text().contains(&secret[..10]), "{}", logs.text());
}

/// Returns the metrics of a log line, each with its dimension and its value. Asserts that they conform to the
/// specification of CloudWatch's embedded metric format, both its JSON schema and its text.
fn metrics(line: &Value) -> BTreeSet<String> {
    let root = line.as_object().unwrap();
    let Some(metadata) = root.get("_aws") else { return BTreeSet::new() };
    let stamp = metadata["Timestamp"].as_i64().unwrap();
    let written: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(stamp, written.as_millisecond(), "milliseconds since the Unix epoch");
    assert_eq!(metadata.as_object().unwrap().len(), 2);
    let directives = metadata["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty(), "{line}");
    let mut found = BTreeSet::new();
    for directive in directives {
        let names: BTreeSet<_> = directive.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["Dimensions", "Metrics", "Namespace"]));
        assert_eq!(directive["Namespace"], "Signet");
        let [dimensions] = directive["Dimensions"].as_array().unwrap().as_slice() else { panic!("{line}") };
        let [dimension] = dimensions.as_array().unwrap().as_slice() else { panic!("{line}") };
        let name = dimension.as_str().unwrap();
        let value = root[name].as_str().unwrap();
        assert!((1..=1024).contains(&value.len()), "{line}");
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            assert_eq!(metric.as_object().unwrap().len(), 1, "{line}");
            let metric = metric["Name"].as_str().unwrap();
            let count = root[metric].as_u64().unwrap();
            assert!(found.insert(format!("{metric} {name}={value} {count}")), "{line}");
        }
    }
    found
}

fn metric_set(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|metric| (*metric).to_owned()).collect()
}

#[tokio::test]
async fn metrics_are_part_of_the_request_line() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let last = || metrics(&logs.last_request());
    let tier = json!({"token_ttl_seconds": 3600, "heartbeat_interval_seconds": 600, "max_users": 1});
    let license = stack.operator.issue_new_license_with(&tier).await;
    assert_eq!(last(), metric_set(&["issued function=local 1", "signatures function=local 1"]));

    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(last(), metric_set(&["activated function=local 1", "signatures function=local 1"]));
    stack.anonymous.activate(&license.license_key, "one").await.expect_status(200);
    assert_eq!(last(), metric_set(&["signatures function=local 1"]), "the machine already had its seat");
    stack.anonymous.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(last(), metric_set(&["refused code=seat_limit_reached 1"]));

    let token = activated["token"].as_str().unwrap();
    assert_eq!(stack.anonymous.heartbeat(token, "one").await.expect_status(200)["renewed"], false);
    assert_eq!(last(), metric_set(&["heartbeats function=local 1"]), "the token was returned unchanged");
    stack.advance(1800);
    assert_eq!(stack.anonymous.heartbeat(token, "one").await.expect_status(200)["renewed"], true);
    assert_eq!(last(), metric_set(&["heartbeats function=local 1", "signatures function=local 1"]));
    stack.anonymous.post("license-keys/validate", json!({"token": token})).await.expect_status(200);
    assert_eq!(last(), metric_set(&[]));

    let path = format!("license-keys/{}", license.license_id);
    stack.operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    assert_eq!(last(), metric_set(&["signatures function=local 1"]), "the license key is the same");
    stack.anonymous.heartbeat(token, "one").await.expect_problem(403, "generation_outdated");
    assert_eq!(last(), metric_set(&["refused code=generation_outdated 1"]));
    stack.operator.get(&path).await.expect_status(200);
    assert_eq!(last(), metric_set(&[]));
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    stack.operator.get("products").await.expect_status(503);
    assert_eq!(last(), metric_set(&[]), "server errors are not counted as refused");
    for line in logs.requests() {
        metrics(&line);
    }
}

#[tokio::test]
async fn a_replay_counts_only_its_rejection() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let last = || metrics(&logs.last_request());
    let license = stack.operator.issue_new_license(1).await;
    let issue = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let idempotent = stack.operator.with_header("idempotency-key", "a");
    idempotent.post("license-keys", issue.clone()).await.expect_status(201);
    assert_eq!(last(), metric_set(&["issued function=local 1", "signatures function=local 1"]));
    idempotent.post("license-keys", issue).await.expect_status(201);
    assert_eq!(last(), metric_set(&[]));
    let invalid = stack.operator.with_header("idempotency-key", "b");
    for _ in 0..2 {
        invalid
            .post("products", json!({"code": "-", "name": "Atlas"}))
            .await
            .expect_errors(422, &["/code invalid_value"]);
        assert_eq!(last(), metric_set(&["refused code=invalid_value 1"]));
        assert_eq!(logs.last_request()["code"], "invalid_value");
    }
}

#[tokio::test]
async fn a_repeated_claim_counts_one_issued_license() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let tier = stack.operator.create_tier(&product, &json!({"is_claimable": true})).await;
    let ada = stack.sign_in("ada@example.com", "openid email").await;
    ada.post("register", json!({"name": "Ada"})).await.expect_status(201);
    for (status, expected) in [(201, &["issued function=local 1", "signatures function=local 1"][..]), (200, &[])] {
        ada.post("user/claim-license", json!({"tier_id": tier["id"]})).await.expect_status(status);
        assert_eq!(metrics(&logs.last_request()), metric_set(expected));
    }
}

#[tokio::test]
async fn throttled_requests_are_counted_as_rate_limited() {
    let logs = Logs::capture();
    let options = Options { rate_limits: RateLimits::default(), ..Options::default() };
    let stack = Stack::start_with(options).await;
    let mut response = stack.anonymous.with_api_key("signet_x").get("products").await;
    for _ in 0..100 {
        if response.status == 429 {
            break;
        }
        assert_eq!(metrics(&logs.last_request()), metric_set(&["refused code=unauthenticated 1"]));
        response = stack.anonymous.with_api_key("signet_x").get("products").await;
    }
    response.expect_problem(429, "rate_limited");
    assert_eq!(metrics(&logs.last_request()), metric_set(&["rate_limited function=local 1"]));
}

#[tokio::test]
async fn the_text_format_omits_metrics() {
    let logs = Logs::capture_as(Format::Text { colors: false });
    let stack = Stack::start().await;
    logs.clear();
    stack.operator.issue_new_license(1).await;
    stack.anonymous.get("license-keys").await.expect_problem(401, "unauthenticated");
    let text = logs.text();
    let issued =
        text.lines().find(|line| line.contains("method=POST route=/api/v1.0/license-keys status=201")).unwrap();
    for field in [" INFO request ", " latency_ms=", " actor=api_key actor_id=key_", " trace_id="] {
        assert!(issued.contains(field), "{issued}");
    }
    assert!(text.contains(" status=401 ") && text.contains(" code=unauthenticated "), "{text}");
    for metric in ["_aws", "CloudWatch", "issued", "signatures", "refused", "\u{1b}", "{"] {
        assert!(!text.contains(metric), "{metric}: {text}");
    }
}
