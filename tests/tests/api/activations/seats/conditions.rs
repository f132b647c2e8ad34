//! The conditions of the seat protocol's writes, tested one at a time: another request changes what a write relies on,
//! and the write must change nothing. Each test fails if its condition is removed.

use rand::RngExt;
use shared::{
    domain::{
        Activation, ActivationId, DescribedActivation, Event, IdGenerator, License, MachineFacts, MachineHash, Status,
        Timestamp,
    },
    store::{
        Table,
        deactivations::DeactivateOutcome,
        license_writes::{IssueOutcome, NewCurrent, NewLicense, SupersededLicense},
        licenses::SealedValues,
        renewals::{RenewOutcome, Renewal},
        seats::{ActivationOutcome, NewActivation},
    },
};
use signet_tests::{IssuedLicense, START, Stack, Value, json, license_event, text};

/// A stack with one issued license.
pub(super) struct SeatFixture {
    stack: Stack,
    license: IssuedLicense,
}

impl SeatFixture {
    pub(super) async fn with_seats(seats: u32) -> Self {
        let stack = Stack::start().await;
        let license = stack.operator.issue_new_license(seats).await;
        Self { stack, license }
    }

    pub(super) fn table(&self) -> &Table {
        &self.stack.local.app.table
    }

    pub(super) async fn read_license(&self) -> License {
        self.table().license(self.license.license_id.parse().unwrap()).await.unwrap().unwrap()
    }

    /// Activates a machine through the API and returns its stored activation, if it has one.
    pub(super) async fn activate(&self, machine: &str) -> Activation {
        self.stack.anonymous.activate(&self.license.license_key, machine).await;
        self.activation(machine).await.unwrap()
    }

    pub(super) async fn activation(&self, machine: &str) -> Option<Activation> {
        let license = self.license.license_id.parse().unwrap();
        self.table().activation(license, MachineHash::from_machine_id(machine)).await.unwrap()
    }

    /// Returns a seat item in DynamoDB's JSON.
    async fn seat(&self, number: u32) -> Option<Value> {
        let items = self.stack.items().await;
        let sort_key = format!("SEAT#{number:05}");
        items.iter().find(|item| item["SK"]["S"] == *sort_key).cloned()
    }

    pub(super) async fn take_free_seat(
        &self,
        license: &License,
        activation: &Activation,
        previous: Option<&Activation>,
    ) -> ActivationOutcome {
        let event = license_event(license.id);
        let new = NewActivation { activation, facts: &facts(), previous, event: &event, is_import: false };
        self.table().take_free_seat(new).await.unwrap()
    }

    async fn take_over(&self, license: &License, activation: &Activation, lapsed: &Activation) -> ActivationOutcome {
        let event = license_event(license.id);
        let new = NewActivation { activation, facts: &facts(), previous: None, event: &event, is_import: false };
        self.table().take_over(new, lapsed, lapsed.lease_expires_at).await.unwrap()
    }

    pub(super) async fn deactivate(&self, activation: &Activation, event: &Event) -> DeactivateOutcome {
        let facts = self.table().machine_facts(&activation.id).await.unwrap();
        let described = DescribedActivation { activation: activation.clone(), facts };
        self.table().deactivate(&described, event, None).await.unwrap()
    }
}

fn facts() -> MachineFacts {
    let ip = "127.0.0.1".to_owned();
    MachineFacts { name: None, ip, activated_at: START, app_version: None, os: None, hostname: None }
}

/// Returns a new activation of a machine, based on the license as it was read.
pub(super) fn new_activation(license: &License, machine: &str, seat: Option<u32>) -> Activation {
    Activation {
        id: ActivationId {
            license: license.id,
            machine: MachineHash::from_machine_id(machine),
            nonce: rand::rng().random(),
        },
        seat,
        generation: license.generation,
        machine_id: machine.to_owned(),
        last_ip: "127.0.0.1".to_owned(),
        last_heartbeat_at: START,
        lease_expires_at: START + jiff::SignedDuration::from_secs(3600),
        public_key: None,
        instance_id: None,
        borrow: None,
        offline_file_until: None,
        facts_digest: None,
        facts_until: None,
        ended_at: None,
    }
}

fn renewal<'a>(activation: &Activation, seconds: i64) -> Renewal<'a> {
    Renewal {
        id: activation.id,
        generation: activation.generation,
        lease_expires_at: START + jiff::SignedDuration::from_secs(seconds),
        at: START,
        ip: "127.0.0.1",
        public_key: None,
        is_seatless_process: false,
        offline_file_until: None,
    }
}

#[tokio::test]
async fn a_held_seat_is_not_taken_as_free() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    fixture.activate("one").await;
    let held = fixture.seat(0).await;
    assert_eq!(
        fixture.take_free_seat(&license, &new_activation(&license, "two", Some(0)), None).await,
        ActivationOutcome::Conflict
    );
    assert_eq!(fixture.seat(0).await, held);
    assert_eq!(fixture.activation("two").await, None);
}

#[tokio::test]
async fn a_machine_with_a_live_activation_gets_no_second_one() {
    let fixture = SeatFixture::with_seats(2).await;
    let license = fixture.read_license().await;
    let one = fixture.activate("one").await;
    let other_seat = 1 - one.seat.unwrap();
    assert_eq!(
        fixture.take_free_seat(&license, &new_activation(&license, "one", Some(other_seat)), None).await,
        ActivationOutcome::Conflict
    );
    assert_eq!(fixture.activation("one").await, Some(one));
    assert_eq!(fixture.seat(other_seat).await, None);
}

#[tokio::test]
async fn an_activation_of_a_newer_generation_is_not_replaced() {
    let fixture = SeatFixture::with_seats(2).await;
    let old = fixture.read_license().await;
    let path = format!("license-keys/{}/regenerate", fixture.license.license_id);
    let regenerated = fixture.stack.operator.post(&path, json!({})).await.expect_status(200);
    let key = text(&regenerated["license_key"]).to_owned();
    fixture.stack.anonymous.activate(&key, "one").await.expect_status(201);
    let newer = fixture.activation("one").await.unwrap();
    let other_seat = 1 - newer.seat.unwrap();
    assert_eq!(
        fixture.take_free_seat(&old, &new_activation(&old, "one", Some(other_seat)), None).await,
        ActivationOutcome::Conflict
    );
    assert_eq!(
        fixture.take_free_seat(&old, &new_activation(&old, "two", newer.seat), None).await,
        ActivationOutcome::Conflict
    );
    assert_eq!(fixture.activation("one").await, Some(newer));
}

#[tokio::test]
async fn a_seat_and_activation_of_an_older_generation_are_replaced() {
    let fixture = SeatFixture::with_seats(1).await;
    fixture.activate("one").await;
    let path = format!("license-keys/{}/regenerate", fixture.license.license_id);
    fixture.stack.operator.post(&path, json!({})).await.expect_status(200);
    let license = fixture.read_license().await;
    let outcome = fixture.take_free_seat(&license, &new_activation(&license, "one", Some(0)), None).await;
    assert!(matches!(outcome, ActivationOutcome::Done(_)));
}

#[tokio::test]
async fn a_repeated_activation_succeeds_unless_it_has_ended() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let activation = new_activation(&license, "one", Some(0));
    for _ in 0..2 {
        assert_eq!(
            fixture.take_free_seat(&license, &activation, None).await,
            ActivationOutcome::Done(Box::new(activation.clone()))
        );
    }
    let ended = fixture.deactivate(&activation, &license_event(license.id)).await;
    assert!(matches!(ended, DeactivateOutcome::Done(_)));
    // The activation has ended and another machine has its seat, so the repeat must not restore it.
    fixture.activate("two").await;
    assert_eq!(fixture.take_free_seat(&license, &activation, None).await, ActivationOutcome::Conflict);
}

#[tokio::test]
async fn a_new_activation_keeps_no_attributes_of_the_previous_one() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let one = fixture.activate("one").await;
    fixture.deactivate(&one, &license_event(license.id)).await;
    fixture.activate("one").await;
    let items = fixture.stack.items().await;
    let machine = items.iter().find(|item| text(&item["SK"]["S"]).starts_with("MACHINE#")).unwrap();
    assert!(machine.get("expires_at_epoch").is_none() && machine.get("ended_at").is_none(), "{machine}");
}

#[tokio::test]
async fn a_renewal_never_shortens_the_lease() {
    let fixture = SeatFixture::with_seats(1).await;
    let one = fixture.activate("one").await;
    let RenewOutcome::Done(renewed) = fixture.table().renew(&renewal(&one, 60)).await.unwrap() else {
        panic!("the activation is live")
    };
    assert_eq!(renewed.lease_expires_at, one.lease_expires_at);
    assert_eq!(fixture.activation("one").await.unwrap().lease_expires_at, one.lease_expires_at);
}

#[tokio::test]
async fn an_ended_or_deleted_activation_is_not_renewed() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let one = fixture.activate("one").await;
    let earlier = Activation { id: ActivationId { nonce: [7; 10], ..one.id }, ..one.clone() };
    let newer = Activation { generation: 2, ..one.clone() };
    for not_live in [&earlier, &newer] {
        for lease in [60, 90_000] {
            assert_eq!(fixture.table().renew(&renewal(not_live, lease)).await.unwrap(), RenewOutcome::NotLive);
        }
    }
    fixture.deactivate(&one, &license_event(license.id)).await;
    for lease in [60, 90_000] {
        assert_eq!(fixture.table().renew(&renewal(&one, lease)).await.unwrap(), RenewOutcome::NotLive);
    }
    let unknown = new_activation(&license, "unknown", None);
    assert_eq!(fixture.table().renew(&renewal(&unknown, 90_000)).await.unwrap(), RenewOutcome::NotLive);
    assert_eq!(fixture.activation("unknown").await, None, "an update creates no item");
}

#[tokio::test]
async fn a_lapsed_seat_is_taken_over_only_if_unchanged_since_the_read() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let lapsed = fixture.activate("one").await;
    let two = new_activation(&license, "two", Some(0));

    // The activation was renewed after the read.
    fixture.table().renew(&renewal(&lapsed, 90_000)).await.unwrap();
    assert_eq!(fixture.take_over(&license, &two, &lapsed).await, ActivationOutcome::Conflict);
    let renewed = fixture.activation("one").await.unwrap();

    // The activation was deactivated after the read.
    fixture.deactivate(&renewed, &license_event(license.id)).await;
    assert_eq!(fixture.take_over(&license, &two, &renewed).await, ActivationOutcome::Conflict);

    // The seat was taken by another machine after the read.
    let three = fixture.activate("three").await;
    assert_eq!(fixture.take_over(&license, &two, &renewed).await, ActivationOutcome::Conflict);
    assert_eq!(fixture.activation("three").await, Some(three.clone()));
    assert_eq!(fixture.activation("two").await, None);

    // Nothing has changed since the read.
    assert_eq!(fixture.take_over(&license, &two, &three).await, ActivationOutcome::Done(Box::new(two.clone())));
    assert_eq!(fixture.activation("three").await, None);
    assert_eq!(fixture.activation("two").await, Some(two));
}

#[tokio::test]
async fn deactivating_an_earlier_activation_does_not_end_a_later_one() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let first = fixture.activate("one").await;
    let ended = license_event(license.id);
    fixture.deactivate(&first, &ended).await;
    let second = fixture.activate("one").await;
    assert_eq!(fixture.deactivate(&first, &ended).await, DeactivateOutcome::NotFound);
    assert_eq!(fixture.activation("one").await, Some(second));
    assert!(fixture.seat(0).await.is_some());
}

#[tokio::test]
async fn a_reassigned_seat_is_not_freed_by_its_previous_holder() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let one = fixture.activate("one").await;
    // As after a restore from a backup: another machine holds the seat, and this activation still refers to it.
    let key = json!({ "PK": { "S": format!("LICENSE#{}", license.id) }, "SK": { "S": "SEAT#00000" } });
    fixture.stack.call_dynamodb("DeleteItem", json!({ "Key": key })).await;
    let two = fixture.activate("two").await;
    assert_eq!(two.seat, Some(0));
    let deactivated = fixture.deactivate(&one, &license_event(license.id)).await;
    assert!(matches!(deactivated, DeactivateOutcome::Done(_)));
    assert!(fixture.seat(0).await.is_some(), "the other machine still holds the seat");
    assert!(fixture.activation("one").await.unwrap().ended_at.is_some());
}

#[tokio::test]
async fn a_machine_above_a_reduced_limit_moves_to_a_new_seat() {
    let fixture = SeatFixture::with_seats(2).await;
    let (one, two) = (fixture.activate("one").await, fixture.activate("two").await);
    let (low, high) = if one.seat == Some(0) { (one, two) } else { (two, one) };
    let license = fixture.read_license().await;
    fixture.deactivate(&low, &license_event(license.id)).await;
    let path = format!("license-keys/{}/change", fixture.license.license_id);
    fixture.stack.operator.post(&path, json!({ "max_users": 1 })).await.expect_status(200);
    fixture.stack.anonymous.activate(&fixture.license.license_key, &high.machine_id).await.expect_status(201);
    assert_eq!(fixture.activation(&high.machine_id).await.unwrap().seat, Some(0));
    assert_eq!(fixture.seat(1).await, None, "the seat above the limit is deleted");
}

#[tokio::test]
async fn a_key_is_issued_only_if_the_current_key_is_unchanged_since_the_read() {
    let fixture = SeatFixture::with_seats(1).await;
    let read = fixture.read_license().await;
    let (license, key) = new_license_like(&read, 1);
    let (issued, superseded) = (license_event(license.id), license_event(read.id));
    let issue = |read, supersedes| NewLicense {
        license: &license,
        key: &key,
        sealed: SealedValues { token: Some(vec![1]), license_key: vec![2] },
        event: &issued,
        current: Some(NewCurrent { read, supersedes }),
        claims_tier: false,
        completion: None,
    };
    let supersede = |only_if_expired| Some(SupersededLicense { license: read.id, event: &superseded, only_if_expired });
    assert_eq!(
        fixture.table().issue(&issue(None, None)).await.unwrap(),
        IssueOutcome::Conflict,
        "there is a current key"
    );
    assert_eq!(
        fixture.table().issue(&issue(Some(license.id), None)).await.unwrap(),
        IssueOutcome::Conflict,
        "another key is current"
    );
    let expired = License { expires_at: Some(START), ..read.clone() };
    let expired = supersede(Some(&expired));
    assert_eq!(
        fixture.table().issue(&issue(Some(read.id), expired)).await.unwrap(),
        IssueOutcome::Conflict,
        "the current key has not expired"
    );
    let path = format!("license-keys/{}/revoke", read.id);
    fixture.stack.operator.post(&path, json!({})).await.expect_status(200);
    let revoked = supersede(None);
    assert_eq!(
        fixture.table().issue(&issue(Some(read.id), revoked)).await.unwrap(),
        IssueOutcome::Conflict,
        "the current key is revoked"
    );
    assert_eq!(fixture.read_license().await.status(START), Status::Revoked);
    assert_eq!(fixture.table().issue(&issue(Some(read.id), None)).await.unwrap(), IssueOutcome::Done);
    assert_eq!(
        fixture.table().issue(&issue(Some(read.id), None)).await.unwrap(),
        IssueOutcome::Done,
        "a repeat succeeds"
    );
}

/// Returns a new license like another one, issued this many seconds after the start.
fn new_license_like(like: &License, second: i64) -> (License, shared::domain::KeyString) {
    let now: Timestamp = START + jiff::SignedDuration::from_secs(second);
    let key = shared::domain::KeyString::generate("other", &mut rand::rng());
    (
        License {
            id: IdGenerator::new(now).generate(),
            key_hint: key.hint().to_owned(),
            issued_at: now,
            ..like.clone()
        },
        key,
    )
}
