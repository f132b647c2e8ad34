use signet_tests::{Value, json, text};

use crate::parts::Parts;

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_license_from_its_sale_to_its_end() {
    let stack = Parts::new().stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let sold = operator.issue_new_license(2).await;
    let validate = async |token: &Value| {
        let body = json!({"token": token, "machine_id": "laptop"});
        app.post("license-keys/validate", body).await.expect_status(200)["code"].clone()
    };
    let issued = stack.claims(&sold.issued["token"]).await;
    assert_eq!((text(&issued["sub"]), issued.get("activation")), (&*sold.license_id, None));

    let activated = app.activate(&sold.license_key, "laptop").await.expect_status(201);
    assert_eq!(stack.claims(&activated["token"]).await["activation"]["machine_id"], "laptop");
    stack.advance(900);
    let beat = app.heartbeat(text(&activated["token"]), "laptop").await.expect_status(200);
    assert_eq!(beat["renewed"], true);
    assert_eq!(stack.claims(&beat["token"]).await["exp"], signet_tests::START.as_second() + 900 + 3600);
    assert_eq!(validate(&beat["token"]).await, "valid");

    let path = format!("license-keys/{}", sold.license_id);
    let regenerated = operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    assert_eq!(stack.claims(&regenerated["token"]).await["generation"], 2);
    assert_eq!(validate(&beat["token"]).await, "generation_outdated");
    app.activate(&sold.license_key, "laptop").await.expect_problem(403, "generation_outdated");
    let again = app.activate(text(&regenerated["license_key"]), "laptop").await.expect_status(201);
    assert_eq!(validate(&again["token"]).await, "valid");
    let audit = operator.post(&format!("{path}/audit"), json!({})).await.expect_status(200);
    assert_eq!(audit["ok"], true, "{audit}");

    operator.post(&format!("{path}/revoke"), json!({"reason": "refund"})).await.expect_status(200);
    app.heartbeat(text(&again["token"]), "laptop").await.expect_problem(403, "revoked");
    assert_eq!(validate(&again["token"]).await, "revoked");
    stack.check_seats(&sold.license_id).await;
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn another_instance_opens_what_one_has_sealed() {
    let parts = Parts::new();
    let stacks = [parts.stack().await, parts.stack().await];
    let once = |stack: usize| stacks[stack].operator.with_header("idempotency-key", "order-1");
    let sold = stacks[0].operator.issue_new_license(1).await;
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    // The two have an API key of the operator's each, and a record belongs to its credential.
    let operator = stacks[0].local.operator_api_key.expose();
    let first = once(0).post("license-keys", body.clone()).await.expect_status(201);
    let other = stacks[1].anonymous.with_api_key(operator).with_header("idempotency-key", "order-1");
    let again = other.post("license-keys", body).await.expect_status(201);
    assert_eq!(first, again, "the answer was sealed by one and opened by the other");

    let table = stacks[0].table_as_text().await;
    for secret in [&first["license_key"], &first["token"]] {
        assert!(!table.contains(text(secret)), "nothing of it can be read in the table");
    }
    // What is sealed of one license key, put in place of another's, does not open.
    let sealed = |id: &str| json!({"PK": {"S": format!("LICENSE#{id}")}, "SK": {"S": "SEALED"}});
    let id = text(&first["license"]["id"]);
    let mut item = stacks[0].call_dynamodb("GetItem", json!({"Key": sealed(id)})).await["Item"].take();
    item["PK"] = sealed(&sold.license_id)["PK"].clone();
    stacks[0].call_dynamodb("PutItem", json!({"Item": item})).await;
    let audit = stacks[0].operator.post(&format!("license-keys/{}/audit", sold.license_id), json!({})).await;
    assert_eq!(audit.expect_status(200)["findings"][1]["detail"], "what is stored does not open");
}
