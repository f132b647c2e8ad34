//! Randomized concurrent requests of many machines for one license key: seats stay consistent in every interleaving.
//!
//! The requests are generated from a seed, which a failed test prints; set `SIGNET_SEED` to generate the same requests
//! again. Their interleaving is not reproducible, so a failure may not repeat.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use jiff::SignedDuration;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use shared::Clock;
use signet_tests::{Client, IssuedLicense, Seats, Seed, Stack, TestResponse, Value, all_cases, json, text};
use tokio::task::JoinSet;

/// What happens in a round besides activations, heartbeats and deactivations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// Nothing: each machine belongs to one worker and no lease lapses, so the holders are always known.
    None,
    /// The clock advances, so leases lapse and are taken over.
    LapsedLeases,
    /// The clock advances, the key is regenerated and its limit changes.
    Changes,
    /// The clock advances, the key is regenerated and finally revoked.
    Revocation,
}

const DISTURBANCES: [Disturbance; 4] =
    [Disturbance::None, Disturbance::LapsedLeases, Disturbance::Changes, Disturbance::Revocation];

/// Returns these disturbances; with `SIGNET_ALL_CASES=1`, all of them, three times.
fn some_disturbances<const N: usize>(default: [Disturbance; N]) -> Vec<Disturbance> {
    if all_cases() { DISTURBANCES.repeat(3) } else { default.to_vec() }
}

/// The last activation of a machine that a response reported.
#[derive(Debug, Clone, Default)]
struct LastActivation {
    id: String,
    token: String,
}

/// The state that the workers of a round share.
struct Round {
    disturbance: Disturbance,
    app: Client,
    operator: Client,
    clock: Clock,
    license_id: String,
    /// The key string of the highest generation that a response reported, with that generation. Responses of concurrent
    /// regenerations can arrive in any order.
    license_key: Mutex<(u64, String)>,
    max_users: Option<usize>,
    machines: Vec<Mutex<Option<LastActivation>>>,
    /// The reported activations whose deactivation has not been requested.
    holders: Mutex<BTreeSet<String>>,
}

impl Round {
    fn key(&self) -> String {
        self.license_key.lock().unwrap().1.clone()
    }

    fn last(&self, machine: usize) -> Option<LastActivation> {
        self.machines[machine].lock().unwrap().clone()
    }

    /// Asserts that a response is a success or one of the errors that can occur in this round. Returns whether it is a
    /// success.
    fn check(&self, response: &TestResponse, successes: &[u16], errors: &[(u16, &str)]) -> bool {
        if successes.contains(&response.status) {
            return true;
        }
        let found = (response.status, response.body["code"].as_str().unwrap_or_default());
        let license_errors: &[_] = match self.disturbance {
            Disturbance::None | Disturbance::LapsedLeases => &[],
            Disturbance::Changes => &[(403, "generation_outdated")],
            Disturbance::Revocation => &[(403, "generation_outdated"), (403, "revoked")],
        };
        assert!(errors.contains(&found) || license_errors.contains(&found), "{}: {}", response.request, response.text);
        false
    }

    async fn activate(&self, machine: usize, by_token: bool) {
        let mut body = json!({"machine_id": format!("m-{machine}")});
        match self.last(machine) {
            Some(last) if by_token => body["token"] = last.token.into(),
            _ => body["license_key"] = self.key().into(),
        }
        let response = self.app.post("license-activations/activate", body).await;
        let errors = [(409, "seat_limit_reached"), (503, "unavailable")];
        if !self.check(&response, &[200, 201], &errors) {
            return;
        }
        let id = text(&response.body["activation"]["id"]).to_owned();
        let token = text(&response.body["token"]).to_owned();
        *self.machines[machine].lock().unwrap() = Some(LastActivation { id: id.clone(), token });
        if self.disturbance == Disturbance::None {
            let mut holders = self.holders.lock().unwrap();
            holders.insert(id);
            let max_users = self.max_users.unwrap_or(usize::MAX);
            assert!(holders.len() <= max_users, "{} simultaneous holders: {holders:?}", holders.len());
        }
    }

    async fn heartbeat(&self, machine: usize) {
        let Some(last) = self.last(machine) else { return };
        let response = self.app.heartbeat(&last.token, &format!("m-{machine}")).await;
        let errors = [(403, "not_activated")];
        if self.check(&response, &[200], if self.disturbance == Disturbance::None { &[] } else { &errors })
            && let Some(current) =
                self.machines[machine].lock().unwrap().as_mut().filter(|current| current.id == last.id)
        {
            text(&response.body["token"]).clone_into(&mut current.token);
        }
    }

    async fn deactivate(&self, machine: usize, by_app: bool) {
        let Some(last) = self.last(machine) else { return };
        self.holders.lock().unwrap().remove(&last.id);
        if self.disturbance == Disturbance::None {
            *self.machines[machine].lock().unwrap() = None;
        }
        let path = format!("license-activations/{}/deactivate", last.id);
        if by_app {
            self.app.post(&path, json!({"token": last.token})).await.expect_status(200);
        } else {
            let response = self.operator.post(&path, json!({})).await;
            self.check(
                &response,
                &[200],
                if self.disturbance == Disturbance::None { &[] } else { &[(404, "not_found")] },
            );
        }
    }

    async fn regenerate(&self) {
        let response = self.operator.post(&format!("license-keys/{}/regenerate", self.license_id), json!({})).await;
        if self.check(&response, &[200], &[(409, "state_conflict"), (503, "unavailable")]) {
            let generation = response.body["license"]["generation"].as_u64().unwrap();
            let mut newest = self.license_key.lock().unwrap();
            if generation > newest.0 {
                *newest = (generation, text(&response.body["license_key"]).to_owned());
            }
        }
    }

    async fn change(&self, max_users: Value) {
        let path = format!("license-keys/{}/change", self.license_id);
        let response = self.operator.post(&path, json!({"max_users": max_users})).await;
        self.check(&response, &[200], &[(409, "state_conflict")]);
    }

    async fn revoke(&self) {
        self.operator.post(&format!("license-keys/{}/revoke", self.license_id), json!({})).await.expect_status(200);
    }

    /// Sends a random request for a machine, or advances the clock.
    async fn step(&self, rng: &mut StdRng, machine: usize) {
        let is_undisturbed = self.disturbance == Disturbance::None;
        match rng.random_range(0..100) {
            0..8 if !is_undisturbed => self.clock.advance(SignedDuration::from_secs(rng.random_range(1..3000))),
            8..11 if matches!(self.disturbance, Disturbance::Changes | Disturbance::Revocation) => {
                self.regenerate().await;
            }
            11..15 if self.disturbance == Disturbance::Changes => {
                let max_users = self.max_users.unwrap_or(5);
                let limits = [json!(max_users), json!(max_users + 2), json!(max_users.div_ceil(2)), Value::Null];
                self.change(limits.choose(rng).unwrap().clone()).await;
            }
            15..16 if self.disturbance == Disturbance::Revocation => self.revoke().await,
            0..58 => self.activate(machine, rng.random_bool(0.3)).await,
            58..78 => self.heartbeat(machine).await,
            _ => self.deactivate(machine, rng.random_bool(0.5)).await,
        }
    }
}

/// The size of a round. Each worker first activates all its machines, then sends its requests.
#[derive(Debug, Clone, Copy)]
struct Load {
    workers: usize,
    requests_each: usize,
    machines_each: usize,
}

/// Issues a license key, runs concurrent workers, and asserts that the seats are consistent afterwards.
async fn run_round(stack: &Stack, max_users: Option<usize>, disturbance: Disturbance, load: Load) {
    let seed = Seed::generate();
    let license = stack.operator.issue_new_license_with(&json!({"max_users": max_users})).await;
    let round = Arc::new(Round {
        disturbance,
        app: stack.anonymous.clone(),
        operator: stack.operator.clone(),
        clock: stack.clock.clone(),
        license_id: license.license_id.clone(),
        license_key: Mutex::new((1, license.license_key.clone())),
        max_users,
        machines: (0..load.workers * load.machines_each).map(|_| Mutex::default()).collect(),
        holders: Mutex::default(),
    });
    let mut workers = JoinSet::new();
    for worker in 0..load.workers {
        let (round, mut rng) = (Arc::clone(&round), seed.rng(worker as u64));
        workers.spawn(async move {
            let own = worker * load.machines_each..(worker + 1) * load.machines_each;
            for machine in own.clone() {
                round.activate(machine, false).await;
            }
            for _ in 0..load.requests_each {
                let candidates = if disturbance == Disturbance::None { own.clone() } else { 0..round.machines.len() };
                let machine = rng.random_range(candidates);
                round.step(&mut rng, machine).await;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    check_at_rest(stack, &round, &license).await;
}

/// Asserts, while no request is in progress, that the seats are consistent and that exactly as many new machines can
/// activate as seats are available.
async fn check_at_rest(stack: &Stack, round: &Round, license: &IssuedLicense) {
    let app = &stack.anonymous;
    let seats = stack.check_seats(&license.license_id).await;
    if round.disturbance == Disturbance::None {
        // After a 503, a machine may hold a seat that no response reported.
        let holders = round.holders.lock().unwrap().clone();
        assert!(holders.iter().all(|id| seats.held.values().any(|held| held == id)), "{holders:?} {seats:?}");
    }
    if round.disturbance == Disturbance::Revocation {
        round.revoke().await;
        app.activate(&round.key(), "new").await.expect_problem(403, "revoked");
        for (number, machine) in round.machines.iter().enumerate() {
            let last = machine.lock().unwrap().clone();
            let Some(last) = last else { continue };
            app.heartbeat(&last.token, &format!("m-{number}")).await.expect_problem(403, "revoked");
        }
        return;
    }
    let key = round.key();
    for number in 0..seats.available().unwrap_or(3) {
        app.activate(&key, &format!("new-{number}")).await.expect_status(201);
    }
    if seats.available().is_some() {
        app.activate(&key, "one-more").await.expect_problem(409, "seat_limit_reached");
    }
    let Seats { max_users, held, .. } = stack.check_seats(&license.license_id).await;
    assert!(max_users.is_none_or(|max_users| held.len() == max_users), "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_seat_is_held_by_at_most_one_machine() {
    let stack = Stack::start_without_rate_limits().await;
    let load = Load { workers: 6, requests_each: 8, machines_each: 1 };
    for disturbance in DISTURBANCES {
        run_round(&stack, Some(1), disturbance, load).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_seats_are_held_by_at_most_three_machines() {
    let stack = Stack::start_without_rate_limits().await;
    let load = Load { workers: 6, requests_each: 10, machines_each: 1 };
    for disturbance in some_disturbances([Disturbance::None, Disturbance::Changes]) {
        run_round(&stack, Some(3), disturbance, load).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_seats_are_held_by_at_most_fifty_machines() {
    let stack = Stack::start_without_rate_limits().await;
    for disturbance in some_disturbances([Disturbance::Changes]) {
        run_round(&stack, Some(50), disturbance, Load { workers: 16, requests_each: 4, machines_each: 4 }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_every_machine_activates() {
    let stack = Stack::start_without_rate_limits().await;
    let load = Load { workers: 6, requests_each: 8, machines_each: 2 };
    for disturbance in some_disturbances([Disturbance::LapsedLeases, Disturbance::Revocation]) {
        run_round(&stack, None, disturbance, load).await;
    }
}

/// Sends this many concurrent activations; `machine_id` returns the machine id of each.
async fn activate_concurrently(
    stack: &Stack,
    license: &IssuedLicense,
    count: usize,
    machine_id: impl Fn(usize) -> String,
) -> Vec<TestResponse> {
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (app, key, machine) = (stack.anonymous.clone(), license.license_key.clone(), machine_id(number));
        tasks.spawn(async move { app.activate(&key, &machine).await });
    }
    tasks.join_all().await
}

/// Returns how many responses are 201, and asserts that the others are `seat_limit_reached` or 503.
fn count_created(responses: &[TestResponse]) -> usize {
    let rejected = responses.iter().filter(|response| response.status != 201);
    for response in rejected.clone() {
        let code = if response.status == 503 { "unavailable" } else { "seat_limit_reached" };
        response.expect_problem(if response.status == 503 { 503 } else { 409 }, code);
    }
    responses.len() - rejected.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_of_220_concurrent_activations_get_the_20_seats() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(20).await;
    let responses = activate_concurrently(&stack, &license, 220, |number| format!("m-{number}")).await;
    assert_eq!(count_created(&responses), 20);
    assert_eq!(stack.check_seats(&license.license_id).await.held.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_activations_take_over_each_lapsed_seat_once() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(3).await;
    for machine in ["old-1", "old-2", "old-3"] {
        stack.anonymous.activate(&license.license_key, machine).await.expect_status(201);
    }
    stack.advance(3600);
    let responses = activate_concurrently(&stack, &license, 16, |number| format!("new-{number}")).await;
    assert_eq!(count_created(&responses), 3);
    let Seats { held, lapsed, .. } = stack.check_seats(&license.license_id).await;
    assert!(held.len() == 3 && lapsed == 0 && held.keys().all(|machine| machine.starts_with("new-")), "{held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_activations_of_one_machine_take_one_seat() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(3).await;
    let responses = activate_concurrently(&stack, &license, 20, |_| "one".to_owned()).await;
    assert!(responses.iter().all(|response| matches!(response.status, 200 | 201)), "{responses:?}");
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1, "one response is 201");
    let ids: BTreeSet<&str> = responses.iter().map(|response| text(&response.body["activation"]["id"])).collect();
    assert_eq!(ids.len(), 1, "all responses have the same activation");
    assert_eq!(stack.check_seats(&license.license_id).await.held.len(), 1);
}
