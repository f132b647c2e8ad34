//! Activations that take a free seat.

use signet_tests::{Fault, Rule, Value, json};

use super::{ConcurrencyFixture, WRITE, lose_response};

#[tokio::test]
async fn two_requests_of_one_machine_create_one_activation() {
    // With this many seats, the two requests choose different ones.
    let fixture = ConcurrencyFixture::with_seats(500).await;
    let mut first = Value::Null;
    let concurrent = async { first = fixture.activate("one").await };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "MACHINE#"), fixture.try_activate("one"), concurrent)
        .await
        .expect_status(200);
    assert_eq!(delayed["activation"]["id"], first["activation"]["id"]);
    assert_eq!(fixture.holders().await, ["one"]);
}

#[tokio::test]
async fn two_machines_that_read_the_same_free_seat_get_it_once() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let concurrent = async { drop(fixture.activate("one").await) };
    let delayed = fixture.stack.faults.interleave((WRITE, "SEAT#"), fixture.try_activate("two"), concurrent).await;
    delayed.expect_problem(409, "seat_limit_reached");
    assert_eq!(fixture.holders().await, ["one"]);
}

#[tokio::test]
async fn two_requests_of_a_machine_without_a_seat_create_one_activation_under_a_new_limit() {
    let fixture = ConcurrencyFixture::with_seats(None).await;
    fixture.activate("one").await;
    fixture.change_limit(500).await;
    let mut first = Value::Null;
    let concurrent = async { first = fixture.activate("one").await };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "MACHINE#"), fixture.try_activate("one"), concurrent)
        .await
        .expect_status(200);
    assert_eq!(delayed["activation"]["id"], first["activation"]["id"]);
    assert_eq!(fixture.holders().await, ["one"]);
}

#[tokio::test]
async fn two_requests_of_a_machine_above_the_limit_create_one_activation() {
    let fixture = ConcurrencyFixture::with_seats(3).await;
    let (machine, above_limit) = fixture.exceed_limit().await;
    let mut first = Value::Null;
    let concurrent = async { first = fixture.activate(machine).await };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "MACHINE#"), fixture.try_activate(machine), concurrent)
        .await
        .expect_status(200);
    assert_eq!(delayed["activation"]["id"], first["activation"]["id"]);
    assert_ne!(delayed["activation"]["id"], above_limit["activation"]["id"]);
    assert_eq!(fixture.holders().await, [machine]);
}

#[tokio::test]
async fn a_machine_above_the_limit_frees_its_old_seat_when_it_activates() {
    let fixture = ConcurrencyFixture::with_seats(3).await;
    let (machine, _) = fixture.exceed_limit().await;
    fixture.activate(machine).await;
    fixture.change_limit(3).await;
    assert_eq!(fixture.holders().await, [machine]);
    for new in ["new-1", "new-2"] {
        fixture.activate(new).await;
    }
    fixture.try_activate("new-3").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(fixture.holders().await.len(), 3);
}

#[tokio::test]
async fn a_machine_whose_seat_counts_again_keeps_it_if_its_lease_was_extended() {
    let fixture = ConcurrencyFixture::with_seats(3).await;
    let (machine, above_limit) = fixture.exceed_limit().await;
    let concurrent = async {
        fixture.change_limit(3).await;
        fixture.stack.advance(60);
        let extended = fixture.try_activate(machine).await.expect_status(200);
        assert_eq!(extended["activation"]["id"], above_limit["activation"]["id"]);
    };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "MACHINE#"), fixture.try_activate(machine), concurrent)
        .await
        .expect_status(200);
    assert_eq!(delayed["activation"]["id"], above_limit["activation"]["id"]);
    assert_eq!(fixture.activation(machine).await.seat, Some(2));
}

#[tokio::test]
async fn a_machine_above_the_limit_leaves_its_old_seat_to_its_new_holder() {
    let fixture = ConcurrencyFixture::with_seats(3).await;
    let (machine, _) = fixture.exceed_limit().await;
    let concurrent = async {
        fixture.change_limit(3).await;
        fixture.stack.advance(3600);
        let mut filled = [fixture.activate("new-1").await, fixture.activate("new-2").await];
        fixture.activate("successor").await;
        if fixture.activation("new-1").await.seat == Some(0) {
            filled.swap(0, 1);
        }
        // The seat that the delayed request chose under the reduced limit is free again.
        fixture.deactivate(&filled[1]).await.expect_status(200);
    };
    fixture
        .stack
        .faults
        .interleave((WRITE, "MACHINE#"), fixture.try_activate(machine), concurrent)
        .await
        .expect_status(201);
    assert_eq!(fixture.activation("successor").await.seat, Some(2));
    assert_eq!(fixture.holders().await.len(), 3);
}

#[tokio::test]
async fn a_search_without_a_result_detects_a_raised_limit() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    fixture.activate("one").await;
    let concurrent = async { fixture.change_limit(2).await };
    fixture
        .stack
        .faults
        .interleave(("Query", "MACHINE#"), fixture.try_activate("two"), concurrent)
        .await
        .expect_status(201);
    assert_eq!(fixture.holders().await.len(), 2);
}

#[tokio::test]
async fn a_search_without_a_result_detects_a_new_generation() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    fixture.activate("one").await;
    let concurrent = async { drop(fixture.regenerate_and_activate("new").await) };
    let delayed = fixture.stack.faults.interleave(("Query", "MACHINE#"), fixture.try_activate("two"), concurrent).await;
    delayed.expect_problem(403, "generation_outdated");
    assert_eq!(fixture.holders().await, ["new"]);
}

#[tokio::test]
async fn activate_returns_503_and_not_409_after_repeated_conflicts() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    fixture.stack.faults.add(Rule::new(WRITE, Fault::Cancel("ConditionalCheckFailed")).always());
    fixture.try_activate("one").await.expect_problem(503, "unavailable");
    fixture.stack.faults.clear();
    assert!(fixture.holders().await.is_empty());
    fixture.activate("one").await;
}

#[tokio::test]
async fn an_activation_whose_response_was_lost_is_recognized_by_its_id() {
    let fixture = ConcurrencyFixture::with_seats(2).await;
    lose_response(&fixture);
    fixture.activate("one").await;
    assert_eq!((fixture.count_events("activation.created").await, fixture.holders().await.len()), (1, 1));
    fixture.activate("two").await;
    fixture.stack.advance(3600);
    lose_response(&fixture);
    fixture.activate("three").await;
    assert_eq!((fixture.count_events("activation.taken_over").await, fixture.holders().await.len()), (1, 2));
}

#[tokio::test]
async fn an_ended_activation_whose_response_was_lost_is_not_restored() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    lose_response(&fixture);
    let mut ended = Value::Null;
    let concurrent = async {
        let id = fixture.activation("one").await.id.to_string();
        ended = json!({"activation": {"id": id}});
        fixture.deactivate(&ended).await.expect_status(200);
    };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "MACHINE#"), fixture.try_activate("one"), concurrent)
        .await
        .expect_status(201);
    assert_ne!(delayed["activation"]["id"], ended["activation"]["id"]);
    fixture.deactivate(&ended).await.expect_problem(404, "not_found");
    assert_eq!(fixture.holders().await, ["one"]);
}
