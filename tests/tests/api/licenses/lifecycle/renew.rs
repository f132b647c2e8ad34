//! `POST license-keys/{id}/renew`.

use signet_tests::{Browser, Fault, Gate, IssuedLicense, Rule, START, Stack, Value, json, merged};

use super::{after, read, text, transition, transition_concurrently};

#[tokio::test]
async fn renew_sets_the_requested_expiry() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let (id, initial) = (&license.license_id, &license.issued["license"]);
    assert_eq!(initial["expires_at"], "2027-01-15T12:00:00Z");
    for (requested, stored) in [
        (json!("2026-01-15T12:00:01Z"), json!("2026-01-15T12:00:01Z")),
        (json!("2030-06-01T00:00:00+02:00"), json!("2030-05-31T22:00:00Z")),
        // Times are stored with milliseconds, and the response already shows the stored value.
        (json!("2030-06-01T00:00:00.123987654Z"), json!("2030-06-01T00:00:00.123Z")),
        (Value::Null, Value::Null),
        (json!("9999-01-01T00:00:00Z"), json!("9999-01-01T00:00:00Z")),
    ] {
        let renewed = transition(&stack, id, "renew", json!({"expires_at": requested})).await.expect_status(200);
        let expected = merged(initial.clone(), &json!({"expires_at": stored}));
        assert_eq!(renewed, expected);
        assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 0})));
    }
    // From the next heartbeat on, a token does not outlive the license.
    let activated = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    assert_eq!(activated["token_expires_at"], after(3600));
    transition(&stack, id, "renew", json!({"expires_at": after(1000)})).await.expect_status(200);
    let heartbeat = stack.anonymous.heartbeat(text(&activated["token"]), "m1").await.expect_status(200);
    assert_eq!(heartbeat["token_expires_at"], after(1000));
    stack.advance(1000);
    stack.anonymous.heartbeat(text(&heartbeat["token"]), "m1").await.expect_problem(403, "expired");
    transition(&stack, id, "renew", json!({})).await.expect_status(200);
    let heartbeat = stack.anonymous.heartbeat(text(&heartbeat["token"]), "m1").await.expect_status(200);
    assert_eq!(heartbeat["token_expires_at"], after(4600));
}

#[tokio::test]
async fn renew_returns_422_for_an_invalid_expiry() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    for invalid in [json!(START.to_string()), json!("2020-01-01T00:00:00Z"), json!("tomorrow"), json!(5), json!("")] {
        let response = transition(&stack, &id, "renew", json!({"expires_at": invalid})).await;
        assert_eq!(response.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/expires_at");
    }
    let response = transition(&stack, &id, "renew", json!({"expires": null})).await;
    assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/expires");
    assert_eq!(read(&stack, &id).await["expires_at"], "2027-01-15T12:00:00Z");
}

#[tokio::test]
async fn renew_extends_the_expiry_by_one_billing_period() {
    let stack = Stack::start().await;
    let monthly = json!({"billing_period": "monthly"});
    let annual = json!({"billing_period": "annual"});
    let leap_years = ["2029-02-28T12:00:00Z", "2030-02-28T12:00:00Z", "2031-02-28T12:00:00Z", "2032-02-29T12:00:00Z"];
    let chains: [(&Value, &str, &[&str]); 5] = [
        (&monthly, "2026-01-31T10:00:00Z", &["2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z"]),
        (&monthly, "2026-08-31T23:59:59.999Z", &["2026-09-30T23:59:59.999Z", "2026-10-31T23:59:59.999Z"]),
        (&monthly, "2028-01-30T00:00:00Z", &["2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"]),
        (&monthly, "2026-12-15T00:00:00Z", &["2027-01-15T00:00:00Z"]),
        (&annual, "2028-02-29T12:00:00Z", &leap_years),
    ];
    for (tier, end, ends) in chains {
        let IssuedLicense { tier, customer, .. } = stack.operator.issue_new_license_with(tier).await;
        let issued = stack.operator.issue(&customer, &tier, &json!({"expires_at": end})).await;
        assert_eq!(issued["license"]["expires_at"], end);
        for end in ends {
            let id = text(&issued["license"]["id"]);
            let renewed = transition(&stack, id, "renew", json!({})).await.expect_status(200);
            assert_eq!(renewed, merged(issued["license"].clone(), &json!({"expires_at": end})));
        }
    }

    // The period of an expired key starts now, and a suspended key stays suspended.
    let license = stack.operator.issue_new_license_with(&monthly).await;
    assert_eq!(license.issued["license"]["expires_at"], "2026-02-15T12:00:00Z");
    transition(&stack, &license.license_id, "suspend", json!({})).await.expect_status(200);
    stack.advance(44 * 86_400); // 2026-02-28
    let renewed = transition(&stack, &license.license_id, "renew", json!({})).await.expect_status(200);
    assert_eq!((&renewed["expires_at"], &renewed["status"]), (&json!("2026-03-28T12:00:00Z"), &json!("suspended")));
}

#[tokio::test]
async fn renewals_keep_the_day_of_issue_until_another_expiry_is_set() {
    let stack = Stack::start().await;
    stack.advance(16 * 86_400); // 2026-01-31
    let license = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let id = &license.license_id;
    let renew = async |body| transition(&stack, id, "renew", body).await.expect_status(200)["expires_at"].clone();
    assert_eq!(license.issued["license"]["expires_at"], "2026-02-28T12:00:00Z");
    let mut browser = Browser::operator(&stack).await;
    let page = browser.get(&format!("/dashboard/license-keys/{id}/renew")).await;
    assert!(page.expect_status(200).contains("Extend by 1 month, to 31 Mar 2026 UTC"), "{}", page.text);
    assert_eq!(renew(json!({})).await, "2026-03-31T12:00:00Z");
    assert_eq!(renew(json!({})).await, "2026-04-30T12:00:00Z");
    transition(&stack, id, "suspend", json!({})).await.expect_status(200);
    transition(&stack, id, "reinstate", json!({})).await.expect_status(200);
    transition(&stack, id, "change", json!({"max_users": 3})).await.expect_status(200);
    transition(&stack, id, "regenerate", json!({})).await.expect_status(200);
    assert_eq!(renew(json!({})).await, "2026-05-31T12:00:00Z");
    // The same time, but as a request's own: its day counts from now on.
    assert_eq!(renew(json!({"expires_at": "2026-06-30T12:00:00Z"})).await, "2026-06-30T12:00:00Z");
    assert_eq!(renew(json!({})).await, "2026-07-30T12:00:00Z");
    // The period of an expired license key starts now, and so does its day.
    stack.advance(242 * 86_400); // 2026-09-30
    assert_eq!(renew(json!({})).await, "2026-10-30T12:00:00Z");
    assert_eq!(renew(json!({"expires_at": null})).await, Value::Null);
    assert_eq!(renew(json!({"expires_at": "2027-01-31T00:00:00Z"})).await, "2027-01-31T00:00:00Z");
    assert_eq!(renew(json!({})).await, "2027-02-28T00:00:00Z");
    assert_eq!(renew(json!({})).await, "2027-03-31T00:00:00Z");
}

#[tokio::test]
async fn a_renewal_starts_again_if_another_sets_the_day() {
    let stack = Stack::start().await;
    stack.advance(16 * 86_400); // 2026-01-31
    let license = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let id = &license.license_id;
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let set_day = async {
        gate.wait_for_request().await;
        let same_time = json!({"expires_at": license.issued["license"]["expires_at"]});
        transition(&stack, id, "renew", same_time).await.expect_status(200);
        gate.open();
    };
    let (renewed, ()) = tokio::join!(transition(&stack, id, "renew", json!({})), set_day);
    assert_eq!(renewed.expect_status(200)["expires_at"], "2026-03-28T12:00:00Z");
}

#[tokio::test]
async fn license_keys_stored_without_a_day_are_renewed_to_the_day_of_their_expiry() {
    let stack = Stack::start().await;
    stack.advance(16 * 86_400); // 2026-01-31
    let license = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let id = &license.license_id;
    let key = json!({"PK": {"S": format!("LICENSE#{id}")}, "SK": {"S": "LICENSE"}});
    stack.call_dynamodb("UpdateItem", json!({"Key": key, "UpdateExpression": "REMOVE anchor_day"})).await;
    let renewed = transition(&stack, id, "renew", json!({})).await.expect_status(200);
    assert_eq!(renewed["expires_at"], "2026-03-28T12:00:00Z");
}

#[tokio::test]
async fn renew_returns_409_without_a_billing_period_or_expiry() {
    let stack = Stack::start().await;
    let perpetual = stack.operator.issue_new_license_with(&json!({"billing_period": "perpetual"})).await;
    assert_eq!(perpetual.issued["license"]["expires_at"], Value::Null);
    transition(&stack, &perpetual.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    transition(&stack, &perpetual.license_id, "renew", json!({"expires_at": after(100)})).await.expect_status(200);
    transition(&stack, &perpetual.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    let unexpiring = stack.operator.issue_new_license(1).await;
    transition(&stack, &unexpiring.license_id, "renew", json!({"expires_at": null})).await.expect_status(200);
    transition(&stack, &unexpiring.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    assert_eq!(read(&stack, &unexpiring.license_id).await["expires_at"], Value::Null);
    // Years above 9999 are not supported.
    transition(&stack, &unexpiring.license_id, "renew", json!({"expires_at": "9999-06-01T00:00:00Z"}))
        .await
        .expect_status(200);
    let last = transition(&stack, &unexpiring.license_id, "renew", json!({})).await;
    let detail = last.expect_problem(409, "state_conflict")["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("9999") && !detail.contains("perpetual"), "{detail}");
}

#[tokio::test]
async fn two_concurrent_renewals_extend_by_two_periods() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await.license_id;
    let responses = transition_concurrently(&stack, &id, [("renew", json!({})), ("renew", json!({}))]).await;
    let mut ends: Vec<_> =
        responses.into_iter().map(|response| response.expect_status(200)["expires_at"].clone()).collect();
    ends.sort_by_key(ToString::to_string);
    assert_eq!(ends, ["2026-03-15T12:00:00Z", "2026-04-15T12:00:00Z"]);
    assert_eq!(read(&stack, &id).await["expires_at"], "2026-04-15T12:00:00Z");
    // The SDK repeats a renewal whose response was lost; it counts once.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    let renewed = transition(&stack, &id, "renew", json!({})).await.expect_status(200);
    assert_eq!(renewed["expires_at"], "2026-05-15T12:00:00Z");
    assert_eq!(read(&stack, &id).await["expires_at"], "2026-05-15T12:00:00Z");
}
