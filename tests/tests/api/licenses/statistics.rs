//! The statistics of the dashboard's overview.

use std::collections::BTreeSet;

use shared::domain::statistics::Statistics;
use signet_tests::{Browser, Stack, json, text};

async fn update(stack: &Stack) -> Statistics {
    stack.local.app.table.update_statistics(stack.clock.now()).await.unwrap()
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
    operator
        .post("license-activations/activate", json!({ "license_key": full.license_key, "machine_id": "a" }))
        .await
        .expect_status(201);
    operator
        .post(&format!("license-keys/{}/renew", expiring.license_id), json!({ "expires_at": "2026-01-20T12:00:00Z" }))
        .await
        .expect_status(200);
    operator.post(&format!("license-keys/{}/suspend", suspended.license_id), json!({})).await.expect_status(200);
    operator.post(&format!("license-keys/{}/revoke", revoked.license_id), json!({})).await.expect_status(200);
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
    assert_eq!(statistics.days.len(), 30);
    // The stored statistics are the returned ones.
    assert_eq!(stack.local.app.table.statistics().await.unwrap(), Some(statistics));
    // One license expires within the next six days.
    stack.advance(6 * 24 * 3600);
    let later = update(&stack).await;
    assert_eq!((later.statuses.active, later.statuses.expired, later.ending.count), (1, 1, 0));
}

#[tokio::test]
async fn past_days_are_not_counted_again_and_are_dropped_after_thirty_days() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    update(&stack).await;
    stack.advance(3 * 24 * 3600);
    update(&stack).await;
    stack.faults.reset_calls();
    let statistics = update(&stack).await;
    assert_eq!(statistics.days.iter().map(|day| day.issued).sum::<u64>(), 1);
    // Eight partitions for each of the days that may still change and of the latest events, not of all thirty days.
    let queries = stack.faults.calls().iter().filter(|call| *call == "Query").count();
    assert!((9..=8 * 5 + 3).contains(&queries), "{queries}");
    stack.advance(27 * 24 * 3600);
    assert_eq!(update(&stack).await.days.iter().map(|day| day.issued).sum::<u64>(), 0);
}

#[tokio::test]
async fn statistics_are_never_replaced_by_older_ones_and_stored_in_one_item() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    let now = stack.clock.now();
    let table = &stack.local.app.table;
    let newer = table.update_statistics(now + jiff::SignedDuration::from_secs(60)).await.unwrap();
    table.update_statistics(now).await.unwrap();
    assert_eq!(table.statistics().await.unwrap().unwrap().made_at, newer.made_at);
    let items = stack.items().await;
    let stored: Vec<_> = items.iter().filter(|item| text(&item["PK"]["S"]) == "STATISTICS").collect();
    assert_eq!(stored.len(), 1);
    let names = |object: &signet_tests::Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(stored[0]), BTreeSet::from(["PK", "SK", "made_at_ms", "statistics"].map(str::to_owned)));
    let fields = ["days", "ending", "latest", "made_at", "nearly_full", "statuses"].map(str::to_owned);
    assert_eq!(names(&stored[0]["statistics"]["M"]), BTreeSet::from(fields));
}

#[tokio::test]
async fn overview_shows_recent_events_of_any_age() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(1).await;
    update(&stack).await;
    stack.advance(90 * 24 * 3600);
    let quiet = update(&stack).await;
    assert_eq!(quiet.latest.len(), 1, "{:?}", quiet.latest);
    stack.operator.post(&format!("license-keys/{}/suspend", setup.license_id), json!({})).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    stack.faults.reset_calls();
    let page = grace.get("/dashboard").await.expect_status(200).to_owned();
    let (suspended, issued) =
        (page.find("<strong>License suspended</strong>"), page.find("<strong>License issued</strong>"));
    assert!(suspended.is_some() && suspended < issued, "newest first: {page}");
    assert!(stack.faults.calls().len() <= 20, "{:?}", stack.faults.calls());
}
