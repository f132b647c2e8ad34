//! Many machines on one license key at once: whatever they do, and in whatever order it happens, seats are exact.
//!
//! What the machines do is drawn from a seed, which a test that fails prints; `SIGNET_SEED` draws the same again. The
//! order in which their requests meet is the machine's own and can't be had again, so a seed says only where to look.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what is not there fails the test")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use shared::Clock;
use signet_tests::{Client, IssuedLicense, Seats, Stack, TestResponse, Value, json, text};
use tokio::task::JoinSet;

/// From where the choices of a round are drawn; says so when the round fails.
struct Seed(u64);

impl Seed {
    fn generate() -> Self {
        let given = std::env::var("SIGNET_SEED").ok();
        Self(given.map_or_else(rand::random, |seed| seed.parse().expect("SIGNET_SEED is a number")))
    }

    /// The choices of one racer.
    fn racer(&self, number: u64) -> StdRng {
        StdRng::seed_from_u64(self.0.wrapping_add(number))
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "a test that fails must say how it came to")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SIGNET_SEED={}", self.0);
        }
    }
}

/// What may happen in a round besides machines that come, live and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing: each machine is one racer's alone and no lease lapses, so the holders are known at every moment.
    Calm,
    /// Time passes: leases lapse, and are taken over.
    Lapsing,
    /// Time passes, and the key gets new strings and other limits.
    Changing,
    /// Time passes, the key gets new strings, and is revoked at last.
    Ending,
}

/// The last activation of a machine that anybody was told of.
#[derive(Debug, Clone, Default)]
struct Last {
    id: String,
    token: String,
}

/// What the racers of a round share.
struct Course {
    kind: Kind,
    app: Client,
    operator: Client,
    clock: Clock,
    license_id: String,
    license_key: Mutex<String>,
    max_users: Option<usize>,
    machines: Vec<Mutex<Option<Last>>>,
    /// Activations that were answered, and not yet asked to end.
    holders: Mutex<BTreeSet<String>>,
}

impl Course {
    fn key(&self) -> String {
        self.license_key.lock().unwrap().clone()
    }

    fn last(&self, machine: usize) -> Option<Last> {
        self.machines[machine].lock().unwrap().clone()
    }

    /// Checks that an answer is one of those that a machine must reckon with.
    fn check(&self, answer: &TestResponse, good: &[u16], refusals: &[(u16, &str)]) -> bool {
        if good.contains(&answer.status) {
            return true;
        }
        let given = (answer.status, answer.body["code"].as_str().unwrap_or_default());
        let of_the_key: &[_] = match self.kind {
            Kind::Calm | Kind::Lapsing => &[],
            Kind::Changing => &[(403, "generation_outdated")],
            Kind::Ending => &[(403, "generation_outdated"), (403, "revoked")],
        };
        assert!(refusals.contains(&given) || of_the_key.contains(&given), "{}: {}", answer.request, answer.text);
        false
    }

    async fn activate(&self, machine: usize, by_token: bool) {
        let mut body = json!({"machine_id": format!("m-{machine}")});
        match self.last(machine) {
            Some(last) if by_token => body["token"] = last.token.into(),
            _ => body["license_key"] = self.key().into(),
        }
        let answer = self.app.post("license-activations/activate", body).await;
        let lost = [(409, "seat_limit_reached"), (503, "unavailable")];
        if !self.check(&answer, &[200, 201], &lost) {
            return;
        }
        let id = text(&answer.body["activation"]["id"]).to_owned();
        let token = text(&answer.body["token"]).to_owned();
        *self.machines[machine].lock().unwrap() = Some(Last { id: id.clone(), token });
        if self.kind == Kind::Calm {
            let mut holders = self.holders.lock().unwrap();
            holders.insert(id);
            let most = self.max_users.unwrap_or(usize::MAX);
            assert!(holders.len() <= most, "{} holders at one moment: {holders:?}", holders.len());
        }
    }

    async fn heartbeat(&self, machine: usize) {
        let Some(last) = self.last(machine) else { return };
        let answer = self.app.heartbeat(&last.token, &format!("m-{machine}")).await;
        let ended = [(403, "not_activated")];
        if self.check(&answer, &[200], if self.kind == Kind::Calm { &[] } else { &ended })
            && let Some(now) = self.machines[machine].lock().unwrap().as_mut().filter(|now| now.id == last.id)
        {
            text(&answer.body["token"]).clone_into(&mut now.token);
        }
    }

    async fn deactivate(&self, machine: usize, by_app: bool) {
        let Some(last) = self.last(machine) else { return };
        self.holders.lock().unwrap().remove(&last.id);
        if self.kind == Kind::Calm {
            *self.machines[machine].lock().unwrap() = None;
        }
        let path = format!("license-activations/{}/deactivate", last.id);
        if by_app {
            self.app.post(&path, json!({"token": last.token})).await.expect_status(200);
        } else {
            let answer = self.operator.post(&path, json!({})).await;
            self.check(&answer, &[200], if self.kind == Kind::Calm { &[] } else { &[(404, "not_found")] });
        }
    }

    async fn regenerate(&self) {
        let answer = self.operator.post(&format!("license-keys/{}/regenerate", self.license_id), json!({})).await;
        if self.check(&answer, &[200], &[(409, "state_conflict"), (503, "unavailable")]) {
            text(&answer.body["license_key"]).clone_into(&mut self.license_key.lock().unwrap());
        }
    }

    async fn change(&self, max_users: Value) {
        let path = format!("license-keys/{}/change", self.license_id);
        let answer = self.operator.post(&path, json!({"max_users": max_users})).await;
        self.check(&answer, &[200], &[(409, "state_conflict")]);
    }

    async fn revoke(&self) {
        self.operator.post(&format!("license-keys/{}/revoke", self.license_id), json!({})).await.expect_status(200);
    }

    /// One thing that a racer does, with one of its machines.
    async fn act(&self, random: &mut StdRng, machine: usize) {
        let is_calm = self.kind == Kind::Calm;
        match random.random_range(0..100) {
            0..8 if !is_calm => self.clock.advance(SignedDuration::from_secs(random.random_range(1..3000))),
            8..11 if matches!(self.kind, Kind::Changing | Kind::Ending) => self.regenerate().await,
            11..15 if self.kind == Kind::Changing => {
                let most = self.max_users.unwrap_or(5);
                let limits = [json!(most), json!(most + 2), json!(most.div_ceil(2)), Value::Null];
                self.change(limits.choose(random).unwrap().clone()).await;
            }
            15..16 if self.kind == Kind::Ending => self.revoke().await,
            0..58 => self.activate(machine, random.random_bool(0.3)).await,
            58..78 => self.heartbeat(machine).await,
            _ => self.deactivate(machine, random.random_bool(0.5)).await,
        }
    }
}

/// How many race, with how many machines each, and how much each does after all of its machines asked for a seat.
#[derive(Debug, Clone, Copy)]
struct Field {
    racers: usize,
    acts: usize,
    machines_each: usize,
}

/// Sells a license key, lets machines race for it, and checks at rest that its seats are exact.
async fn round(stack: &Stack, max_users: Option<usize>, kind: Kind, field: Field) {
    let seed = Seed::generate();
    let sold = stack.operator.issue_new_license_with(&json!({"max_users": max_users})).await;
    let course = Arc::new(Course {
        kind,
        app: stack.anonymous.clone(),
        operator: stack.operator.clone(),
        clock: stack.clock.clone(),
        license_id: sold.license_id.clone(),
        license_key: Mutex::new(sold.license_key.clone()),
        max_users,
        machines: (0..field.racers * field.machines_each).map(|_| Mutex::default()).collect(),
        holders: Mutex::default(),
    });
    let mut backoff = JoinSet::new();
    for racer in 0..field.racers {
        let (course, mut random) = (Arc::clone(&course), seed.racer(racer as u64));
        backoff.spawn(async move {
            let own = racer * field.machines_each..(racer + 1) * field.machines_each;
            for machine in own.clone() {
                course.activate(machine, false).await;
            }
            for _ in 0..field.acts {
                let any = if kind == Kind::Calm { own.clone() } else { 0..course.machines.len() };
                let machine = random.random_range(any);
                course.act(&mut random, machine).await;
            }
        });
    }
    while let Some(racer) = backoff.join_next().await {
        racer.unwrap();
    }
    at_rest(stack, &course, &sold).await;
}

/// When no request is under way: the seats fit together, and just as many new machines get in as there is room for.
async fn at_rest(stack: &Stack, course: &Course, sold: &IssuedLicense) {
    let app = &stack.anonymous;
    let seats = stack.check_seats(&sold.license_id).await;
    if course.kind == Kind::Calm {
        // Only where an answer was 503 may a machine hold that nobody was told of.
        let holders = course.holders.lock().unwrap().clone();
        assert!(holders.iter().all(|id| seats.held.values().any(|held| held == id)), "{holders:?} {seats:?}");
    }
    if course.kind == Kind::Ending {
        course.revoke().await;
        app.activate(&course.key(), "new").await.expect_problem(403, "revoked");
        for (number, machine) in course.machines.iter().enumerate() {
            let last = machine.lock().unwrap().clone();
            let Some(last) = last else { continue };
            app.heartbeat(&last.token, &format!("m-{number}")).await.expect_problem(403, "revoked");
        }
        return;
    }
    let key = course.key();
    for number in 0..seats.available().unwrap_or(3) {
        app.activate(&key, &format!("new-{number}")).await.expect_status(201);
    }
    if seats.available().is_some() {
        app.activate(&key, "one-more").await.expect_problem(409, "seat_limit_reached");
    }
    let Seats { max_users, held, .. } = stack.check_seats(&sold.license_id).await;
    assert!(max_users.is_none_or(|most| held.len() == most), "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_seat_is_held_by_one_machine_at_most() {
    let stack = Stack::start_without_rate_limits().await;
    let field = Field { racers: 6, acts: 8, machines_each: 1 };
    for kind in [Kind::Calm, Kind::Lapsing, Kind::Changing, Kind::Ending, Kind::Lapsing, Kind::Calm] {
        round(&stack, Some(1), kind, field).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_seats_are_held_by_three_machines_at_most() {
    let stack = Stack::start_without_rate_limits().await;
    let field = Field { racers: 6, acts: 10, machines_each: 1 };
    for kind in [Kind::Calm, Kind::Lapsing, Kind::Changing, Kind::Ending, Kind::Changing] {
        round(&stack, Some(3), kind, field).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_seats_are_held_by_fifty_machines_at_most() {
    let stack = Stack::start_without_rate_limits().await;
    for kind in [Kind::Calm, Kind::Changing] {
        round(&stack, Some(50), kind, Field { racers: 16, acts: 4, machines_each: 4 }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_every_machine_gets_in() {
    let stack = Stack::start_without_rate_limits().await;
    let field = Field { racers: 6, acts: 8, machines_each: 2 };
    for kind in [Kind::Calm, Kind::Lapsing, Kind::Changing, Kind::Ending] {
        round(&stack, None, kind, field).await;
    }
}

/// Lets so many requests for a seat run at once, each of the machine that `named` gives its number.
async fn activate_at_once(
    stack: &Stack,
    sold: &IssuedLicense,
    racers: usize,
    named: impl Fn(usize) -> String,
) -> Vec<TestResponse> {
    let mut backoff = JoinSet::new();
    for number in 0..racers {
        let (app, key, machine) = (stack.anonymous.clone(), sold.license_key.clone(), named(number));
        backoff.spawn(async move { app.activate(&key, &machine).await });
    }
    backoff.join_all().await
}

/// Counts those who got a seat; the others were told that there is none, or to come again.
fn winners(answers: &[TestResponse]) -> usize {
    let lost = answers.iter().filter(|answer| answer.status != 201);
    for answer in lost.clone() {
        let code = if answer.status == 503 { "unavailable" } else { "seat_limit_reached" };
        answer.expect_problem(if answer.status == 503 { 503 } else { 409 }, code);
    }
    answers.len() - lost.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_220_machines_that_want_20_seats_20_get_one_and_the_others_are_told_so() {
    let stack = Stack::start_without_rate_limits().await;
    let sold = stack.operator.issue_new_license(20).await;
    let answers = activate_at_once(&stack, &sold, 220, |number| format!("m-{number}")).await;
    assert_eq!(winners(&answers), 20);
    assert_eq!(stack.check_seats(&sold.license_id).await.held.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lapsed_seats_go_to_as_many_of_those_who_want_them() {
    let stack = Stack::start_without_rate_limits().await;
    let sold = stack.operator.issue_new_license(3).await;
    for machine in ["old-1", "old-2", "old-3"] {
        stack.anonymous.activate(&sold.license_key, machine).await.expect_status(201);
    }
    stack.advance(3600);
    let answers = activate_at_once(&stack, &sold, 16, |number| format!("new-{number}")).await;
    assert_eq!(winners(&answers), 3);
    let Seats { held, lapsed, .. } = stack.check_seats(&sold.license_id).await;
    assert!(held.len() == 3 && lapsed == 0 && held.keys().all(|machine| machine.starts_with("new-")), "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_machine_that_activates_many_times_at_once_takes_one_seat() {
    let stack = Stack::start_without_rate_limits().await;
    let sold = stack.operator.issue_new_license(3).await;
    let answers = activate_at_once(&stack, &sold, 20, |_| "one".to_owned()).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "one of them is new");
    let ids: BTreeSet<&str> = answers.iter().map(|answer| text(&answer.body["activation"]["id"])).collect();
    assert_eq!(ids.len(), 1, "one machine, one life");
    assert_eq!(stack.check_seats(&sold.license_id).await.held.len(), 1);
}
