//! An audit finds what no request of ours can have done: each finding, sound and with the table damaged.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeMap;

use signet_tests::{IssuedLicense, Stack, Value, json};

const FINDINGS: [&str; 6] = ["seats", "stored_token", "signing_key", "tier", "customer_pointer", "expiry"];

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Audits a license key; the findings by their codes, which are always the same six.
async fn audit(stack: &Stack, id: &str, body: Value) -> (Value, BTreeMap<String, bool>) {
    let answer = stack.operator.post(&format!("license-keys/{id}/audit"), body).await.expect_status(200);
    let findings = answer["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|finding| text(&finding["code"])).collect();
    assert_eq!(codes, FINDINGS);
    let found: BTreeMap<_, _> =
        findings.iter().map(|one| (text(&one["code"]).to_owned(), one["ok"].as_bool().unwrap())).collect();
    assert!(findings.iter().all(|finding| !text(&finding["detail"]).is_empty()));
    assert_eq!(answer["ok"], found.values().all(|ok| *ok));
    (answer, found)
}

/// The findings that are not as they should be.
async fn faults(stack: &Stack, id: &str) -> Vec<String> {
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

/// Items of a license key whose sort key begins so, by their sort keys.
async fn items(stack: &Stack, id: &str, prefix: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for item in stack.items().await {
        if item["PK"]["S"] == partition(id) && text(&item["SK"]["S"]).starts_with(prefix) {
            found.insert(text(&item["SK"]["S"]).to_owned(), item);
        }
    }
    found
}

/// Every item but events, each as it is, and how many events there are.
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

/// A license key of so many seats, with machines that are named `m0` and so on.
async fn with_machines(stack: &Stack, seats: u32, machines: usize) -> (IssuedLicense, Vec<Value>) {
    let sold = stack.operator.issue_new_license(seats).await;
    let mut active = Vec::new();
    for index in 0..machines {
        active.push(stack.anonymous.activate(&sold.license_key, &format!("m{index}")).await.expect_status(201));
    }
    (sold, active)
}

/// The seat that a machine's item says it has, and both items.
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
async fn audit_200_of_what_is_sound() {
    let stack = Stack::start().await;
    let (sold, _) = with_machines(&stack, 3, 2).await;
    let id = &sold.license_id;
    stack.advance(60);
    let before = snapshot(&stack).await;
    let path = format!("license-keys/{id}/audit");
    let answer = stack.operator.post(&path, json!({})).await;
    assert!(answer.header("etag").is_empty(), "it is no resource");
    let body = answer.expect_status(200);
    assert_eq!((&body["ok"], &body["audited_at"]), (&json!(true), &json!("2026-01-15T12:01:00Z")));
    let license = stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
    assert_eq!((&body["license"], &license["seats_used"]), (&license, &json!(2)));
    // Nothing is changed but that it is noted, also where it would be mended.
    stack.operator.post(&path, json!({"repair": true})).await.expect_status(200);
    stack.operator.post(&path, json!({"repair": false})).await.expect_status(200);
    let after = snapshot(&stack).await;
    assert_eq!((after.0 == before.0, after.1), (true, before.1 + 3));
}

#[tokio::test]
async fn audit_is_sound_through_a_whole_life() {
    let stack = Stack::start().await;
    let (sold, active) = with_machines(&stack, 3, 3).await;
    let id = &sold.license_id;
    let step = async |verb: &str, body: Value| {
        stack.operator.post(&format!("license-keys/{id}/{verb}"), body).await.expect_status(200);
        assert_eq!(faults(&stack, id).await, [""; 0], "{verb}");
    };
    let deactivate = format!("license-activations/{}/deactivate", text(&active[0]["activation"]["id"]));
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    step("suspend", json!({})).await;
    step("reinstate", json!({})).await;
    step("change", json!({"max_users": 2})).await;
    step("change", json!({"max_users": null})).await;
    stack.anonymous.activate(&sold.license_key, "m9").await.expect_status(201);
    step("change", json!({"max_users": 3})).await;
    step("renew", json!({})).await;
    step("regenerate", json!({})).await;
    stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
    assert_eq!(faults(&stack, id).await, [""; 0], "a superseded one is sound");
    step("revoke", json!({})).await;
    // A customer may hold several keys where the product says so.
    let several = stack.operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let tier = stack.operator.create_tier(&several, &json!({})).await;
    for _ in 0..2 {
        let issued = stack.operator.issue(&sold.customer, &tier, &json!({})).await;
        assert_eq!(faults(&stack, text(&issued["license"]["id"])).await, [""; 0]);
        stack.advance(1);
    }
}

#[tokio::test]
async fn audit_finds_and_frees_a_seat_that_no_machine_has() {
    let stack = Stack::start().await;
    let (sold, active) = with_machines(&stack, 3, 3).await;
    let id = &sold.license_id;
    // One machine is gone; of another, the seat is of an earlier life.
    let (gone, seat_of_gone) = seat_of(&stack, id, "m0").await;
    delete(&stack, &key_of(&gone)).await;
    let (_, seat_of_one_that_stays) = seat_of(&stack, id, "m1").await;
    let (other, mut seat_of_other) = seat_of(&stack, id, "m2").await;
    delete(&stack, &key_of(&other)).await;
    seat_of_other["machine"] = seat_of_one_that_stays["machine"].clone();
    put(&stack, &seat_of_other).await;

    let before = snapshot(&stack).await;
    assert_eq!(faults(&stack, id).await, ["seats"]);
    assert_eq!(audit(&stack, id, json!({"repair": false})).await.0["license"]["seats_used"], 3);
    let after = snapshot(&stack).await;
    assert_eq!((after.0 == before.0, after.1), (true, before.1 + 2), "an audit alone mends nothing");
    stack.anonymous.activate(&sold.license_key, "m9").await.expect_problem(409, "seat_limit_reached");

    let (answer, found) = audit(&stack, id, json!({"repair": true})).await;
    assert!(found["seats"]);
    assert_eq!(answer["license"]["seats_used"], 1);
    // Both seats are gone, and nothing else is touched.
    let (expected, events) = snapshot_without(before, &[&seat_of_gone, &seat_of_other]);
    let after = snapshot(&stack).await;
    assert_eq!(after.1, events + 3);
    assert!(after.0 == expected);
    stack.anonymous.heartbeat(text(&active[1]["token"]), "m1").await.expect_status(200);
    for name in ["m8", "m9"] {
        stack.anonymous.activate(&sold.license_key, name).await.expect_status(201);
    }
    stack.anonymous.activate(&sold.license_key, "m7").await.expect_problem(409, "seat_limit_reached");
}

fn snapshot_without(
    (mut items, events): (BTreeMap<String, Value>, usize),
    gone: &[&Value],
) -> (BTreeMap<String, Value>, usize) {
    for item in gone {
        items.remove(&format!("{} {}", text(&item["PK"]["S"]), text(&item["SK"]["S"]))).unwrap();
    }
    (items, events)
}

#[tokio::test]
async fn audit_finds_and_ends_a_machine_whose_seat_is_not_its_own() {
    let stack = Stack::start().await;
    let (sold, active) = with_machines(&stack, 3, 3).await;
    let id = &sold.license_id;
    // The seat of one is gone; that of another is held by a third, whose own is gone.
    let (m0, seat0) = seat_of(&stack, id, "m0").await;
    delete(&stack, &key_of(&seat0)).await;
    let (_, mut seat1) = seat_of(&stack, id, "m1").await;
    let (mut m2, seat2) = seat_of(&stack, id, "m2").await;
    delete(&stack, &key_of(&seat2)).await;
    for part in ["machine", "life"] {
        seat1[part] = seat2[part].clone();
    }
    put(&stack, &seat1).await;
    m2["seat"] = seat_of(&stack, id, "m1").await.0["seat"].clone();
    put(&stack, &m2).await;

    let before = snapshot(&stack).await;
    assert_eq!(faults(&stack, id).await, ["seats"]);
    assert!(snapshot(&stack).await.0 == before.0);
    stack.advance(1);
    let (answer, found) = audit(&stack, id, json!({"repair": true})).await;
    assert!(found["seats"]);
    assert_eq!(answer["license"]["seats_used"], 1);
    let after = snapshot(&stack).await;
    // Two are ended, which is noted besides the audits, and nothing else is touched.
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
    // There is room for two again.
    for name in ["m0", "m1"] {
        stack.anonymous.activate(&sold.license_key, name).await.expect_status(201);
    }
    stack.anonymous.activate(&sold.license_key, "m9").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn audit_ends_no_machine_whose_seat_is_its_own_by_then() {
    let stack = Stack::start().await;
    let (sold, active) = with_machines(&stack, 3, 2).await;
    let id = sold.license_id.clone();
    let (machine, seat) = seat_of(&stack, &id, "m0").await;
    delete(&stack, &key_of(&seat)).await;
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/audit"));
    let repair = async move { operator.post(&path, json!({"repair": true})).await.expect_status(200) };
    // Somebody mends it by hand, just before it is mended by an end.
    let answer = stack.faults.interleave(("TransactWriteItems", "ended_at"), repair, put(&stack, &seat)).await;
    assert_eq!((&answer["findings"][0]["ok"], &answer["license"]["seats_used"]), (&json!(true), &json!(2)));
    assert_eq!(seat_of(&stack, &id, "m0").await, (machine, seat));
    stack.anonymous.heartbeat(text(&active[0]["token"]), "m0").await.expect_status(200);
}

#[tokio::test]
async fn audit_asks_no_more_of_many_machines_than_of_one() {
    let stack = Stack::start().await;
    let mut costs = Vec::new();
    for machines in [1, 64] {
        let (sold, _) = with_machines(&stack, 70, machines).await;
        stack.faults.reset_calls();
        assert_eq!(faults(&stack, &sold.license_id).await, [""; 0]);
        costs.push(stack.faults.calls());
        // What looks amiss is read once more, and that alone: the machine, the seat.
        let (machine, _) = seat_of(&stack, &sold.license_id, "m0").await;
        delete(&stack, &key_of(&machine)).await;
        stack.faults.reset_calls();
        assert_eq!(faults(&stack, &sold.license_id).await, ["seats"]);
        assert_eq!(stack.faults.calls().len(), costs[0].len() + 2);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn audit_finds_nothing_amiss_with_machines_that_come_and_go_between_its_two_lists() {
    let stack = Stack::start().await;
    let (sold, active) = with_machines(&stack, 3, 2).await;
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{}/audit", sold.license_id));
    let repair = async move { operator.post(&path, json!({"repair": true})).await.expect_status(200) };
    let meanwhile = async {
        stack.anonymous.activate(&sold.license_key, "m2").await.expect_status(201);
        let end = format!("license-activations/{}/deactivate", text(&active[0]["activation"]["id"]));
        stack.operator.post(&end, json!({})).await.expect_status(200);
    };
    let answer = stack.faults.interleave(("Query", "MACHINE#"), repair, meanwhile).await;
    assert_eq!((&answer["findings"][0]["ok"], &answer["license"]["seats_used"]), (&json!(true), &json!(2)));
    for (machine, status) in [("m1", 200), ("m2", 200), ("m0", 201)] {
        assert_eq!(stack.anonymous.activate(&sold.license_key, machine).await.status, status, "{machine}");
    }
}

#[tokio::test]
async fn audit_frees_a_seat_that_names_a_machine_of_another_seat() {
    let stack = Stack::start().await;
    let (sold, active) = with_machines(&stack, 2, 1).await;
    let id = &sold.license_id;
    let (_, own) = seat_of(&stack, id, "m0").await;
    let mut other = own.clone();
    other["SK"]["S"] = json!(if own["SK"]["S"] == "SEAT#00000" { "SEAT#00001" } else { "SEAT#00000" });
    put(&stack, &other).await;
    stack.anonymous.activate(&sold.license_key, "m1").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(faults(&stack, id).await, ["seats"]);
    let (answer, found) = audit(&stack, id, json!({"repair": true})).await;
    assert!(found["seats"]);
    assert_eq!(answer["license"]["seats_used"], 1);
    stack.anonymous.heartbeat(text(&active[0]["token"]), "m0").await.expect_status(200);
    stack.anonymous.activate(&sold.license_key, "m1").await.expect_status(201);
}

#[tokio::test]
async fn audit_leaves_what_does_not_count() {
    let stack = Stack::start().await;
    // Seats above the limit, of an earlier generation, and machines that have ended are no faults.
    let (sold, active) = with_machines(&stack, 5, 5).await;
    let id = &sold.license_id;
    for machine in &active[..4] {
        let path = format!("license-activations/{}/deactivate", text(&machine["activation"]["id"]));
        stack.operator.post(&path, json!({})).await.expect_status(200);
    }
    stack.operator.post(&format!("license-keys/{id}/change"), json!({"max_users": 1})).await.expect_status(200);
    let before = snapshot(&stack).await.0;
    audit(&stack, id, json!({"repair": true})).await;
    assert!(snapshot(&stack).await.0 == before);
    let made = stack.operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await.expect_status(200);
    stack.anonymous.activate(text(&made["license_key"]), "m1").await.expect_status(201);
    let before = snapshot(&stack).await.0;
    assert!(audit(&stack, id, json!({"repair": true})).await.1["seats"]);
    assert!(snapshot(&stack).await.0 == before);
}

#[tokio::test]
async fn audit_finds_a_stored_token_that_is_not_its_own() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &sold.license_id;
    let at = key(&partition(id), "SEALED");
    let sealed = read(&stack, &at).await;
    let foreign = read(&stack, &key(&partition(&other.license_id), "SEALED")).await;
    let bytes = |item: &Value, name: &str| {
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
    for (what, item) in [
        ("a bit of the token", with(&[("token", bytes(&sealed, "token"))])),
        ("a bit of the key string", with(&[("license_key", bytes(&sealed, "license_key"))])),
        ("another's token", with(&[("token", foreign["token"].clone())])),
        (
            "all of another's",
            with(&[("token", foreign["token"].clone()), ("license_key", foreign["license_key"].clone())]),
        ),
        ("one in the other's place", with(&[("license_key", sealed["token"].clone())])),
        ("nothing", with(&[("token", json!({"B": ""})), ("license_key", json!({"B": ""}))])),
    ] {
        put(&stack, &item).await;
        assert_eq!(faults(&stack, id).await, ["signing_key", "stored_token"], "{what}");
    }
    delete(&stack, &at).await;
    assert_eq!(faults(&stack, id).await, ["signing_key", "stored_token"], "none");
    put(&stack, &sealed).await;
    assert_eq!(faults(&stack, id).await, [""; 0]);

    // What the key string leads to: elsewhere, to another generation, nowhere.
    let mut pointers = stack.items().await;
    pointers.retain(|item| item["SK"]["S"] == "KEY" && item["license_id"]["S"] == json!(id));
    let [pointer] = pointers.as_slice() else { panic!("one pointer: {pointers:?}") };
    let mut elsewhere = pointer.clone();
    elsewhere["license_id"]["S"] = json!(other.license_id);
    let mut outdated = pointer.clone();
    outdated["generation"]["N"] = json!("2");
    for item in [elsewhere, outdated] {
        put(&stack, &item).await;
        assert_eq!(faults(&stack, id).await, ["stored_token"]);
    }
    delete(&stack, &key_of(pointer)).await;
    assert_eq!(faults(&stack, id).await, ["stored_token"]);
    put(&stack, pointer).await;

    // What is stored is from before it was regenerated: as a backup may have it.
    stack.operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await.expect_status(200);
    assert_eq!(faults(&stack, id).await, [""; 0]);
    put(&stack, &sealed).await;
    assert_eq!(faults(&stack, id).await, ["stored_token"]);
}

#[tokio::test]
async fn audit_finds_a_signing_key_that_is_unknown_or_condemned() {
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
        // A copy of the ring is as old as this at most.
        stack.advance(300);
        assert_eq!(faults(&stack, &id).await, expected, "{state}");
    }
    delete(&stack, &key_of(&signing_key)).await;
    stack.advance(300);
    assert_eq!(faults(&stack, &id).await, ["signing_key", "stored_token"]);
    put(&stack, &signing_key).await;
    stack.advance(300);
    assert_eq!(faults(&stack, &id).await, [""; 0]);
}

#[tokio::test]
async fn audit_stores_a_token_of_another_key_in_place_of_one_whose_key_was_condemned() {
    let stack = Stack::start().await;
    let (kept, ended) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let revoke = format!("license-keys/{}/revoke", ended.license_id);
    stack.operator.post(&revoke, json!({"reason": "refund"})).await.expect_status(200);
    let machine = stack.anonymous.activate(&kept.license_key, "one").await.expect_status(201);
    let ring = stack.operator.get("signing-keys").await.expect_status(200);
    let current = ring["items"].as_array().unwrap().iter().find(|key| key["state"] == "current").unwrap();
    let condemn = format!("signing-keys/{}/condemn", text(&current["kid"]));
    stack.operator.post(&condemn, json!({"reason": "seen elsewhere"})).await.expect_status(200);

    assert_eq!(faults(&stack, &kept.license_id).await, ["signing_key"]);
    let (_, findings) = audit(&stack, &kept.license_id, json!({"repair": true})).await;
    assert!(findings.values().all(|ok| *ok), "{findings:?}");
    assert_eq!(faults(&stack, &kept.license_id).await, [""; 0]);
    // The machine keeps its seat, and comes back by the key string that it knows.
    stack.anonymous.heartbeat(text(&machine["token"]), "one").await.expect_problem(401, "token_invalid");
    stack.anonymous.activate(&kept.license_key, "one").await.expect_status(200);
    // For what has ended, nothing is signed.
    audit(&stack, &ended.license_id, json!({"repair": true})).await;
    assert_eq!(faults(&stack, &ended.license_id).await, ["signing_key"]);
}

#[tokio::test]
async fn audit_finds_a_tier_that_is_not_there() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &sold.license_id;
    for tier in ["tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB", text(&other.tier["id"])] {
        stack.set_license_attribute(id, "tier_id", json!({"S": tier})).await;
        assert_eq!(faults(&stack, id).await, ["tier"], "{tier}");
    }
    stack.set_license_attribute(id, "tier_id", json!({"S": sold.tier["id"]})).await;
    assert_eq!(faults(&stack, id).await, [""; 0]);
    let product = &sold.product;
    let off = json!({"code": product["code"], "name": "Atlas", "is_active": false});
    stack.operator.put(&format!("products/{}", text(&product["id"])), off).await.expect_status(200);
    assert_eq!(faults(&stack, id).await, ["tier"], "its product is switched off");
    delete(&stack, &key("CATALOG", &format!("PRODUCT#{}", text(&product["id"])))).await;
    assert_eq!(faults(&stack, id).await, ["tier"], "its product is gone");
}

#[tokio::test]
async fn audit_finds_a_customer_pointer_that_leads_astray() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &sold.license_id;
    let customer = text(&sold.customer["id"]);
    let pointer =
        read(&stack, &key(&format!("CUSTOMER#{customer}"), &format!("CURRENT#{}", text(&sold.product["id"])))).await;
    assert_eq!(pointer["license_id"]["S"], json!(id));
    let to = |license: &str| {
        let mut item = pointer.clone();
        item["license_id"]["S"] = json!(license);
        item
    };
    delete(&stack, &key_of(&pointer)).await;
    assert_eq!(faults(&stack, id).await, ["customer_pointer"], "none");
    for astray in ["lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB", &other.license_id] {
        put(&stack, &to(astray)).await;
        assert_eq!(faults(&stack, id).await, ["customer_pointer"], "{astray}");
    }
    put(&stack, &pointer).await;
    stack.advance(60);
    let newer = stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
    let newer = text(&newer["license"]["id"]);
    assert_eq!(faults(&stack, id).await, [""; 0]);
    // Back at the older one, it is right for that, and wrong for the newer.
    put(&stack, &pointer).await;
    assert_eq!(faults(&stack, newer).await, ["customer_pointer"]);
}

#[tokio::test]
async fn audit_finds_that_it_is_over() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await;
    let id = &sold.license_id;
    stack.advance(31 * 86_400 - 1);
    assert_eq!(faults(&stack, id).await, [""; 0]);
    stack.advance(1);
    assert_eq!(faults(&stack, id).await, ["expiry"]);
    let (answer, _) = audit(&stack, id, json!({"repair": true})).await;
    assert_eq!(answer["license"]["status"], "expired", "nothing to be mended by us");
    stack.operator.post(&format!("license-keys/{id}/renew"), json!({"expires_at": null})).await.expect_status(200);
    assert_eq!(faults(&stack, id).await, [""; 0]);
}

#[tokio::test]
async fn audit_422() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/audit");
    let answer = stack.operator.post(&path, json!({"repair": "yes"})).await;
    assert_eq!(answer.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/repair");
    let answer = stack.operator.post(&path, json!({"fix": true})).await;
    assert_eq!(answer.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/fix");
}
