//! What is stored, for how long, and what is not replayed.

use reqwest::Method;
use signet_tests::{Fault, Gate, Rule, Stack, Value, json, merged, random_word};

use super::{HEADER, record_count, replayed_parts};

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
