//! Each condition that keeps seats exact, met one at a time: what a request read is made old by another, and its write
//! must change nothing. Taking a condition out fails the test that is named for it.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use rand::RngExt;
use shared::{
    domain::{
        Activation, ActivationId, Actor, ActorKind, Event, EventType, IdGenerator, License, MachineHash, Status,
        Timestamp,
    },
    store::{
        Table,
        activations::{DeactivateOutcome, RenewOutcome, Renewal},
        license_writes::{Issue, IssueOutcome, Superseding},
        licenses::Sealed,
        seats::{ActivationOutcome, NewActivation},
    },
};
use signet_tests::{IssuedLicense, START, Stack, Value, json, text};

/// A stack, something sold, and the license as a request would read it.
struct Scene {
    stack: Stack,
    sold: IssuedLicense,
}

impl Scene {
    async fn with_seats(seats: u32) -> Self {
        let stack = Stack::start().await;
        let sold = stack.operator.issue_new_license(seats).await;
        Self { stack, sold }
    }

    fn table(&self) -> &Table {
        &self.stack.local.app.table
    }

    async fn license(&self) -> License {
        self.table().license(self.sold.license_id.parse().unwrap()).await.unwrap().unwrap()
    }

    async fn activate(&self, machine: &str) -> Activation {
        self.stack.anonymous.activate(&self.sold.license_key, machine).await;
        self.activation(machine).await.unwrap()
    }

    async fn activation(&self, machine: &str) -> Option<Activation> {
        let license = self.sold.license_id.parse().unwrap();
        self.table().activation(license, MachineHash::of(machine)).await.unwrap()
    }

    /// What holds a seat, in DynamoDB's own JSON.
    async fn seat(&self, number: u32) -> Option<Value> {
        let items = self.stack.items().await;
        let place = format!("SEAT#{number:05}");
        items.iter().find(|item| item["SK"]["S"] == *place).cloned()
    }

    async fn begin(&self, license: &License, activation: &Activation, dead: Option<&Activation>) -> ActivationOutcome {
        let event = event(license, EventType::Activated);
        let begin = NewActivation { activation, dead, event: &event };
        self.table().take_free_seat(begin).await.unwrap()
    }

    async fn take_over(&self, license: &License, activation: &Activation, lapsed: &Activation) -> ActivationOutcome {
        let event = event(license, EventType::TakenOver);
        let begin = NewActivation { activation, dead: None, event: &event };
        self.table().take_over(begin, lapsed, lapsed.lease_expires_at).await.unwrap()
    }
}

fn event(license: &License, kind: EventType) -> Event {
    Event {
        id: IdGenerator::new(START).make(),
        kind,
        at: START,
        license_id: license.id,
        actor: Actor { kind: ActorKind::System, id: "test".to_owned() },
        ip: "127.0.0.1".to_owned(),
        data: json!({}),
    }
}

/// A life that a machine would begin on the license as it was read.
fn new_life(license: &License, machine: &str, seat: Option<u32>) -> Activation {
    Activation {
        id: ActivationId { license: license.id, machine: MachineHash::of(machine), life: rand::rng().random() },
        seat,
        generation: license.generation,
        machine_id: machine.to_owned(),
        machine_name: None,
        ip: "127.0.0.1".to_owned(),
        last_ip: "127.0.0.1".to_owned(),
        activated_at: START,
        last_heartbeat_at: START,
        lease_expires_at: START + jiff::SignedDuration::from_secs(3600),
        public_key: None,
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
        machine_name: None,
        public_key: None,
    }
}

#[tokio::test]
async fn a_seat_that_is_held_is_not_taken_as_free() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    scene.activate("one").await;
    let held = scene.seat(0).await;
    assert_eq!(scene.begin(&license, &new_life(&license, "two", Some(0)), None).await, ActivationOutcome::Lost);
    assert_eq!(scene.seat(0).await, held);
    assert_eq!(scene.activation("two").await, None);
}

#[tokio::test]
async fn a_machine_that_lives_begins_no_second_life() {
    let scene = Scene::with_seats(2).await;
    let license = scene.license().await;
    let one = scene.activate("one").await;
    let other_seat = 1 - one.seat.unwrap();
    assert_eq!(
        scene.begin(&license, &new_life(&license, "one", Some(other_seat)), None).await,
        ActivationOutcome::Lost
    );
    assert_eq!(scene.activation("one").await, Some(one));
    assert_eq!(scene.seat(other_seat).await, None);
}

#[tokio::test]
async fn a_life_of_a_higher_generation_is_never_taken_for_dead() {
    let scene = Scene::with_seats(2).await;
    let old = scene.license().await;
    let path = format!("license-keys/{}/regenerate", scene.sold.license_id);
    let regenerated = scene.stack.operator.post(&path, json!({})).await.expect_status(200);
    let key = text(&regenerated["license_key"]).to_owned();
    scene.stack.anonymous.activate(&key, "one").await.expect_status(201);
    let newer = scene.activation("one").await.unwrap();
    let other_seat = 1 - newer.seat.unwrap();
    assert_eq!(scene.begin(&old, &new_life(&old, "one", Some(other_seat)), None).await, ActivationOutcome::Lost);
    assert_eq!(scene.begin(&old, &new_life(&old, "two", newer.seat), None).await, ActivationOutcome::Lost);
    assert_eq!(scene.activation("one").await, Some(newer));
}

#[tokio::test]
async fn a_seat_and_a_life_of_a_lower_generation_are_free() {
    let scene = Scene::with_seats(1).await;
    scene.activate("one").await;
    let path = format!("license-keys/{}/regenerate", scene.sold.license_id);
    scene.stack.operator.post(&path, json!({})).await.expect_status(200);
    let license = scene.license().await;
    let begun = scene.begin(&license, &new_life(&license, "one", Some(0)), None).await;
    assert!(matches!(begun, ActivationOutcome::Done(_)));
}

#[tokio::test]
async fn a_repeat_that_meets_its_own_life_is_done() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    let life = new_life(&license, "one", Some(0));
    for _ in 0..2 {
        assert_eq!(scene.begin(&license, &life, None).await, ActivationOutcome::Done(Box::new(life.clone())));
    }
    let ended = scene.table().deactivate(&life, &event(&license, EventType::Deactivated)).await.unwrap();
    assert!(matches!(ended, DeactivateOutcome::Done(_)));
    // FunctionExit meanwhile: it may begin anew, but not as the life that is over while another has its seat.
    scene.activate("two").await;
    assert_eq!(scene.begin(&license, &life, None).await, ActivationOutcome::Lost);
}

#[tokio::test]
async fn a_new_life_has_nothing_of_the_one_before() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    let one = scene.activate("one").await;
    scene.table().deactivate(&one, &event(&license, EventType::Deactivated)).await.unwrap();
    scene.activate("one").await;
    let items = scene.stack.items().await;
    let machine = items.iter().find(|item| text(&item["SK"]["S"]).starts_with("MACHINE#")).unwrap();
    assert!(machine.get("expires_at_epoch").is_none() && machine.get("ended_at").is_none(), "{machine}");
}

#[tokio::test]
async fn a_lease_never_shrinks() {
    let scene = Scene::with_seats(1).await;
    let one = scene.activate("one").await;
    let RenewOutcome::Done(renewed) = scene.table().renew(&renewal(&one, 60)).await.unwrap() else {
        panic!("it is live")
    };
    assert_eq!(renewed.lease_expires_at, one.lease_expires_at);
    assert_eq!(scene.activation("one").await.unwrap().lease_expires_at, one.lease_expires_at);
}

#[tokio::test]
async fn what_has_ended_or_is_gone_is_not_renewed() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    let one = scene.activate("one").await;
    let other_life = Activation { id: ActivationId { life: [7; 10], ..one.id }, ..one.clone() };
    let newer = Activation { generation: 2, ..one.clone() };
    for not_live in [&other_life, &newer] {
        for lease in [60, 90_000] {
            assert_eq!(scene.table().renew(&renewal(not_live, lease)).await.unwrap(), RenewOutcome::NotLive);
        }
    }
    scene.table().deactivate(&one, &event(&license, EventType::Deactivated)).await.unwrap();
    for lease in [60, 90_000] {
        assert_eq!(scene.table().renew(&renewal(&one, lease)).await.unwrap(), RenewOutcome::NotLive);
    }
    let nobody = new_life(&license, "nobody", None);
    assert_eq!(scene.table().renew(&renewal(&nobody, 90_000)).await.unwrap(), RenewOutcome::NotLive);
    assert_eq!(scene.activation("nobody").await, None, "an update brings nothing back");
}

#[tokio::test]
async fn a_lapsed_seat_passes_on_only_as_it_was_read() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    let lapsed = scene.activate("one").await;
    let two = new_life(&license, "two", Some(0));

    // Renewed meanwhile.
    scene.table().renew(&renewal(&lapsed, 90_000)).await.unwrap();
    assert_eq!(scene.take_over(&license, &two, &lapsed).await, ActivationOutcome::Lost);
    let renewed = scene.activation("one").await.unwrap();

    // FunctionExit meanwhile.
    scene.table().deactivate(&renewed, &event(&license, EventType::Deactivated)).await.unwrap();
    assert_eq!(scene.take_over(&license, &two, &renewed).await, ActivationOutcome::Lost);

    // Passed on meanwhile: the seat is another's.
    let three = scene.activate("three").await;
    assert_eq!(scene.take_over(&license, &two, &renewed).await, ActivationOutcome::Lost);
    assert_eq!(scene.activation("three").await, Some(three.clone()));
    assert_eq!(scene.activation("two").await, None);

    // As it was read.
    assert_eq!(scene.take_over(&license, &two, &three).await, ActivationOutcome::Done(Box::new(two.clone())));
    assert_eq!(scene.activation("three").await, None);
    assert_eq!(scene.activation("two").await, Some(two));
}

#[tokio::test]
async fn a_deactivation_of_an_earlier_life_leaves_the_later_one() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    let first = scene.activate("one").await;
    let ended = event(&license, EventType::Deactivated);
    scene.table().deactivate(&first, &ended).await.unwrap();
    let second = scene.activate("one").await;
    assert_eq!(scene.table().deactivate(&first, &ended).await.unwrap(), DeactivateOutcome::Gone);
    assert_eq!(scene.activation("one").await, Some(second));
    assert!(scene.seat(0).await.is_some());
}

#[tokio::test]
async fn a_seat_that_has_passed_on_is_not_freed_by_who_had_it() {
    let scene = Scene::with_seats(1).await;
    let license = scene.license().await;
    let one = scene.activate("one").await;
    // As a restore from a backup may leave it: the seat is another's, and this activation still names it.
    let key = json!({ "PK": { "S": format!("LICENSE#{}", license.id) }, "SK": { "S": "SEAT#00000" } });
    scene.stack.call_dynamodb("DeleteItem", json!({ "Key": key })).await;
    let two = scene.activate("two").await;
    assert_eq!(two.seat, Some(0));
    let deactivated = scene.table().deactivate(&one, &event(&license, EventType::Deactivated)).await.unwrap();
    assert!(matches!(deactivated, DeactivateOutcome::Done(_)));
    assert!(scene.seat(0).await.is_some(), "the seat is still the other's");
    assert!(scene.activation("one").await.unwrap().ended_at.is_some());
}

#[tokio::test]
async fn who_is_cut_off_by_a_smaller_limit_takes_a_new_seat_and_leaves_the_old() {
    let scene = Scene::with_seats(2).await;
    let (one, two) = (scene.activate("one").await, scene.activate("two").await);
    let (low, high) = if one.seat == Some(0) { (one, two) } else { (two, one) };
    let license = scene.license().await;
    scene.table().deactivate(&low, &event(&license, EventType::Deactivated)).await.unwrap();
    let path = format!("license-keys/{}/change", scene.sold.license_id);
    scene.stack.operator.post(&path, json!({ "max_users": 1 })).await.expect_status(200);
    scene.stack.anonymous.activate(&scene.sold.license_key, &high.machine_id).await.expect_status(201);
    assert_eq!(scene.activation(&high.machine_id).await.unwrap().seat, Some(0));
    assert_eq!(scene.seat(1).await, None, "the seat above the limit is not left behind");
}

#[tokio::test]
async fn a_key_is_issued_only_while_the_current_one_is_as_it_was_read() {
    let scene = Scene::with_seats(1).await;
    let read = scene.license().await;
    let (license, key) = another(&read, 1);
    let (issued, superseded) = (event(&license, EventType::Issued), event(&read, EventType::Superseded));
    let issue = |current, supersedes| Issue {
        license: &license,
        key: &key,
        sealed: Sealed { token: vec![1], license_key: vec![2] },
        event: &issued,
        current,
        supersedes,
        claims_tier: false,
        done: None,
    };
    let supersede = |only_if_expired_at| Some(Superseding { license: read.id, event: &superseded, only_if_expired_at });
    assert_eq!(scene.table().issue(&issue(None, None)).await.unwrap(), IssueOutcome::Moved, "there is a current one");
    assert_eq!(
        scene.table().issue(&issue(Some(license.id), None)).await.unwrap(),
        IssueOutcome::Moved,
        "it is another"
    );
    let ended = supersede(Some(START));
    assert_eq!(scene.table().issue(&issue(Some(read.id), ended)).await.unwrap(), IssueOutcome::Moved, "it ends later");
    let path = format!("license-keys/{}/revoke", read.id);
    scene.stack.operator.post(&path, json!({})).await.expect_status(200);
    let revoked = supersede(None);
    assert_eq!(
        scene.table().issue(&issue(Some(read.id), revoked)).await.unwrap(),
        IssueOutcome::Moved,
        "it was revoked"
    );
    assert_eq!(scene.license().await.status(START), Status::Revoked);
    assert_eq!(scene.table().issue(&issue(Some(read.id), None)).await.unwrap(), IssueOutcome::Done);
    assert_eq!(scene.table().issue(&issue(Some(read.id), None)).await.unwrap(), IssueOutcome::Done, "its own is done");
}

fn another(like: &License, second: i64) -> (License, shared::domain::KeyString) {
    let now: Timestamp = START + jiff::SignedDuration::from_secs(second);
    let key = shared::domain::KeyString::generate("other", &mut rand::rng());
    (License { id: IdGenerator::new(now).make(), key_hint: key.hint().to_owned(), issued_at: now, ..like.clone() }, key)
}
