//! Issues, transitions and revocations of license keys.

use signet_tests::{TestResponse, Value, json, text};

use super::{ConcurrencyFixture, WRITE, lose_response};

/// Issues another key for the same customer and tier.
fn issue_again(fixture: &ConcurrencyFixture) -> impl Future<Output = TestResponse> + Send + use<> {
    let operator = fixture.stack.operator.clone();
    let body = json!({"customer_id": fixture.license.customer["id"], "tier_id": fixture.license.tier["id"]});
    async move { operator.post("license-keys", body).await }
}

async fn get_license(fixture: &ConcurrencyFixture, id: &Value) -> Value {
    fixture.stack.operator.get(&format!("license-keys/{}", text(id))).await.expect_status(200)
}

#[tokio::test]
async fn concurrently_issued_keys_supersede_each_other() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let mut first = Value::Null;
    let concurrent = async { first = issue_again(&fixture).await.expect_status(201) };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "CURRENT#"), issue_again(&fixture), concurrent)
        .await
        .expect_status(201);
    let late_id = &delayed["license"]["id"];
    for old in [&fixture.license.issued["license"]["id"], &first["license"]["id"]] {
        assert_eq!(get_license(&fixture, old).await["status"], "superseded");
    }
    assert_eq!(get_license(&fixture, late_id).await["status"], "active");
    assert_eq!(get_license(&fixture, &first["license"]["id"]).await["superseded_by"], *late_id);
}

#[tokio::test]
async fn a_concurrently_revoked_key_is_not_superseded() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let concurrent = async { drop(fixture.transition("revoke", json!({})).await.expect_status(200)) };
    fixture.stack.faults.interleave((WRITE, "CURRENT#"), issue_again(&fixture), concurrent).await.expect_status(201);
    let old = get_license(&fixture, &fixture.license.issued["license"]["id"]).await;
    assert_eq!((&old["status"], &old["superseded_by"]), (&json!("revoked"), &Value::Null));
    assert_eq!(fixture.count_events("license.superseded").await, 0);
}

#[tokio::test]
async fn a_concurrently_suspended_key_is_superseded() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let concurrent = async { drop(fixture.transition("suspend", json!({})).await.expect_status(200)) };
    fixture.stack.faults.interleave((WRITE, "CURRENT#"), issue_again(&fixture), concurrent).await.expect_status(201);
    assert_eq!(get_license(&fixture, &fixture.license.issued["license"]["id"]).await["status"], "superseded");
}

#[tokio::test]
async fn the_current_key_is_tracked_while_several_keys_are_allowed() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let product = &fixture.license.product;
    fixture
        .stack
        .operator
        .replace("products", product, &json!({"one_key_per_customer": false}))
        .await
        .expect_status(200);
    let second = issue_again(&fixture).await.expect_status(201);
    fixture
        .stack
        .operator
        .replace("products", product, &json!({"one_key_per_customer": true}))
        .await
        .expect_status(200);
    issue_again(&fixture).await.expect_status(201);
    assert_eq!(get_license(&fixture, &second["license"]["id"]).await["status"], "superseded");
    assert_eq!(get_license(&fixture, &fixture.license.issued["license"]["id"]).await["status"], "active");
}

#[tokio::test]
async fn a_transition_whose_response_was_lost_is_recognized_by_its_event() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let expiry = fixture.license.issued["license"]["expires_at"].clone();
    for (action, kind) in
        [("suspend", "license.suspended"), ("reinstate", "license.reinstated"), ("renew", "license.renewed")]
    {
        lose_response(&fixture);
        fixture.transition(action, json!({})).await.expect_status(200);
        assert_eq!(fixture.count_events(kind).await, 1);
    }
    let renewed = get_license(&fixture, &fixture.license.issued["license"]["id"]).await;
    assert_eq!(renewed["expires_at"], text(&expiry).replace("2027", "2028"), "one period, not two");
}

#[tokio::test]
async fn two_concurrent_revocations_take_effect_once() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let mut first = Value::Null;
    let delayed = fixture.transition("revoke", json!({"reason": "late"}));
    let concurrent = async {
        fixture.stack.advance(60);
        first = fixture.transition("revoke", json!({"reason": "first"})).await.expect_status(200);
    };
    let delayed = fixture.stack.faults.interleave((WRITE, "revoked"), delayed, concurrent).await.expect_status(200);
    assert_eq!((&delayed, &delayed["revocation_reason"]), (&first, &json!("first")));
    assert_eq!(fixture.count_events("license.revoked").await, 1);
}

#[tokio::test]
async fn revoke_returns_the_license_as_it_was_revoked() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let mut newer = Value::Null;
    let concurrent = async { newer = issue_again(&fixture).await.expect_status(201) };
    let delayed = fixture.transition("revoke", json!({}));
    let delayed = fixture.stack.faults.interleave((WRITE, "revoked"), delayed, concurrent).await.expect_status(200);
    assert_eq!(delayed["superseded_by"], newer["license"]["id"]);
    assert_eq!(fixture.transition("revoke", json!({})).await.expect_status(200), delayed);
}
