//! Consistent licenses, and findings about the tier, the customer and the expiry.

use signet_tests::{Fault, Gate, Rule, Stack, Value, json};

use super::{audit, delete, failed_findings, issue_and_activate, key, key_of, put, read, snapshot, text};

#[tokio::test]
async fn audit_of_a_consistent_license_returns_ok_and_writes_only_an_event() {
    let stack = Stack::start().await;
    let (license, _) = issue_and_activate(&stack, 3, 2).await;
    let id = &license.license_id;
    stack.advance(60);
    let before = snapshot(&stack).await;
    let path = format!("license-keys/{id}/audit");
    let response = stack.operator.post(&path, json!({})).await;
    assert!(response.header("etag").is_empty(), "the report is not a resource");
    let body = response.expect_status(200);
    assert_eq!((&body["ok"], &body["audited_at"]), (&json!(true), &json!("2026-01-15T12:01:00Z")));
    let read = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
    assert_eq!((&body["license"], &read["seats_used"]), (&read, &json!(2)));
    // Each audit writes only its event, also with `repair`.
    stack.operator.post(&path, json!({"repair": true})).await.expect_status(200);
    stack.operator.post(&path, json!({"repair": false})).await.expect_status(200);
    let after = snapshot(&stack).await;
    assert_eq!((after.0 == before.0, after.1), (true, before.1 + 3));
}

#[tokio::test]
async fn audit_reports_ok_after_every_transition() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 3, 3).await;
    let id = &license.license_id;
    let step = async |verb: &str, body: Value| {
        stack.operator.post(&format!("license-keys/{id}/{verb}"), body).await.expect_status(200);
        assert_eq!(failed_findings(&stack, id).await, [""; 0], "{verb}");
    };
    let deactivate = format!("license-activations/{}/deactivate", text(&active[0]["activation"]["id"]));
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    step("suspend", json!({})).await;
    step("reinstate", json!({})).await;
    step("change", json!({"max_users": 2})).await;
    step("change", json!({"max_users": null})).await;
    stack.anonymous.activate(&license.license_key, "m9").await.expect_status(201);
    step("change", json!({"max_users": 3})).await;
    step("renew", json!({})).await;
    step("regenerate", json!({})).await;
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    assert_eq!(failed_findings(&stack, id).await, [""; 0], "a superseded license is consistent");
    step("revoke", json!({})).await;
    // A product may allow several license keys per customer.
    let product = stack.operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let tier = stack.operator.create_tier(&product, &json!({})).await;
    for _ in 0..2 {
        let issued = stack.operator.issue(&license.customer, &tier, &json!({})).await;
        assert_eq!(failed_findings(&stack, text(&issued["license"]["id"])).await, [""; 0]);
        stack.advance(1);
    }
}

#[tokio::test]
async fn audit_reports_no_finding_of_a_license_that_changes_between_its_reads() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let path = format!("license-keys/{}", license.license_id);
    let issue = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    for (change, body) in [(format!("{path}/regenerate"), json!({})), ("license-keys".to_owned(), issue)] {
        let gate = Gate::default();
        stack.faults.add(Rule::new("GetItem", Fault::HoldRequest(gate.clone())).containing("SEALED"));
        let (operator, audit) = (stack.operator.clone(), format!("{path}/audit"));
        let auditing = tokio::spawn(async move { operator.post(&audit, json!({})).await });
        gate.wait_for_request().await;
        let changed = stack.operator.post(&change, body).await;
        assert!(changed.status < 300, "{}", changed.text);
        gate.open();
        let report = auditing.await.unwrap().expect_status(200);
        assert_eq!(report["ok"], true, "{change}: {report:#}");
    }
}

#[tokio::test]
async fn audit_finds_a_missing_or_inactive_tier() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    for tier in ["tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB", text(&other.tier["id"])] {
        stack.set_license_attribute(id, "tier_id", json!({"S": tier})).await;
        assert_eq!(failed_findings(&stack, id).await, ["tier"], "{tier}");
    }
    stack.set_license_attribute(id, "tier_id", json!({"S": license.tier["id"]})).await;
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    let product = &license.product;
    let inactive = json!({"code": product["code"], "name": "Atlas", "is_active": false});
    stack.operator.put(&format!("products/{}", text(&product["id"])), inactive).await.expect_status(200);
    assert_eq!(failed_findings(&stack, id).await, ["tier"], "its product is inactive");
    delete(&stack, &key("CATALOG", &format!("PRODUCT#{}", text(&product["id"])))).await;
    assert_eq!(failed_findings(&stack, id).await, ["tier"], "its product is missing");
}

#[tokio::test]
async fn audit_finds_a_wrong_customer_pointer() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    let customer = text(&license.customer["id"]);
    let pointer =
        read(&stack, &key(&format!("CURRENT#{customer}"), &format!("PRODUCT#{}", text(&license.product["id"])))).await;
    assert_eq!(pointer["license_id"]["S"], json!(id));
    let pointing_to = |license: &str| {
        let mut item = pointer.clone();
        item["license_id"]["S"] = json!(license);
        item
    };
    delete(&stack, &key_of(&pointer)).await;
    assert_eq!(failed_findings(&stack, id).await, ["customer_pointer"], "no pointer");
    for wrong in ["lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB", &other.license_id] {
        put(&stack, &pointing_to(wrong)).await;
        assert_eq!(failed_findings(&stack, id).await, ["customer_pointer"], "{wrong}");
    }
    put(&stack, &pointer).await;
    stack.advance(60);
    let newer = stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let newer = text(&newer["license"]["id"]);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    // A pointer to the older license is wrong for the newer one.
    put(&stack, &pointer).await;
    assert_eq!(failed_findings(&stack, newer).await, ["customer_pointer"]);
}

#[tokio::test]
async fn audit_finds_that_the_license_has_expired() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let id = &license.license_id;
    stack.advance(31 * 86_400 - 1);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    stack.advance(1);
    assert_eq!(failed_findings(&stack, id).await, ["expiry"]);
    let (response, _) = audit(&stack, id, json!({"repair": true})).await;
    assert_eq!(response["license"]["status"], "expired", "a repair does not change the expiry");
    stack.operator.post(&format!("license-keys/{id}/renew"), json!({"expires_at": null})).await.expect_status(200);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
}

#[tokio::test]
async fn audit_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/audit");
    let response = stack.operator.post(&path, json!({"repair": "yes"})).await;
    assert_eq!(response.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/repair");
    let response = stack.operator.post(&path, json!({"fix": true})).await;
    assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/fix");
}
