//! `POST license-keys/batch` and `POST license-keys/batch/revoke`.

use std::collections::HashSet;

use signet_tests::{Fault, Rule, Stack, Value, json, listed, merged, text};

const HEADER: &str = "idempotency-key";

/// Creates a tier with three seats and returns a valid request.
async fn request(stack: &Stack, count: usize) -> Value {
    let product = stack.operator.create_product().await;
    let tier = stack.operator.create_tier(&product, &json!({"max_users": 3})).await;
    json!({"tier_id": tier["id"], "count": count, "tag": "reseller-7"})
}

/// Returns the license of an item of a batch as a read returns it.
fn as_read(item: &Value) -> Value {
    merged(listed(&item["license"]), &json!({"seats_used": 0}))
}

fn keys(batch: &Value) -> HashSet<&str> {
    batch["items"].as_array().unwrap().iter().map(|item| text(&item["license_key"])).collect()
}

#[tokio::test]
async fn a_batch_has_distinct_usable_license_keys_without_a_customer() {
    let stack = Stack::start().await;
    let batch = stack.operator.post("license-keys/batch", request(&stack, 60).await).await.expect_status(201);
    assert_eq!(keys(&batch).len(), 60);
    let (first, last) = (&batch["items"][0], &batch["items"][59]);
    for item in [first, last] {
        let (key, license) = (text(&item["license_key"]), &item["license"]);
        assert_eq!((&license["customer_id"], &license["tag"]), (&Value::Null, &json!("reseller-7")));
        assert_eq!((&license["max_users"], &license["status"]), (&json!(3), &json!("active")));
        let id = text(&license["id"]);
        let read = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
        assert_eq!(listed(&read), as_read(item));
        let activated = stack.anonymous.activate(key, "one").await.expect_status(201);
        let claims = stack.claims(&activated["token"]).await;
        assert_eq!(claims["customer_id"], Value::Null);
        assert!(activated["license"].get("customer_id").is_none() && activated["license"].get("tag").is_none());
        stack.anonymous.heartbeat(text(&activated["token"]), "one").await.expect_status(200);
        let events = stack.license_events(id).await;
        let issued = events.iter().find(|event| event["type"] == "license.issued").unwrap();
        assert_eq!((&issued["data"]["customer_id"], &issued["data"]["tag"]), (&Value::Null, &json!("reseller-7")));
        let audit = stack.operator.post(&format!("license-keys/{id}/audit"), json!({})).await.expect_status(200);
        assert_eq!(audit["ok"], true, "{audit}");
        // Its first token is signed when the key string is regenerated.
        let regenerated = stack.operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await;
        stack.claims(&regenerated.expect_status(200)["token"]).await;
    }
    let mut rows = 0;
    let mut path = "license-keys?limit=50".to_owned();
    loop {
        let page = stack.operator.get(&path).await.expect_status(200);
        rows += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("license-keys?limit=50&cursor={cursor}");
    }
    assert_eq!(rows, 60);
}

#[tokio::test]
async fn a_batch_has_the_expiry_and_the_seats_of_the_request() {
    let stack = Stack::start().await;
    let request = request(&stack, 1).await;
    let fields = json!({"expires_at": "2099-01-31T00:00:00Z", "max_users": null});
    let batch = stack.operator.post("license-keys/batch", merged(request, &fields)).await.expect_status(201);
    let license = &batch["items"][0]["license"];
    assert_eq!((&license["expires_at"], &license["max_users"]), (&fields["expires_at"], &Value::Null));
}

#[tokio::test]
async fn an_invalid_batch_returns_422_and_issues_nothing() {
    let stack = Stack::start().await;
    let request = request(&stack, 2).await;
    let before = stack.items().await.len();
    for (field, value, code) in [
        ("count", json!(0), "invalid_value"),
        ("count", json!(101), "invalid_value"),
        ("tag", json!(""), "invalid_value"),
        ("tag", json!("é"), "invalid_value"),
        ("tag", json!("x".repeat(256)), "invalid_value"),
        ("tier_id", json!("tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"), "invalid_value"),
        ("expires_at", json!("2020-01-01T00:00:00Z"), "invalid_value"),
        ("max_users", json!(0), "invalid_value"),
        ("customer_id", Value::Null, "unknown_field"),
    ] {
        let body = merged(request.clone(), &json!({field: value}));
        let response = stack.operator.post("license-keys/batch", body).await;
        response.expect_errors(422, &[&format!("/{field} {code}")]);
    }
    for (body, error) in [
        (json!({}), "/tag invalid_value"),
        (json!({"tag": ""}), "/tag invalid_value"),
        (json!({"tag": "a", "reason": "x".repeat(501)}), "/reason invalid_value"),
        (json!({"tag": "a", "count": 1}), "/count unknown_field"),
    ] {
        stack.operator.post("license-keys/batch/revoke", body).await.expect_errors(422, &[error]);
    }
    assert_eq!(stack.items().await.len(), before);
}

#[tokio::test]
async fn a_repeated_batch_issues_what_was_left_out_and_returns_the_same_keys() {
    for fault in [Fault::SERVER_ERROR, Fault::LoseResponse, Fault::RefuseConnection] {
        let stack = Stack::start().await;
        let request = request(&stack, 60).await;
        let client = stack.operator.with_header(HEADER, "batch-1");
        // The third transaction fails, so 50 of 60 license keys exist.
        stack.faults.add(Rule::new("TransactWriteItems", fault.clone()).nth(3).always());
        client.post("license-keys/batch", request.clone()).await.expect_problem(503, "unavailable");
        stack.faults.clear();
        stack.advance(3600);
        let repeated = client.post("license-keys/batch", request.clone()).await;
        assert_eq!(repeated.header("idempotent-replayed"), "true");
        let batch = repeated.expect_status(201);
        assert_eq!(keys(&batch).len(), 60, "{fault:?}");
        for item in batch["items"].as_array().unwrap() {
            let path = format!("license-keys/{}", text(&item["license"]["id"]));
            assert_eq!(listed(&stack.operator.get(&path).await.expect_status(200)), as_read(item));
            let valid =
                stack.anonymous.post("license-keys/validate", json!({"license_key": item["license_key"]})).await;
            assert_eq!(valid.expect_status(200)["valid"], true);
        }
        let items = stack.items().await;
        assert_eq!(client.post("license-keys/batch", request).await.expect_status(201), batch);
        assert_eq!(stack.items().await, items, "a further repeat changes nothing");
    }
}

#[tokio::test]
async fn a_repeated_batch_is_as_it_was_answered_even_if_the_tier_was_changed() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let tier = stack.operator.create_tier(&product, &json!({"max_users": 3, "billing_period": "monthly"})).await;
    let request = json!({"tier_id": tier["id"], "count": 30, "tag": "a"});
    let client = stack.operator.with_header(HEADER, "batch-1");
    stack.faults.add(Rule::new("TransactWriteItems", Fault::SERVER_ERROR).nth(2).always());
    client.post("license-keys/batch", request.clone()).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    let changes = json!({"max_users": 9, "billing_period": "perpetual"});
    stack.operator.replace("pricing-tiers", &tier, &changes).await.expect_status(200);
    let batch = client.post("license-keys/batch", request).await.expect_status(201);
    let last = &batch["items"][29]["license"];
    let path = format!("license-keys/{}", text(&last["id"]));
    assert_eq!(listed(&stack.operator.get(&path).await.expect_status(200)), as_read(&batch["items"][29]));
    assert_eq!(last["max_users"], 3);
}

#[tokio::test]
async fn a_batch_is_revoked_by_its_tag_100_at_a_time() {
    let stack = Stack::start().await;
    let request = request(&stack, 100).await;
    let mut batches = Vec::new();
    for (tag, count) in [("a", 100), ("a", 30), ("b", 2), ("A", 1)] {
        let body = merged(request.clone(), &json!({"tag": tag, "count": count}));
        batches.push(stack.operator.post("license-keys/batch", body).await.expect_status(201));
    }
    let single = text(&batches[0]["items"][0]["license"]["id"]).to_owned();
    stack.operator.post(&format!("license-keys/{single}/revoke"), json!({})).await.expect_status(200);
    let revoke = async || {
        let body = json!({"tag": "a", "reason": "chargeback"});
        stack.operator.post("license-keys/batch/revoke", body).await.expect_status(200)
    };
    assert_eq!(revoke().await, json!({"revoked": 100, "remaining": 29}));
    assert_eq!(revoke().await, json!({"revoked": 29, "remaining": 0}));
    assert_eq!(revoke().await, json!({"revoked": 0, "remaining": 0}));
    let read = async |batch: &Value, index: usize| {
        let path = format!("license-keys/{}", text(&batch["items"][index]["license"]["id"]));
        stack.operator.get(&path).await.expect_status(200)
    };
    let revoked = read(&batches[1], 29).await;
    assert_eq!((&revoked["status"], &revoked["revocation_reason"]), (&json!("revoked"), &json!("chargeback")));
    assert_eq!(revoked["tag"], "a");
    for batch in &batches[2..] {
        assert_eq!(read(batch, 0).await["status"], "active");
    }
    let key = text(&batches[0]["items"][99]["license_key"]);
    stack.anonymous.activate(key, "one").await.expect_problem(403, "revoked");
}

#[tokio::test]
async fn a_batch_is_replayed_after_its_license_keys_have_expired() {
    let stack = Stack::start().await;
    let body = merged(request(&stack, 2).await, &json!({"expires_at": "2026-01-15T13:00:00Z"}));
    let client = stack.operator.with_header(HEADER, "batch-1");
    let batch = client.post("license-keys/batch", body.clone()).await.expect_status(201);
    stack.advance(7200);
    assert_eq!(client.post("license-keys/batch", body).await.expect_status(201), batch);
}
