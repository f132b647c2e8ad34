//! A request that is overtaken between its reads and its write: what it read is old, its conditions see it, and seats
//! stay exact. Each test is of one condition, and fails where that is taken out.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use shared::{
    domain::{
        Activation, ActivationId, Actor, ActorKind, Event, EventType, IdGenerator, KeyString, License, MachineHash,
        seat::WINDOW,
    },
    store::{
        keys,
        license_writes::{Issue, IssueOutcome, RevokeOutcome, Superseding},
        licenses::Sealed,
        seats::{ActivationOutcome, NewActivation},
        table::s,
        transaction::Transaction,
    },
};
use signet_tests::{Fault, Gate, IssuedLicense, Rule, START, Stack, TestResponse, Value, json, text};

/// The write of a beginning, a take-over or an end.
const WRITE: &str = "TransactWriteItems";

/// A stack, and a license key that was sold.
struct Scene {
    stack: Stack,
    sold: IssuedLicense,
}

impl Scene {
    async fn of(max_users: impl Into<Option<u32>>) -> Self {
        let stack = Stack::start_without_rate_limits().await;
        let sold = stack.operator.issue_new_license_with(&json!({"max_users": max_users.into()})).await;
        Self { stack, sold }
    }

    /// A machine asks for a seat with the key string that was sold.
    fn ask(&self, machine: &'static str) -> impl Future<Output = TestResponse> + Send + use<> {
        let (app, key) = (self.stack.anonymous.clone(), self.sold.license_key.clone());
        async move { app.activate(&key, machine).await }
    }

    /// A machine that gets its seat.
    async fn begin(&self, machine: &'static str) -> Value {
        self.ask(machine).await.expect_status(201)
    }

    async fn beat(&self, activated: &Value, machine: &str) -> TestResponse {
        self.stack.anonymous.heartbeat(text(&activated["token"]), machine).await
    }

    /// An operator ends an activation.
    fn end(&self, activated: &Value) -> impl Future<Output = TestResponse> + Send + use<> {
        let operator = self.stack.operator.clone();
        let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
        async move { operator.post(&path, json!({})).await }
    }

    /// An operator takes a step of the license key.
    fn step(&self, verb: &str, body: Value) -> impl Future<Output = TestResponse> + Send + use<> {
        let operator = self.stack.operator.clone();
        let path = format!("license-keys/{}/{verb}", self.sold.license_id);
        async move { operator.post(&path, body).await }
    }

    /// The key gets a new string, and a machine its seat with it.
    async fn begin_anew(&self, machine: &str) -> Value {
        let regenerated = self.step("regenerate", json!({})).await.expect_status(200);
        self.stack.anonymous.activate(text(&regenerated["license_key"]), machine).await.expect_status(201)
    }

    async fn limit(&self, max_users: u32) {
        self.step("change", json!({"max_users": max_users})).await.expect_status(200);
    }

    /// The machines that hold at rest, when all fits together.
    async fn held(&self) -> Vec<String> {
        self.stack.check_seats(&self.sold.license_id).await.held.into_keys().collect()
    }

    /// What the table knows of a machine.
    async fn machine(&self, machine: &str) -> Activation {
        let (license, machine) = (self.sold.license_id.parse().unwrap(), MachineHash::of(machine));
        self.stack.local.app.table.activation(license, machine).await.unwrap().unwrap()
    }

    /// Takes a limit of three seats down to one while only the machine in the third is left: gives that one.
    async fn cut_off(&self) -> (&'static str, Value) {
        let mut left = None;
        for machine in ["one", "two", "three"] {
            let activated = self.begin(machine).await;
            if self.machine(machine).await.seat == Some(2) {
                left = Some((machine, activated));
            }
        }
        let left = left.unwrap();
        for machine in ["one", "two", "three"].into_iter().filter(|machine| *machine != left.0) {
            let other = self.ask(machine).await.expect_status(200);
            self.end(&other).await.expect_status(200);
        }
        self.limit(1).await;
        left
    }

    /// How often something happened to the license key.
    async fn happened(&self, kind: &str) -> usize {
        let events = self.stack.license_events(&self.sold.license_id).await;
        events.iter().filter(|event| event["type"] == kind).count()
    }
}

// ---- Words: what is live, what is dead, what is neither.

#[tokio::test]
async fn a_machine_of_a_higher_generation_is_not_replaced() {
    let scene = Scene::of(None).await;
    let mut newer = Value::Null;
    let meanwhile = async { newer = scene.begin_anew("one").await };
    let late = scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.ask("one"), meanwhile).await;
    late.expect_problem(403, "generation_outdated");
    scene.beat(&newer, "one").await.expect_status(200);
    assert_eq!(scene.held().await, ["one"]);
}

#[tokio::test]
async fn a_seat_of_a_higher_generation_is_not_free() {
    let scene = Scene::of(1).await;
    let mut newer = Value::Null;
    let meanwhile = async { newer = scene.begin_anew("new").await };
    let late = scene.stack.faults.interleave((WRITE, "SEAT#"), scene.ask("old"), meanwhile).await;
    late.expect_problem(403, "generation_outdated");
    scene.beat(&newer, "new").await.expect_status(200);
    assert_eq!(scene.held().await, ["new"]);
}

#[tokio::test]
async fn a_life_of_a_higher_generation_is_not_dead_for_who_reads_it_beside_an_older_license() {
    let scene = Scene::of(None).await;
    let (license, machine) = (Gate::default(), Gate::default());
    scene.stack.faults.add(Rule::new("GetItem", Fault::HoldResponse(license.clone())).containing(r#"{"S":"LICENSE"}"#));
    scene.stack.faults.add(Rule::new("GetItem", Fault::HoldRequest(machine.clone())).containing("MACHINE#"));
    let late = tokio::spawn(scene.ask("one"));
    license.wait_for_request().await;
    machine.wait_for_request().await;
    let newer = scene.begin_anew("one").await;
    license.open();
    machine.open();
    late.await.unwrap().expect_problem(403, "generation_outdated");
    scene.beat(&newer, "one").await.expect_status(200);
    assert_eq!(scene.held().await, ["one"]);
}

#[tokio::test]
async fn a_lapsed_machine_is_not_dead_and_renews_its_life() {
    let scene = Scene::of(2).await;
    let first = scene.begin("one").await;
    scene.stack.advance(86400);
    let again = scene.ask("one").await.expect_status(200);
    assert_eq!(again["activation"]["id"], first["activation"]["id"]);
    assert_eq!((scene.happened("activated").await, scene.held().await.len()), (1, 1));
}

#[tokio::test]
async fn a_license_key_that_is_gone_does_not_come_back_by_an_update() {
    let scene = Scene::of(1).await;
    let before = scene.stack.items().await.len();
    let (table, issued) = (&scene.stack.local.app.table, event(&scene, EventType::Issued));
    let superseded = event(&scene, EventType::Superseded);
    let read = table.license(scene.sold.license_id.parse().unwrap()).await.unwrap().unwrap();
    let gone = License { id: IdGenerator::new(START).make(), ..read.clone() };
    assert_eq!(table.revoke(&gone, START, None, &issued, None).await.unwrap(), RevokeOutcome::Absent);
    let key = KeyString::generate("atlas", &mut rand::rng());
    let superseding = Superseding { license: gone.id, event: &superseded, only_if_expired_at: None };
    let issue = Issue {
        license: &License { id: IdGenerator::new(START).make(), ..read.clone() },
        key: &key,
        sealed: Sealed { token: vec![1], license_key: vec![2] },
        event: &issued,
        current: Some(read.id),
        supersedes: Some(superseding),
        claims_tier: false,
        done: None,
    };
    assert_eq!(table.issue(&issue).await.unwrap(), IssueOutcome::Moved);
    assert_eq!(scene.stack.items().await.len(), before);
}

// ---- Activate: a free seat.

#[tokio::test]
async fn of_two_requests_of_one_machine_one_begins_its_life() {
    // So many that the two choose different seats.
    let scene = Scene::of(500).await;
    let mut first = Value::Null;
    let meanwhile = async { first = scene.begin("one").await };
    let late = scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.ask("one"), meanwhile).await.expect_status(200);
    assert_eq!(late["activation"]["id"], first["activation"]["id"]);
    assert_eq!(scene.held().await, ["one"]);
}

#[tokio::test]
async fn of_two_machines_that_saw_one_free_seat_one_gets_it() {
    let scene = Scene::of(1).await;
    let meanwhile = async { drop(scene.begin("one").await) };
    let late = scene.stack.faults.interleave((WRITE, "SEAT#"), scene.ask("two"), meanwhile).await;
    late.expect_problem(409, "seat_limit_reached");
    assert_eq!(scene.held().await, ["one"]);
}

#[tokio::test]
async fn of_two_requests_of_one_without_a_seat_one_begins_its_life_under_a_new_limit() {
    let scene = Scene::of(None).await;
    scene.begin("one").await;
    scene.limit(500).await;
    let mut first = Value::Null;
    let meanwhile = async { first = scene.begin("one").await };
    let late = scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.ask("one"), meanwhile).await.expect_status(200);
    assert_eq!(late["activation"]["id"], first["activation"]["id"]);
    assert_eq!(scene.held().await, ["one"]);
}

#[tokio::test]
async fn of_two_requests_of_one_that_was_cut_off_one_begins_its_life() {
    let scene = Scene::of(3).await;
    let (machine, cut_off) = scene.cut_off().await;
    let mut first = Value::Null;
    let meanwhile = async { first = scene.begin(machine).await };
    let late =
        scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.ask(machine), meanwhile).await.expect_status(200);
    assert_eq!(late["activation"]["id"], first["activation"]["id"]);
    assert_ne!(late["activation"]["id"], cut_off["activation"]["id"]);
    assert_eq!(scene.held().await, [machine]);
}

#[tokio::test]
async fn who_was_cut_off_leaves_its_old_seat() {
    let scene = Scene::of(3).await;
    let (machine, _) = scene.cut_off().await;
    scene.begin(machine).await;
    scene.limit(3).await;
    assert_eq!(scene.held().await, [machine]);
    for new in ["new-1", "new-2"] {
        scene.begin(new).await;
    }
    scene.ask("new-3").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(scene.held().await.len(), 3);
}

#[tokio::test]
async fn who_was_cut_off_leaves_its_old_seat_to_who_took_it_over() {
    let scene = Scene::of(3).await;
    let (machine, _) = scene.cut_off().await;
    let meanwhile = async {
        scene.limit(3).await;
        scene.stack.advance(3600);
        let mut filled = [scene.begin("new-1").await, scene.begin("new-2").await];
        scene.begin("heir").await;
        if scene.machine("new-1").await.seat == Some(0) {
            filled.swap(0, 1);
        }
        // The seat that the late one chose under the smaller limit is free again.
        scene.end(&filled[1]).await.expect_status(200);
    };
    scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.ask(machine), meanwhile).await.expect_status(201);
    assert_eq!(scene.machine("heir").await.seat, Some(2));
    assert_eq!(scene.held().await.len(), 3);
}

#[tokio::test]
async fn no_seat_is_taken_over_before_every_number_was_seen_taken() {
    let scene = Scene::of(3 * WINDOW).await;
    scene.begin("old").await;
    // All but one of the other seats are taken, as far as a window shows it.
    let held = scene.machine("old").await;
    let table = &scene.stack.local.app.table;
    let key = keys::seat(held.id.license, held.seat.unwrap());
    let item = table.get(key).await.unwrap().unwrap();
    let free = (held.seat.unwrap() + 1) % (3 * WINDOW);
    let taken: Vec<u32> = (0..3 * WINDOW).filter(|number| *number != free && Some(*number) != held.seat).collect();
    for numbers in taken.chunks(100) {
        let mut transaction = Transaction::new();
        for number in numbers {
            let mut item = item.clone();
            item.insert("SK".to_owned(), s(keys::seat_place(*number)));
            transaction.put_always(item);
        }
        table.commit(&transaction).await.unwrap();
    }
    scene.stack.advance(86400);
    // The window in which the search begins is another each time.
    for _ in 0..10 {
        let new = scene.begin("new").await;
        assert_eq!(scene.machine("new").await.seat, Some(free));
        scene.end(&new).await.expect_status(200);
    }
    assert_eq!(scene.happened("taken_over").await, 0);
}

#[tokio::test]
async fn a_limit_that_grew_meanwhile_is_seen_by_who_found_no_seat() {
    let scene = Scene::of(1).await;
    scene.begin("one").await;
    let meanwhile = async { scene.limit(2).await };
    scene.stack.faults.interleave(("Query", "MACHINE#"), scene.ask("two"), meanwhile).await.expect_status(201);
    assert_eq!(scene.held().await.len(), 2);
}

#[tokio::test]
async fn a_generation_that_moved_meanwhile_is_seen_by_who_found_no_seat() {
    let scene = Scene::of(1).await;
    scene.begin("one").await;
    let meanwhile = async { drop(scene.begin_anew("new").await) };
    let late = scene.stack.faults.interleave(("Query", "MACHINE#"), scene.ask("two"), meanwhile).await;
    late.expect_problem(403, "generation_outdated");
    assert_eq!(scene.held().await, ["new"]);
}

#[tokio::test]
async fn who_loses_every_race_is_told_to_come_again_and_not_that_there_is_no_seat() {
    let scene = Scene::of(1).await;
    scene.stack.faults.add(Rule::new(WRITE, Fault::Cancel("ConditionalCheckFailed")).always());
    scene.ask("one").await.expect_problem(503, "unavailable");
    scene.stack.faults.clear();
    assert!(scene.held().await.is_empty());
    scene.begin("one").await;
}

/// The answer to the first write is lost, and the next attempt finds the item in another transaction: only from the
/// item can the third tell that it was done.
fn lose_an_answer(scene: &Scene) {
    scene.stack.faults.add(Rule::new(WRITE, Fault::LoseResponse));
    scene.stack.faults.add(Rule::new(WRITE, Fault::Cancel("TransactionConflict")));
}

#[tokio::test]
async fn a_life_that_began_without_an_answer_is_known_by_its_id() {
    let scene = Scene::of(2).await;
    lose_an_answer(&scene);
    scene.begin("one").await;
    assert_eq!((scene.happened("activated").await, scene.held().await.len()), (1, 1));
    scene.begin("two").await;
    scene.stack.advance(3600);
    lose_an_answer(&scene);
    scene.begin("three").await;
    assert_eq!((scene.happened("taken_over").await, scene.held().await.len()), (1, 2));
}

#[tokio::test]
async fn a_life_that_began_without_an_answer_and_has_ended_does_not_begin_again() {
    let scene = Scene::of(1).await;
    lose_an_answer(&scene);
    let mut ended = Value::Null;
    let meanwhile = async {
        let id = scene.machine("one").await.id.to_string();
        ended = json!({"activation": {"id": id}});
        scene.end(&ended).await.expect_status(200);
    };
    let late = scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.ask("one"), meanwhile).await.expect_status(201);
    assert_ne!(late["activation"]["id"], ended["activation"]["id"]);
    scene.end(&ended).await.expect_problem(404, "not_found");
    assert_eq!(scene.held().await, ["one"]);
}

// ---- Activate: taking over a lapsed seat.

#[tokio::test]
async fn a_lease_that_was_renewed_meanwhile_is_not_taken_over() {
    let scene = Scene::of(1).await;
    let old = scene.begin("old").await;
    scene.stack.advance(3600);
    let meanwhile = async { drop(scene.beat(&old, "old").await.expect_status(200)) };
    let late = scene.stack.faults.interleave((WRITE, "SEAT#"), scene.ask("new"), meanwhile).await;
    late.expect_problem(409, "seat_limit_reached");
    scene.beat(&old, "old").await.expect_status(200);
    assert_eq!(scene.held().await, ["old"]);
}

#[tokio::test]
async fn a_lapsed_seat_that_is_of_a_higher_generation_by_now_is_not_taken_over() {
    let scene = Scene::of(1).await;
    scene.begin("old").await;
    scene.stack.advance(3600);
    let mut newer = Value::Null;
    let meanwhile = async { newer = scene.begin_anew("new").await };
    let late = scene.stack.faults.interleave((WRITE, "SEAT#"), scene.ask("late"), meanwhile).await;
    late.expect_problem(403, "generation_outdated");
    scene.beat(&newer, "new").await.expect_status(200);
    assert_eq!(scene.held().await, ["new"]);
}

#[tokio::test]
async fn of_two_that_take_over_one_lapsed_seat_one_gets_it() {
    let scene = Scene::of(1).await;
    scene.begin("old").await;
    scene.stack.advance(3600);
    let meanwhile = async { drop(scene.begin("first").await) };
    let late = scene.stack.faults.interleave((WRITE, "SEAT#"), scene.ask("late"), meanwhile).await;
    late.expect_problem(409, "seat_limit_reached");
    assert_eq!(scene.held().await, ["first"]);
}

#[tokio::test]
async fn who_takes_a_seat_over_has_none_already() {
    let scene = Scene::of(2).await;
    scene.begin("lapsed").await;
    scene.stack.advance(3600);
    let other = scene.begin("other").await;
    let mut first = Value::Null;
    let meanwhile = async {
        scene.end(&other).await.expect_status(200);
        first = scene.begin("one").await;
    };
    let late =
        scene.stack.faults.interleave((WRITE, "taken_from"), scene.ask("one"), meanwhile).await.expect_status(200);
    assert_eq!(late["activation"]["id"], first["activation"]["id"]);
    assert_eq!(scene.held().await, ["lapsed", "one"]);
}

#[tokio::test]
async fn a_machine_does_not_take_its_own_seat_over() {
    let scene = Scene::of(1).await;
    let mut first = Value::Null;
    let meanwhile = async {
        first = scene.begin("one").await;
        // As an instance might see it whose clock is an hour ahead.
        let hash = MachineHash::of("one");
        let ask = json!({
            "Key": {"PK": {"S": format!("LICENSE#{}", scene.sold.license_id)}, "SK": {"S": format!("MACHINE#{hash}")}},
            "UpdateExpression": "SET lease_expires_at = :now",
            "ExpressionAttributeValues": {":now": {"N": START.as_second().to_string()}},
        });
        scene.stack.call_dynamodb("UpdateItem", ask).await;
    };
    let late = scene.stack.faults.interleave(("Query", "SEAT#"), scene.ask("one"), meanwhile).await.expect_status(200);
    assert_eq!(late["activation"]["id"], first["activation"]["id"]);
    assert_eq!((scene.happened("taken_over").await, scene.held().await.len()), (0, 1));
}

/// Our own writes keep a seat and its machine in step, so most parts of what a take-over asks of the two can't fail
/// alone; after a restore from a backup they can.
#[tokio::test]
async fn a_lapsed_seat_is_taken_over_only_if_all_of_it_is_as_it_was_read() {
    let scene = Scene::of(1).await;
    scene.begin("old").await;
    let (read, table) = (scene.machine("old").await, &scene.stack.local.app.table);
    let new = Activation { id: ActivationId { machine: MachineHash::of("new"), ..read.id }, ..read.clone() };
    let event = event(&scene, EventType::TakenOver);
    let take_over = async || {
        let begin = NewActivation { activation: &new, dead: None, event: &event };
        table.take_over(begin, &read, read.lease_expires_at).await.unwrap()
    };
    let (machine, seat) = (keys::machine(read.id.license, read.id.machine), keys::seat(read.id.license, 0));
    let later = (read.lease_expires_at.as_second() + 1).to_string();
    for (key, attribute, other) in [
        (&machine, "life", json!({"B": "AAAAAAAAAAAAAA=="})),
        (&machine, "seat", json!({"N": "1"})),
        (&machine, "ended_at", json!({"S": START.to_string()})),
        (&machine, "lease_expires_at", json!({"N": later})),
        (&seat, "life", json!({"B": "AAAAAAAAAAAAAA=="})),
        (&seat, "machine", json!({"B": "AAAA"})),
        (&seat, "generation", json!({"N": "2"})),
    ] {
        let mut as_read = Transaction::new();
        as_read.put_always(table.get(key.clone()).await.unwrap().unwrap());
        let ask = json!({
            "Key": {"PK": {"S": key.pk}, "SK": {"S": key.sk}},
            "UpdateExpression": "SET #a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": other},
        });
        scene.stack.call_dynamodb("UpdateItem", ask).await;
        assert_eq!(take_over().await, ActivationOutcome::Lost, "{attribute} of {}", key.sk);
        table.commit(&as_read).await.unwrap();
    }
    assert!(matches!(take_over().await, ActivationOutcome::Done(_)));
}

/// An event that only the store looks at.
fn event(scene: &Scene, kind: EventType) -> Event {
    let actor = Actor { kind: ActorKind::System, id: "test".to_owned() };
    let (license_id, ip) = (scene.sold.license_id.parse().unwrap(), "127.0.0.1".to_owned());
    Event { id: IdGenerator::new(START).make(), kind, at: START, license_id, actor, ip, data: json!({}) }
}

// ---- Heartbeat.

#[tokio::test]
async fn who_was_taken_over_meanwhile_gets_no_token() {
    let scene = Scene::of(1).await;
    let old = scene.begin("old").await;
    scene.stack.advance(3600);
    let (app, token) = (scene.stack.anonymous.clone(), text(&old["token"]).to_owned());
    let late = async move { app.heartbeat(&token, "old").await };
    let meanwhile = async { drop(scene.begin("new").await) };
    let late = scene.stack.faults.interleave(("UpdateItem", "MACHINE#"), late, meanwhile).await;
    late.expect_problem(403, "not_activated");
    assert_eq!(scene.held().await, ["new"]);
}

#[tokio::test]
async fn a_machine_above_the_limit_is_not_activated() {
    let scene = Scene::of(3).await;
    let (machine, cut_off) = scene.cut_off().await;
    scene.beat(&cut_off, machine).await.expect_problem(403, "not_activated");
    for body in
        [json!({"token": cut_off["token"]}), json!({"license_key": scene.sold.license_key, "machine_id": machine})]
    {
        let asked = scene.stack.anonymous.post("license-keys/validate", body).await.expect_status(200);
        assert_eq!(asked["code"], "not_activated");
    }
    assert!(scene.held().await.is_empty());
    // It has not lost its seat for ever: with the limit it comes back.
    scene.limit(3).await;
    scene.beat(&cut_off, machine).await.expect_status(200);
}

#[tokio::test]
async fn a_machine_without_a_seat_is_not_activated_once_there_is_a_limit() {
    let scene = Scene::of(None).await;
    let seatless = scene.begin("one").await;
    scene.limit(1).await;
    scene.beat(&seatless, "one").await.expect_problem(403, "not_activated");
    let seated = scene.begin("one").await;
    scene.beat(&seatless, "one").await.expect_problem(403, "not_activated");
    scene.beat(&seated, "one").await.expect_status(200);
    assert_eq!(scene.held().await, ["one"]);
}

#[tokio::test]
async fn no_more_is_signed_than_the_written_lease_covers() {
    let scene = Scene::of(1).await;
    let first = scene.begin("one").await;
    let longer = json!({"token_ttl_seconds": 7200, "grace_period_seconds": 100, "max_users": 1});
    let longer = scene.stack.operator.create_tier(&scene.sold.product, &longer).await;
    scene.step("change", json!({"tier_id": longer["id"]})).await.expect_status(200);
    let token = scene.beat(&first, "one").await.expect_status(200)["token"].clone();
    let exp = scene.stack.claims(&token).await["exp"].as_i64().unwrap();
    assert_eq!(exp, START.as_second() + 7200);
    assert_eq!(scene.machine("one").await.lease_expires_at.as_second(), exp + 100);
}

// ---- Deactivate.

#[tokio::test]
async fn an_end_that_comes_late_leaves_a_later_life_alone() {
    let scene = Scene::of(1).await;
    let first = scene.begin("one").await;
    let mut second = Value::Null;
    let meanwhile = async {
        scene.end(&first).await.expect_status(200);
        second = scene.begin("one").await;
    };
    let late = scene.stack.faults.interleave((WRITE, "MACHINE#"), scene.end(&first), meanwhile).await;
    late.expect_problem(404, "not_found");
    scene.beat(&second, "one").await.expect_status(200);
    assert_eq!((scene.happened("deactivated").await, scene.held().await.len()), (1, 1));
}

#[tokio::test]
async fn of_two_ends_of_one_life_the_first_counts() {
    let scene = Scene::of(1).await;
    let activated = scene.begin("one").await;
    let late = scene.end(&activated);
    let mut first = Value::Null;
    let mut ended_at = None;
    let meanwhile = async {
        scene.stack.advance(60);
        first = scene.end(&activated).await.expect_status(200);
        ended_at = scene.machine("one").await.ended_at;
    };
    let late = scene.stack.faults.interleave((WRITE, "MACHINE#"), late, meanwhile).await.expect_status(200);
    assert_eq!(late, first);
    assert!(ended_at.is_some() && scene.machine("one").await.ended_at == ended_at);
    assert_eq!((scene.happened("deactivated").await, scene.held().await.len()), (1, 0));
}

#[tokio::test]
async fn a_seat_that_has_passed_on_is_not_freed_and_the_answer_is_the_same() {
    let scene = Scene::of(1).await;
    let old = scene.begin("old").await;
    let new = scene.begin_anew("new").await;
    let end = scene.end(&old).await.expect_status(200);
    assert_eq!(end["status"], "deactivated");
    assert_eq!(scene.end(&old).await.expect_status(200), end);
    scene.beat(&new, "new").await.expect_status(200);
    assert_eq!(scene.held().await, ["new"]);
}

// ---- License keys.

/// Issues another key to the same customer.
fn issue_again(scene: &Scene) -> impl Future<Output = TestResponse> + Send + use<> {
    let operator = scene.stack.operator.clone();
    let body = json!({"customer_id": scene.sold.customer["id"], "tier_id": scene.sold.tier["id"]});
    async move { operator.post("license-keys", body).await }
}

async fn license(scene: &Scene, id: &Value) -> Value {
    scene.stack.operator.get(&format!("license-keys/{}", text(id))).await.expect_status(200)
}

#[tokio::test]
async fn of_keys_that_are_issued_at_once_the_last_supersedes_the_others() {
    let scene = Scene::of(1).await;
    let mut first = Value::Null;
    let meanwhile = async { first = issue_again(&scene).await.expect_status(201) };
    let late =
        scene.stack.faults.interleave((WRITE, "CURRENT#"), issue_again(&scene), meanwhile).await.expect_status(201);
    let late_id = &late["license"]["id"];
    for old in [&scene.sold.issued["license"]["id"], &first["license"]["id"]] {
        assert_eq!(license(&scene, old).await["status"], "superseded");
    }
    assert_eq!(license(&scene, late_id).await["status"], "active");
    assert_eq!(license(&scene, &first["license"]["id"]).await["superseded_by"], *late_id);
}

#[tokio::test]
async fn a_key_that_was_revoked_meanwhile_is_not_superseded() {
    let scene = Scene::of(1).await;
    let meanwhile = async { drop(scene.step("revoke", json!({})).await.expect_status(200)) };
    scene.stack.faults.interleave((WRITE, "CURRENT#"), issue_again(&scene), meanwhile).await.expect_status(201);
    let old = license(&scene, &scene.sold.issued["license"]["id"]).await;
    assert_eq!((&old["status"], &old["superseded_by"]), (&json!("revoked"), &Value::Null));
    assert_eq!(scene.happened("superseded").await, 0);
}

#[tokio::test]
async fn a_key_that_was_suspended_meanwhile_is_superseded() {
    let scene = Scene::of(1).await;
    let meanwhile = async { drop(scene.step("suspend", json!({})).await.expect_status(200)) };
    scene.stack.faults.interleave((WRITE, "CURRENT#"), issue_again(&scene), meanwhile).await.expect_status(201);
    assert_eq!(license(&scene, &scene.sold.issued["license"]["id"]).await["status"], "superseded");
}

#[tokio::test]
async fn the_current_key_moves_also_while_a_customer_may_have_several() {
    let scene = Scene::of(1).await;
    let product = &scene.sold.product;
    scene.stack.operator.replace("products", product, &json!({"one_key_per_customer": false})).await.expect_status(200);
    let second = issue_again(&scene).await.expect_status(201);
    scene.stack.operator.replace("products", product, &json!({"one_key_per_customer": true})).await.expect_status(200);
    issue_again(&scene).await.expect_status(201);
    assert_eq!(license(&scene, &second["license"]["id"]).await["status"], "superseded");
    assert_eq!(license(&scene, &scene.sold.issued["license"]["id"]).await["status"], "active");
}

#[tokio::test]
async fn a_step_that_was_taken_without_an_answer_is_known_by_its_event() {
    let scene = Scene::of(1).await;
    let end = scene.sold.issued["license"]["expires_at"].clone();
    for (verb, kind) in [("suspend", "suspended"), ("reinstate", "reinstated"), ("renew", "renewed")] {
        lose_an_answer(&scene);
        scene.step(verb, json!({})).await.expect_status(200);
        assert_eq!(scene.happened(kind).await, 1);
    }
    let renewed = license(&scene, &scene.sold.issued["license"]["id"]).await;
    assert_eq!(renewed["expires_at"], text(&end).replace("2027", "2028"), "one period, not two");
}

#[tokio::test]
async fn of_two_revocations_the_first_counts() {
    let scene = Scene::of(1).await;
    let mut first = Value::Null;
    let late = scene.step("revoke", json!({"reason": "late"}));
    let meanwhile = async {
        scene.stack.advance(60);
        first = scene.step("revoke", json!({"reason": "first"})).await.expect_status(200);
    };
    let late = scene.stack.faults.interleave((WRITE, "revoked"), late, meanwhile).await.expect_status(200);
    assert_eq!((&late, &late["revocation_reason"]), (&first, &json!("first")));
    assert_eq!(scene.happened("revoked").await, 1);
}

#[tokio::test]
async fn what_a_revocation_answers_is_what_it_ended() {
    let scene = Scene::of(1).await;
    let mut newer = Value::Null;
    let meanwhile = async { newer = issue_again(&scene).await.expect_status(201) };
    let late = scene.step("revoke", json!({}));
    let late = scene.stack.faults.interleave((WRITE, "revoked"), late, meanwhile).await.expect_status(200);
    assert_eq!(late["superseded_by"], newer["license"]["id"]);
    assert_eq!(scene.step("revoke", json!({})).await.expect_status(200), late);
}
