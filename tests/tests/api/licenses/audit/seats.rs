//! Findings about seats and activations.

use std::collections::BTreeMap;

use signet_tests::{Stack, Value, json};

use super::{
    audit, delete, failed_findings, issue_and_activate, items, key, key_of, partition, put, read, snapshot, text,
};

/// Returns the activation item of a machine and the item of the seat that it names.
async fn seat_of(stack: &Stack, id: &str, machine_id: &str) -> (Value, Value) {
    let machines = items(stack, id, "MACHINE#").await;
    let machine = machines.values().find(|item| item["machine_id"]["S"] == machine_id).unwrap().clone();
    let number: u32 = text(&machine["seat"]["N"]).parse().unwrap();
    let seat = read(stack, &key(&partition(id), &format!("SEAT#{number:05}"))).await;
    (machine, seat)
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
    // Three audits, and the refusal.
    assert_eq!(after.1, events + 4);
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
    let ended = [&m0, &seat_of(&stack, id, "m1").await.0]
        .map(|item| format!("{} {}", text(&item["PK"]["S"]), text(&item["SK"]["S"])));
    // The facts about a machine are deleted with its activation.
    let facts = ended.each_ref().map(|at| at.replace("MACHINE#", "FACTS#"));
    let mut expected: Vec<_> = ended.iter().chain(&facts).collect();
    expected.sort();
    assert_eq!(changed, expected);
    assert!(facts.iter().all(|at| after.0[at].get("expires_at_epoch").is_some()));
    assert_eq!(after.0.len(), before.0.len());
    for at in &ended {
        assert_eq!(after.0[at]["ended_at"]["N"], "1768478401000");
    }
    for (index, status) in [(0, 403), (1, 403), (2, 200)] {
        let token = text(&active[index]["token"]);
        assert_eq!(stack.anonymous.heartbeat(token, &format!("m{index}")).await.status, status, "m{index}");
    }
    let events = stack.operator.get(&format!("license-keys/{id}/events?limit=3")).await.expect_status(200);
    let ended = |event: &&Value| event["type"] == "activation.deactivated" && event["data"]["repair"] == true;
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
        // Only the suspected inconsistency is read again: the activation, its seat, the license and its metadata.
        let (machine, _) = seat_of(&stack, &license.license_id, "m0").await;
        delete(&stack, &key_of(&machine)).await;
        stack.faults.reset_calls();
        assert_eq!(failed_findings(&stack, &license.license_id).await, ["seats"]);
        assert_eq!(stack.faults.calls().len(), costs[0].len() + 4);
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
