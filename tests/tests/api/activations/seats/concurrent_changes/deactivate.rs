//! Deactivations.

use signet_tests::Value;

use super::{ConcurrencyFixture, WRITE};

#[tokio::test]
async fn a_delayed_deactivation_does_not_end_a_later_activation() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let first = fixture.activate("one").await;
    let mut second = Value::Null;
    let concurrent = async {
        fixture.deactivate(&first).await.expect_status(200);
        second = fixture.activate("one").await;
    };
    let delayed = fixture.stack.faults.interleave((WRITE, "MACHINE#"), fixture.deactivate(&first), concurrent).await;
    delayed.expect_problem(404, "not_found");
    fixture.heartbeat(&second, "one").await.expect_status(200);
    assert_eq!((fixture.count_events("activation.deactivated").await, fixture.holders().await.len()), (1, 1));
}

#[tokio::test]
async fn two_concurrent_deactivations_take_effect_once() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let activated = fixture.activate("one").await;
    let delayed = fixture.deactivate(&activated);
    let mut first = Value::Null;
    let mut ended_at = None;
    let concurrent = async {
        fixture.stack.advance(60);
        first = fixture.deactivate(&activated).await.expect_status(200);
        ended_at = fixture.activation("one").await.ended_at;
    };
    let delayed = fixture.stack.faults.interleave((WRITE, "MACHINE#"), delayed, concurrent).await.expect_status(200);
    assert_eq!(delayed, first);
    assert!(ended_at.is_some() && fixture.activation("one").await.ended_at == ended_at);
    assert_eq!((fixture.count_events("activation.deactivated").await, fixture.holders().await.len()), (1, 0));
}

#[tokio::test]
async fn deactivate_of_a_reassigned_seat_does_not_free_it_and_returns_200() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let old = fixture.activate("old").await;
    let new = fixture.regenerate_and_activate("new").await;
    let ended = fixture.deactivate(&old).await.expect_status(200);
    assert_eq!(ended["status"], "deactivated");
    assert_eq!(fixture.deactivate(&old).await.expect_status(200), ended);
    fixture.heartbeat(&new, "new").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["new"]);
}
