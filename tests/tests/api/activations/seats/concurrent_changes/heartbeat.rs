//! Heartbeats.

use signet_tests::{START, json, text};

use super::ConcurrencyFixture;

#[tokio::test]
async fn heartbeat_returns_403_not_activated_after_a_concurrent_takeover() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let old = fixture.activate("old").await;
    fixture.stack.advance(3600);
    let (app, token) = (fixture.stack.anonymous.clone(), text(&old["token"]).to_owned());
    let delayed = async move { app.heartbeat(&token, "old").await };
    let concurrent = async { drop(fixture.activate("new").await) };
    let delayed = fixture.stack.faults.interleave(("UpdateItem", "MACHINE#"), delayed, concurrent).await;
    delayed.expect_problem(403, "not_activated");
    assert_eq!(fixture.holders().await, ["new"]);
}

#[tokio::test]
async fn a_machine_above_the_limit_is_not_activated() {
    let fixture = ConcurrencyFixture::with_seats(3).await;
    let (machine, above_limit) = fixture.exceed_limit().await;
    fixture.heartbeat(&above_limit, machine).await.expect_problem(403, "not_activated");
    for body in [
        json!({"token": above_limit["token"]}),
        json!({"license_key": fixture.license.license_key, "machine_id": machine}),
    ] {
        let validation = fixture.stack.anonymous.post("license-keys/validate", body).await.expect_status(200);
        assert_eq!(validation["code"], "not_activated");
    }
    assert!(fixture.holders().await.is_empty());
    // The activation is valid again after the limit is raised.
    fixture.change_limit(3).await;
    fixture.heartbeat(&above_limit, machine).await.expect_status(200);
}

#[tokio::test]
async fn a_machine_without_a_seat_is_not_activated_under_a_new_limit() {
    let fixture = ConcurrencyFixture::with_seats(None).await;
    let seatless = fixture.activate("one").await;
    fixture.change_limit(1).await;
    fixture.heartbeat(&seatless, "one").await.expect_problem(403, "not_activated");
    let seated = fixture.activate("one").await;
    fixture.heartbeat(&seatless, "one").await.expect_problem(403, "not_activated");
    fixture.heartbeat(&seated, "one").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["one"]);
}

#[tokio::test]
async fn a_token_does_not_outlive_the_written_lease() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let first = fixture.activate("one").await;
    let longer = json!({"token_ttl_seconds": 7200, "offline_grace_seconds": 100, "max_users": 1});
    let longer = fixture.stack.operator.create_tier(&fixture.license.product, &longer).await;
    fixture.transition("change", json!({"tier_id": longer["id"]})).await.expect_status(200);
    let token = fixture.heartbeat(&first, "one").await.expect_status(200)["token"].clone();
    let exp = fixture.stack.claims(&token).await["exp"].as_i64().unwrap();
    assert_eq!(exp, START.as_second() + 7200);
    assert_eq!(fixture.activation("one").await.lease_expires_at.as_second(), exp + 100);
}
