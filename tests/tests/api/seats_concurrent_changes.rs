//! Requests whose reads are stale when they write, because another request ran in between: the conditions of the write
//! detect it, and seats stay consistent. Each test is for one condition, and fails if the condition is removed.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use shared::{
    domain::{
        Activation, ActivationId, Actor, ActorKind, Event, EventType, IdGenerator, KeyString, License, MachineHash,
        seat::SEAT_WINDOW_SIZE,
    },
    store::{
        item::s,
        keys,
        license_writes::{IssueOutcome, NewLicense, RevokeOutcome, SupersededLicense},
        licenses::SealedValues,
        seats::{ActivationOutcome, NewActivation},
        transaction::Transaction,
    },
};
use signet_tests::{Fault, Gate, IssuedLicense, Rule, START, Stack, TestResponse, Value, json, text};

/// The operation that writes an activation, a takeover or a deactivation.
const WRITE: &str = "TransactWriteItems";

/// A stack without rate limits, with one issued license.
struct ConcurrencyFixture {
    stack: Stack,
    license: IssuedLicense,
}

impl ConcurrencyFixture {
    async fn with_seats(max_users: impl Into<Option<u32>>) -> Self {
        let stack = Stack::start_without_rate_limits().await;
        let license = stack.operator.issue_new_license_with(&json!({"max_users": max_users.into()})).await;
        Self { stack, license }
    }

    /// Activates a machine with the issued key string. Returns the response, whatever its status.
    fn try_activate(&self, machine: &'static str) -> impl Future<Output = TestResponse> + Send + use<> {
        let (app, key) = (self.stack.anonymous.clone(), self.license.license_key.clone());
        async move { app.activate(&key, machine).await }
    }

    /// Activates a machine and asserts a 201.
    async fn activate(&self, machine: &'static str) -> Value {
        self.try_activate(machine).await.expect_status(201)
    }

    async fn heartbeat(&self, activated: &Value, machine: &str) -> TestResponse {
        self.stack.anonymous.heartbeat(text(&activated["token"]), machine).await
    }

    /// Deactivates a machine as the operator.
    fn deactivate(&self, activated: &Value) -> impl Future<Output = TestResponse> + Send + use<> {
        let operator = self.stack.operator.clone();
        let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
        async move { operator.post(&path, json!({})).await }
    }

    /// Requests a transition of the license key as the operator.
    fn transition(&self, action: &str, body: Value) -> impl Future<Output = TestResponse> + Send + use<> {
        let operator = self.stack.operator.clone();
        let path = format!("license-keys/{}/{action}", self.license.license_id);
        async move { operator.post(&path, body).await }
    }

    /// Regenerates the key and activates a machine with the new key string.
    async fn regenerate_and_activate(&self, machine: &str) -> Value {
        let regenerated = self.transition("regenerate", json!({})).await.expect_status(200);
        self.stack.anonymous.activate(text(&regenerated["license_key"]), machine).await.expect_status(201)
    }

    /// Changes the seat limit.
    async fn change_limit(&self, max_users: u32) {
        self.transition("change", json!({"max_users": max_users})).await.expect_status(200);
    }

    /// Checks the seats and returns the machines that hold them.
    async fn holders(&self) -> Vec<String> {
        self.stack.check_seats(&self.license.license_id).await.held.into_keys().collect()
    }

    /// Reads the activation of a machine from the table.
    async fn activation(&self, machine: &str) -> Activation {
        let (license, machine) = (self.license.license_id.parse().unwrap(), MachineHash::from_machine_id(machine));
        self.stack.local.app.table.activation(license, machine).await.unwrap().unwrap()
    }

    /// Activates three machines, deactivates all but the one in the third seat, and reduces the limit to one. Returns
    /// the remaining machine, whose seat is above the limit.
    async fn exceed_limit(&self) -> (&'static str, Value) {
        let mut remaining = None;
        for machine in ["one", "two", "three"] {
            let activated = self.activate(machine).await;
            if self.activation(machine).await.seat == Some(2) {
                remaining = Some((machine, activated));
            }
        }
        let remaining = remaining.unwrap();
        for machine in ["one", "two", "three"].into_iter().filter(|machine| *machine != remaining.0) {
            let other = self.try_activate(machine).await.expect_status(200);
            self.deactivate(&other).await.expect_status(200);
        }
        self.change_limit(1).await;
        remaining
    }

    /// Returns how many events of a type the license key has.
    async fn count_events(&self, kind: &str) -> usize {
        let events = self.stack.license_events(&self.license.license_id).await;
        events.iter().filter(|event| event["type"] == kind).count()
    }
}

// ---- Definitions: live and ended activations.

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
    assert_eq!((fixture.count_events("activated").await, fixture.holders().await.len()), (1, 1));
}

#[tokio::test]
async fn updates_do_not_recreate_a_deleted_license() {
    let fixture = ConcurrencyFixture::with_seats(1).await;
    let before = fixture.stack.items().await.len();
    let (table, issued) = (&fixture.stack.local.app.table, event(&fixture, EventType::Issued));
    let superseded = event(&fixture, EventType::Superseded);
    let read = table.license(fixture.license.license_id.parse().unwrap()).await.unwrap().unwrap();
    let gone = License { id: IdGenerator::new(START).generate(), ..read.clone() };
    assert_eq!(table.revoke(&gone, START, None, &issued, None).await.unwrap(), RevokeOutcome::NotFound);
    let key = KeyString::generate("atlas", &mut rand::rng());
    let superseding = SupersededLicense { license: gone.id, event: &superseded, only_if_expired_at: None };
    let issue = NewLicense {
        license: &License { id: IdGenerator::new(START).generate(), ..read.clone() },
        key: &key,
        sealed: SealedValues { token: vec![1], license_key: vec![2] },
        event: &issued,
        current: Some(read.id),
        supersedes: Some(superseding),
        claims_tier: false,
        completion: None,
    };
    assert_eq!(table.issue(&issue).await.unwrap(), IssueOutcome::Conflict);
    assert_eq!(fixture.stack.items().await.len(), before);
}

// ---- Activate: a free seat.

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
    assert_eq!(fixture.count_events("taken_over").await, 0);
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

/// Lets the response to the first write be lost and the retry conflict with another transaction, so that only the item
/// shows the third attempt that the write has taken effect.
fn lose_response(fixture: &ConcurrencyFixture) {
    fixture.stack.faults.add(Rule::new(WRITE, Fault::LoseResponse));
    fixture.stack.faults.add(Rule::new(WRITE, Fault::Cancel("TransactionConflict")));
}

#[tokio::test]
async fn an_activation_whose_response_was_lost_is_recognized_by_its_id() {
    let fixture = ConcurrencyFixture::with_seats(2).await;
    lose_response(&fixture);
    fixture.activate("one").await;
    assert_eq!((fixture.count_events("activated").await, fixture.holders().await.len()), (1, 1));
    fixture.activate("two").await;
    fixture.stack.advance(3600);
    lose_response(&fixture);
    fixture.activate("three").await;
    assert_eq!((fixture.count_events("taken_over").await, fixture.holders().await.len()), (1, 2));
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

// ---- Activate: takeover of a lapsed seat.

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
    assert_eq!((fixture.count_events("taken_over").await, fixture.holders().await.len()), (0, 1));
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
    let event = event(&fixture, EventType::TakenOver);
    let take_over = async || {
        let new = NewActivation { activation: &new, previous: None, event: &event };
        table.take_over(new, &read, read.lease_expires_at).await.unwrap()
    };
    let (machine, seat) = (keys::activation(read.id.license, read.id.machine), keys::seat(read.id.license, 0));
    let later = (read.lease_expires_at.as_second() + 1).to_string();
    for (key, attribute, value) in [
        (&machine, "life", json!({"B": "AAAAAAAAAAAAAA=="})),
        (&machine, "seat", json!({"N": "1"})),
        (&machine, "ended_at", json!({"S": START.to_string()})),
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
}

/// Returns an event for a direct call of the store.
fn event(fixture: &ConcurrencyFixture, kind: EventType) -> Event {
    let actor = Actor { kind: ActorKind::System, id: "test".to_owned() };
    let (license_id, ip) = (fixture.license.license_id.parse().unwrap(), "127.0.0.1".to_owned());
    Event { id: IdGenerator::new(START).generate(), kind, at: START, license_id, actor, ip, data: json!({}) }
}

// ---- Heartbeat.

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
    let longer = json!({"token_ttl_seconds": 7200, "grace_period_seconds": 100, "max_users": 1});
    let longer = fixture.stack.operator.create_tier(&fixture.license.product, &longer).await;
    fixture.transition("change", json!({"tier_id": longer["id"]})).await.expect_status(200);
    let token = fixture.heartbeat(&first, "one").await.expect_status(200)["token"].clone();
    let exp = fixture.stack.claims(&token).await["exp"].as_i64().unwrap();
    assert_eq!(exp, START.as_second() + 7200);
    assert_eq!(fixture.activation("one").await.lease_expires_at.as_second(), exp + 100);
}

// ---- Deactivate.

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
    assert_eq!((fixture.count_events("deactivated").await, fixture.holders().await.len()), (1, 1));
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
    assert_eq!((fixture.count_events("deactivated").await, fixture.holders().await.len()), (1, 0));
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

// ---- License keys.

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
    assert_eq!(fixture.count_events("superseded").await, 0);
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
    for (action, kind) in [("suspend", "suspended"), ("reinstate", "reinstated"), ("renew", "renewed")] {
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
    assert_eq!(fixture.count_events("revoked").await, 1);
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
