//! The audit of a license key: each finding, for a consistent table and for a table modified behind the API.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

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
        } else if !at.starts_with("RATE#") {
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

/// Returns the activation item of a machine and the item of the seat that it names.
async fn seat_of(stack: &Stack, id: &str, machine_id: &str) -> (Value, Value) {
    let machines = items(stack, id, "MACHINE#").await;
    let machine = machines.values().find(|item| item["machine_id"]["S"] == machine_id).unwrap().clone();
    let number: u32 = text(&machine["seat"]["N"]).parse().unwrap();
    let seat = read(stack, &key(&partition(id), &format!("SEAT#{number:05}"))).await;
    (machine, seat)
}

fn key_of(item: &Value) -> Value {
    json!({"PK": item["PK"], "SK": item["SK"]})
}

#[tokio::test]
async fn audit_of_a_consistent_license_returns_ok_and_writes_only_an_event() {
    let stack = Stack::start().await;
    let (license, _) = issue_and_activate(&stack, 3, 2).await;
    let id = &license.license_id;
    stack.advance(60);
    let before = snapshot(&stack).await;
    let path = format!("license-keys/{id}/audit");
    let response = stack.operator.post(&path, json!({})).await;
    assert!(response.header("etag").is_empty(), "the report is not a resource");
    let body = response.expect_status(200);
    assert_eq!((&body["ok"], &body["audited_at"]), (&json!(true), &json!("2026-01-15T12:01:00Z")));
    let read = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
    assert_eq!((&body["license"], &read["seats_used"]), (&read, &json!(2)));
    // Each audit writes only its event, also with `repair`.
    stack.operator.post(&path, json!({"repair": true})).await.expect_status(200);
    stack.operator.post(&path, json!({"repair": false})).await.expect_status(200);
    let after = snapshot(&stack).await;
    assert_eq!((after.0 == before.0, after.1), (true, before.1 + 3));
}

#[tokio::test]
async fn audit_reports_ok_after_every_transition() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 3, 3).await;
    let id = &license.license_id;
    let step = async |verb: &str, body: Value| {
        stack.operator.post(&format!("license-keys/{id}/{verb}"), body).await.expect_status(200);
        assert_eq!(failed_findings(&stack, id).await, [""; 0], "{verb}");
    };
    let deactivate = format!("license-activations/{}/deactivate", text(&active[0]["activation"]["id"]));
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    step("suspend", json!({})).await;
    step("reinstate", json!({})).await;
    step("change", json!({"max_users": 2})).await;
    step("change", json!({"max_users": null})).await;
    stack.anonymous.activate(&license.license_key, "m9").await.expect_status(201);
    step("change", json!({"max_users": 3})).await;
    step("renew", json!({})).await;
    step("regenerate", json!({})).await;
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    assert_eq!(failed_findings(&stack, id).await, [""; 0], "a superseded license is consistent");
    step("revoke", json!({})).await;
    // A product may allow several license keys per customer.
    let product = stack.operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let tier = stack.operator.create_tier(&product, &json!({})).await;
    for _ in 0..2 {
        let issued = stack.operator.issue(&license.customer, &tier, &json!({})).await;
        assert_eq!(failed_findings(&stack, text(&issued["license"]["id"])).await, [""; 0]);
        stack.advance(1);
    }
}

#[tokio::test]
async fn audit_finds_and_frees_seats_without_an_activation() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 3, 3).await;
    let id = &license.license_id;
    // One activation is deleted. Another one is deleted and its seat names another machine.
    let (deleted, seat_of_deleted) = seat_of(&stack, id, "m0").await;
    delete(&stack, &key_of(&deleted)).await;
    let (_, seat_of_intact) = seat_of(&stack, id, "m1").await;
    let (other, mut seat_of_other) = seat_of(&stack, id, "m2").await;
    delete(&stack, &key_of(&other)).await;
    seat_of_other["machine"] = seat_of_intact["machine"].clone();
    put(&stack, &seat_of_other).await;

    let before = snapshot(&stack).await;
    assert_eq!(failed_findings(&stack, id).await, ["seats"]);
    assert_eq!(audit(&stack, id, json!({"repair": false})).await.0["license"]["seats_used"], 3);
    let after = snapshot(&stack).await;
    assert_eq!((after.0 == before.0, after.1), (true, before.1 + 2), "an audit without `repair` changes nothing");
    stack.anonymous.activate(&license.license_key, "m9").await.expect_problem(409, "seat_limit_reached");

    let (response, found) = audit(&stack, id, json!({"repair": true})).await;
    assert!(found["seats"]);
    assert_eq!(response["license"]["seats_used"], 1);
    // Both seats are deleted, and nothing else has changed.
    let (expected, events) = snapshot_without(before, &[&seat_of_deleted, &seat_of_other]);
    let after = snapshot(&stack).await;
    assert_eq!(after.1, events + 3);
    assert!(after.0 == expected);
    stack.anonymous.heartbeat(text(&active[1]["token"]), "m1").await.expect_status(200);
    for name in ["m8", "m9"] {
        stack.anonymous.activate(&license.license_key, name).await.expect_status(201);
    }
    stack.anonymous.activate(&license.license_key, "m7").await.expect_problem(409, "seat_limit_reached");
}

fn snapshot_without(
    (mut items, events): (BTreeMap<String, Value>, usize),
    deleted: &[&Value],
) -> (BTreeMap<String, Value>, usize) {
    for item in deleted {
        items.remove(&format!("{} {}", text(&item["PK"]["S"]), text(&item["SK"]["S"]))).unwrap();
    }
    (items, events)
}

#[tokio::test]
async fn audit_finds_and_ends_activations_without_their_seat() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 3, 3).await;
    let id = &license.license_id;
    // The seat of m0 is deleted. The seat of m1 is assigned to m2, whose own seat is deleted.
    let (m0, seat0) = seat_of(&stack, id, "m0").await;
    delete(&stack, &key_of(&seat0)).await;
    let (_, mut seat1) = seat_of(&stack, id, "m1").await;
    let (mut m2, seat2) = seat_of(&stack, id, "m2").await;
    delete(&stack, &key_of(&seat2)).await;
    for attribute in ["machine", "life"] {
        seat1[attribute] = seat2[attribute].clone();
    }
    put(&stack, &seat1).await;
    m2["seat"] = seat_of(&stack, id, "m1").await.0["seat"].clone();
    put(&stack, &m2).await;

    let before = snapshot(&stack).await;
    assert_eq!(failed_findings(&stack, id).await, ["seats"]);
    assert!(snapshot(&stack).await.0 == before.0);
    stack.advance(1);
    let (response, found) = audit(&stack, id, json!({"repair": true})).await;
    assert!(found["seats"]);
    assert_eq!(response["license"]["seats_used"], 1);
    let after = snapshot(&stack).await;
    // Two activations have ended, each with an event; nothing else has changed.
    assert_eq!(after.1, before.1 + 4);
    let mut changed: Vec<_> =
        after.0.iter().filter(|(at, item)| before.0.get(*at) != Some(item)).map(|(at, _)| at).collect();
    changed.sort();
    let mut ended: Vec<_> = [&m0, &seat_of(&stack, id, "m1").await.0]
        .map(|item| format!("{} {}", text(&item["PK"]["S"]), text(&item["SK"]["S"])))
        .to_vec();
    ended.sort();
    assert_eq!(changed, ended.iter().collect::<Vec<_>>());
    assert_eq!(after.0.len(), before.0.len());
    for at in &ended {
        assert_eq!(after.0[at]["ended_at"]["S"], "2026-01-15T12:00:01Z");
    }
    for (index, status) in [(0, 403), (1, 403), (2, 200)] {
        let token = text(&active[index]["token"]);
        assert_eq!(stack.anonymous.heartbeat(token, &format!("m{index}")).await.status, status, "m{index}");
    }
    let events = stack.operator.get(&format!("license-keys/{id}/events?limit=3")).await.expect_status(200);
    let ended = |event: &&Value| event["type"] == "deactivated" && event["data"]["repair"] == true;
    assert_eq!(events["items"].as_array().unwrap().iter().filter(ended).count(), 2);
    // Two seats are free again.
    for name in ["m0", "m1"] {
        stack.anonymous.activate(&license.license_key, name).await.expect_status(201);
    }
    stack.anonymous.activate(&license.license_key, "m9").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn audit_repair_keeps_an_activation_whose_seat_was_restored_concurrently() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 3, 2).await;
    let id = license.license_id.clone();
    let (machine, seat) = seat_of(&stack, &id, "m0").await;
    delete(&stack, &key_of(&seat)).await;
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/audit"));
    let repair = async move { operator.post(&path, json!({"repair": true})).await.expect_status(200) };
    // The seat is restored just before the repair ends its activation.
    let response = stack.faults.interleave(("TransactWriteItems", "ended_at"), repair, put(&stack, &seat)).await;
    assert_eq!((&response["findings"][0]["ok"], &response["license"]["seats_used"]), (&json!(true), &json!(2)));
    assert_eq!(seat_of(&stack, &id, "m0").await, (machine, seat));
    stack.anonymous.heartbeat(text(&active[0]["token"]), "m0").await.expect_status(200);
}

#[tokio::test]
async fn audit_makes_the_same_number_of_calls_for_1_and_64_machines() {
    let stack = Stack::start().await;
    let mut costs = Vec::new();
    for machines in [1, 64] {
        let (license, _) = issue_and_activate(&stack, 70, machines).await;
        stack.faults.reset_calls();
        assert_eq!(failed_findings(&stack, &license.license_id).await, [""; 0]);
        costs.push(stack.faults.calls());
        // Only the suspected inconsistency is read again: the activation and its seat.
        let (machine, _) = seat_of(&stack, &license.license_id, "m0").await;
        delete(&stack, &key_of(&machine)).await;
        stack.faults.reset_calls();
        assert_eq!(failed_findings(&stack, &license.license_id).await, ["seats"]);
        assert_eq!(stack.faults.calls().len(), costs[0].len() + 2);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn audit_ignores_activations_that_change_between_its_queries() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 3, 2).await;
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{}/audit", license.license_id));
    let repair = async move { operator.post(&path, json!({"repair": true})).await.expect_status(200) };
    let concurrent = async {
        stack.anonymous.activate(&license.license_key, "m2").await.expect_status(201);
        let deactivate = format!("license-activations/{}/deactivate", text(&active[0]["activation"]["id"]));
        stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    };
    let response = stack.faults.interleave(("Query", "MACHINE#"), repair, concurrent).await;
    assert_eq!((&response["findings"][0]["ok"], &response["license"]["seats_used"]), (&json!(true), &json!(2)));
    for (machine, status) in [("m1", 200), ("m2", 200), ("m0", 201)] {
        assert_eq!(stack.anonymous.activate(&license.license_key, machine).await.status, status, "{machine}");
    }
}

#[tokio::test]
async fn audit_frees_a_seat_whose_activation_holds_another_seat() {
    let stack = Stack::start().await;
    let (license, active) = issue_and_activate(&stack, 2, 1).await;
    let id = &license.license_id;
    let (_, own) = seat_of(&stack, id, "m0").await;
    let mut other = own.clone();
    other["SK"]["S"] = json!(if own["SK"]["S"] == "SEAT#00000" { "SEAT#00001" } else { "SEAT#00000" });
    put(&stack, &other).await;
    stack.anonymous.activate(&license.license_key, "m1").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(failed_findings(&stack, id).await, ["seats"]);
    let (response, found) = audit(&stack, id, json!({"repair": true})).await;
    assert!(found["seats"]);
    assert_eq!(response["license"]["seats_used"], 1);
    stack.anonymous.heartbeat(text(&active[0]["token"]), "m0").await.expect_status(200);
    stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
}

#[tokio::test]
async fn audit_ignores_seats_above_the_limit_and_of_earlier_generations() {
    let stack = Stack::start().await;
    // Seats above the limit or of an earlier generation, and ended activations, are not inconsistencies.
    let (license, active) = issue_and_activate(&stack, 5, 5).await;
    let id = &license.license_id;
    for machine in &active[..4] {
        let path = format!("license-activations/{}/deactivate", text(&machine["activation"]["id"]));
        stack.operator.post(&path, json!({})).await.expect_status(200);
    }
    stack.operator.post(&format!("license-keys/{id}/change"), json!({"max_users": 1})).await.expect_status(200);
    let before = snapshot(&stack).await.0;
    audit(&stack, id, json!({"repair": true})).await;
    assert!(snapshot(&stack).await.0 == before);
    let regenerated = stack.operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await.expect_status(200);
    stack.anonymous.activate(text(&regenerated["license_key"]), "m1").await.expect_status(201);
    let before = snapshot(&stack).await.0;
    assert!(audit(&stack, id, json!({"repair": true})).await.1["seats"]);
    assert!(snapshot(&stack).await.0 == before);
}

#[tokio::test]
async fn audit_finds_a_stored_token_that_does_not_match_the_license() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    let at = key(&partition(id), "SEALED");
    let sealed = read(&stack, &at).await;
    let other_sealed = read(&stack, &key(&partition(&other.license_id), "SEALED")).await;
    let flip_last_bit = |item: &Value, name: &str| {
        let mut bytes = data_encoding::BASE64.decode(text(&item[name]["B"]).as_bytes()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        json!({"B": data_encoding::BASE64.encode(&bytes)})
    };
    let with = |changes: &[(&str, Value)]| {
        let mut item = sealed.clone();
        for (name, value) in changes {
            item[*name] = value.clone();
        }
        item
    };
    for (case, item) in [
        ("a flipped bit in the token", with(&[("token", flip_last_bit(&sealed, "token"))])),
        ("a flipped bit in the key string", with(&[("license_key", flip_last_bit(&sealed, "license_key"))])),
        ("the token of another license", with(&[("token", other_sealed["token"].clone())])),
        (
            "token and key string of another license",
            with(&[("token", other_sealed["token"].clone()), ("license_key", other_sealed["license_key"].clone())]),
        ),
        ("the token in place of the key string", with(&[("license_key", sealed["token"].clone())])),
        ("empty values", with(&[("token", json!({"B": ""})), ("license_key", json!({"B": ""}))])),
    ] {
        put(&stack, &item).await;
        assert_eq!(failed_findings(&stack, id).await, ["signing_key", "stored_token"], "{case}");
    }
    delete(&stack, &at).await;
    assert_eq!(failed_findings(&stack, id).await, ["signing_key", "stored_token"], "no stored token");
    put(&stack, &sealed).await;
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);

    // The item of the key string names another license or another generation, or is missing.
    let mut pointers = stack.items().await;
    pointers.retain(|item| item["SK"]["S"] == "KEY" && item["license_id"]["S"] == json!(id));
    let [pointer] = pointers.as_slice() else { panic!("expected one pointer: {pointers:?}") };
    let mut misdirected = pointer.clone();
    misdirected["license_id"]["S"] = json!(other.license_id);
    let mut outdated = pointer.clone();
    outdated["generation"]["N"] = json!("2");
    for item in [misdirected, outdated] {
        put(&stack, &item).await;
        assert_eq!(failed_findings(&stack, id).await, ["stored_token"]);
    }
    delete(&stack, &key_of(pointer)).await;
    assert_eq!(failed_findings(&stack, id).await, ["stored_token"]);
    put(&stack, pointer).await;

    // The stored token predates the regeneration, as in a backup.
    stack.operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await.expect_status(200);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    put(&stack, &sealed).await;
    assert_eq!(failed_findings(&stack, id).await, ["stored_token"]);
}

#[tokio::test]
async fn audit_finds_an_unknown_or_condemned_signing_key() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let is_key = |item: &&Value| item["PK"]["S"] == "KEYRING" && item["state"]["S"] == "current";
    let signing_key = stack.items().await.iter().find(is_key).unwrap().clone();
    let in_state = |state: &str| {
        let mut item = signing_key.clone();
        item["state"]["S"] = json!(state);
        item
    };
    for (state, expected) in [("previous", &[][..]), ("retired", &[]), ("condemned", &["signing_key"])] {
        put(&stack, &in_state(state)).await;
        // The maximum age of the key ring cache.
        stack.advance(300);
        assert_eq!(failed_findings(&stack, &id).await, expected, "{state}");
    }
    delete(&stack, &key_of(&signing_key)).await;
    stack.advance(300);
    assert_eq!(failed_findings(&stack, &id).await, ["signing_key", "stored_token"]);
    put(&stack, &signing_key).await;
    stack.advance(300);
    assert_eq!(failed_findings(&stack, &id).await, [""; 0]);
}

#[tokio::test]
async fn audit_repair_replaces_a_stored_token_signed_by_a_condemned_key() {
    let stack = Stack::start().await;
    let (active, revoked) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let revoke = format!("license-keys/{}/revoke", revoked.license_id);
    stack.operator.post(&revoke, json!({"reason": "refund"})).await.expect_status(200);
    let machine = stack.anonymous.activate(&active.license_key, "one").await.expect_status(201);
    let ring = stack.operator.get("signing-keys").await.expect_status(200);
    let current = ring["items"].as_array().unwrap().iter().find(|key| key["state"] == "current").unwrap();
    let condemn = format!("signing-keys/{}/condemn", text(&current["kid"]));
    stack.operator.post(&condemn, json!({"reason": "leaked"})).await.expect_status(200);

    assert_eq!(failed_findings(&stack, &active.license_id).await, ["signing_key"]);
    let (_, findings) = audit(&stack, &active.license_id, json!({"repair": true})).await;
    assert!(findings.values().all(|ok| *ok), "{findings:?}");
    assert_eq!(failed_findings(&stack, &active.license_id).await, [""; 0]);
    // The machine keeps its seat and renews its activation with the key string.
    stack.anonymous.heartbeat(text(&machine["token"]), "one").await.expect_problem(401, "token_invalid");
    stack.anonymous.activate(&active.license_key, "one").await.expect_status(200);
    // No token is signed for a revoked license.
    audit(&stack, &revoked.license_id, json!({"repair": true})).await;
    assert_eq!(failed_findings(&stack, &revoked.license_id).await, ["signing_key"]);
}

#[tokio::test]
async fn audit_finds_a_missing_or_inactive_tier() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    for tier in ["tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB", text(&other.tier["id"])] {
        stack.set_license_attribute(id, "tier_id", json!({"S": tier})).await;
        assert_eq!(failed_findings(&stack, id).await, ["tier"], "{tier}");
    }
    stack.set_license_attribute(id, "tier_id", json!({"S": license.tier["id"]})).await;
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    let product = &license.product;
    let inactive = json!({"code": product["code"], "name": "Atlas", "is_active": false});
    stack.operator.put(&format!("products/{}", text(&product["id"])), inactive).await.expect_status(200);
    assert_eq!(failed_findings(&stack, id).await, ["tier"], "its product is inactive");
    delete(&stack, &key("CATALOG", &format!("PRODUCT#{}", text(&product["id"])))).await;
    assert_eq!(failed_findings(&stack, id).await, ["tier"], "its product is missing");
}

#[tokio::test]
async fn audit_finds_a_wrong_customer_pointer() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    let customer = text(&license.customer["id"]);
    let pointer =
        read(&stack, &key(&format!("CUSTOMER#{customer}"), &format!("CURRENT#{}", text(&license.product["id"])))).await;
    assert_eq!(pointer["license_id"]["S"], json!(id));
    let pointing_to = |license: &str| {
        let mut item = pointer.clone();
        item["license_id"]["S"] = json!(license);
        item
    };
    delete(&stack, &key_of(&pointer)).await;
    assert_eq!(failed_findings(&stack, id).await, ["customer_pointer"], "no pointer");
    for wrong in ["lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB", &other.license_id] {
        put(&stack, &pointing_to(wrong)).await;
        assert_eq!(failed_findings(&stack, id).await, ["customer_pointer"], "{wrong}");
    }
    put(&stack, &pointer).await;
    stack.advance(60);
    let newer = stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let newer = text(&newer["license"]["id"]);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    // A pointer to the older license is wrong for the newer one.
    put(&stack, &pointer).await;
    assert_eq!(failed_findings(&stack, newer).await, ["customer_pointer"]);
}

#[tokio::test]
async fn audit_finds_that_the_license_has_expired() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let id = &license.license_id;
    stack.advance(31 * 86_400 - 1);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    stack.advance(1);
    assert_eq!(failed_findings(&stack, id).await, ["expiry"]);
    let (response, _) = audit(&stack, id, json!({"repair": true})).await;
    assert_eq!(response["license"]["status"], "expired", "a repair does not change the expiry");
    stack.operator.post(&format!("license-keys/{id}/renew"), json!({"expires_at": null})).await.expect_status(200);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
}

#[tokio::test]
async fn audit_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/audit");
    let response = stack.operator.post(&path, json!({"repair": "yes"})).await;
    assert_eq!(response.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/repair");
    let response = stack.operator.post(&path, json!({"fix": true})).await;
    assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/fix");
}
