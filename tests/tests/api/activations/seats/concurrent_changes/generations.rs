//! Which activations and seats are live.

use shared::{
    domain::{IdGenerator, KeyString, License},
    store::{
        license_writes::{IssueOutcome, NewCurrent, NewLicense, RevokeOutcome, SupersededLicense},
        licenses::SealedValues,
    },
};
use signet_tests::{Fault, Gate, Rule, START, Value, license_event};

use super::{ConcurrencyFixture, WRITE};

#[tokio::test]
async fn an_activation_of_a_newer_generation_is_not_replaced() {
    let fixture = ConcurrencyFixture::with_seats(None).await;
    let mut newer = Value::Null;
    let concurrent = async { newer = fixture.regenerate_and_activate("one").await };
    let delayed = fixture.stack.faults.interleave((WRITE, "MACHINE#"), fixture.try_activate("one"), concurrent).await;
    delayed.expect_problem(403, "generation_outdated");
    fixture.heartbeat(&newer, "one").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["one"]);
}

#[tokio::test]
async fn a_seat_of_a_newer_generation_is_not_free() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let mut newer = Value::Null;
    let concurrent = async { newer = fixture.regenerate_and_activate("new").await };
    let delayed = fixture.stack.faults.interleave((WRITE, "SEAT#"), fixture.try_activate("old"), concurrent).await;
    delayed.expect_problem(403, "generation_outdated");
    fixture.heartbeat(&newer, "new").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["new"]);
}

#[tokio::test]
async fn an_activation_of_a_newer_generation_than_the_license_that_was_read_is_live() {
    let fixture = ConcurrencyFixture::with_seats(None).await;
    let (license, machine) = (Gate::default(), Gate::default());
    fixture
        .stack
        .faults
        .add(Rule::new("GetItem", Fault::HoldResponse(license.clone())).containing(r#"{"S":"LICENSE"}"#));
    fixture.stack.faults.add(Rule::new("GetItem", Fault::HoldRequest(machine.clone())).containing("MACHINE#"));
    let delayed = tokio::spawn(fixture.try_activate("one"));
    license.wait_for_request().await;
    machine.wait_for_request().await;
    let newer = fixture.regenerate_and_activate("one").await;
    license.open();
    machine.open();
    delayed.await.unwrap().expect_problem(403, "generation_outdated");
    fixture.heartbeat(&newer, "one").await.expect_status(200);
    assert_eq!(fixture.holders().await, ["one"]);
}

#[tokio::test]
async fn a_lapsed_activation_is_live_and_can_be_renewed() {
    let fixture = ConcurrencyFixture::with_seats(2).await;
    let first = fixture.activate("one").await;
    fixture.stack.advance(86400);
    let renewed = fixture.try_activate("one").await.expect_status(200);
    assert_eq!(renewed["activation"]["id"], first["activation"]["id"]);
    assert_eq!((fixture.count_events("activation.created").await, fixture.holders().await.len()), (1, 1));
}

#[tokio::test]
async fn updates_do_not_recreate_a_deleted_license() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let before = fixture.stack.items().await.len();
    let (table, issued) = (&fixture.stack.local.app.table, license_event(fixture.license.license_id.parse().unwrap()));
    let superseded = license_event(fixture.license.license_id.parse().unwrap());
    let read = table.license(fixture.license.license_id.parse().unwrap()).await.unwrap().unwrap();
    let gone = License { id: IdGenerator::new(START).generate(), ..read.clone() };
    assert_eq!(table.revoke(&gone, START, None, &issued, None).await.unwrap(), RevokeOutcome::NotFound);
    let key = KeyString::generate("atlas", &mut rand::rng());
    let superseding = SupersededLicense { license: gone.id, event: &superseded, only_if_expired: None };
    let issue = NewLicense {
        license: &License { id: IdGenerator::new(START).generate(), ..read.clone() },
        key: &key,
        sealed: SealedValues { token: Some(vec![1]), license_key: vec![2] },
        event: &issued,
        current: Some(NewCurrent { read: Some(read.id), supersedes: Some(superseding) }),
        claims_tier: false,
        completion: None,
    };
    assert_eq!(table.issue(&issue).await.unwrap(), IssueOutcome::Conflict);
    assert_eq!(fixture.stack.items().await.len(), before);
}
