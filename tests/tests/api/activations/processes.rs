//! Seats that are held by processes: floating licenses.

use signet_tests::{IssuedLicense, START, Stack, TestResponse, Value, json, text};

use super::seats_used;

const ACTIVATE: &str = "license-activations/activate";

/// Issues a license key of a tier whose seats are held by processes. Tokens live for a minute, without a time offline.
async fn issue(stack: &Stack, max_users: Value) -> IssuedLicense {
    let tier = json!({"seat_unit": "process", "max_users": max_users, "token_ttl_seconds": 60,
        "heartbeat_interval_seconds": 20});
    stack.operator.issue_new_license_with(&tier).await
}

async fn activate(stack: &Stack, license: &IssuedLicense, (machine, instance): (&str, &str)) -> TestResponse {
    let body = json!({"license_key": license.license_key, "machine_id": machine, "instance_id": instance});
    stack.anonymous.post(ACTIVATE, body).await
}

async fn heartbeat(stack: &Stack, token: &Value, (machine, instance): (&str, &str)) -> TestResponse {
    let body = json!({"token": token, "machine_id": machine, "instance_id": instance});
    stack.anonymous.post("license-keys/heartbeat", body).await
}

fn at(seconds: i64) -> String {
    (START + jiff::SignedDuration::from_secs(seconds)).to_string()
}

#[tokio::test]
async fn each_process_holds_a_seat_until_it_exits_or_its_lease_lapses() {
    let stack = Stack::start().await;
    let license = issue(&stack, json!(2)).await;
    let one = activate(&stack, &license, ("m", "1")).await.expect_status(201);
    assert_eq!((&one["activation"]["machine_id"], &one["activation"]["instance_id"]), (&json!("m"), &json!("1")));
    let claims = stack.claims(&one["token"]).await;
    assert_eq!((&claims["activation"]["machine_id"], &claims["activation"]["instance_id"]), (&json!("m"), &json!("1")));
    activate(&stack, &license, ("m", "1")).await.expect_status(200);
    stack.advance(20);
    let two = activate(&stack, &license, ("m", "2")).await.expect_status(201);
    assert_eq!(seats_used(&stack, &license).await, 2);

    // The first lease lapses 60 seconds after the first activation.
    let full = activate(&stack, &license, ("n", "1")).await;
    full.expect_problem(409, "seat_limit_reached");
    assert_eq!(full.body["retry_at"], at(60));
    // A process that exits frees its seat at once.
    let path = format!("license-activations/{}/deactivate", text(&two["activation"]["id"]));
    stack.anonymous.post(&path, json!({"token": two["token"]})).await.expect_status(200);
    let three = activate(&stack, &license, ("n", "1")).await.expect_status(201);
    // The seat of a process that has crashed is free when its lease has lapsed.
    stack.advance(40);
    activate(&stack, &license, ("n", "2")).await.expect_status(201);
    heartbeat(&stack, &one["token"], ("m", "1")).await.expect_problem(403, "not_activated");
    heartbeat(&stack, &three["token"], ("n", "1")).await.expect_status(200);
    assert_eq!(seats_used(&stack, &license).await, 2);
}

#[tokio::test]
async fn a_process_must_send_its_own_ids() {
    let stack = Stack::start().await;
    let license = issue(&stack, json!(2)).await;
    let token = activate(&stack, &license, ("m", "1")).await.expect_status(201)["token"].clone();
    heartbeat(&stack, &token, ("m", "2")).await.expect_problem(403, "machine_mismatch");
    heartbeat(&stack, &token, ("n", "1")).await.expect_problem(403, "machine_mismatch");
    let missing = json!({"token": token, "machine_id": "m"});
    let error = &["/instance_id invalid_value"];
    stack.anonymous.post("license-keys/heartbeat", missing.clone()).await.expect_errors(422, error);
    stack.anonymous.post("license-keys/validate", missing).await.expect_errors(422, error);
    let by_key = |more: Value| signet_tests::merged(json!({"license_key": license.license_key}), &more);
    stack.anonymous.post(ACTIVATE, by_key(json!({"machine_id": "m"}))).await.expect_errors(422, error);
    for body in [json!({"machine_id": "m"}), json!({"instance_id": "1"})] {
        stack.anonymous.post("license-keys/validate", by_key(body)).await.expect_errors(422, error);
    }
    for id in ["", "a\nb", &"x".repeat(65)] {
        activate(&stack, &license, ("m", id)).await.expect_errors(422, error);
    }
    activate(&stack, &license, (&"m".repeat(253), "1234")).await.expect_errors(422, error);
    activate(&stack, &license, (&"m".repeat(252), "1234")).await.expect_status(201);
    let code = async |body: Value| {
        stack.anonymous.post("license-keys/validate", body).await.expect_status(200)["code"].clone()
    };
    assert_eq!(code(by_key(json!({"machine_id": "m", "instance_id": "1"}))).await, "valid");
    assert_eq!(code(by_key(json!({"machine_id": "m", "instance_id": "9"}))).await, "not_activated");
    assert_eq!(code(json!({"token": token, "machine_id": "m", "instance_id": "1"})).await, "valid");
    assert_eq!(code(json!({"token": token, "machine_id": "m", "instance_id": "2"})).await, "machine_mismatch");
    assert_eq!(code(json!({"token": token})).await, "valid");
}

#[tokio::test]
async fn a_machine_must_not_send_an_instance_id() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let error = &["/instance_id invalid_value"];
    activate(&stack, &license, ("m", "1")).await.expect_errors(422, error);
    assert_eq!(seats_used(&stack, &license).await, 0, "no seat is taken");
    let token = stack.anonymous.activate(&license.license_key, "m").await.expect_status(201)["token"].clone();
    heartbeat(&stack, &token, ("m", "1")).await.expect_errors(422, error);
    let body = json!({"token": token, "machine_id": "m", "instance_id": "1"});
    stack.anonymous.post("license-keys/validate", body).await.expect_errors(422, error);
}

#[tokio::test]
async fn the_unit_of_seats_is_fixed_and_a_change_of_the_tier_applies_to_new_activations() {
    let stack = Stack::start().await;
    let machines = stack.operator.issue_new_license_with(&json!({"max_users": 2})).await;
    let processes = json!({"seat_unit": "process", "max_users": 2});
    let processes = stack.operator.create_tier(&machines.product, &processes).await;
    assert_eq!((&machines.tier["seat_unit"], &processes["seat_unit"]), (&json!("machine"), &json!("process")));
    let path = format!("pricing-tiers/{}", text(&processes["id"]));
    let change = stack.operator.patch(&path, json!({"seat_unit": "machine"})).await;
    change.expect_errors(422, &["/seat_unit immutable"]);
    stack.operator.patch(&path, json!({"seat_unit": "process", "name": "Floating"})).await.expect_status(200);
    let borrow = stack.operator.patch(&path, json!({"max_borrow_seconds": 60})).await;
    borrow.expect_errors(422, &["/max_borrow_seconds invalid_value"]);

    let machine = stack.anonymous.activate(&machines.license_key, "m").await.expect_status(201);
    let change = format!("license-keys/{}/change", machines.license_id);
    stack.operator.post(&change, json!({"tier_id": processes["id"]})).await.expect_status(200);
    stack.anonymous.heartbeat(text(&machine["token"]), "m").await.expect_status(200);
    let process = activate(&stack, &machines, ("m", "1")).await.expect_status(201);
    activate(&stack, &machines, ("m", "2")).await.expect_problem(409, "seat_limit_reached");
    assert_eq!(seats_used(&stack, &machines).await, 2);

    // A process keeps its seat in a tier of seats by machine, and cannot borrow it.
    let borrowable = json!({"max_users": 2, "max_borrow_seconds": 600});
    let borrowable = stack.operator.create_tier(&machines.product, &borrowable).await;
    stack.operator.post(&change, json!({"tier_id": borrowable["id"]})).await.expect_status(200);
    let body = json!({"token": process["token"], "machine_id": "m", "instance_id": "1", "borrow_until": at(500)});
    stack.anonymous.post("license-keys/heartbeat", body).await.expect_problem(403, "borrow_not_allowed");
    heartbeat(&stack, &process["token"], ("m", "1")).await.expect_status(200);
}

#[tokio::test]
async fn processes_are_found_by_their_machine() {
    let stack = Stack::start().await;
    let license = issue(&stack, json!(5)).await;
    for process in [("m", "1"), ("m", "2"), ("n", "1")] {
        activate(&stack, &license, process).await.expect_status(201);
    }
    let list = stack.operator.get("license-activations?machine_id=m").await.expect_status(200);
    let mut found: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| text(&item["instance_id"])).collect();
    found.sort_unstable();
    assert_eq!(found, ["1", "2"]);
    let audit = stack.operator.post(&format!("license-keys/{}/audit", license.license_id), json!({})).await;
    assert_eq!(audit.expect_status(200)["ok"], true);
}

#[tokio::test]
async fn a_process_without_a_seat_is_deleted_after_its_lease_and_its_heartbeats_postpone_that() {
    let stack = Stack::start().await;
    let license = issue(&stack, Value::Null).await;
    let ttl = async || {
        let items = stack.snapshot_items().await;
        let (_, item) = items.iter().find(|(key, _)| key.contains("MACHINE#")).unwrap();
        item["expires_at_epoch"]["N"].as_str().map(|ttl| ttl.parse::<i64>().unwrap())
    };
    let first = activate(&stack, &license, ("m", "1")).await.expect_status(201);
    assert_eq!(ttl().await, Some(START.as_second() + 60 + 86_400));
    stack.advance(50);
    heartbeat(&stack, &first["token"], ("m", "1")).await.expect_status(200);
    assert_eq!(ttl().await, Some(START.as_second() + 110 + 86_400));

    // With a limit, it has no seat, and takes one; it is not deleted then.
    let change = format!("license-keys/{}/change", license.license_id);
    stack.operator.post(&change, json!({"max_users": 1})).await.expect_status(200);
    heartbeat(&stack, &first["token"], ("m", "1")).await.expect_problem(403, "not_activated");
    let second = activate(&stack, &license, ("m", "1")).await.expect_status(201);
    assert_eq!(ttl().await, None);
    // Without the limit, it keeps its seat.
    stack.operator.post(&change, json!({"max_users": null})).await.expect_status(200);
    let renewed = heartbeat(&stack, &second["token"], ("m", "1")).await.expect_status(200);
    heartbeat(&stack, &renewed["token"], ("m", "1")).await.expect_status(200);
    assert_eq!(ttl().await, None);
    // The record of a process that has ended remains for a day.
    let path = format!("license-activations/{}/deactivate", text(&second["activation"]["id"]));
    stack.anonymous.post(&path, json!({"token": second["token"]})).await.expect_status(200);
    assert_eq!(ttl().await, Some(START.as_second() + 50 + 86_400));
}
