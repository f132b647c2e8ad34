//! An import of many license keys, in requests that are interrupted and repeated.

use std::time::Duration;

use shared::Timeouts;
use signet_local::Options;
use signet_tests::{Stack, all_cases, json};

use super::{Shop, counts, customer, license, to_lines};

/// Returns the number of lines to import: that of the environment variable, as `just large-import` sets it, or else one that
/// takes a second, or with all cases a minute.
fn number_of_lines() -> usize {
    match std::env::var("SIGNET_IMPORT_LINES") {
        Ok(number) => number.parse().unwrap(),
        Err(_) if all_cases() => 5_000,
        Err(_) => 200,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_license_keys_are_imported_once_in_interrupted_requests() {
    let total = number_of_lines();
    // Short, so that requests end before all lines are imported.
    let import = Duration::from_millis(if total > 1000 { 1000 } else { 40 });
    let timeouts = Timeouts { import, ..Timeouts::default() };
    let shop = Shop::with(Stack::start_with(Options { timeouts, ..Options::default() }).await).await;
    shop.import_new((0..20).map(|n| customer(&format!("c{n}"))).collect()).await;
    let line = |n: usize| {
        license(&format!("l{n}"), &format!("c{}", n % 20), &json!({"license_key": format!("OLD-KEY-{n:06}")}))
    };
    let lines: Vec<_> = (0..total).map(line).collect();
    let (mut start, mut requests, mut created) = (0, 0, 0);
    while start < total {
        let page = &lines[start..total.min(start + 1000)];
        let response = shop.operator().post_lines("imports", to_lines(page)).await;
        requests += 1;
        if response.status == 503 {
            // The request has timed out on a busy machine.
            continue;
        }
        let result = response.expect_status(200);
        assert_eq!(result["failed"], 0, "{result}");
        created += counts(&result)[0];
        let done = result["next_line"].as_u64().map_or(page.len(), |next| usize::try_from(next).unwrap() - 1);
        // Every third response is lost: the client sends the same lines again.
        if requests % 3 != 0 {
            start += done;
        }
    }
    assert!(created <= total as u64, "{requests} requests created {created}");
    let keys = shop.stack.snapshot_items().await.into_keys().filter(|key| key.starts_with("KEY#")).count();
    assert_eq!(keys, total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_imports_1000_license_keys() {
    if !all_cases() {
        return;
    }
    // A debug build on a busy machine is slower than a request may be.
    let minute = Duration::from_mins(1);
    let timeouts = Timeouts { import: minute, request: minute, ..Timeouts::default() };
    let shop = Shop::with(Stack::start_with(Options { timeouts, ..Options::default() }).await).await;
    shop.import_new((0..100).map(|n| customer(&format!("c{n}"))).collect()).await;
    let lines: Vec<_> = (0..1000).map(|n| license(&format!("l{n}"), &format!("c{}", n % 100), &json!({}))).collect();
    let response = shop.operator().post_lines("imports", to_lines(&lines)).await.expect_status(200);
    assert_eq!((counts(&response), &response["next_line"]), ([1000, 0, 0], &serde_json::Value::Null));
}
