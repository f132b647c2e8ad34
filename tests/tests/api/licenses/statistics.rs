//! The statistics of the dashboard's overview.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use shared::{
    domain::{
        CustomerId, EventType,
        statistics::{Contribution, Counts, DayCounts, Statistics},
    },
    store::{StoreError, licenses::LicenseFilter, statistics::UpdateLimits},
};
use signet_tests::{Browser, Client, Fault, Gate, Rule, Seed, Stack, Value, all_cases, json, text};

const DAY: i64 = 24 * 3600;

async fn update(stack: &Stack) -> Statistics {
    update_within(stack, UpdateLimits::default()).await
}

async fn update_within(stack: &Stack, limits: UpdateLimits) -> Statistics {
    stack.local.app.table.update_statistics(stack.clock.now(), limits).await.unwrap()
}

async fn post(operator: &Client, license: &str, action: &str, body: Value) {
    operator.post(&format!("license-keys/{license}/{action}"), body).await.expect_status(200);
}

#[tokio::test]
async fn statistics_count_licenses_and_list_those_that_expire_or_are_nearly_full() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let [full, expiring, suspended, revoked] = [
        operator.issue_new_license(1).await,
        operator.issue_new_license(5).await,
        operator.issue_new_license(5).await,
        operator.issue_new_license(5).await,
    ];
    operator.activate(&full.license_key, "a").await.expect_status(201);
    post(operator, &expiring.license_id, "renew", json!({ "expires_at": "2026-01-20T12:00:00Z" })).await;
    post(operator, &suspended.license_id, "suspend", json!({})).await;
    post(operator, &revoked.license_id, "revoke", json!({})).await;
    let statistics = update(&stack).await;
    let statuses = json!({ "active": 2, "suspended": 1, "expired": 0, "superseded": 0, "revoked": 1 });
    assert_eq!(serde_json::to_value(statistics.statuses).unwrap(), statuses);
    assert_eq!(
        (statistics.ending.count, statistics.ending.first[0].license_id.to_string()),
        (1, expiring.license_id.clone())
    );
    let nearly = &statistics.nearly_full.first[0];
    assert_eq!((nearly.license_id.to_string(), nearly.seats_used), (full.license_id.clone(), Some(1)));
    assert_eq!(nearly.customer_name, text(&full.customer["name"]));
    let today = statistics.days.last().unwrap();
    assert_eq!((today.issued, today.activated, today.deactivated, today.revoked), (4, 1, 0, 1));
    assert_eq!((statistics.days.len(), statistics.is_complete), (30, true));
    // The stored statistics are the returned ones.
    assert_eq!(stack.local.app.table.statistics().await.unwrap(), Some(statistics));
    // One license expires within the next six days.
    stack.advance(6 * DAY);
    let later = update(&stack).await;
    assert_eq!((later.statuses.active, later.statuses.expired, later.ending.count), (1, 1, 0));
}

#[tokio::test]
async fn a_license_key_is_counted_again_thirty_days_before_its_expiry_and_when_it_expires() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(5).await;
    let end = stack.clock.now() + SignedDuration::from_hours(40 * 24);
    post(&stack.operator, &license.license_id, "renew", json!({ "expires_at": end.to_string() })).await;
    // Nothing is recounted, so that only the time indicates the changes.
    let limits = UpdateLimits { recounted: 0, ..UpdateLimits::default() };
    let mut counted = Vec::new();
    for seconds in [0, 10 * DAY - 1, 1, 30 * DAY - 1, 1] {
        stack.advance(seconds);
        let Statistics { statuses, ending, .. } = update_within(&stack, limits).await;
        counted.push((statuses.active, ending.count, statuses.expired));
    }
    assert_eq!(counted, [(1, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 0), (0, 0, 1)]);
}

/// A vendor whose licenses change at random.
struct Vendor<'a> {
    stack: &'a Stack,
    tiers: Vec<Value>,
    customers: Vec<Value>,
    licenses: Vec<(String, String)>,
    activations: Vec<String>,
    issued: u64,
    activated: u64,
    deactivated: u64,
}

impl<'a> Vendor<'a> {
    async fn new(stack: &'a Stack) -> Self {
        let product = stack.operator.create_product().await;
        let mut tiers = Vec::new();
        for seats in [json!(1), json!(5), json!(null)] {
            tiers.push(stack.operator.create_tier(&product, &json!({ "max_users": seats })).await);
        }
        let mut customers = Vec::new();
        for _ in 0..6 {
            customers.push(stack.operator.create_customer().await);
        }
        Self {
            stack,
            tiers,
            customers,
            licenses: Vec::new(),
            activations: Vec::new(),
            issued: 0,
            activated: 0,
            deactivated: 0,
        }
    }

    async fn step(&mut self, rng: &mut StdRng) {
        let operator = &self.stack.operator;
        let Some((license, key)) = self.licenses.choose(rng).cloned().filter(|_| rng.random_bool(0.8)) else {
            let (customer, tier) = (self.customers.choose(rng).unwrap(), self.tiers.choose(rng).unwrap());
            let issued = operator.issue(customer, tier, &json!({})).await;
            self.licenses.push((text(&issued["license"]["id"]).to_owned(), text(&issued["license_key"]).to_owned()));
            self.issued += 1;
            return;
        };
        let path = |action: &str| format!("license-keys/{license}/{action}");
        // Requests may be refused, depending on the state of the license key.
        match rng.random_range(0..9) {
            0 => drop(operator.post(&path("suspend"), json!({})).await),
            1 => drop(operator.post(&path("reinstate"), json!({})).await),
            2 if rng.random_bool(0.3) => drop(operator.post(&path("revoke"), json!({})).await),
            3 | 4 => {
                let end = self.stack.clock.now() + SignedDuration::from_hours(rng.random_range(1..24 * 60));
                drop(operator.post(&path("renew"), json!({ "expires_at": end.to_string() })).await);
            }
            5 => drop(operator.post(&path("change"), json!({ "max_users": rng.random_range(1..6) })).await),
            6 if let Some(activation) = self.activations.pop() => {
                let path = format!("license-activations/{activation}/deactivate");
                // Not found if another machine has taken over its seat.
                self.deactivated += u64::from(operator.post(&path, json!({})).await.status == 200);
            }
            _ => {
                let response = operator.activate(&key, &format!("machine-{}", rng.random_range(0..8))).await;
                if response.status == 201 {
                    self.activations.push(text(&response.body["activation"]["id"]).to_owned());
                    self.activated += 1;
                }
            }
        }
    }

    /// Counts all license keys.
    async fn count(&self) -> Counts {
        let (table, now) = (&self.stack.local.app.table, self.stack.clock.now());
        let mut counts = Counts::default();
        for customer in &self.customers {
            let customer: CustomerId = text(&customer["id"]).parse().unwrap();
            for license in table.licenses_of(customer, LicenseFilter::default(), now).await.unwrap() {
                let seats_used = if license.max_users.is_some() { table.seats_used(&license).await.ok() } else { None };
                Contribution::of(&license, seats_used, now).add_to(&mut counts, 1);
            }
        }
        counts
    }

    async fn assert_counted(&self, statistics: &Statistics) {
        let expected = self.count().await;
        assert_eq!(statistics.statuses, expected.statuses());
        let lists = [&statistics.ending, &statistics.nearly_full].map(|list| list.count);
        assert_eq!(lists, [expected.ending(Vec::new()), expected.nearly_full(Vec::new())].map(|list| list.count));
        for list in [&statistics.ending, &statistics.nearly_full] {
            assert_eq!(u64::try_from(list.first.len()).unwrap(), list.count.min(10), "{list:?}");
        }
        let ends: Vec<_> = statistics.ending.first.iter().map(|license| license.expires_at).collect();
        assert!(ends.is_sorted(), "{ends:?}");
        let sum = |count: fn(&DayCounts) -> u64| statistics.days.iter().map(count).sum::<u64>();
        assert_eq!(
            (sum(|day| day.issued), sum(|day| day.activated), sum(|day| day.deactivated)),
            (self.issued, self.activated, self.deactivated)
        );
    }
}

#[tokio::test]
async fn updates_give_the_same_statistics_as_counting_everything() {
    let seed = Seed::generate();
    for round in 0..if all_cases() { 10 } else { 1 } {
        let mut rng = seed.rng(round);
        let stack = Stack::start_without_rate_limits().await;
        let mut vendor = Vendor::new(&stack).await;
        // Nothing is recounted, so that a change that an update misses is not made up for.
        let limits = UpdateLimits { recounted: 0, ..UpdateLimits::default() };
        update_within(&stack, limits).await;
        for _ in 0..15 {
            for _ in 0..rng.random_range(1..8) {
                vendor.step(&mut rng).await;
                stack.advance(rng.random_range(0..3600));
            }
            stack.advance(if rng.random_bool(0.2) { rng.random_range(0..DAY) } else { 0 });
            vendor.assert_counted(&update_within(&stack, limits).await).await;
        }
    }
}

#[tokio::test]
async fn failed_and_concurrent_updates_count_nothing_twice() {
    let seed = Seed::generate();
    let mut rng = seed.rng(0);
    let stack = Stack::start_without_rate_limits().await;
    let mut vendor = Vendor::new(&stack).await;
    let limits = UpdateLimits { recounted: 0, ..UpdateLimits::default() };
    let table = &stack.local.app.table;
    for _ in 0..if all_cases() { 10 } else { 3 } {
        for _ in 0..10 {
            vendor.step(&mut rng).await;
            stack.advance(60);
        }
        let now = stack.clock.now();
        // The writes of the contributions take effect, but the update fails before it is stored.
        stack.faults.add(Rule::new("PutItem", Fault::Respond(400, "ValidationException")).containing("OVERVIEW"));
        table.update_statistics(now, limits).await.unwrap_err();
        for response in [Fault::LoseResponse, Fault::SERVER_ERROR, Fault::Cancel("TransactionConflict")] {
            stack.faults.add(Rule::new("TransactWriteItems", response));
        }
        // Of two updates at the same time, one may find that the other has counted a license key.
        let (one, other) = tokio::join!(table.update_statistics(now, limits), table.update_statistics(now, limits));
        assert!(
            [&one, &other].iter().all(|update| matches!(update, Ok(_) | Err(StoreError::Contended))),
            "{one:?} {other:?}"
        );
        stack.faults.clear();
        vendor.assert_counted(&update_within(&stack, limits).await).await;
    }
}

#[tokio::test]
async fn cost_of_an_update_depends_on_what_has_changed() {
    let stack = Stack::start_without_rate_limits().await;
    let limits = UpdateLimits { recounted: 0, ..UpdateLimits::default() };
    let mut calls = Vec::new();
    for licenses in [6, 30] {
        let setup = stack.operator.issue_new_license(5).await;
        for number in 1..licenses {
            let customer = stack.operator.create_customer().await;
            let issued = stack.operator.issue(&customer, &setup.tier, &json!({})).await;
            stack.operator.activate(text(&issued["license_key"]), &number.to_string()).await.expect_status(201);
        }
        update_within(&stack, limits).await;
        // Three days later, nothing has changed; then one license key has.
        stack.advance(3 * DAY);
        update_within(&stack, limits).await;
        stack.faults.reset_calls();
        update_within(&stack, limits).await;
        let unchanged = stack.faults.calls().len();
        stack.operator.activate(&setup.license_key, "machine").await.expect_status(201);
        stack.faults.reset_calls();
        assert_eq!(update_within(&stack, limits).await.days.last().unwrap().activated, 1);
        calls.push((unchanged, stack.faults.calls().len() - unchanged));
    }
    assert_eq!(calls[0], calls[1], "not more with more license keys");
    let (unchanged, one_license) = calls[0];
    assert!(unchanged < 50 && one_license <= 3, "{calls:?}");
}

#[tokio::test]
async fn first_updates_of_a_table_with_licenses_count_them_step_by_step() {
    let stack = Stack::start_without_rate_limits().await;
    let mut licenses = Vec::new();
    for _ in 0..6 {
        licenses.push(stack.operator.issue_new_license(1).await.license_id);
        stack.advance(1);
    }
    // The events are too old to be read.
    stack.advance(40 * DAY);
    let mut grace = Browser::operator(&stack).await;
    for (counted, is_complete) in [(2, false), (4, false), (6, false), (6, true)] {
        let statistics = update_within(&stack, UpdateLimits { max_counted: 2, recounted: 0 }).await;
        assert_eq!(statistics.statuses.active, counted);
        let is_incomplete = grace.get("/dashboard").await.text.contains("Existing licenses are still being counted.");
        assert_eq!((statistics.is_complete, is_incomplete), (is_complete, !is_complete));
    }
    // A change whose event was missed is found when all license keys have been counted again.
    stack.set_license_attribute(&licenses[5], "status", json!({ "S": "suspended" })).await;
    let mut suspended = Vec::new();
    for _ in 0..3 {
        suspended.push(update_within(&stack, UpdateLimits { max_counted: 2, recounted: 2 }).await.statuses.suspended);
    }
    assert_eq!(suspended, [0, 0, 1]);
}

#[tokio::test]
async fn many_events_are_counted_by_several_updates() {
    let stack = Stack::start_without_rate_limits().await;
    update(&stack).await;
    for _ in 0..9 {
        stack.operator.issue_new_license(1).await;
        stack.advance(60);
    }
    stack.advance(600);
    let mut issued = Vec::new();
    for _ in 0..10 {
        let statistics = update_within(&stack, UpdateLimits { max_counted: 1, recounted: 0 }).await;
        issued.push((statistics.days.last().unwrap().issued, statistics.statuses.active));
    }
    assert!(issued[0].0 < 9 && issued.is_sorted(), "{issued:?}");
    assert_eq!(issued[9], (9, 9), "{issued:?}");
}

#[tokio::test]
async fn days_are_dropped_after_thirty_days() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    for (days, issued) in [(0, 1), (3, 1), (26, 1), (1, 0)] {
        stack.advance(days * DAY);
        assert_eq!(update(&stack).await.days.iter().map(|day| day.issued).sum::<u64>(), issued, "{days}");
    }
}

#[tokio::test]
async fn statistics_are_never_replaced_by_older_ones() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    let now = stack.clock.now();
    let table = &stack.local.app.table;
    let newer = table.update_statistics(now + SignedDuration::from_secs(60), UpdateLimits::default()).await.unwrap();
    assert_eq!(update(&stack).await, newer);
    assert_eq!(table.statistics().await.unwrap(), Some(newer));
}

#[tokio::test]
async fn an_update_that_a_newer_one_overtakes_changes_neither_counts_nor_statistics() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    update(&stack).await;
    stack.operator.activate(&license.license_key, "machine").await.expect_status(201);
    let (table, limits) = (&stack.local.app.table, UpdateLimits::default());
    let now = stack.clock.now();
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("STATISTICS"));
    let overtake = async {
        gate.wait_for_request().await;
        let newer = table.update_statistics(now + SignedDuration::from_secs(60), limits).await.unwrap();
        gate.open();
        newer
    };
    let (older, newer) = tokio::join!(table.update_statistics(now, limits), overtake);
    older.unwrap();
    assert_eq!(table.statistics().await.unwrap(), Some(newer));
    stack.advance(120);
    assert_eq!(update(&stack).await.nearly_full.count, 1);
}

#[tokio::test]
async fn an_older_update_does_not_undo_what_the_time_has_changed() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let end = stack.clock.now() + SignedDuration::from_secs(30);
    post(&stack.operator, &license.license_id, "renew", json!({ "expires_at": end.to_string() })).await;
    update(&stack).await;
    post(&stack.operator, &license.license_id, "change", json!({ "max_users": 2 })).await;
    let (table, limits, now) = (&stack.local.app.table, UpdateLimits::default(), stack.clock.now());
    // The older update has read the license key, which has not expired, when the newer one counts it as expired.
    let gate = Gate::default();
    stack.faults.add(Rule::new("GetItem", Fault::HoldRequest(gate.clone())).containing("CONTRIBUTION"));
    let overtake = async {
        gate.wait_for_request().await;
        table.update_statistics(now + SignedDuration::from_secs(60), limits).await.unwrap();
        gate.open();
    };
    let (_, ()) = tokio::join!(table.update_statistics(now, limits), overtake);
    stack.advance(120);
    let statuses = update_within(&stack, UpdateLimits { recounted: 0, ..limits }).await.statuses;
    assert_eq!((statuses.active, statuses.expired), (0, 1));
}

#[tokio::test]
async fn license_keys_that_expire_at_the_same_time_are_counted_by_several_updates() {
    let stack = Stack::start_without_rate_limits().await;
    let end = stack.clock.now() + SignedDuration::from_hours(10 * 24);
    for _ in 0..5 {
        let license = stack.operator.issue_new_license(1).await;
        post(&stack.operator, &license.license_id, "renew", json!({ "expires_at": end.to_string() })).await;
    }
    // By the second update, the events have been counted for good.
    update(&stack).await;
    stack.advance(600);
    update(&stack).await;
    stack.advance(11 * DAY);
    let limits = UpdateLimits { max_counted: 0, recounted: 0 };
    assert_eq!(update_within(&stack, limits).await.statuses.expired, 0, "nothing is counted");
    stack.advance(DAY);
    let limits = UpdateLimits { max_counted: 1, recounted: 0 };
    let expired = update_within(&stack, limits).await.statuses.expired;
    assert_eq!(expired, 5, "a page is counted as a whole");
}

#[tokio::test]
async fn an_update_that_runs_during_a_slow_request_does_not_skip_its_event() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let limits = UpdateLimits { recounted: 0, ..UpdateLimits::default() };
    update_within(&stack, limits).await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let update_and_open = async {
        gate.wait_for_request().await;
        stack.advance(60);
        let statistics = update_within(&stack, limits).await;
        gate.open();
        statistics.nearly_full.count
    };
    let (activated, before) = tokio::join!(stack.operator.activate(&license.license_key, "machine"), update_and_open);
    activated.expect_status(201);
    let after = update_within(&stack, limits).await;
    assert_eq!((before, after.nearly_full.count, after.days.last().unwrap().activated), (0, 1, 1));
}

#[tokio::test]
async fn contributions_hold_ids_and_numbers_only() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(1).await;
    stack.operator.activate(&setup.license_key, "machine").await.expect_status(201);
    update(&stack).await;
    let items = stack.items().await;
    let names = |partition: &str| {
        let item = items.iter().find(|item| text(&item["PK"]["S"]).starts_with(partition)).unwrap();
        item.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
    };
    let expected =
        ["GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK", "PK", "SK", "contribution", "counted_at_ms", "license_id", "version"]
            .map(str::to_owned);
    assert_eq!(names("STATISTICS#"), BTreeSet::from(expected));
}

#[tokio::test]
async fn overview_shows_recent_events_of_any_age() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(1).await;
    stack.advance(1);
    post(&stack.operator, &setup.license_id, "suspend", json!({})).await;
    update(&stack).await;
    stack.advance(90 * DAY);
    let quiet = update(&stack).await;
    assert_eq!(quiet.latest[0].event_type(), EventType::LicenseSuspended, "{:?}", quiet.latest);
    post(&stack.operator, &setup.license_id, "reinstate", json!({})).await;
    let mut grace = Browser::operator(&stack).await;
    stack.faults.reset_calls();
    let page = grace.get("/dashboard").await.expect_status(200).to_owned();
    let (reinstated, suspended) =
        (page.find("<strong>License reinstated</strong>"), page.find("<strong>License suspended</strong>"));
    assert!(reinstated.is_some() && reinstated < suspended, "newest first: {page}");
    assert!(stack.faults.calls().len() <= 20, "{:?}", stack.faults.calls());
}
