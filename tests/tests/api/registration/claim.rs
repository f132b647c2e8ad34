//! `POST user/claim-license`.

use signet_tests::{Fault, Gate, Rule, Stack, TestResponse, Value, json, listed, text};

use super::{SCOPE, claim, create_tiers, register_ada};

#[tokio::test]
async fn claim_returns_201_and_then_200_with_the_same_key() {
    let stack = Stack::start().await;
    let (_, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, customer) = register_ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    assert_eq!(first["license"]["customer_id"], customer["id"]);
    assert_eq!(first["license"]["max_users"], 2);
    stack.anonymous.activate(text(&first["license_key"]), "one").await.expect_status(201);
    stack.advance(7200);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let repeated = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(
        [&repeated["license_key"], &repeated["license"]["id"]],
        [&first["license_key"], &first["license"]["id"]]
    );
    stack.claims(&repeated["token"]).await;
}

#[tokio::test]
async fn a_repeated_claim_returns_the_stored_token_while_it_is_valid() {
    let stack = Stack::start().await;
    let (_, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    stack.advance(3599);
    assert_eq!(ada.post("user/claim-license", claim(&free)).await.expect_status(200), first);

    // After its exp, a new token is signed once and stored.
    stack.advance(1);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let second = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(stack.claims(&second["token"]).await["exp"], stack.clock.now().as_second() + 3600);
    stack.advance(10);
    assert_eq!(ada.post("user/claim-license", claim(&free)).await.expect_status(200), second);
    // The audit accepts the stored token.
    let path = format!("license-keys/{}/audit", text(&first["license"]["id"]));
    assert_eq!(stack.operator.post(&path, json!({})).await.expect_status(200)["ok"], true);

    // A new token is also signed if the claims would change.
    stack.operator.replace("pricing-tiers", &free, &json!({ "offline_grace_seconds": 60 })).await.expect_status(200);
    let third = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    let claims = stack.claims(&third["token"]).await;
    assert_eq!(claims["enforcement"]["offline_until"], claims["exp"].as_i64().unwrap() + 60);
    assert_eq!(ada.post("user/claim-license", claim(&free)).await.expect_status(200), third);
}

#[tokio::test]
async fn a_claim_repeated_during_a_regeneration_returns_the_new_key() {
    let stack = Stack::start().await;
    let (_, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    stack.advance(7200);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let path = format!("license-keys/{}/regenerate", text(&first["license"]["id"]));
    let mut regenerated = Value::Null;
    let body = claim(&free);
    let delayed = async move { ada.post("user/claim-license", body).await.expect_status(200) };
    let concurrent = async { regenerated = stack.operator.post(&path, json!({})).await.expect_status(200) };
    let delayed = stack.faults.interleave(("UpdateItem", "SEALED"), delayed, concurrent).await;
    regenerated["license"] = listed(&regenerated["license"]);
    assert_eq!(delayed, regenerated, "a customer does not see the operator's metadata");
}

#[tokio::test]
async fn a_claimed_license_key_is_renewed_to_the_day_of_the_claim() {
    let stack = Stack::start().await;
    stack.advance(16 * 86_400); // 2026-01-31
    let (_, free, _) = create_tiers(&stack, &json!({})).await;
    stack.operator.replace("pricing-tiers", &free, &json!({"billing_period": "monthly"})).await.expect_status(200);
    let (ada, _) = register_ada(&stack).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    assert_eq!(claimed["license"]["expires_at"], "2026-02-28T12:00:00Z");
    let path = format!("license-keys/{}/renew", text(&claimed["license"]["id"]));
    let renewed = stack.operator.post(&path, json!({})).await.expect_status(200);
    assert_eq!(renewed["expires_at"], "2026-03-31T12:00:00Z");
}

#[tokio::test]
async fn claim_returns_403_and_409() {
    let stack = Stack::start().await;
    let (product, free, paid) = create_tiers(&stack, &json!({})).await;
    let stranger = stack.sign_in("bob@example.com", SCOPE).await;
    stranger.post("user/claim-license", claim(&free)).await.expect_problem(409, "customer_not_registered");
    stack.operator.post("user/claim-license", claim(&free)).await.expect_problem(403, "forbidden");
    stack.anonymous.post("user/claim-license", claim(&free)).await.expect_problem(401, "unauthenticated");

    let (ada, customer) = register_ada(&stack).await;
    ada.post("user/claim-license", claim(&paid)).await.expect_problem(403, "tier_not_claimable");
    let unknown = json!({ "tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB" });
    ada.post("user/claim-license", unknown).await.expect_problem(403, "tier_not_claimable");

    // A paid key is not replaced, whether it is active or suspended.
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "suspended");
    stack.operator.replace("products", &product, &json!({ "is_active": false })).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "tier_not_claimable");
}

#[tokio::test]
async fn a_claim_supersedes_an_expired_key() {
    let stack = Stack::start().await;
    let (_, free, paid) = create_tiers(&stack, &json!({})).await;
    let (_, customer) = register_ada(&stack).await;
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    let old = stack.operator.get(&path).await.expect_status(200);
    assert_eq!([&old["status"], &old["superseded_by"]], [&json!("superseded"), &claimed["license"]["id"]]);
    assert_eq!(claimed["superseded"]["id"], old["id"]);
}

#[tokio::test]
async fn a_tier_can_be_claimed_once() {
    let stack = Stack::start().await;
    let (_, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let path = format!("license-keys/{}", text(&claimed["license"]["id"]));
    stack.operator.post(&format!("{path}/suspend"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
    stack.operator.post(&format!("{path}/reinstate"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    stack.advance(60 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
    stack.operator.post(&format!("{path}/revoke"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
}

#[tokio::test]
async fn a_repeated_claim_returns_the_current_key_while_it_is_active() {
    let stack = Stack::start().await;
    let (_, free, paid) = create_tiers(&stack, &json!({})).await;
    let (ada, customer) = register_ada(&stack).await;
    let first = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    let path = format!("license-keys/{}", text(&first["license"]["id"]));

    // A claimed key stays available after the tier is no longer claimable.
    stack.operator.replace("pricing-tiers", &free, &json!({ "is_claimable": false })).await.expect_status(200);
    let repeated = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(repeated["license_key"], first["license_key"]);
    let regenerated = stack.operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    assert_ne!(regenerated["license_key"], first["license_key"]);
    let repeated = ada.post("user/claim-license", claim(&free)).await.expect_status(200);
    assert_eq!(
        [&repeated["license_key"], &repeated["license"]],
        [&regenerated["license_key"], &listed(&regenerated["license"])]
    );

    // A claimed key that was superseded by a paid one still counts as claimed.
    stack.operator.issue(&customer, &paid, &json!({})).await;
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "superseded");
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
}

#[tokio::test]
async fn a_revoked_claim_cannot_be_repeated() {
    let stack = Stack::start().await;
    let (product, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    let other = stack.operator.create_tier(&product, &json!({ "is_claimable": true })).await;
    let claimed = ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    ada.post("user/claim-license", claim(&other)).await.expect_problem(409, "already_licensed");
    let path = format!("license-keys/{}", text(&claimed["license"]["id"]));
    stack.operator.post(&format!("{path}/revoke"), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "already_claimed");
    // Claims are counted per tier, and a revoked key is not superseded.
    ada.post("user/claim-license", claim(&other)).await.expect_status(201);
    let old = stack.operator.get(&path).await.expect_status(200);
    assert_eq!([&old["status"], &old["superseded_by"]], [&json!("revoked"), &Value::Null]);
}

#[tokio::test]
async fn an_inactive_tier_cannot_be_claimed() {
    let stack = Stack::start().await;
    let (product, free, _) = create_tiers(&stack, &json!({})).await;
    let (ada, _) = register_ada(&stack).await;
    for (list, resource) in [("pricing-tiers", &free), ("products", &product)] {
        stack.operator.replace(list, resource, &json!({ "is_active": false })).await.expect_status(200);
        ada.post("user/claim-license", claim(&free)).await.expect_problem(403, "tier_not_claimable");
        stack.operator.replace(list, resource, &json!({})).await.expect_status(200);
    }
    ada.post("user/claim-license", claim(&free)).await.expect_status(201);
}

#[tokio::test]
async fn any_existing_key_prevents_a_claim_if_several_keys_are_allowed() {
    let stack = Stack::start().await;
    let (_, free, paid) = create_tiers(&stack, &json!({ "one_key_per_customer": false })).await;
    let (ada, customer) = register_ada(&stack).await;
    let older = stack.operator.issue(&customer, &paid, &json!({})).await;
    let newer = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = |issued: &Value| format!("license-keys/{}", text(&issued["license"]["id"]));
    stack.operator.post(&format!("{}/revoke", path(&newer)), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.operator.post(&format!("{}/suspend", path(&older)), json!({})).await.expect_status(200);
    ada.post("user/claim-license", claim(&free)).await.expect_problem(409, "already_licensed");
    stack.operator.post(&format!("{}/reinstate", path(&older)), json!({})).await.expect_status(200);
    assert_eq!(stack.operator.get(&path(&older)).await.expect_status(200)["status"], "active");

    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("user/claim-license", claim(&free)).await.expect_status(201);
    assert_eq!(
        stack.operator.get(&path(&older)).await.expect_status(200)["status"],
        "expired",
        "no key of this product is superseded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_claims_create_one_key() {
    let stack = Stack::start().await;
    for several in [false, true] {
        let (product, free, _) = create_tiers(&stack, &json!({ "one_key_per_customer": !several })).await;
        let ada = stack.sign_in("ada@example.com", SCOPE).await;
        ada.post("register", json!({})).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (ada, body) = (ada.clone(), claim(&free));
            tasks.spawn(async move { ada.post("user/claim-license", body).await });
        }
        assert_one_key(&stack, &product, tasks.join_all().await).await;
    }
}

#[tokio::test]
async fn a_delayed_claim_returns_the_key_of_a_concurrent_claim() {
    let stack = Stack::start().await;
    let (ada, _) = register_ada(&stack).await;
    // The request is delayed before it reads the customer's keys, and before it writes.
    for (operation, containing) in [("GetItem", "CURRENT#"), ("Query", "CUSTOMER#"), ("TransactWriteItems", "CLAIM#")] {
        let (product, free, _) = create_tiers(&stack, &json!({})).await;
        let gate = Gate::default();
        stack.faults.add(Rule::new(operation, Fault::HoldRequest(gate.clone())).containing(containing));
        let delayed = ada.post("user/claim-license", claim(&free));
        let first = async {
            gate.wait_for_request().await;
            let first = ada.post("user/claim-license", claim(&free)).await;
            gate.open();
            first
        };
        let (delayed, first) = tokio::join!(delayed, first);
        assert_eq!((delayed.status, first.status), (200, 201), "{operation}: {}", delayed.text);
        assert_one_key(&stack, &product, vec![delayed, first]).await;
    }
}

/// Asserts that all claims returned the same key, exactly one with a 201, and that the product has no other key.
async fn assert_one_key(stack: &Stack, product: &Value, claims: Vec<TestResponse>) {
    let new = claims.iter().filter(|response| response.status == 201).count();
    assert_eq!(new, 1, "{claims:#?}");
    let key = claims[0].body["license_key"].clone();
    for response in claims {
        assert!(matches!(response.status, 200 | 201), "{}", response.text);
        assert_eq!(response.body["license_key"], key);
    }
    let list =
        stack.operator.get(&format!("license-keys?product_id={}", text(&product["id"]))).await.expect_status(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
}

#[tokio::test]
async fn an_expired_key_that_is_renewed_during_a_claim_is_not_superseded() {
    let stack = Stack::start().await;
    let (_, free, paid) = create_tiers(&stack, &json!({})).await;
    let (_, customer) = register_ada(&stack).await;
    let issued = stack.operator.issue(&customer, &paid, &json!({})).await;
    let path = format!("license-keys/{}", text(&issued["license"]["id"]));
    stack.advance(400 * 86_400);
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("CLAIM#"));
    let renew = async {
        gate.wait_for_request().await;
        stack.operator.post(&format!("{path}/renew"), json!({})).await.expect_status(200);
        gate.open();
    };
    let (response, ()) = tokio::join!(ada.post("user/claim-license", claim(&free)), renew);
    response.expect_problem(409, "already_licensed");
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["status"], "active");
}
