//! Endpoints that no longer accept webhooks are disabled.

use signet_tests::{Behavior, Gate, Value, json, text};
use tokio::task::JoinHandle;

use super::{Installation, spawn_worker};

/// Returns the events that the endpoint was disabled, without their ids.
async fn disabled_events(installation: &Installation) -> Vec<Value> {
    let events = installation.stack.operator.get("events?limit=100").await.expect_status(200);
    let all = events["items"].as_array().unwrap().iter();
    let disabled = all.filter(|event| event["type"] == "webhook_endpoint.disabled").cloned();
    let without_id = |mut event: Value| {
        event.as_object_mut().unwrap().remove("id");
        event
    };
    disabled.map(without_id).collect()
}

#[tokio::test]
async fn gone_disables_the_endpoint_at_once() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    receiver.set_behavior(Behavior::Status(410));
    let first = installation.create_event().await;
    stack.advance(1);
    installation.create_event().await;
    assert_eq!(installation.send().await, 1, "the second event is not sent");
    let endpoint = installation.current_endpoint().await;
    let found = (&endpoint["is_active"], &endpoint["disabled_reason"], &endpoint["disabled_at"]);
    assert_eq!(found, (&json!(false), &json!("gone"), &json!("2026-01-15T12:00:02Z")));
    let event = json!({
        "type": "webhook_endpoint.disabled", "at": "2026-01-15T12:00:02Z", "actor": {"kind": "system", "id": "webhooks"},
        "subject": {"type": "webhook_endpoint", "id": installation.endpoint_id()}, "license_id": null, "ip": null,
        "request_id": null, "data": {"reason": "gone"},
    });
    assert_eq!(disabled_events(&installation).await, [event]);
    stack.advance(3600);
    assert_eq!(installation.send().await, 0);

    receiver.set_behavior(Behavior::Status(204));
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    let activated = stack.operator.patch(&path, json!({"is_active": true})).await.expect_status(200);
    let found = (&activated["is_active"], &activated["disabled_reason"], &activated["disabled_at"]);
    assert_eq!(found, (&json!(true), &Value::Null, &Value::Null));
    assert_eq!(installation.send().await, 2, "the deliveries that were pending");
    assert_eq!(installation.delivery(&first).await["status"], "delivered");
    assert_eq!(installation.current_endpoint().await["is_active"], true);
}

#[tokio::test]
async fn endpoint_that_fails_for_five_days_is_disabled_with_one_event() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    receiver.set_behavior(Behavior::Status(503));
    installation.create_event().await;
    installation.send().await;
    assert_eq!(installation.current_endpoint().await["failing_since"], "2026-01-15T12:00:01Z");
    for day in 1..=5 {
        assert_eq!(installation.current_endpoint().await["is_active"], true, "day {day}");
        stack.advance(86_400);
        installation.create_event().await;
        installation.send().await;
    }
    let endpoint = installation.current_endpoint().await;
    let found = (&endpoint["is_active"], &endpoint["disabled_reason"], &endpoint["failing_since"]);
    assert_eq!(found, (&json!(false), &json!("failing"), &Value::Null));
    let disabled = disabled_events(&installation).await;
    assert_eq!((disabled.len(), &disabled[0]["data"]), (1, &json!({"reason": "failing"})));
}

#[tokio::test]
async fn one_accepted_webhook_ends_the_failure() {
    let installation = Installation::start().await;
    for day in 0..8 {
        // Only the fourth day succeeds.
        installation.receiver.set_behavior(Behavior::Status(if day == 3 { 200 } else { 500 }));
        installation.create_event().await;
        installation.send().await;
        let since = installation.current_endpoint().await["failing_since"].clone();
        let expected = match day {
            0..3 => json!("2026-01-15T12:00:01Z"),
            3 => Value::Null,
            _ => json!("2026-01-19T12:00:01Z"),
        };
        assert_eq!(since, expected, "day {day}");
        installation.stack.advance(86_400);
    }
    assert_eq!(installation.current_endpoint().await["is_active"], true);
}

#[tokio::test]
async fn change_of_a_disabled_endpoint_does_not_activate_it() {
    let installation = Installation::start().await;
    installation.receiver.set_behavior(Behavior::Status(410));
    installation.create_event().await;
    installation.send().await;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    let changed = installation.stack.operator.patch(&path, json!({"description": "a"})).await.expect_status(200);
    assert_eq!((&changed["is_active"], &changed["disabled_reason"]), (&json!(false), &json!("gone")));
    assert_eq!(text(&installation.current_endpoint().await["disabled_reason"]), "gone");
}

/// Begins an attempt, to which the endpoint responds with 410 when the gate opens.
async fn attempt_that_is_gone(installation: &Installation) -> (Gate, JoinHandle<usize>) {
    let gate = Gate::default();
    installation.receiver.set_behavior(Behavior::Hold(gate.clone(), 410));
    installation.create_event().await;
    let sending = spawn_worker(&installation.stack);
    installation.receiver.wait_for(1).await;
    (gate, sending)
}

#[tokio::test]
async fn old_url_that_is_gone_does_not_disable_the_endpoint_after_it_was_activated_with_another() {
    let installation = Installation::start().await;
    let stack = &installation.stack;
    let (gate, sending) = attempt_that_is_gone(&installation).await;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    stack.advance(1);
    stack.operator.patch(&path, json!({"is_active": false})).await.expect_status(200);
    stack.advance(1);
    stack.operator.patch(&path, json!({"is_active": true})).await.expect_status(200);
    gate.open();
    sending.await.unwrap();
    let endpoint = installation.current_endpoint().await;
    assert_eq!((&endpoint["is_active"], &endpoint["failing_since"]), (&json!(true), &Value::Null));
    assert_eq!(disabled_events(&installation).await, [Value::Null; 0]);
}

#[tokio::test]
async fn attempt_that_ends_after_the_endpoint_was_deleted_records_nothing() {
    let installation = Installation::start().await;
    let stack = &installation.stack;
    let (gate, sending) = attempt_that_is_gone(&installation).await;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    stack.operator.delete(&path).await.expect_status(204);
    gate.open();
    sending.await.unwrap();
    assert_eq!(disabled_events(&installation).await, [Value::Null; 0]);
}
