use signet_tests::{Value, json, text};

use crate::services::TestServices;

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn license_lifecycle_from_issue_to_revocation() {
    let stack = TestServices::new().stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(2).await;
    let validate = async |token: &Value| {
        let body = json!({"token": token, "machine_id": "laptop"});
        app.post("license-keys/validate", body).await.expect_status(200)["code"].clone()
    };
    let issued = stack.claims(&license.issued["token"]).await;
    assert_eq!((text(&issued["sub"]), issued.get("activation")), (&*license.license_id, None));

    let activated = app.activate(&license.license_key, "laptop").await.expect_status(201);
    assert_eq!(stack.claims(&activated["token"]).await["activation"]["machine_id"], "laptop");
    stack.advance(1800);
    let heartbeat = app.heartbeat(text(&activated["token"]), "laptop").await.expect_status(200);
    assert_eq!(heartbeat["renewed"], true);
    assert_eq!(stack.claims(&heartbeat["token"]).await["exp"], signet_tests::START.as_second() + 1800 + 3600);
    assert_eq!(validate(&heartbeat["token"]).await, "valid");

    let path = format!("license-keys/{}", license.license_id);
    // The second request requires the overrides that the first one has written.
    let rows = operator.create_limit(&license.product, "rows").await;
    let mut heartbeat = heartbeat;
    for limit in [json!(5000), Value::Null] {
        let overrides = json!([
            {"feature_id": rows["id"], "limit": limit, "expires_at": "2027-01-01T00:00:00Z", "note": limit.to_string()},
            {"feature_id": license.feature["id"], "enabled": limit.is_null()},
        ]);
        let set = operator.put(&format!("{path}/overrides"), json!({"overrides": overrides})).await.expect_status(200);
        assert_eq!(set["overrides"][0]["note"], limit.to_string());
        heartbeat = app.heartbeat(text(&heartbeat["token"]), "laptop").await.expect_status(200);
        let claims = stack.claims(&heartbeat["token"]).await;
        assert_eq!((&claims["feature_limits"]["rows"], claims["features"] == json!([])), (&limit, !limit.is_null()));
    }
    let regenerated = operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    assert_eq!(stack.claims(&regenerated["token"]).await["generation"], 2);
    assert_eq!(validate(&heartbeat["token"]).await, "generation_outdated");
    app.activate(&license.license_key, "laptop").await.expect_problem(403, "generation_outdated");
    let again = app.activate(text(&regenerated["license_key"]), "laptop").await.expect_status(201);
    assert_eq!(validate(&again["token"]).await, "valid");
    let audit = operator.post(&format!("{path}/audit"), json!({})).await.expect_status(200);
    assert_eq!(audit["ok"], true, "{audit}");

    operator.post(&format!("{path}/revoke"), json!({"reason": "refund"})).await.expect_status(200);
    app.heartbeat(text(&again["token"]), "laptop").await.expect_problem(403, "revoked");
    assert_eq!(validate(&again["token"]).await, "revoked");
    stack.check_seats(&license.license_id).await;
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn stored_response_is_replayed_by_another_instance() {
    let services = TestServices::new();
    let stacks = [services.stack().await, services.stack().await];
    let once = |stack: usize| stacks[stack].operator.with_header("idempotency-key", "order-1");
    let license = stacks[0].operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    // Each stack has its own operator API key, and an idempotency record belongs to its credential.
    let operator = stacks[0].local.operator_api_key.expose();
    let first = once(0).post("license-keys", body.clone()).await.expect_status(201);
    let other = stacks[1].anonymous.with_api_key(operator).with_header("idempotency-key", "order-1");
    let again = other.post("license-keys", body).await.expect_status(201);
    assert_eq!(first, again, "sealed by one instance and opened by the other");

    let table = stacks[0].table_as_text().await;
    for secret in [&first["license_key"], &first["token"]] {
        assert!(!table.contains(text(secret)), "the table contains no readable secret");
    }
    // The sealed item of one license cannot be opened as that of another.
    let sealed = |id: &str| json!({"PK": {"S": format!("LICENSE#{id}")}, "SK": {"S": "SEALED"}});
    let id = text(&first["license"]["id"]);
    let mut item = stacks[0].call_dynamodb("GetItem", json!({"Key": sealed(id)})).await["Item"].take();
    item["PK"] = sealed(&license.license_id)["PK"].clone();
    stacks[0].call_dynamodb("PutItem", json!({"Item": item})).await;
    let audit = stacks[0].operator.post(&format!("license-keys/{}/audit", license.license_id), json!({})).await;
    assert_eq!(audit.expect_status(200)["findings"][1]["detail"], "the stored token cannot be decrypted");
}
