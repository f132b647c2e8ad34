//! `POST user/claim-key`, and `PATCH license-keys/{id}` with a customer.

use signet_tests::{Client, Fault, Rule, Stack, Value, json, text};

use super::{SCOPE, register_ada};

/// A license key without a customer.
struct Unowned {
    id: String,
    key: String,
    tier: Value,
    product: Value,
}

async fn unowned(stack: &Stack, product: &Value) -> Unowned {
    let product = stack.operator.create_product_with(product).await;
    let tier = stack.operator.create_tier(&product, &json!({"max_users": 2})).await;
    let (id, key) = batch_key(stack, &tier).await;
    Unowned { id, key, tier, product }
}

async fn batch_key(stack: &Stack, tier: &Value) -> (String, String) {
    let body = json!({"tier_id": tier["id"], "count": 1, "tag": "a"});
    let batch = stack.operator.post("license-keys/batch", body).await.expect_status(201);
    let item = &batch["items"][0];
    (text(&item["license"]["id"]).to_owned(), text(&item["license_key"]).to_owned())
}

async fn grace(stack: &Stack) -> Client {
    let grace = stack.sign_in("grace@example.com", SCOPE).await;
    grace.post("register", json!({"name": "Grace"})).await.expect_status(201);
    grace
}

fn body(key: &str) -> Value {
    json!({"license_key": key})
}

#[tokio::test]
async fn claim_key_returns_200_and_the_license_belongs_to_the_customer() {
    let stack = Stack::start().await;
    let Unowned { id, key, .. } = unowned(&stack, &json!({})).await;
    let metadata = json!({"metadata": {"margin": "high"}});
    stack.operator.patch(&format!("license-keys/{id}"), metadata).await.expect_status(200);
    let activated = stack.anonymous.activate(&key, "one").await.expect_status(201);
    let (ada, customer) = register_ada(&stack).await;
    let claimed = ada.post("user/claim-key", body(&key.to_lowercase().replace('-', " "))).await;
    let claimed = claimed.expect_status(200);
    assert_eq!((&claimed["id"], &claimed["customer_id"]), (&json!(id), &customer["id"]));
    for name in ["metadata", "overrides"] {
        assert!(claimed.get(name).is_none(), "the operator's texts are not shown to customers: {claimed}");
    }
    assert_eq!(ada.post("user/claim-key", body(&key)).await.expect_status(200), claimed);
    let own = ada.get("user/licenses").await.expect_status(200);
    assert_eq!(own["items"][0]["license"]["id"], json!(id));
    let filtered = format!("license-keys?customer_id={}", text(&customer["id"]));
    assert_eq!(stack.operator.get(&filtered).await.expect_status(200)["items"][0]["id"], json!(id));
    let events = stack.license_events(&id).await;
    let claims: Vec<_> = events.iter().filter(|event| event["type"] == "license.claimed").collect();
    assert_eq!((claims.len(), &claims[0]["data"]["customer_id"]), (1, &customer["id"]));
    assert_eq!(claims[0]["actor"]["kind"], "user");
    // The machine keeps its seat, and its next token names the customer.
    let renewed = stack.anonymous.heartbeat(text(&activated["token"]), "one").await.expect_status(200);
    assert_eq!(stack.claims(&renewed["token"]).await["customer_id"], customer["id"]);
    let audit = stack.operator.post(&format!("license-keys/{id}/audit"), json!({})).await.expect_status(200);
    assert_eq!(audit["ok"], true, "{audit}");
}

#[tokio::test]
async fn a_key_of_another_customer_is_not_found() {
    let stack = Stack::start().await;
    let Unowned { id, key, .. } = unowned(&stack, &json!({})).await;
    let (ada, customer) = register_ada(&stack).await;
    let grace = grace(&stack).await;
    ada.post("user/claim-key", body(&key)).await.expect_status(200);
    grace.post("user/claim-key", body(&key)).await.expect_problem(404, "not_found");
    grace.post("user/claim-key", body("ATLAS-7K3QM")).await.expect_problem(404, "not_found");
    grace.post("user/claim-key", json!({})).await.expect_errors(422, &["/license_key invalid_value"]);
    assert_eq!(grace.get("user/licenses").await.expect_status(200)["items"], json!([]));
    let read = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
    assert_eq!(read["customer_id"], customer["id"]);
}

#[tokio::test]
async fn unregistered_users_cannot_claim_a_key() {
    let stack = Stack::start().await;
    let Unowned { key, .. } = unowned(&stack, &json!({})).await;
    let user = stack.sign_in("ada@example.com", SCOPE).await;
    user.post("user/claim-key", body(&key)).await.expect_problem(409, "customer_not_registered");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_cannot_be_claimed() {
    let stack = Stack::start().await;
    let Unowned { id, key, product, .. } = unowned(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let path = format!("license-keys/{id}");
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect_status(200);
    ada.post("user/claim-key", body(&key)).await.expect_problem(403, "suspended");
    stack.operator.post(&format!("{path}/reinstate"), json!({})).await.expect_status(200);
    stack.operator.replace("products", &product, &json!({"is_active": false})).await.expect_status(200);
    ada.post("user/claim-key", body(&key)).await.expect_problem(403, "product_inactive");
    stack.operator.replace("products", &product, &json!({})).await.expect_status(200);
    let regenerated = stack.operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    ada.post("user/claim-key", body(&key)).await.expect_problem(403, "generation_outdated");
    let key = text(&regenerated["license_key"]);
    stack.operator.post(&format!("{path}/renew"), json!({"expires_at": "2030-01-01T00:00:00Z"})).await;
    stack.operator.post(&format!("{path}/revoke"), json!({})).await.expect_status(200);
    ada.post("user/claim-key", body(key)).await.expect_problem(403, "revoked");
}

#[tokio::test]
async fn a_claimed_key_supersedes_the_current_one_if_the_product_allows_one() {
    for one_key in [true, false] {
        let stack = Stack::start().await;
        let Unowned { id, key, tier, .. } = unowned(&stack, &json!({"one_key_per_customer": one_key})).await;
        let (ada, customer) = register_ada(&stack).await;
        let old = stack.operator.issue(&customer, &tier, &json!({})).await;
        ada.post("user/claim-key", body(&key)).await.expect_status(200);
        let path = format!("license-keys/{}", text(&old["license"]["id"]));
        let read = stack.operator.get(&path).await.expect_status(200);
        let expected = if one_key { (json!("superseded"), json!(id)) } else { (json!("active"), Value::Null) };
        assert_eq!((read["status"].clone(), read["superseded_by"].clone()), expected);
        // The claimed key is the current one, so the next one supersedes it.
        stack.operator.issue(&customer, &tier, &json!({})).await;
        let read = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
        assert_eq!(read["status"], if one_key { "superseded" } else { "active" });
        for id in [text(&old["license"]["id"]), &id] {
            let audit = stack.operator.post(&format!("license-keys/{id}/audit"), json!({})).await.expect_status(200);
            let pointer = audit["findings"].as_array().unwrap().iter().find(|one| one["code"] == "customer_pointer");
            assert_eq!(pointer.unwrap()["ok"], true, "{audit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_claims_by_two_customers_one_succeeds() {
    let stack = Stack::start().await;
    let Unowned { tier, .. } = unowned(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let grace = grace(&stack).await;
    for _ in 0..5 {
        let (id, key) = batch_key(&stack, &tier).await;
        let (one, two, three) = tokio::join!(
            ada.post("user/claim-key", body(&key)),
            grace.post("user/claim-key", body(&key)),
            ada.post("user/claim-key", body(&key)),
        );
        let (mut statuses, is_adas) = ([one.status, two.status], one.status == 200);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404]);
        assert_eq!(three.status == 200, is_adas, "two claims by one customer have the same result");
        let events = stack.license_events(&id).await;
        assert_eq!(events.iter().filter(|event| event["type"] == "license.claimed").count(), 1);
    }
}

#[tokio::test]
async fn a_claim_whose_response_was_lost_takes_effect_once() {
    let stack = Stack::start().await;
    let Unowned { id, key, .. } = unowned(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    ada.post("user/claim-key", body(&key)).await.expect_status(200);
    let events = stack.license_events(&id).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "license.claimed").count(), 1);
}

#[tokio::test]
async fn an_operator_gives_a_license_key_to_a_customer_once() {
    let stack = Stack::start().await;
    let Unowned { id, key, tier, .. } = unowned(&stack, &json!({"one_key_per_customer": true})).await;
    let operator = &stack.operator;
    let (ada, customer) = register_ada(&stack).await;
    let old = operator.issue(&customer, &tier, &json!({})).await;
    let path = format!("license-keys/{id}");
    let missing = json!({"customer_id": "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "name": "Berlin"});
    operator.patch(&path, missing).await.expect_errors(422, &["/customer_id invalid_value"]);
    let patch = json!({"customer_id": customer["id"], "name": "Berlin", "external_id": "order-1"});
    let patched = operator.patch(&path, patch.clone()).await.expect_status(200);
    assert_eq!((&patched["customer_id"], &patched["name"]), (&customer["id"], &json!("Berlin")));
    assert_eq!(operator.patch(&path, patch).await.expect_status(200), patched);
    let old = operator.get(&format!("license-keys/{}", text(&old["license"]["id"]))).await.expect_status(200);
    assert_eq!((&old["status"], &old["superseded_by"]), (&json!("superseded"), &json!(id)));
    let updated: Vec<_> = stack.license_events(&id).await;
    let updated = updated.iter().find(|event| event["data"]["fields"][0] == "customer_id").unwrap();
    assert_eq!(updated["type"], "license.updated");
    assert_eq!(ada.post("user/claim-key", body(&key)).await.expect_status(200)["id"], json!(id));
    operator.patch(&path, json!({"customer_id": null})).await.expect_errors(422, &["/customer_id immutable"]);

    let (id, _) = batch_key(&stack, &tier).await;
    operator.post(&format!("license-keys/{id}/revoke"), json!({})).await.expect_status(200);
    let assign = json!({"customer_id": customer["id"]});
    operator.patch(&format!("license-keys/{id}"), assign).await.expect_problem(409, "state_conflict");
}
