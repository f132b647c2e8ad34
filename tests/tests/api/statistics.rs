//! The figures of the dashboard's overview.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeSet;

use shared::domain::statistics::Statistics;
use signet_tests::{Browser, Stack, json, text};

async fn made(stack: &Stack) -> Statistics {
    stack.local.app.table.make_statistics(stack.clock.now()).await.unwrap()
}

#[tokio::test]
async fn license_keys_are_counted_by_status_and_those_that_end_or_fill_are_named() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let [full, ends, suspended, revoked] = [
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
        .post(&format!("license-keys/{}/renew", ends.license_id), json!({ "expires_at": "2026-01-20T12:00:00Z" }))
        .await
        .expect_status(200);
    operator.post(&format!("license-keys/{}/suspend", suspended.license_id), json!({})).await.expect_status(200);
    operator.post(&format!("license-keys/{}/revoke", revoked.license_id), json!({})).await.expect_status(200);
    let figures = made(&stack).await;
    let statuses = json!({ "active": 2, "suspended": 1, "expired": 0, "superseded": 0, "revoked": 1 });
    assert_eq!(serde_json::to_value(figures.statuses).unwrap(), statuses);
    assert_eq!((figures.ending.count, figures.ending.first[0].license_id.to_string()), (1, ends.license_id.clone()));
    let nearly = &figures.nearly_full.first[0];
    assert_eq!((nearly.license_id.to_string(), nearly.seats_used), (full.license_id.clone(), Some(1)));
    assert_eq!(nearly.customer_name, text(&full.customer["name"]));
    let today = figures.days.last().unwrap();
    assert_eq!((today.issued, today.activated, today.deactivated, today.revoked), (4, 1, 0, 1));
    assert_eq!(figures.days.len(), 30);
    // What the page reads is what was made.
    assert_eq!(stack.local.app.table.statistics().await.unwrap(), Some(figures));
    // Six days on, one key has ended.
    stack.advance(6 * 24 * 3600);
    let later = made(&stack).await;
    assert_eq!((later.statuses.active, later.statuses.expired, later.ending.count), (1, 1, 0));
}

#[tokio::test]
async fn a_day_that_can_not_change_is_not_counted_again_and_falls_out_after_thirty() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    made(&stack).await;
    stack.advance(3 * 24 * 3600);
    made(&stack).await;
    stack.faults.reset_calls();
    let figures = made(&stack).await;
    assert_eq!(figures.days.iter().map(|day| day.issued).sum::<u64>(), 1);
    // Eight partitions of each of the days that may still change, and of the latest events; never those of all thirty.
    let queries = stack.faults.calls().iter().filter(|call| *call == "Query").count();
    assert!((9..=8 * 5 + 3).contains(&queries), "{queries}");
    stack.advance(27 * 24 * 3600);
    assert_eq!(made(&stack).await.days.iter().map(|day| day.issued).sum::<u64>(), 0);
}

#[tokio::test]
async fn figures_never_become_older_and_lie_in_one_item() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    let now = stack.clock.now();
    let table = &stack.local.app.table;
    let newer = table.make_statistics(now + jiff::SignedDuration::from_secs(60)).await.unwrap();
    table.make_statistics(now).await.unwrap();
    assert_eq!(table.statistics().await.unwrap().unwrap().made_at, newer.made_at);
    let items = stack.items().await;
    let kept: Vec<_> = items.iter().filter(|item| text(&item["PK"]["S"]) == "STATISTICS").collect();
    assert_eq!(kept.len(), 1);
    let names = |object: &signet_tests::Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(kept[0]), BTreeSet::from(["PK", "SK", "made_at_ms", "statistics"].map(str::to_owned)));
    let fields = ["days", "ending", "latest", "made_at", "nearly_full", "statuses"].map(str::to_owned);
    assert_eq!(names(&kept[0]["statistics"]["M"]), BTreeSet::from(fields));
}

#[tokio::test]
async fn the_latest_events_are_told_however_long_ago_they_were_and_new_ones_at_once() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    made(&stack).await;
    stack.advance(90 * 24 * 3600);
    let quiet = made(&stack).await;
    assert_eq!(quiet.latest.len(), 1, "{:?}", quiet.latest);
    stack.operator.post(&format!("license-keys/{}/suspend", sold.license_id), json!({})).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    stack.faults.reset_calls();
    let page = grace.get("/dashboard").await.expect_status(200).to_owned();
    let (suspended, issued) = (page.find("<strong>Suspended</strong>"), page.find("<strong>Issued</strong>"));
    assert!(suspended.is_some() && suspended < issued, "the newer one comes first: {page}");
    assert!(stack.faults.calls().len() <= 20, "{:?}", stack.faults.calls());
}
