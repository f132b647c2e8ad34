//! The audit of a license key: each finding, for a consistent table and for a table modified behind the API.

mod findings;
mod seats;
mod signing_keys;

use std::collections::BTreeMap;

use signet_tests::{IssuedLicense, Stack, Value, json};

const FINDINGS: [&str; 6] = ["seats", "stored_token", "signing_key", "tier", "customer_pointer", "expiry"];

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Audits a license key. Returns the response and its six findings by code.
async fn audit(stack: &Stack, id: &str, body: Value) -> (Value, BTreeMap<String, bool>) {
    let response = stack.operator.post(&format!("license-keys/{id}/audit"), body).await.expect_status(200);
    let findings = response["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|finding| text(&finding["code"])).collect();
    assert_eq!(codes, FINDINGS);
    let found: BTreeMap<_, _> =
        findings.iter().map(|finding| (text(&finding["code"]).to_owned(), finding["ok"].as_bool().unwrap())).collect();
    assert!(findings.iter().all(|finding| !text(&finding["detail"]).is_empty()));
    assert_eq!(response["ok"], found.values().all(|ok| *ok));
    (response, found)
}

/// Audits a license key and returns the codes of the findings that are not ok.
async fn failed_findings(stack: &Stack, id: &str) -> Vec<String> {
    let (_, found) = audit(stack, id, json!({})).await;
    found.into_iter().filter(|(_, ok)| !ok).map(|(code, _)| code).collect()
}

fn key(pk: &str, sk: &str) -> Value {
    json!({"PK": {"S": pk}, "SK": {"S": sk}})
}

fn partition(id: &str) -> String {
    format!("LICENSE#{id}")
}

async fn read(stack: &Stack, key: &Value) -> Value {
    stack.call_dynamodb("GetItem", json!({"Key": key, "ConsistentRead": true})).await["Item"].clone()
}

async fn put(stack: &Stack, item: &Value) {
    stack.call_dynamodb("PutItem", json!({"Item": item})).await;
}

async fn delete(stack: &Stack, key: &Value) {
    stack.call_dynamodb("DeleteItem", json!({"Key": key})).await;
}

/// Returns the items of a license key whose sort key has this prefix, by sort key.
async fn items(stack: &Stack, id: &str, prefix: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for item in stack.items().await {
        if item["PK"]["S"] == partition(id) && text(&item["SK"]["S"]).starts_with(prefix) {
            found.insert(text(&item["SK"]["S"]).to_owned(), item);
        }
    }
    found
}

/// Returns every item except events, and the number of events.
async fn snapshot(stack: &Stack) -> (BTreeMap<String, Value>, usize) {
    let (mut others, mut events) = (BTreeMap::new(), 0);
    for mut item in stack.items().await {
        let at = format!("{} {}", text(&item["PK"]["S"]), text(&item["SK"]["S"]));
        if at.contains(" EVENT#") {
            events += 1;
        } else if !at.starts_with("RATE#") && !at.ends_with(" SEAT_LIMIT") {
            item.as_object_mut().unwrap().remove("last_used_at");
            others.insert(at, item);
        }
    }
    (others, events)
}

/// Issues a license key with this many seats and activates machines `m0`, `m1` and so on.
async fn issue_and_activate(stack: &Stack, seats: u32, machines: usize) -> (IssuedLicense, Vec<Value>) {
    let license = stack.operator.issue_new_license(seats).await;
    let mut active = Vec::new();
    for index in 0..machines {
        active.push(stack.anonymous.activate(&license.license_key, &format!("m{index}")).await.expect_status(201));
    }
    (license, active)
}

fn key_of(item: &Value) -> Value {
    json!({"PK": item["PK"], "SK": item["SK"]})
}
