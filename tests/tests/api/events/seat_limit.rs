//! The event that every seat of a license key is taken.

use signet_tests::{Fault, Rule, Stack, Value, json, text};

/// Returns the data of the events that every seat is taken, newest first.
async fn recorded(stack: &Stack) -> Vec<Value> {
    let page = stack.operator.get("events?type=license.seat_limit_reached").await.expect_status(200);
    page["items"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect()
}

#[tokio::test]
async fn a_full_license_key_has_an_event_once_an_hour() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let refuse = async |license_key: &str, machine: &str| {
        stack.anonymous.activate(license_key, machine).await.expect_problem(409, "seat_limit_reached");
    };
    let first = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    stack.anonymous.activate(&other.license_key, "m1").await.expect_status(201);
    assert_eq!(recorded(&stack).await, [Value::Null; 0]);
    refuse(&license.license_key, "m2").await;
    let of = |machine: &str| json!({"machine_id": machine, "max_users": 1});
    assert_eq!(recorded(&stack).await, [of("m2")]);
    for machine in ["m2", "m3"] {
        stack.advance(60);
        refuse(&license.license_key, machine).await;
    }
    assert_eq!(recorded(&stack).await, [of("m2")], "the hour is not over");
    refuse(&other.license_key, "m4").await;
    assert_eq!(recorded(&stack).await, [of("m4"), of("m2")], "each license key has an hour of its own");
    for _ in 0..8 {
        stack.advance(450);
        stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_status(200);
    }
    refuse(&license.license_key, "m5").await;
    assert_eq!(recorded(&stack).await, [of("m5"), of("m4"), of("m2")]);
    let events = stack.operator.get("events?type=license.seat_limit_reached&limit=1").await.expect_status(200);
    let event = &events["items"][0];
    assert_eq!(event["actor"], json!({"kind": "app", "id": license.license_id}));
    assert_eq!(event["subject"], json!({"type": "license", "id": license.license_id}));
}

#[tokio::test]
async fn concurrent_refusals_record_one_event() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    let refuse = async |machine| {
        stack.anonymous.activate(&license.license_key, machine).await.expect_problem(409, "seat_limit_reached");
    };
    tokio::join!(refuse("m2"), refuse("m3"), refuse("m4"), refuse("m5"));
    assert_eq!(recorded(&stack).await.len(), 1);
}

#[tokio::test]
async fn a_failure_of_the_record_does_not_change_the_response() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).containing("SEAT_LIMIT").always());
    stack.anonymous.activate(&license.license_key, "m2").await.expect_problem(409, "seat_limit_reached");
    stack.faults.clear();
    assert_eq!(recorded(&stack).await, [Value::Null; 0]);
    stack.anonymous.activate(&license.license_key, "m2").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(recorded(&stack).await.len(), 1);
}
