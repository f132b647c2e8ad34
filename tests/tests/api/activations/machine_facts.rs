//! What an app reports about itself and its machine: `app_version`, `os` and `hostname`.

use signet_tests::{Stack, Value, json, merged, text};

use super::paths;

const ACTIVATE: &str = "license-activations/activate";
const HEARTBEAT: &str = "license-keys/heartbeat";

fn facts() -> Value {
    json!({"app_version": "4.2.1", "os": "Windows 11", "hostname": "build-07"})
}

/// Returns the version, the operating system and the hostname of an activation.
fn facts_of(activation: &Value) -> [&Value; 3] {
    ["app_version", "os", "hostname"].map(|name| &activation[name])
}

#[tokio::test]
async fn facts_are_shown_and_a_request_changes_those_that_it_has() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(2).await;
    let body = json!({"license_key": license.license_key, "machine_id": "one", "machine_name": "Build"});
    let first = app.post(ACTIVATE, merged(body.clone(), &facts())).await.expect_status(201);
    assert_eq!(facts_of(&first["activation"]), ["4.2.1", "Windows 11", "build-07"]);
    let [path, _] = paths(&first);
    assert_eq!(operator.get(&path).await.expect_status(200), first["activation"]);
    let customer = text(&license.customer["id"]);
    for filter in
        [format!("license_id={}", license.license_id), format!("customer_id={customer}"), "machine_id=one".to_owned()]
    {
        let list = operator.get(&format!("license-activations?{filter}")).await.expect_status(200);
        assert_eq!(list["items"], json!([first["activation"]]), "{filter}");
    }

    let read = async || operator.get(&path).await.expect_status(200);
    let heartbeat = async |facts: Value| {
        let body = merged(json!({"token": first["token"], "machine_id": "one"}), &facts);
        app.post(HEARTBEAT, body).await.expect_status(200);
    };
    heartbeat(json!({"app_version": "4.2.2"})).await;
    assert_eq!(facts_of(&read().await), ["4.2.2", "Windows 11", "build-07"]);
    heartbeat(json!({"app_version": null})).await;
    assert_eq!(facts_of(&read().await), ["4.2.2", "Windows 11", "build-07"]);
    // The facts of the activation are sent again, after others.
    heartbeat(facts()).await;
    assert_eq!(facts_of(&read().await), ["4.2.1", "Windows 11", "build-07"]);
    let again = app.post(ACTIVATE, merged(body.clone(), &json!({"os": "Windows 12"}))).await.expect_status(200);
    assert_eq!(facts_of(&again["activation"]), ["4.2.1", "Windows 12", "build-07"]);
    assert_eq!(read().await, again["activation"]);
    let renamed = app.post(ACTIVATE, merged(body, &json!({"machine_name": "Release"}))).await.expect_status(200);
    assert_eq!(renamed["activation"]["machine_name"], "Release");
    assert_eq!(read().await, renamed["activation"]);
}

#[tokio::test]
async fn invalid_facts_return_422() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(2).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let requests = [
        (ACTIVATE, json!({"license_key": license.license_key, "machine_id": "two"})),
        (HEARTBEAT, json!({"token": activated["token"], "machine_id": "one"})),
    ];
    for (path, body) in requests {
        for (name, max) in [("app_version", 32), ("os", 64), ("hostname", 64)] {
            for invalid in ["", "a\nb", "a\u{202e}b", &"x".repeat(max + 1), &"é".repeat(max / 2 + 1)] {
                let response = app.post(path, merged(body.clone(), &json!({name: invalid}))).await;
                response.expect_errors(422, &[&format!("/{name} invalid_value")]);
            }
            let response = app.post(path, merged(body.clone(), &json!({name: 7}))).await;
            response.expect_errors(422, &[&format!("/{name} invalid_value")]);
            let longest = "é".repeat(max / 2);
            let response = app.post(path, merged(body.clone(), &json!({name: longest}))).await;
            assert!(matches!(response.status, 200 | 201), "{}", response.text);
        }
    }
}

#[tokio::test]
async fn a_new_activation_has_no_facts_of_the_one_before_and_a_tombstone_keeps_them() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let body = json!({"license_key": license.license_key, "machine_id": "one", "machine_name": "Build"});
    let first = app.post(ACTIVATE, merged(body, &facts())).await.expect_status(201);
    let [path, deactivate] = paths(&first);
    for _ in 0..2 {
        let ended = operator.post(&deactivate, json!({})).await.expect_status(200);
        assert_eq!(facts_of(&ended), ["4.2.1", "Windows 11", "build-07"]);
        assert_eq!(operator.get(&path).await.expect_status(200), ended);
    }
    let second = app.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(facts_of(&second["activation"]), [&Value::Null; 3]);
    assert_eq!(second["activation"]["machine_name"], Value::Null);
    assert_eq!(operator.get(&paths(&second)[0]).await.expect_status(200), second["activation"]);
}

/// Returns the TTLs of the activation and of the facts about its machine.
async fn ttls(stack: &Stack) -> [Option<i64>; 2] {
    let items = stack.items().await;
    ["MACHINE#", "FACTS#"].map(|prefix| {
        let item = items.iter().find(|item| text(&item["SK"]["S"]).starts_with(prefix)).unwrap();
        item.get("expires_at_epoch").map(|ttl| text(&ttl["N"]).parse().unwrap())
    })
}

#[tokio::test]
async fn facts_are_deleted_with_their_activation() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let first = app.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(ttls(&stack).await, [None, None]);
    operator.post(&paths(&first)[1], json!({})).await.expect_status(200);
    let [activation, facts] = ttls(&stack).await;
    assert!(activation.is_some() && activation == facts, "{activation:?} {facts:?}");
    app.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(ttls(&stack).await, [None, None]);

    // A machine that takes over the seat leaves nothing of the one that held it.
    stack.advance(86_400 * 10);
    app.activate(&license.license_key, "two").await.expect_status(201);
    let items = stack.items().await;
    let facts = items.iter().filter(|item| text(&item["SK"]["S"]).starts_with("FACTS#")).count();
    assert_eq!(facts, 1);
}

#[tokio::test]
async fn heartbeats_of_a_process_without_a_seat_postpone_the_deletion_of_the_facts() {
    let stack = Stack::start().await;
    let tier = json!({"seat_unit": "process", "max_users": null, "token_ttl_seconds": 3600});
    let license = stack.operator.issue_new_license_with(&tier).await;
    let ids = json!({"machine_id": "m", "instance_id": "1"});
    let body = merged(merged(json!({"license_key": license.license_key}), &ids), &facts());
    let activated = stack.anonymous.post(ACTIVATE, body).await.expect_status(201);
    let mut token = activated["token"].clone();
    let first = ttls(&stack).await;
    let mut writes = 0;
    for _ in 0..40 {
        stack.advance(86_400);
        stack.faults.reset_calls();
        let body = merged(json!({"token": token}), &ids);
        token = stack.anonymous.post(HEARTBEAT, body).await.expect_status(200)["token"].clone();
        writes += stack.faults.calls().iter().filter(|call| *call == "TransactWriteItems").count();
        let [activation, facts] = ttls(&stack).await;
        assert!(facts >= activation && activation > first[0], "{activation:?} {facts:?}");
    }
    assert_eq!(writes, 1, "few heartbeats write the facts");
    let activation = stack.operator.get(&paths(&activated)[0]).await.expect_status(200);
    assert_eq!(facts_of(&activation), ["4.2.1", "Windows 11", "build-07"]);
}
