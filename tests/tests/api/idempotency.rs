//! `Idempotency-Key`: a repeated request returns the stored response, and its effect happens once.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use shared::domain::Scope;
use signet_tests::{Client, Fault, Gate, Rule, Stack, TestResponse, Value, json, merged, random_word};

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
/// in `signing_keys.rs`: they need a key ring in a certain state.
async fn cases(stack: &Stack) -> Vec<Case> {
    let mut operations = stack.operations().await;
    operations.retain(|operation| {
        let parameters = operation.spec["parameters"].as_array().into_iter().flatten();
        let is_supported = parameters.into_iter().any(|one| one["$ref"] == "#/components/parameters/IdempotencyKey");
        is_supported && !operation.template.contains("/signing-keys/")
    });
    let cases = operations.into_iter().map(|operation| {
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

/// Returns the table's items, except idempotency records and the times at which API keys were last used.
async fn snapshot(stack: &Stack) -> Snapshot {
    let mut items = stack.items().await;
    items.retain(|item| !item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#"));
    let mut texts = Vec::new();
    for mut item in items {
        item.as_object_mut().unwrap().remove("last_used_at");
        texts.push(sorted_text(&item));
    }
    texts.sort();
    Snapshot(texts)
}

/// Formats JSON with sorted fields, because their order differs between scans.
fn sorted_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut texts: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}: {}", sorted_text(value))).collect();
            texts.sort();
            texts.join(", ")
        }
        Value::Array(values) => values.iter().map(sorted_text).collect::<Vec<_>>().join("; "),
        value => value.to_string(),
    }
}

#[derive(PartialEq, Eq)]
struct Snapshot(Vec<String>);

impl std::fmt::Debug for Snapshot {
    /// Formats only the number of items, because the items are too long for an assertion message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} items", self.0.len())
    }
}

/// Returns the number of idempotency records.
async fn record_count(stack: &Stack) -> usize {
    let is_record = |item: &Value| item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#");
    stack.items().await.iter().filter(|item| is_record(item)).count()
}

/// Lets all writes fail except the one that reserves the record, as if the process died after the reservation.
fn fail_after_reservation(stack: &Stack) {
    for operation in ["TransactWriteItems", "UpdateItem", "DeleteItem"] {
        stack.faults.add(Rule::new(operation, Fault::RefuseConnection).always());
    }
}

#[tokio::test]
async fn a_repeated_request_returns_the_stored_response_without_effect() {
    let stack = Stack::start().await;
    for (index, case) in cases(&stack).await.into_iter().enumerate() {
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
    }
}

#[tokio::test]
async fn a_repeat_returns_the_result_when_the_first_response_was_lost() {
    let stack = Stack::start().await;
    for (index, case) in cases(&stack).await.into_iter().enumerate() {
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
    }
}

#[tokio::test]
async fn a_repeat_performs_a_request_that_failed() {
    let stack = Stack::start().await;
    for (index, case) in cases(&stack).await.into_iter().enumerate() {
        let (key, before) = (format!("key-{index}"), snapshot(&stack).await);
        stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).always());
        case.send(&key).await.expect_problem(503, "unavailable");
        stack.faults.clear();
        assert_eq!((snapshot(&stack).await, record_count(&stack).await), (before, index), "{}", case.path);
        let response = case.send(&key).await;
        assert_eq!(response.status, case.status, "{}: {}", case.path, response.text);
        assert_eq!(replayed_parts(&case.send(&key).await), replayed_parts(&response), "{}", case.path);
    }
}

#[tokio::test]
async fn an_abandoned_reservation_is_taken_over_after_30_seconds() {
    let stack = Stack::start().await;
    let cases = cases(&stack).await;
    let before = snapshot(&stack).await;
    let key = |index| format!("key-{index}");
    fail_after_reservation(&stack);
    for (index, case) in cases.iter().enumerate() {
        case.send(&key(index)).await.expect_problem(503, "unavailable");
    }
    stack.faults.clear();
    for seconds in [0, 29] {
        stack.advance(seconds);
        for (index, case) in cases.iter().enumerate() {
            case.send(&key(index)).await.expect_problem(409, "idempotency_in_progress");
            case.send_other(&key(index)).await.expect_problem(422, "idempotency_key_reused");
        }
    }
    assert_eq!(snapshot(&stack).await, before);
    stack.advance(1);
    for (index, case) in cases.iter().enumerate() {
        let response = case.send(&key(index)).await;
        assert_eq!(response.status, case.status, "{}: {}", case.path, response.text);
        let done = snapshot(&stack).await;
        assert_eq!(replayed_parts(&case.send(&key(index)).await), replayed_parts(&response), "{}", case.path);
        assert_eq!(snapshot(&stack).await, done, "{}: it took effect once", case.path);
    }
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
    slow.await.unwrap().expect_problem(409, "idempotency_in_progress");
    assert_eq!(replayed_parts(&client.post("license-keys", body).await), replayed_parts(&response));
    let list =
        stack.operator.get(&format!("license-keys?customer_id={}", license.customer["id"].as_str().unwrap())).await;
    assert_eq!(list.expect_status(200)["items"].as_array().unwrap().len(), 2, "the first license, and one more");
}

#[tokio::test]
async fn concurrent_requests_with_one_key_take_effect_once() {
    let stack = Stack::start().await;
    let (single, concurrent) = (cases(&stack).await, cases(&stack).await);
    for (index, (single, concurrent)) in single.into_iter().zip(concurrent).enumerate() {
        let before = snapshot(&stack).await.0.len();
        assert_eq!(single.send(&format!("single-{index}")).await.status, single.status);
        let between = snapshot(&stack).await.0.len();
        let key = format!("concurrent-{index}");
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (case, key) = (concurrent.clone(), key.clone());
                tokio::spawn(async move { case.send(&key).await })
            })
            .collect();
        let mut responses = Vec::new();
        for task in tasks {
            responses.push(task.await.unwrap());
        }
        let last = concurrent.send(&key).await;
        assert_eq!(last.status, concurrent.status, "{}: {}", concurrent.path, last.text);
        for response in &responses {
            if response.status == 409 {
                response.expect_problem(409, "idempotency_in_progress");
            } else {
                assert_eq!(replayed_parts(response), replayed_parts(&last), "{}", concurrent.path);
            }
        }
        assert_eq!(snapshot(&stack).await.0.len() - between, between - before, "{}: one effect", concurrent.path);
    }
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

#[tokio::test]
async fn a_record_expires_after_24_hours() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let client = stack.operator.with_header(HEADER, "day");
    let first = client.post("license-keys", body.clone()).await;
    assert_eq!(first.status, 201);
    stack.advance(86_399);
    assert_eq!(replayed_parts(&client.post("license-keys", body.clone()).await), replayed_parts(&first));
    stack.advance(1);
    let next = client.post("license-keys", body.clone()).await.expect_status(201);
    assert_ne!(next["license"]["id"], first.body["license"]["id"]);
    // An expired key can also be used with another body.
    stack.advance(86_400);
    client.post("license-keys", merged(body, &json!({"max_users": 3}))).await.expect_status(201);
}

#[tokio::test]
async fn error_responses_are_stored_and_replayed() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = |action: &str| format!("license-keys/{id}/{action}");
    let client = stack.operator.with_header(HEADER, "early");
    // The stored response is identical, including the trace id.
    let rejected = client.post(&path("reinstate"), json!({})).await;
    rejected.expect_problem(409, "state_conflict");
    stack.operator.post(&path("suspend"), json!({})).await.expect_status(200);
    stack.advance(60);
    let repeated = client.post(&path("reinstate"), json!({})).await;
    repeated.expect_problem(409, "state_conflict");
    assert_eq!(replayed_parts(&repeated), replayed_parts(&rejected));
    stack.operator.with_header(HEADER, "late").post(&path("reinstate"), json!({})).await.expect_status(200);

    for (path, body, status, code) in [
        ("customers", json!({"name": "Ada"}), 422, "invalid_value"),
        ("customers", json!({"name": "Ada", "email": "a@example.com", "x": 1}), 422, "unknown_field"),
        ("license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB/revoke", json!({}), 404, "not_found"),
    ] {
        let client = stack.operator.with_header(HEADER, &random_word("k"));
        let rejected = client.post(path, body.clone()).await;
        rejected.expect_problem(status, code);
        assert_eq!(replayed_parts(&client.post(path, body).await), replayed_parts(&rejected));
        client.post(path, json!({"another": 1})).await.expect_problem(422, "idempotency_key_reused");
    }
    // Malformed JSON, and a body with thousands of errors.
    let client = stack.operator.with_header(HEADER, "malformed");
    let malformed = async || client.send(Method::POST, "customers", |request| request.json("").body("{")).await;
    let rejected = malformed().await;
    rejected.expect_problem(400, "malformed_json");
    assert_eq!(replayed_parts(&malformed().await), replayed_parts(&rejected));
    let client = stack.operator.with_header(HEADER, "many");
    let fields = (0..5000).map(|n| (format!("f{n}"), json!(0)));
    let many = Value::Object(fields.collect());
    let rejected = client.post("customers", many.clone()).await;
    rejected.expect_problem(422, "invalid_value");
    assert_eq!(replayed_parts(&client.post("customers", many).await), replayed_parts(&rejected));
}

#[tokio::test]
async fn errors_about_headers_are_not_stored() {
    let stack = Stack::start().await;
    let client = stack.operator.with_header(HEADER, "corrected");
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    let text = body.to_string();
    let plain = |request: reqwest::RequestBuilder| request.header("content-type", "text/plain").body(text.clone());
    client.send(Method::POST, "customers", plain).await.expect_problem(415, "unsupported_media_type");
    client.send(Method::POST, "customers/x", plain).await.expect_problem(405, "method_not_allowed");
    assert_eq!(record_count(&stack).await, 0);
    let corrected =
        |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(text.clone());
    client.send(Method::POST, "customers", corrected).await.expect_status(201);
}

#[tokio::test]
async fn a_stored_response_is_not_replayed_after_the_operator_role_is_lost() {
    let stack = Stack::start().await;
    let sign_in = |scope: &'static str| stack.sign_in("ada@example.com", scope);
    let body = json!({"name": "ci", "scopes": ["*"]});
    let promoted = sign_in("openid role:operator").await.with_header(HEADER, "mine");
    let created = promoted.post("api-keys", body.clone()).await;
    assert_eq!(replayed_parts(&promoted.post("api-keys", body.clone()).await), replayed_parts(&created));
    let demoted = sign_in("openid").await.with_header(HEADER, "mine");
    demoted.post("api-keys", body.clone()).await.expect_problem(403, "forbidden");
    // Conversely, a stored 403 is not replayed to a user who has become an operator.
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    demoted.post("customers", body.clone()).await.expect_problem(403, "forbidden");
    promoted.post("customers", body).await.expect_status(201);
}

#[tokio::test]
async fn a_response_for_an_already_revoked_license_is_stored() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/revoke");
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let client = stack.operator.with_header(HEADER, "second");
    let second = {
        let (client, path) = (client.clone(), path.clone());
        tokio::spawn(async move { client.post(&path, json!({"reason": "mine"})).await })
    };
    gate.wait_for_request().await;
    let first = stack.operator.post(&path, json!({"reason": "first"})).await;
    assert_eq!(first.status, 200);
    gate.open();
    let second = second.await.unwrap();
    assert_eq!((second.status, &second.text), (200, &first.text));
    assert_eq!(replayed_parts(&client.post(&path, json!({"reason": "mine"})).await), replayed_parts(&second));
}

#[tokio::test]
async fn a_record_is_bound_to_its_credential_and_path() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let issue = async |client: &Client| client.with_header(HEADER, "same").post("license-keys", body.clone()).await;
    let mut ids = Vec::new();
    let mut add_id = |response: TestResponse| {
        let id = response.expect_status(201)["license"]["id"].as_str().unwrap().to_owned();
        assert!(!ids.contains(&id));
        ids.push(id);
    };
    let by_operator = issue(&stack.operator).await;
    add_id(by_operator.clone());
    add_id(issue(&stack.client_with_scopes(&[Scope::LicensesWrite]).await).await);
    let ada = stack.sign_in("ada@example.com", "role:operator").await;
    let by_ada = issue(&ada).await;
    add_id(by_ada.clone());
    add_id(issue(&stack.sign_in("bob@example.com", "role:operator").await).await);
    // A user is identified by issuer and subject, not by the token.
    stack.advance(1);
    let ada = stack.sign_in("ada@example.com", "role:operator").await;
    assert_eq!(replayed_parts(&issue(&ada).await), replayed_parts(&by_ada));
    // `v1` is an alias of `v1.0`.
    let client = stack.operator.with_header(HEADER, "same");
    assert_eq!(replayed_parts(&client.post("/api/v1/license-keys", body).await), replayed_parts(&by_operator));

    // The same key on another path is another request.
    for id in ids.iter().rev().take(1) {
        for (action, status) in [("suspend", "suspended"), ("reinstate", "active"), ("revoke", "revoked")] {
            let path = format!("license-keys/{id}/{action}");
            assert_eq!(client.post(&path, json!({})).await.expect_status(200)["status"], status);
        }
    }
}

#[tokio::test]
async fn the_key_may_be_quoted() {
    let stack = Stack::start().await;
    let body = json!({"name": "ci", "scopes": ["licenses:read"]});
    let send = async |key: &str| stack.operator.with_header(HEADER, key).post("api-keys", body.clone()).await;
    let bare = send("8e03978e-40d5").await;
    assert_eq!(bare.status, 201);
    assert_eq!(replayed_parts(&send("\"8e03978e-40d5\"").await), replayed_parts(&bare));
    assert_ne!(send("8e03978e-40d6").await.expect_status(201)["id"], bare.body["id"]);
    for valid in ["x", &"x".repeat(255), "a b", "a\"", "a\"b"] {
        send(valid).await.expect_status(201);
    }
}

#[tokio::test]
async fn an_invalid_key_returns_400() {
    let stack = Stack::start().await;
    let before = snapshot(&stack).await;
    let send = async |values: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        let body = json!({"name": "Ada", "email": "ada@example.com"});
        stack.operator.send(Method::POST, "customers", |request| request.headers(headers).json(&body)).await
    };
    let long = "x".repeat(256);
    let quotes: [&[&[u8]]; 3] = [&[b"\"\""], &[b"\""], &[b"\"a"]];
    let others: [&[&[u8]]; 6] = [&[b""], &[b"  "], &[b"a\tb"], &[long.as_bytes()], &["é".as_bytes()], &[b"a", b"a"]];
    for invalid in quotes.into_iter().chain(others) {
        send(invalid).await.expect_problem(400, "idempotency_key_invalid");
    }
    assert_eq!((snapshot(&stack).await, record_count(&stack).await), (before, 0));
    // Requests that do not support the header ignore its value.
    stack.operator.with_header(HEADER, "").get("customers").await.expect_status(200);
    let body = json!({"license_key": "x"});
    stack.anonymous.with_header(HEADER, "").post("license-keys/validate", body).await.expect_status(200);
}

#[tokio::test]
async fn unauthenticated_requests_create_no_record() {
    let stack = Stack::start().await;
    let client = stack.anonymous.with_header(HEADER, "mine");
    client.post("customers", json!({})).await.expect_problem(401, "unauthenticated");
    client.with_api_key("signet_x").post("customers", json!({})).await.expect_problem(401, "unauthenticated");
    assert_eq!(record_count(&stack).await, 0);
}

#[tokio::test]
async fn stored_responses_contain_no_readable_secret() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let client = stack.operator.with_header(HEADER, "secret");
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let issued = client.post("license-keys", body).await.expect_status(201);
    let path = format!("license-keys/{}/regenerate", issued["license"]["id"].as_str().unwrap());
    let regenerated = client.post(&path, json!({})).await.expect_status(200);
    let created = client.post("api-keys", json!({"name": "ci", "scopes": ["*"]})).await.expect_status(201);
    assert_eq!(record_count(&stack).await, 3);
    let table = stack.table_as_text().await;
    for body in [&license.issued, &issued, &regenerated] {
        let (key, token) = (body["license_key"].as_str().unwrap(), body["token"].as_str().unwrap());
        // The random part of the key string with and without hyphens; the token's payload and signature. The header is
        // not secret.
        let (_, random) = key.split_once('-').unwrap();
        let mut secrets = vec![random.to_owned(), random.replace('-', "")];
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
        for secret in secrets {
            assert!(!table.contains(&secret), "{secret} is readable in the table");
        }
    }
    let (_, random) = created["api_key"].as_str().unwrap().rsplit_once('_').unwrap();
    assert!(!table.contains(random));
    // Non-secret values are found this way, so the search works.
    assert!(table.contains(regenerated["license"]["key_hint"].as_str().unwrap().split('…').next_back().unwrap()));
}

#[tokio::test]
async fn idempotent_operations_ignore_the_header() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let client = stack.anonymous.with_header(HEADER, "same");
    let activate = json!({"license_key": license.license_key, "machine_id": "m1"});
    let first = client.post("license-activations/activate", activate.clone()).await.expect_status(201);
    assert_eq!(client.post("license-activations/activate", activate.clone()).await.status, 200);
    let other = merged(activate, &json!({"machine_id": "m2"}));
    let second = client.post("license-activations/activate", other).await.expect_status(201);
    for (machine, activated) in [("m1", &first), ("m2", &second)] {
        stack.advance(1000);
        let body = json!({"token": activated["token"], "machine_id": machine});
        let heartbeat = client.post("license-keys/heartbeat", body.clone()).await.expect_status(200);
        assert_eq!(heartbeat["renewed"], true);
        stack.advance(1000);
        let next = client.post("license-keys/heartbeat", body).await.expect_status(200);
        assert_ne!(next["token"], heartbeat["token"]);
        let valid = client.post("license-keys/validate", json!({"token": heartbeat["token"]})).await.expect_status(200);
        assert_eq!(valid["code"], "valid");
    }
    let operator = stack.operator.with_header(HEADER, "same");
    for (activated, body) in [(&first, json!({})), (&second, json!({"token": second["token"]}))] {
        let path = format!("license-activations/{}/deactivate", activated["activation"]["id"].as_str().unwrap());
        assert_eq!(operator.post(&path, body).await.expect_status(200)["status"], "deactivated");
    }
    // Only POST requests have records.
    let path = format!("customers/{}", license.customer["id"].as_str().unwrap());
    for name in ["Ada", "Bob"] {
        let body = json!({"name": name, "email": license.customer["email"]});
        assert_eq!(operator.put(&path, body).await.expect_status(200)["name"], name);
        assert_eq!(operator.get(&path).await.expect_status(200)["name"], name);
    }
    assert_eq!(record_count(&stack).await, 0);
}

#[tokio::test]
async fn a_repeat_returns_the_key_string_of_its_own_generation() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/regenerate");
    let client = stack.operator.with_header(HEADER, "first");
    let first = client.post(&path, json!({})).await;
    stack.operator.with_header(HEADER, "second").post(&path, json!({})).await.expect_status(200);
    assert_eq!(replayed_parts(&client.post(&path, json!({})).await), replayed_parts(&first));
    let generation = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200)["generation"].clone();
    assert_eq!(generation, 3);
}
