//! Announcements of the expiry of license keys.

use jiff::{SignedDuration, Timestamp};
use signet_tests::{Fault, IssuedLicense, Rule, START, Stack, Value, json, text};

const DAY: i64 = 86_400;

/// Issues a license key that expires a number of days after the start.
async fn issue(stack: &Stack, expires_after_days: i64) -> IssuedLicense {
    let license = stack.operator.issue_new_license(1).await;
    renew(stack, &license, expires_after_days).await;
    license
}

async fn renew(stack: &Stack, license: &IssuedLicense, expires_after_days: i64) {
    let expires_at = START + SignedDuration::from_hours(24 * expires_after_days);
    let path = format!("license-keys/{}/renew", license.license_id);
    stack.operator.post(&path, json!({"expires_at": expires_at.to_string()})).await.expect_status(200);
}

/// Runs the announcements now. Returns their number.
async fn announce(stack: &Stack) -> usize {
    stack.local.app.table.announce_expiries(&stack.clock).await.unwrap()
}

/// Runs the announcements four times a day for a number of days.
async fn announce_for(stack: &Stack, days: i64) {
    for _ in 0..days * 4 {
        stack.advance(DAY / 4);
        announce(stack).await;
    }
}

/// Returns the announcements of a license key, oldest first: the threshold, or `expired`, and the day after the start.
async fn announced(stack: &Stack, license: &IssuedLicense) -> Vec<(String, i64)> {
    let path = format!("license-keys/{}/events?limit=100", license.license_id);
    let page = stack.operator.get(&path).await.expect_status(200);
    let day = |event: &Value| {
        let at: Timestamp = text(&event["at"]).parse().unwrap();
        at.duration_since(START).as_secs() / DAY
    };
    let announcement = |event: &Value| match text(&event["type"]) {
        "license.expiring" => Some((event["data"]["days"].to_string(), day(event))),
        "license.expired" => Some(("expired".to_owned(), day(event))),
        _ => None,
    };
    page["items"].as_array().unwrap().iter().rev().filter_map(announcement).collect()
}

fn expected<const N: usize>(announcements: [(&str, i64); N]) -> Vec<(String, i64)> {
    announcements.map(|(threshold, day)| (threshold.to_owned(), day)).to_vec()
}

#[tokio::test]
async fn each_threshold_is_announced_once() {
    let stack = Stack::start().await;
    let license = issue(&stack, 40).await;
    announce_for(&stack, 42).await;
    assert_eq!(announced(&stack, &license).await, expected([("30", 10), ("7", 33), ("1", 39), ("expired", 40)]));
    let path = format!("license-keys/{}/events?limit=2", license.license_id);
    let page = stack.operator.get(&path).await.expect_status(200);
    let expires_at = "2026-02-24T12:00:00Z";
    assert_eq!(page["items"][0]["data"], json!({"expires_at": expires_at, "honoured_until": expires_at}));
    assert_eq!(page["items"][1]["data"], json!({"expires_at": expires_at, "days": 1}));
    assert_eq!(page["items"][0]["actor"], json!({"kind": "system", "id": "expiry"}));
}

#[tokio::test]
async fn thresholds_that_have_passed_at_issue_or_renewal_are_skipped() {
    let stack = Stack::start().await;
    let license = issue(&stack, 5).await;
    announce_for(&stack, 4).await;
    assert_eq!(announced(&stack, &license).await, expected([("1", 4)]));
    // Renewed to an end in 20 days: 30 days before it have passed.
    renew(&stack, &license, 24).await;
    announce_for(&stack, 22).await;
    assert_eq!(announced(&stack, &license).await, expected([("1", 4), ("7", 17), ("1", 23), ("expired", 24)]));
}

#[tokio::test]
async fn missed_runs_are_made_up_for() {
    let stack = Stack::start().await;
    let license = issue(&stack, 40).await;
    announce(&stack).await;
    stack.advance(50 * DAY);
    assert_eq!(announce(&stack).await, 4);
    assert_eq!(announce(&stack).await, 0);
    assert_eq!(announced(&stack, &license).await, expected([("30", 50), ("7", 50), ("1", 50), ("expired", 50)]));
}

#[tokio::test]
async fn license_keys_that_cannot_be_used_or_do_not_expire_are_not_announced() {
    let stack = Stack::start().await;
    let [revoked, suspended] = [issue(&stack, 8).await, issue(&stack, 8).await];
    let unlimited = stack.operator.issue_new_license(1).await;
    for (license, verb) in [(&revoked, "revoke"), (&suspended, "suspend")] {
        stack.operator.post(&format!("license-keys/{}/{verb}", license.license_id), json!({})).await.expect_status(200);
    }
    announce_for(&stack, 9).await;
    assert_eq!(announced(&stack, &suspended).await, expected([("7", 1), ("1", 7), ("expired", 8)]));
    assert_eq!(announced(&stack, &revoked).await, []);
    assert_eq!(announced(&stack, &unlimited).await, []);
}

#[tokio::test]
async fn the_end_of_the_grace_is_announced_and_not_the_expiry() {
    let stack = Stack::start().await;
    let terms = json!({"billing_period": "monthly", "expiry_grace_seconds": 3 * DAY});
    let license = stack.operator.issue_new_license_with(&terms).await;
    renew(&stack, &license, 2).await;
    announce_for(&stack, 6).await;
    assert_eq!(announced(&stack, &license).await, expected([("1", 1), ("expired", 5)]));
}

#[tokio::test]
async fn imported_license_keys_are_announced_from_their_import_on() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({"code": "atlas"})).await;
    stack.operator.create_tier(&product, &json!({"code": "pro"})).await;
    let line = |id: &str, expires_at: &str| {
        json!({"type": "license", "external_id": id, "product_code": "atlas", "tier_code": "pro",
            "issued_at": "2025-01-01T00:00:00Z", "expires_at": expires_at})
        .to_string()
    };
    let lines = [line("past", "2026-01-10T00:00:00Z"), line("near", "2026-01-20T12:00:00Z")].join("\n");
    assert_eq!(stack.operator.post_lines("imports", lines).await.body["created"], 2);
    announce_for(&stack, 7).await;
    let events = stack.operator.get("events?type=license.*&limit=100").await.expect_status(200);
    let events = events["items"].as_array().unwrap().iter().rev();
    let types: Vec<_> = events.map(|event| (text(&event["type"]), event["data"]["days"].as_i64())).collect();
    assert_eq!(types[types.len() - 2..], [("license.expiring", Some(1)), ("license.expired", None)]);
    assert_eq!(types.iter().filter(|(kind, _)| kind.starts_with("license.expir")).count(), 2, "{types:?}");
}

#[tokio::test]
async fn a_failed_run_is_repeated_and_announces_nothing_twice() {
    let stack = Stack::start().await;
    let mut licenses = Vec::new();
    for _ in 0..5 {
        licenses.push(issue(&stack, 8).await);
    }
    stack.advance(2 * DAY);
    let table = &stack.local.app.table;
    // The response to some transactions is lost, and others do not arrive.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    stack.faults.add(Rule::new("PutItem", Fault::RefuseConnection).always());
    table.announce_expiries(&stack.clock).await.unwrap_err();
    stack.faults.clear();
    let (one, other) = tokio::join!(table.announce_expiries(&stack.clock), table.announce_expiries(&stack.clock));
    one.unwrap();
    other.unwrap();
    announce(&stack).await;
    for license in &licenses {
        assert_eq!(announced(&stack, license).await, expected([("7", 2)]));
    }
}

#[tokio::test]
async fn a_run_reads_only_license_keys_that_have_reached_a_threshold() {
    let stack = Stack::start().await;
    for days in [20, 60, 200] {
        issue(&stack, days).await;
    }
    announce(&stack).await;
    stack.advance(3_600);
    stack.faults.reset_calls();
    assert_eq!(announce(&stack).await, 0);
    let calls = stack.faults.calls();
    // A position, its queries and the write of the position, for each threshold.
    assert_eq!(calls.iter().filter(|call| *call == "Query").count(), 5, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "GetItem").count(), 4, "{calls:?}");
    assert_eq!(calls.len(), 13, "{calls:?}");
}
