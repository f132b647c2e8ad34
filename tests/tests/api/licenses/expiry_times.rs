//! `expires_at` in requests: the accepted formats, and times in the far future.

use signet_tests::{Browser, START, Stack, Value, json, merged, text};

use super::get_license;

/// The last second of the year 9999, which many programs use for "never".
const FAR_FUTURE: &str = "9999-12-31T23:59:59Z";
/// The latest time that is stored.
const LATEST: &str = "9999-12-30T22:00:00Z";

#[tokio::test]
async fn only_rfc_3339_times_are_accepted() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let issue = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let requests = [
        (format!("license-keys/{}/renew", license.license_id), json!({})),
        ("license-keys".to_owned(), issue),
        ("api-keys".to_owned(), json!({"name": "ci", "scopes": ["licenses:read"]})),
    ];
    for (path, body) in &requests {
        for invalid in [
            "2030-01-31 12:00:00Z",
            "2030-01-31T12:00:00+01:00[Europe/Berlin]",
            "2030-01-31T12:00:00Z[UTC]",
            "2030-12-31T23:59:60Z",
            "2030-01-31T12:00Z",
            "2030-01-31T12:00:00",
            "2030-01-31T12:00:00+0100",
            "2030-02-29T12:00:00Z",
            "2030-01-31",
            "10000-01-01T00:00:00Z",
        ] {
            let body = merged(body.clone(), &json!({"expires_at": invalid}));
            stack.operator.post(path, body).await.expect_errors(422, &["/expires_at invalid_value"]);
        }
        for valid in ["2030-01-31T12:00:00Z", "2030-01-31t12:00:00.000000000001z", "2030-01-31T13:30:00+01:30"] {
            let response = stack.operator.post(path, merged(body.clone(), &json!({"expires_at": valid}))).await;
            assert!(matches!(response.status, 200 | 201), "{path} {valid}: {}", response.text);
            let body = &response.body;
            let expires_at = body.get("expires_at").unwrap_or(&body["license"]["expires_at"]);
            assert_eq!(expires_at, "2030-01-31T12:00:00Z", "{path} {valid}");
        }
    }
}

#[tokio::test]
async fn a_license_key_can_expire_in_the_far_future() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let issued = stack.operator.issue(&setup.customer, &setup.tier, &json!({"expires_at": FAR_FUTURE})).await;
    let (license, key) = (&issued["license"], text(&issued["license_key"]));
    assert_eq!((&license["expires_at"], &license["status"]), (&json!(LATEST), &json!("active")));
    assert_eq!(issued["token_expires_at"], "2026-01-15T13:00:00Z");
    assert_eq!(get_license(&stack, &license["id"]).await["expires_at"], LATEST);
    for query in ["", "?status=active"] {
        let list = stack.operator.get(&format!("license-keys{query}")).await.expect_status(200);
        let listed = list["items"].as_array().into_iter().flatten().find(|listed| listed["id"] == license["id"]);
        assert_eq!(listed.map(|listed| &listed["expires_at"]), Some(&json!(LATEST)), "{query}");
    }

    let activated = stack.anonymous.activate(key, "m1").await.expect_status(201);
    assert_eq!(activated["token_expires_at"], "2026-01-15T13:00:00Z");
    stack.advance(3000);
    let heartbeat = stack.anonymous.heartbeat(text(&activated["token"]), "m1").await.expect_status(200);
    assert_eq!(heartbeat["token_expires_at"], "2026-01-15T13:50:00Z");
    stack.anonymous.post("license-keys/validate", json!({"license_key": key})).await.expect_status(200);

    let path = format!("license-keys/{}", text(&license["id"]));
    let renew = format!("{path}/renew");
    stack.operator.post(&renew, json!({})).await.expect_problem(409, "state_conflict");
    let renewed = stack.operator.post(&renew, json!({"expires_at": FAR_FUTURE})).await.expect_status(200);
    assert_eq!(renewed["expires_at"], LATEST);
    stack.operator.post(&format!("{path}/audit"), json!({})).await.expect_status(200);
    stack.operator.get(&format!("{path}/events")).await.expect_status(200);
    stack.operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);

    let mut grace = Browser::operator(&stack).await;
    for page in ["dashboard".to_owned(), "dashboard/license-keys".into(), format!("dashboard/{path}")] {
        let page = grace.get(&format!("/{page}")).await;
        page.expect_status(200);
    }
    assert!(grace.get(&format!("/dashboard/{path}")).await.expect_status(200).contains("30 Dec 9999"));
    assert!(grace.get(&format!("/dashboard/{renew}")).await.expect_status(200).contains("Extend by 1 month"));
    let fields = [("expiry", "date"), ("expires_at", "9999-12-31T23:59")];
    grace.submit_form(&format!("/dashboard/{renew}"), &fields).await.redirect();
    let rejected = [("expiry", "date"), ("expires_at", "2030-01-31 12:00")];
    grace.submit_form(&format!("/dashboard/{renew}"), &rejected).await.expect_status(422);
    assert_eq!(get_license(&stack, &license["id"]).await["expires_at"], LATEST);
}

#[tokio::test]
async fn an_api_key_can_expire_in_the_far_future() {
    let stack = Stack::start().await;
    let body = json!({"name": "ci", "scopes": ["licenses:read"], "expires_at": FAR_FUTURE});
    let created = stack.operator.post("api-keys", body).await.expect_status(201);
    assert_eq!((&created["expires_at"], &created["created_at"]), (&json!(LATEST), &json!(START.to_string())));
    stack.anonymous.with_api_key(text(&created["api_key"])).get("license-keys").await.expect_status(200);
    let found: Value = stack.operator.get(&format!("api-keys/{}", text(&created["id"]))).await.expect_status(200);
    assert_eq!(found["expires_at"], LATEST);
    let mut grace = Browser::operator(&stack).await;
    assert!(grace.get("/dashboard/api-keys").await.expect_status(200).contains("30 Dec 9999"));
}
