//! Repeated, interrupted and concurrent imports create nothing twice.

use std::time::Duration;

use futures_util::future::join_all;
use shared::Timeouts;
use signet_local::Options;
use signet_tests::{Fault, Rule, Stack, Value, check_each, json, merged, selected, text};

use super::{Shop, activation, counts, customer, errors, import_text, license, to_lines};

fn one_of_each() -> Vec<Value> {
    vec![
        customer("c"),
        license("a", "c", &json!({"license_key": "OLD-KEY-1", "metadata": {"x": "1", "y": "2"}})),
        activation("a", "m"),
    ]
}

#[tokio::test]
async fn a_repeated_import_changes_nothing() {
    let shop = Shop::start().await;
    shop.import_new(one_of_each()).await;
    let before = shop.stack.snapshot_items().await;
    shop.stack.advance(60);
    assert_eq!(counts(&shop.import(&one_of_each()).await), [0, 3, 0]);
    let reformatted = "  {\"metadata\": {\"y\":\"2\",\"x\":\"1\"} , \"license_key\":\" OLD-KEY-1\", \"tier_code\":\"pro\",\
         \"product_code\":\"atlas\", \"status\": \"active\", \"customer_external_id\":\"c\",\"external_id\":\"a\",\"type\":\"license\"}";
    assert_eq!(counts(&import_text(shop.operator(), reformatted).await), [0, 1, 0]);
    shop.stack.assert_unchanged_since(&before).await;
}

#[tokio::test]
async fn changed_and_deactivated_resources_remain_as_they_are() {
    let shop = Shop::start().await;
    shop.import_new(one_of_each()).await;
    let id = text(&shop.license("a").await["id"]).to_owned();
    let machines = shop.operator().get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    let path = format!("license-activations/{}/deactivate", text(&machines["items"][0]["id"]));
    shop.operator().post(&path, json!({})).await.expect_status(200);
    let path = format!("customers/{}", text(&shop.customer("c").await["id"]));
    shop.operator().patch(&path, json!({"name": "Grace"})).await.expect_status(200);
    let before = shop.stack.snapshot_items().await;
    assert_eq!(counts(&shop.import(&one_of_each()).await), [0, 3, 0]);
    // Also when the tombstone of the machine is gone.
    shop.stack.advance(40 * 86400);
    assert_eq!(counts(&shop.import(&one_of_each()).await), [0, 3, 0]);
    shop.stack.assert_unchanged_since(&before).await;
    let renamed = merged(activation("a", "m"), &json!({"machine_name": "other"}));
    assert_eq!(counts(&shop.import(&[renamed]).await), [0, 1, 0]);
}

#[tokio::test]
async fn a_machine_that_activated_itself_is_unchanged_and_imported_once() {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c"), license("a", "c", &json!({"license_key": "OLD-KEY-1"}))]).await;
    let activated = shop.stack.anonymous.activate("OLD-KEY-1", "m").await.expect_status(201);
    assert_eq!(counts(&shop.import(&[activation("a", "m")]).await), [0, 1, 0]);
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    shop.operator().post(&path, json!({})).await.expect_status(200);
    assert_eq!(counts(&shop.import(&[activation("a", "m")]).await), [0, 1, 0]);
    assert_eq!(shop.stack.operator.get("license-activations?machine_id=m").await.body["items"], json!([]));
}

#[tokio::test]
async fn an_import_stops_when_its_time_is_used_up_and_goes_on_at_the_next_line() {
    let timeouts = Timeouts { import: Duration::ZERO, ..Timeouts::default() };
    let shop = Shop::with(Stack::start_with(Options { timeouts, ..Options::default() }).await).await;
    let lines: Vec<Value> = (0..100).map(|n| customer(&format!("c{n}"))).collect();
    let mut rest = &lines[..];
    let (mut requests, mut created) = (0, 0);
    loop {
        let result = shop.import(rest).await;
        requests += 1;
        created += counts(&result)[0];
        let Some(next) = result["next_line"].as_u64() else {
            assert_eq!(result["lines"], rest.len());
            break;
        };
        assert_eq!(result["lines"], next - 1);
        rest = &rest[usize::try_from(next).unwrap() - 1..];
    }
    assert!((2..=100).contains(&requests), "{requests}");
    assert_eq!(created, 100, "each line was created by one request");
    assert_eq!(counts(&shop.import(&lines[..32]).await), [0, 32, 0]);
}

/// Returns the numbers of items of each kind, apart from API keys and the catalog.
async fn item_counts(shop: &Shop) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for key in shop.stack.snapshot_items().await.into_keys() {
        let (pk, sk) = key.split_once(' ').unwrap();
        let name = |text: &str| text.split('#').next().unwrap().to_owned();
        *counts.entry(format!("{} {}", name(pk), name(sk))).or_insert(0) += 1;
    }
    counts.retain(|kind, _| !kind.starts_with("APIKEYS") && !kind.starts_with("KEYRING"));
    counts.into_iter().collect()
}

/// Faults of DynamoDB calls below the SDK: lost responses, time-outs, throttling, conflicts.
fn faults() -> [Fault; 4] {
    [Fault::LoseResponse, Fault::RefuseConnection, Fault::SERVER_ERROR, Fault::Cancel("TransactionConflict")]
}

#[tokio::test]
async fn lost_responses_and_failed_transactions_create_one_of_each() {
    let expected = {
        let shop = Shop::start().await;
        shop.import_new(one_of_each()).await;
        item_counts(&shop).await
    };
    let cases = (1..=3)
        .flat_map(|nth| faults().into_iter().flat_map(move |fault| [1, 3].map(|times| (nth, fault.clone(), times))));
    let check = check_each(selected(0, cases), async |(nth, fault, times)| {
        let shop = Shop::start().await;
        shop.stack.faults.add(Rule::new("TransactWriteItems", fault.clone()).nth(nth).times(times));
        // The SDK retries up to two times. After that, the import stops at the line, or at the first one with 503.
        let mut sent = 0;
        let mut rest = one_of_each();
        while !rest.is_empty() && sent < 5 {
            let response = shop.operator().post_lines("imports", to_lines(&rest)).await;
            sent += 1;
            if response.status == 503 {
                continue;
            }
            let result = response.expect_status(200);
            assert_eq!(result["failed"], 0, "{result}");
            let next = result["next_line"].as_u64().map_or(rest.len(), |next| usize::try_from(next).unwrap() - 1);
            rest.drain(..next);
        }
        shop.stack.faults.clear();
        assert!(rest.is_empty(), "{nth} {fault:?} {times}: {rest:?}");
        assert_eq!(counts(&shop.import(&one_of_each()).await), [0, 3, 0]);
        assert_eq!(item_counts(&shop).await, expected, "{nth} {fault:?} {times}");
    });
    // Boxed, because the future is large.
    Box::pin(check).await;
}

#[tokio::test]
async fn concurrent_imports_of_the_same_lines_create_one_of_each() {
    let shop = Shop::start().await;
    let mut lines = Vec::new();
    for n in 0..6 {
        let (customer_id, id) = (format!("c{n}"), format!("l{n}"));
        lines.push(customer(&customer_id));
        lines.push(license(&id, &customer_id, &json!({"license_key": format!("OLD-KEY-{n}")})));
        lines.push(license(&format!("{id}-generated"), &customer_id, &json!({})));
        lines.push(activation(&id, "m1"));
        lines.push(activation(&id, "m2"));
    }
    // On a slow machine, a request ends before the last line, and another one goes on.
    let import = async || {
        let (mut results, mut rest) = (Vec::new(), &lines[..]);
        while !rest.is_empty() {
            let result = shop.import(rest).await;
            let done = result["next_line"].as_u64().map_or(rest.len(), |next| usize::try_from(next).unwrap() - 1);
            (results, rest) = ([results, vec![result]].concat(), &rest[done..]);
        }
        results
    };
    let results = join_all((0..4).map(|_| import())).await.concat();
    for result in &results {
        assert_eq!(result["failed"], 0, "{result}");
    }
    let created: u64 = results.iter().map(|result| counts(result)[0]).sum();
    assert_eq!(created, 30, "{results:?}");
    let found = item_counts(&shop).await;
    let count = |kind: &str| found.iter().find(|(found, _)| found == kind).map_or(0, |(_, count)| *count);
    assert_eq!(["CUSTOMER CUSTOMER", "LICENSE LICENSE", "LICENSE MACHINE", "LICENSE SEAT"].map(count), [6, 12, 12, 12]);
    assert_eq!(count("LICENSE EVENT"), 24);
}

#[tokio::test]
async fn lines_that_differ_are_errors_in_whatever_order_they_arrive() {
    let shop = Shop::start().await;
    let other = json!({"name": "Grace"});
    let lines = [customer("c"), merged(customer("c"), &other), customer("d"), merged(customer("d"), &other)];
    let result = shop.import(&lines).await;
    assert_eq!(
        (counts(&result), errors(&result)),
        ([2, 0, 2], ["2 /external_id import_conflict", "4 /external_id import_conflict"].map(str::to_owned).to_vec())
    );
    assert_eq!(shop.customer("c").await["name"], "Ada Lovelace");
}
