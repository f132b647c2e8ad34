//! Activations that take over a lapsed seat.

use shared::{
    domain::{Activation, ActivationId, MachineHash, seat::SEAT_WINDOW_SIZE},
    store::{
        item::s,
        keys,
        seats::{ActivationOutcome, NewActivation},
        transaction::Transaction,
    },
};
use signet_tests::{START, Value, json, license_event};

use super::{ConcurrencyFixture, WRITE};

#[tokio::test]
async fn no_seat_is_taken_over_before_all_seats_were_read_as_taken() {
    let fixture = ConcurrencyFixture::with_seats(3 * SEAT_WINDOW_SIZE).await;
    fixture.activate("old").await;
    // Seat items for all but one of the other seats.
    let held = fixture.activation("old").await;
    let table = &fixture.stack.local.app.table;
    let key = keys::seat(held.id.license, held.seat.unwrap());
    let item = table.get(key).await.unwrap().unwrap();
    let free = (held.seat.unwrap() + 1) % (3 * SEAT_WINDOW_SIZE);
    let taken: Vec<u32> =
        (0..3 * SEAT_WINDOW_SIZE).filter(|number| *number != free && Some(*number) != held.seat).collect();
    for numbers in taken.chunks(100) {
        let mut transaction = Transaction::new();
        for number in numbers {
            let mut item = item.clone();
            item.insert("SK".to_owned(), s(keys::seat_sort_key(*number)));
            transaction.put_always(item);
        }
        table.commit(&transaction).await.unwrap();
    }
    fixture.stack.advance(86400);
    // The search starts at a random window each time.
    for _ in 0..10 {
        let new = fixture.activate("new").await;
        assert_eq!(fixture.activation("new").await.seat, Some(free));
        fixture.deactivate(&new).await.expect_status(200);
    }
    assert_eq!(fixture.count_events("activation.taken_over").await, 0);
}

#[tokio::test]
async fn a_concurrently_renewed_lease_is_not_taken_over() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let old = fixture.activate("old").await;
    fixture.stack.advance(3600);
    let concurrent = async { drop(fixture.heartbeat(&old, "old").await.expect_status(200)) };
    let delayed = fixture.stack.faults.interleave((WRITE, "SEAT#"), fixture.try_activate("new"), concurrent).await;
    delayed.expect_problem(409, "seat_limit_reached");
    fixture.heartbeat(&old, "old").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["old"]);
}

#[tokio::test]
async fn a_lapsed_seat_that_got_a_newer_generation_is_not_taken_over() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    fixture.activate("old").await;
    fixture.stack.advance(3600);
    let mut newer = Value::Null;
    let concurrent = async { newer = fixture.regenerate_and_activate("new").await };
    let delayed = fixture.stack.faults.interleave((WRITE, "SEAT#"), fixture.try_activate("late"), concurrent).await;
    delayed.expect_problem(403, "generation_outdated");
    fixture.heartbeat(&newer, "new").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["new"]);
}

#[tokio::test]
async fn two_machines_that_read_the_same_lapsed_seat_take_it_over_once() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    fixture.activate("old").await;
    fixture.stack.advance(3600);
    let concurrent = async { drop(fixture.activate("first").await) };
    let delayed = fixture.stack.faults.interleave((WRITE, "SEAT#"), fixture.try_activate("late"), concurrent).await;
    delayed.expect_problem(409, "seat_limit_reached");
    assert_eq!(fixture.holders().await, ["first"]);
}

#[tokio::test]
async fn a_machine_with_a_live_activation_takes_over_no_seat() {
    let fixture = ConcurrencyFixture::with_seats(2).await;
    fixture.activate("lapsed").await;
    fixture.stack.advance(3600);
    let other = fixture.activate("other").await;
    let mut first = Value::Null;
    let concurrent = async {
        fixture.deactivate(&other).await.expect_status(200);
        first = fixture.activate("one").await;
    };
    let delayed = fixture
        .stack
        .faults
        .interleave((WRITE, "taken_from"), fixture.try_activate("one"), concurrent)
        .await
        .expect_status(200);
    assert_eq!(delayed["activation"]["id"], first["activation"]["id"]);
    assert_eq!(fixture.holders().await, ["lapsed", "one"]);
}

#[tokio::test]
async fn a_machine_does_not_take_over_its_own_seat() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let mut first = Value::Null;
    let concurrent = async {
        first = fixture.activate("one").await;
        // As an instance would see it whose clock is an hour fast.
        let hash = MachineHash::from_machine_id("one");
        let input = json!({
            "Key": {"PK": {"S": format!("LICENSE#{}", fixture.license.license_id)}, "SK": {"S": format!("MACHINE#{hash}")}},
            "UpdateExpression": "SET lease_expires_at = :now",
            "ExpressionAttributeValues": {":now": {"N": START.as_second().to_string()}},
        });
        fixture.stack.call_dynamodb("UpdateItem", input).await;
    };
    let delayed = fixture
        .stack
        .faults
        .interleave(("Query", "SEAT#"), fixture.try_activate("one"), concurrent)
        .await
        .expect_status(200);
    assert_eq!(delayed["activation"]["id"], first["activation"]["id"]);
    assert_eq!((fixture.count_events("activation.taken_over").await, fixture.holders().await.len()), (0, 1));
}

/// Signet's own writes keep a seat and its activation consistent, so most parts of a takeover's conditions cannot fail
/// alone. After a restore from a backup they can.
#[tokio::test]
async fn a_lapsed_seat_is_taken_over_only_if_every_attribute_is_unchanged() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    fixture.activate("old").await;
    let (read, table) = (fixture.activation("old").await, &fixture.stack.local.app.table);
    let new =
        Activation { id: ActivationId { machine: MachineHash::from_machine_id("new"), ..read.id }, ..read.clone() };
    let event = license_event(fixture.license.license_id.parse().unwrap());
    let facts = table.machine_facts(&read.id).await.unwrap().unwrap();
    let take_over = async || {
        let new = NewActivation { activation: &new, facts: &facts, previous: None, event: &event, is_import: false };
        table.take_over(new, &read, read.lease_expires_at).await.unwrap()
    };
    let (machine, seat) = (keys::activation(read.id.license, read.id.machine), keys::seat(read.id.license, 0));
    let later = (read.lease_expires_at.as_second() + 1).to_string();
    for (key, attribute, value) in [
        (&machine, "life", json!({"B": "AAAAAAAAAAAAAA=="})),
        (&machine, "seat", json!({"N": "1"})),
        (&machine, "ended_at", json!({"N": START.as_millisecond().to_string()})),
        (&machine, "lease_expires_at", json!({"N": later})),
        (&seat, "life", json!({"B": "AAAAAAAAAAAAAA=="})),
        (&seat, "machine", json!({"B": "AAAA"})),
        (&seat, "generation", json!({"N": "2"})),
    ] {
        let mut restore = Transaction::new();
        restore.put_always(table.get(key.clone()).await.unwrap().unwrap());
        let input = json!({
            "Key": {"PK": {"S": key.pk}, "SK": {"S": key.sk}},
            "UpdateExpression": "SET #a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": value},
        });
        fixture.stack.call_dynamodb("UpdateItem", input).await;
        assert_eq!(take_over().await, ActivationOutcome::Conflict, "{attribute} of {}", key.sk);
        table.commit(&restore).await.unwrap();
    }
    assert!(matches!(take_over().await, ActivationOutcome::Done(_)));
    assert_eq!(table.machine_facts(&read.id).await.unwrap(), None, "nothing of the lapsed activation is left");
}
