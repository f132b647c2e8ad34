//! `GET license-keys/{id}` and `POST license-keys/{id}/revoke`.

use signet_tests::{Stack, Value, json, merged, text};

use super::get_license;

#[tokio::test]
async fn get_returns_the_number_of_used_seats() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(3).await;
    let unlimited = operator.issue_new_license_with(&json!({"max_users": null})).await;
    for license in [&license, &unlimited] {
        let id = &license.issued["license"]["id"];
        let used = async || get_license(&stack, id).await["seats_used"].clone();
        assert_eq!(used().await, 0);
        let one = app.activate(&license.license_key, "one").await.expect_status(201);
        let etag = operator.get(&format!("license-keys/{}", text(id))).await.header("etag").to_owned();
        app.activate(&license.license_key, "two").await.expect_status(201);
        app.activate(&license.license_key, "two").await.expect_status(200);
        assert_eq!(used().await, 2);
        assert_ne!(operator.get(&format!("license-keys/{}", text(id))).await.header("etag"), etag);
        let path = format!("license-activations/{}/deactivate", text(&one["activation"]["id"]));
        operator.post(&path, json!({})).await.expect_status(200);
        assert_eq!(used().await, 1);
        stack.advance(86400);
        assert_eq!(used().await, 1, "a lapsed machine keeps its seat until another machine takes it over");
    }
}

#[tokio::test]
async fn get_and_revoke_return_404_for_unknown_ids() {
    let stack = Stack::start().await;
    for id in [
        "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
        "lic_01jd8w0v5xk6q3r7t2n4m8p9zb",
        "x",
        "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
        "%2e%2e",
    ] {
        stack.operator.get(&format!("license-keys/{id}")).await.expect_problem(404, "not_found");
        stack.operator.post(&format!("license-keys/{id}/revoke"), json!({})).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn revoke_is_idempotent_and_final() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let path = format!("license-keys/{}/revoke", license.license_id);
    stack.advance(5);
    let first = stack.operator.post(&path, json!({"reason": "refund"})).await;
    assert!(!first.header("etag").is_empty());
    let changed = json!({"status": "revoked", "revoked_at": "2026-01-15T12:00:05Z", "revocation_reason": "refund"});
    assert_eq!(first.body, merged(license.issued["license"].clone(), &changed));
    stack.advance(5);
    for body in [json!({"reason": "refund"}), json!({"reason": "fraud"}), json!({})] {
        let response = stack.operator.post(&path, body).await;
        assert_eq!((response.status, response.text), (200, first.text.clone()));
    }
    assert_eq!(
        stack
            .license_events(&license.license_id)
            .await
            .iter()
            .filter(|event| event["type"] == "license.revoked")
            .count(),
        1
    );
    let read = get_license(&stack, &license.issued["license"]["id"]).await;
    assert_eq!(read, merged(first.body, &json!({"seats_used": 0})));
    // It stays revoked, also after it has expired and after a new key is issued.
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    stack.advance(400 * 86400);
    assert_eq!(get_license(&stack, &license.issued["license"]["id"]).await, read);
}

#[tokio::test]
async fn revoke_accepts_superseded_and_expired_keys() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let second = stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let revoke = async |id: &Value| {
        stack
            .operator
            .post(&format!("license-keys/{}/revoke", text(id)), json!({"reason": null}))
            .await
            .expect_status(200)
    };
    let first = revoke(&license.issued["license"]["id"]).await;
    assert_eq!((&first["status"], &first["superseded_by"]), (&json!("revoked"), &second["license"]["id"]));
    assert_eq!(first["revocation_reason"], Value::Null);
    stack.advance(400 * 86400);
    assert_eq!(revoke(&second["license"]["id"]).await["status"], "revoked");
}

#[tokio::test]
async fn revoke_returns_422_for_an_invalid_reason() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let path = format!("license-keys/{}/revoke", license.license_id);
    let post = async |body: Value| stack.operator.post(&path, body).await;
    post(json!({"reason": 5})).await.expect_errors(422, &["/reason invalid_value"]);
    post(json!({"reason": "a".repeat(501)})).await.expect_errors(422, &["/reason invalid_value"]);
    post(json!({"reason": "\u{0}"})).await.expect_errors(422, &["/reason invalid_value"]);
    post(json!({"why": "x"})).await.expect_errors(422, &["/why unknown_field"]);
    post(json!([])).await.expect_problem(422, "invalid_value");
    assert_eq!(get_license(&stack, &license.issued["license"]["id"]).await["status"], "active");
    assert_eq!(post(json!({"reason": "é".repeat(500)})).await.expect_status(200)["status"], "revoked");
}
