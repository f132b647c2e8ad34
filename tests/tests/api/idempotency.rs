//! `Idempotency-Key`: what is asked again is answered again, and done once.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use shared::domain::Scope;
use signet_tests::{Client, Fault, Gate, Rule, Stack, TestResponse, Value, json, merged, random_word};

const HEADER: &str = "idempotency-key";
const PERSON: &str = "openid email profile";

/// A POST that can be done once, by whom, and another body for it.
#[derive(Debug, Clone)]
struct Case {
    client: Client,
    path: String,
    body: Value,
    other: Value,
    status: u16,
}

impl Case {
    /// Sends it under a key.
    async fn send(&self, key: &str) -> TestResponse {
        self.client.with_header(HEADER, key).post(&self.path, self.body.clone()).await
    }

    async fn send_other(&self, key: &str) -> TestResponse {
        self.client.with_header(HEADER, key).post(&self.path, self.other.clone()).await
    }
}

/// Every POST that honours the key, each on things of its own.
async fn cases(stack: &Stack) -> Vec<Case> {
    let operator = &stack.operator;
    let sold = operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let mut cases = Vec::new();
    let mut add = |path: &str, status, body: Value, change: Value| {
        let client = operator.clone();
        cases.push(Case { client, path: path.to_owned(), other: merged(body.clone(), &change), body, status });
    };
    let name = json!({"name": "Another"});
    add("products", 201, json!({"code": random_word("p"), "name": "Atlas"}), name.clone());
    let feature = json!({"product_id": sold.product["id"], "key": random_word("f"), "name": "Export"});
    add("product-features", 201, feature, name.clone());
    let tier = json!({
        "product_id": sold.product["id"], "code": random_word("t"), "name": "Pro", "monthly_price": 1,
        "annual_price": 1, "currency": "EUR", "billing_period": "annual", "max_users": 5,
    });
    add("pricing-tiers", 201, tier, name.clone());
    let email = format!("{}@example.com", random_word("ada"));
    add("customers", 201, json!({"name": "Ada", "email": email}), name.clone());
    let issue = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    add("license-keys", 201, issue, json!({"max_users": 1}));
    add("api-keys", 201, json!({"name": "ci", "scopes": ["licenses:read"]}), name);
    for (verb, body, change) in [
        ("suspend", json!({}), json!({"reason": "x"})),
        ("reinstate", json!({}), json!({"reason": "x"})),
        ("renew", json!({}), json!({"expires_at": null})),
        ("change", json!({"max_users": 7}), json!({"max_users": 8})),
        // Its body says nothing, so another one is one that is not understood.
        ("regenerate", json!({}), json!({"x": 1})),
        ("audit", json!({}), json!({"repair": true})),
        ("revoke", json!({"reason": "refund"}), json!({"reason": "fraud"})),
    ] {
        let issued = operator.issue(&operator.create_customer().await, &sold.tier, &json!({})).await;
        let id = issued["license"]["id"].as_str().unwrap();
        if verb == "reinstate" {
            operator.post(&format!("license-keys/{id}/suspend"), json!({})).await.expect_status(200);
        }
        add(&format!("license-keys/{id}/{verb}"), 200, body, change);
    }
    cases.push(Case {
        client: stack.sign_in(&format!("{}@example.com", random_word("new")), PERSON).await,
        path: "register".to_owned(),
        body: json!({"name": "Ada"}),
        other: json!({"name": "Bob"}),
        status: 201,
    });
    let client = stack.sign_in(&format!("{}@example.com", random_word("old")), PERSON).await;
    client.post("register", json!({"name": "Ada"})).await.expect_status(201);
    let product = operator.create_product().await;
    let tier = operator.create_tier(&product, &json!({"is_claimable": true})).await;
    cases.push(Case {
        client,
        path: "user/claim-license".to_owned(),
        body: json!({"tier_id": tier["id"]}),
        other: json!({"tier_id": sold.tier["id"]}),
        status: 201,
    });
    cases
}

/// All that a repeat must give again: the status, the body's bytes, and the headers that say what it is.
fn told(answer: &TestResponse) -> (u16, &str, [&str; 3]) {
    (answer.status, &answer.text, ["location", "etag", "content-type"].map(|name| answer.header(name)))
}

/// The whole table, but for its records of requests and the notes of its keys' use.
async fn table(stack: &Stack) -> Snapshot {
    let mut items = stack.items().await;
    items.retain(|item| !item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#"));
    let mut texts = Vec::new();
    for mut item in items {
        item.as_object_mut().unwrap().remove("last_used_at");
        texts.push(in_order(&item));
    }
    texts.sort();
    Snapshot(texts)
}

/// JSON with its fields in order, as no two scans give them alike.
fn in_order(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut texts: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {}", in_order(value))).collect();
            texts.sort();
            texts.join(", ")
        }
        Value::Array(values) => values.iter().map(in_order).collect::<Vec<_>>().join("; "),
        value => value.to_string(),
    }
}

#[derive(PartialEq, Eq)]
struct Snapshot(Vec<String>);

impl std::fmt::Debug for Snapshot {
    /// A table is nothing to read in a failed test's message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} items", self.0.len())
    }
}

async fn records(stack: &Stack) -> usize {
    let is_record = |item: &Value| item["PK"]["S"].as_str().unwrap().starts_with("IDEMPOTENCY#");
    stack.items().await.iter().filter(|item| is_record(item)).count()
}

/// Nothing but these writes fails: as where a process dies after it claimed a request.
fn die(stack: &Stack) {
    for operation in ["TransactWriteItems", "UpdateItem", "DeleteItem"] {
        stack.faults.add(Rule::new(operation, Fault::RefuseConnection).always());
    }
}

#[tokio::test]
async fn a_repeat_answers_the_same_and_does_nothing() {
    let stack = Stack::start().await;
    for (index, case) in cases(&stack).await.into_iter().enumerate() {
        let key = format!("key-{index}");
        let first = case.send(&key).await;
        assert_eq!(first.status, case.status, "{}", first.text);
        let done = table(&stack).await;
        stack.advance(1);
        stack.faults.reset_calls();
        let again = case.send(&key).await;
        assert_eq!(told(&again), told(&first), "{}", case.path);
        assert_eq!(again.header("cache-control"), "no-store");
        // The caller, where an API key is shown, and the record: a replay reads nothing else.
        let calls = stack.faults.calls();
        assert_eq!(calls.last().map(String::as_str), Some("PutItem"), "{}", case.path);
        assert!(calls.len() == 1 || calls == ["GetItem", "PutItem"], "{}: {calls:?}", case.path);
        let other = case.send_other(&key).await;
        let problem = other.expect_problem(422, "idempotency_key_reused");
        assert_eq!(problem["errors"][0]["parameter"], "Idempotency-Key");
        assert_eq!(table(&stack).await, done, "{}", case.path);
        // The answer to the first is still what it was.
        assert_eq!(told(&case.send(&key).await), told(&first), "{}", case.path);
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_by_the_repeat() {
    let stack = Stack::start().await;
    for (index, case) in cases(&stack).await.into_iter().enumerate() {
        let (key, before) = (format!("key-{index}"), table(&stack).await);
        stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse).always());
        case.send(&key).await.expect_problem(503, "unavailable");
        stack.faults.clear();
        let done = table(&stack).await;
        assert_ne!(done, before, "{}: it was done", case.path);
        let answer = case.send(&key).await;
        assert_eq!(answer.status, case.status, "{}: {}", case.path, answer.text);
        assert_eq!(told(&case.send(&key).await), told(&answer), "{}", case.path);
        assert_eq!(table(&stack).await, done, "{}: it was done once", case.path);
    }
}

#[tokio::test]
async fn what_failed_is_done_by_the_repeat() {
    let stack = Stack::start().await;
    for (index, case) in cases(&stack).await.into_iter().enumerate() {
        let (key, before) = (format!("key-{index}"), table(&stack).await);
        stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).always());
        case.send(&key).await.expect_problem(503, "unavailable");
        stack.faults.clear();
        assert_eq!((table(&stack).await, records(&stack).await), (before, index), "{}", case.path);
        let answer = case.send(&key).await;
        assert_eq!(answer.status, case.status, "{}: {}", case.path, answer.text);
        assert_eq!(told(&case.send(&key).await), told(&answer), "{}", case.path);
    }
}

#[tokio::test]
async fn what_a_process_left_that_died_is_begun_again_after_30_seconds() {
    let stack = Stack::start().await;
    let cases = cases(&stack).await;
    let before = table(&stack).await;
    let key = |index| format!("key-{index}");
    die(&stack);
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
    assert_eq!(table(&stack).await, before);
    stack.advance(1);
    for (index, case) in cases.iter().enumerate() {
        let answer = case.send(&key(index)).await;
        assert_eq!(answer.status, case.status, "{}: {}", case.path, answer.text);
        let done = table(&stack).await;
        assert_eq!(told(&case.send(&key(index)).await), told(&answer), "{}", case.path);
        assert_eq!(table(&stack).await, done, "{}: it was done once", case.path);
    }
}

#[tokio::test]
async fn who_was_only_slow_does_nothing_once_another_has_begun() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let client = stack.operator.with_header(HEADER, "slow");
    let slow = {
        let (client, body) = (client.clone(), body.clone());
        tokio::spawn(async move { client.post("license-keys", body).await })
    };
    gate.wait_for_request().await;
    stack.advance(30);
    let answer = client.post("license-keys", body.clone()).await;
    assert_eq!(answer.status, 201);
    gate.open();
    slow.await.unwrap().expect_problem(409, "idempotency_in_progress");
    assert_eq!(told(&client.post("license-keys", body).await), told(&answer));
    let list = stack.operator.get(&format!("license-keys?customer_id={}", sold.customer["id"].as_str().unwrap())).await;
    assert_eq!(list.expect_status(200)["items"].as_array().unwrap().len(), 2, "the one that was sold, and one more");
}

#[tokio::test]
async fn two_at_once_are_one() {
    let stack = Stack::start().await;
    let (alone, together) = (cases(&stack).await, cases(&stack).await);
    for (index, (alone, together)) in alone.into_iter().zip(together).enumerate() {
        let before = table(&stack).await.0.len();
        assert_eq!(alone.send(&format!("alone-{index}")).await.status, alone.status);
        let between = table(&stack).await.0.len();
        let key = format!("together-{index}");
        let racing: Vec<_> = (0..3)
            .map(|_| {
                let (case, key) = (together.clone(), key.clone());
                tokio::spawn(async move { case.send(&key).await })
            })
            .collect();
        let mut answers = Vec::new();
        for one in racing {
            answers.push(one.await.unwrap());
        }
        let last = together.send(&key).await;
        assert_eq!(last.status, together.status, "{}: {}", together.path, last.text);
        for answer in &answers {
            if answer.status == 409 {
                answer.expect_problem(409, "idempotency_in_progress");
            } else {
                assert_eq!(told(answer), told(&last), "{}", together.path);
            }
        }
        assert_eq!(table(&stack).await.0.len() - between, between - before, "{}: one effect", together.path);
    }
}

#[tokio::test]
async fn while_it_runs_a_repeat_is_told_so() {
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
    assert_eq!(told(&client.post("customers", body).await), told(&first));
}

#[tokio::test]
async fn a_record_answers_for_24_hours() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    let client = stack.operator.with_header(HEADER, "day");
    let first = client.post("license-keys", body.clone()).await;
    assert_eq!(first.status, 201);
    stack.advance(86_399);
    assert_eq!(told(&client.post("license-keys", body.clone()).await), told(&first));
    stack.advance(1);
    let next = client.post("license-keys", body.clone()).await.expect_status(201);
    assert_ne!(next["license"]["id"], first.body["license"]["id"]);
    // Also for another body: the key is as good as new.
    stack.advance(86_400);
    client.post("license-keys", merged(body, &json!({"max_users": 3}))).await.expect_status(201);
}

#[tokio::test]
async fn a_refusal_is_kept() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let at = |verb: &str| format!("license-keys/{id}/{verb}");
    let client = stack.operator.with_header(HEADER, "early");
    // What is kept is what was told, down to the trace id.
    let refused = client.post(&at("reinstate"), json!({})).await;
    refused.expect_problem(409, "state_conflict");
    stack.operator.post(&at("suspend"), json!({})).await.expect_status(200);
    stack.advance(60);
    let again = client.post(&at("reinstate"), json!({})).await;
    again.expect_problem(409, "state_conflict");
    assert_eq!(told(&again), told(&refused));
    stack.operator.with_header(HEADER, "late").post(&at("reinstate"), json!({})).await.expect_status(200);

    for (path, body, status, code) in [
        ("customers", json!({"name": "Ada"}), 422, "invalid_value"),
        ("customers", json!({"name": "Ada", "email": "a@example.com", "x": 1}), 422, "unknown_field"),
        ("license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB/revoke", json!({}), 404, "not_found"),
    ] {
        let client = stack.operator.with_header(HEADER, &random_word("k"));
        let refused = client.post(path, body.clone()).await;
        refused.expect_problem(status, code);
        assert_eq!(told(&client.post(path, body).await), told(&refused));
        client.post(path, json!({"another": 1})).await.expect_problem(422, "idempotency_key_reused");
    }
    // A body that is no JSON, and one that has more faults than anybody reads.
    let client = stack.operator.with_header(HEADER, "broken");
    let broken = async || client.send(Method::POST, "customers", |request| request.json("").body("{")).await;
    let refused = broken().await;
    refused.expect_problem(400, "malformed_json");
    assert_eq!(told(&broken().await), told(&refused));
    let client = stack.operator.with_header(HEADER, "many");
    let fields = (0..5000).map(|n| (format!("f{n}"), json!(0)));
    let many = Value::Object(fields.collect());
    let refused = client.post("customers", many.clone()).await;
    refused.expect_problem(422, "invalid_value");
    assert_eq!(told(&client.post("customers", many).await), told(&refused));
}

#[tokio::test]
async fn a_refusal_for_what_is_in_a_header_is_not_kept() {
    let stack = Stack::start().await;
    let client = stack.operator.with_header(HEADER, "mended");
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    let text = body.to_string();
    let plain = |request: reqwest::RequestBuilder| request.header("content-type", "text/plain").body(text.clone());
    client.send(Method::POST, "customers", plain).await.expect_problem(415, "unsupported_media_type");
    client.send(Method::POST, "customers/x", plain).await.expect_problem(405, "method_not_allowed");
    assert_eq!(records(&stack).await, 0);
    let mended =
        |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(text.clone());
    client.send(Method::POST, "customers", mended).await.expect_status(201);
}

#[tokio::test]
async fn who_is_no_operator_any_more_is_not_told_again_what_an_operator_was() {
    let stack = Stack::start().await;
    let as_one = |scope: &'static str| stack.sign_in("ada@example.com", scope);
    let body = json!({"name": "ci", "scopes": ["*"]});
    let promoted = as_one("openid role:operator").await.with_header(HEADER, "mine");
    let made = promoted.post("api-keys", body.clone()).await;
    assert_eq!(told(&promoted.post("api-keys", body.clone()).await), told(&made));
    let demoted = as_one("openid").await.with_header(HEADER, "mine");
    demoted.post("api-keys", body.clone()).await.expect_problem(403, "forbidden");
    // Nor is who becomes one told what the same person was refused before.
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    demoted.post("customers", body.clone()).await.expect_problem(403, "forbidden");
    promoted.post("customers", body).await.expect_status(201);
}

#[tokio::test]
async fn what_found_its_work_done_is_kept_too() {
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
    assert_eq!(told(&client.post(&path, json!({"reason": "mine"})).await), told(&second));
}

#[tokio::test]
async fn a_record_belongs_to_its_credential_and_its_path() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    let issue = async |client: &Client| client.with_header(HEADER, "same").post("license-keys", body.clone()).await;
    let mut ids = Vec::new();
    let mut note = |answer: TestResponse| {
        let id = answer.expect_status(201)["license"]["id"].as_str().unwrap().to_owned();
        assert!(!ids.contains(&id));
        ids.push(id);
    };
    let by_operator = issue(&stack.operator).await;
    note(by_operator.clone());
    note(issue(&stack.client_with_scopes(&[Scope::LicensesWrite]).await).await);
    let ada = stack.sign_in("ada@example.com", "role:operator").await;
    let by_ada = issue(&ada).await;
    note(by_ada.clone());
    note(issue(&stack.sign_in("bob@example.com", "role:operator").await).await);
    // A person is who they are, whatever token they show.
    stack.advance(1);
    let ada = stack.sign_in("ada@example.com", "role:operator").await;
    assert_eq!(told(&issue(&ada).await), told(&by_ada));
    // One version has two names.
    let client = stack.operator.with_header(HEADER, "same");
    assert_eq!(told(&client.post("/api/v1/license-keys", body).await), told(&by_operator));

    // On another path it is another request: each of these is done.
    for id in ids.iter().rev().take(1) {
        for (verb, status) in [("suspend", "suspended"), ("reinstate", "active"), ("revoke", "revoked")] {
            let path = format!("license-keys/{id}/{verb}");
            assert_eq!(client.post(&path, json!({})).await.expect_status(200)["status"], status);
        }
    }
}

#[tokio::test]
async fn the_key_is_bare_or_quoted() {
    let stack = Stack::start().await;
    let body = json!({"name": "ci", "scopes": ["licenses:read"]});
    let send = async |key: &str| stack.operator.with_header(HEADER, key).post("api-keys", body.clone()).await;
    let bare = send("8e03978e-40d5").await;
    assert_eq!(bare.status, 201);
    assert_eq!(told(&send("\"8e03978e-40d5\"").await), told(&bare));
    assert_ne!(send("8e03978e-40d6").await.expect_status(201)["id"], bare.body["id"]);
    for good in ["x", &"x".repeat(255), "a b", "a\"", "a\"b"] {
        send(good).await.expect_status(201);
    }
}

#[tokio::test]
async fn a_key_that_is_none_400() {
    let stack = Stack::start().await;
    let before = table(&stack).await;
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
    for wrong in quotes.into_iter().chain(others) {
        send(wrong).await.expect_problem(400, "idempotency_key_invalid");
    }
    assert_eq!((table(&stack).await, records(&stack).await), (before, 0));
    // Where it means nothing, it may be anything.
    stack.operator.with_header(HEADER, "").get("customers").await.expect_status(200);
    let body = json!({"license_key": "x"});
    stack.anonymous.with_header(HEADER, "").post("license-keys/validate", body).await.expect_status(200);
}

#[tokio::test]
async fn nobody_without_a_credential_has_a_record() {
    let stack = Stack::start().await;
    let client = stack.anonymous.with_header(HEADER, "mine");
    client.post("customers", json!({})).await.expect_problem(401, "unauthenticated");
    client.with_api_key("signet_x").post("customers", json!({})).await.expect_problem(401, "unauthenticated");
    assert_eq!(records(&stack).await, 0);
}

#[tokio::test]
async fn no_secret_lies_in_the_table() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let client = stack.operator.with_header(HEADER, "secret");
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    let issued = client.post("license-keys", body).await.expect_status(201);
    let path = format!("license-keys/{}/regenerate", issued["license"]["id"].as_str().unwrap());
    let regenerated = client.post(&path, json!({})).await.expect_status(200);
    let made = client.post("api-keys", json!({"name": "ci", "scopes": ["*"]})).await.expect_status(201);
    assert_eq!(records(&stack).await, 3);
    let table = stack.table_as_text().await;
    for answer in [&sold.issued, &issued, &regenerated] {
        let (key, token) = (answer["license_key"].as_str().unwrap(), answer["token"].as_str().unwrap());
        // The key string as it is typed, without its hyphens, and its random part; the token whole, and each part but
        // its header, which is no secret.
        let (_, random) = key.split_once('-').unwrap();
        let mut secrets = vec![random.to_owned(), random.replace('-', "")];
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
        for secret in secrets {
            assert!(!table.contains(&secret), "{secret} can be read in the table");
        }
    }
    let (_, random) = made["api_key"].as_str().unwrap().rsplit_once('_').unwrap();
    assert!(!table.contains(random));
    // What is no secret can be found that way, so that would have been.
    assert!(table.contains(regenerated["license"]["key_hint"].as_str().unwrap().split('…').next_back().unwrap()));
}

#[tokio::test]
async fn what_is_repeatable_by_nature_ignores_the_key() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let client = stack.anonymous.with_header(HEADER, "same");
    let activate = json!({"license_key": sold.license_key, "machine_id": "m1"});
    let first = client.post("license-activations/activate", activate.clone()).await.expect_status(201);
    assert_eq!(client.post("license-activations/activate", activate.clone()).await.status, 200);
    let other = merged(activate, &json!({"machine_id": "m2"}));
    let second = client.post("license-activations/activate", other).await.expect_status(201);
    for (machine, active) in [("m1", &first), ("m2", &second)] {
        stack.advance(1000);
        let body = json!({"token": active["token"], "machine_id": machine});
        let beat = client.post("license-keys/heartbeat", body.clone()).await.expect_status(200);
        assert_eq!(beat["renewed"], true);
        stack.advance(1000);
        let again = client.post("license-keys/heartbeat", body).await.expect_status(200);
        assert_ne!(again["token"], beat["token"]);
        let valid = client.post("license-keys/validate", json!({"token": beat["token"]})).await.expect_status(200);
        assert_eq!(valid["code"], "valid");
    }
    let operator = stack.operator.with_header(HEADER, "same");
    for (active, body) in [(&first, json!({})), (&second, json!({"token": second["token"]}))] {
        let path = format!("license-activations/{}/deactivate", active["activation"]["id"].as_str().unwrap());
        assert_eq!(operator.post(&path, body).await.expect_status(200)["status"], "deactivated");
    }
    // Nor has anything but a POST a record.
    let path = format!("customers/{}", sold.customer["id"].as_str().unwrap());
    for name in ["Ada", "Bob"] {
        let body = json!({"name": name, "email": sold.customer["email"]});
        assert_eq!(operator.put(&path, body).await.expect_status(200)["name"], name);
        assert_eq!(operator.get(&path).await.expect_status(200)["name"], name);
    }
    assert_eq!(records(&stack).await, 0);
}

#[tokio::test]
async fn a_repeat_gives_the_key_string_of_its_own_generation() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/regenerate");
    let client = stack.operator.with_header(HEADER, "first");
    let first = client.post(&path, json!({})).await;
    stack.operator.with_header(HEADER, "second").post(&path, json!({})).await.expect_status(200);
    assert_eq!(told(&client.post(&path, json!({})).await), told(&first));
    let generation = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200)["generation"].clone();
    assert_eq!(generation, 3);
}
