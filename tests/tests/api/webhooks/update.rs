//! `PATCH webhook-endpoints/{id}`.

use signet_tests::{Behavior, Fault, Rule, Stack, json, merged, text};

use super::Installation;

#[tokio::test]
async fn update_changes_the_given_fields_and_keeps_the_others() {
    let stack = Stack::start().await;
    let created = stack.operator.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}", text(&created["id"]));
    let before = stack.operator.get(&path).await;
    stack.advance(5);
    let change = json!({"url": "https://example.org/hooks", "event_types": ["customer.*"], "description": "CRM"});
    let changed = stack.operator.patch(&path, change.clone()).await;
    let etag = changed.header("etag").to_owned();
    let changed = changed.expect_status(200);
    let expected = merged(before.body.clone(), &merged(change, &json!({"updated_at": "2026-01-15T12:00:05Z"})));
    assert_eq!(changed, expected);
    assert_eq!(stack.operator.get(&path).await.header("etag"), etag);
    stack.advance(5);
    // A change without effect writes nothing.
    assert_eq!(stack.operator.patch(&path, json!({"description": "CRM"})).await.expect_status(200), changed);
    let cleared = stack.operator.patch(&path, json!({"description": null})).await.expect_status(200);
    assert!(cleared["description"].is_null());
}

#[tokio::test]
async fn update_returns_412_and_422() {
    let stack = Stack::start().await;
    let created = stack.operator.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}", text(&created["id"]));
    let stale = stack.operator.get(&path).await.header("etag").to_owned();
    let change = json!({"description": "a"});
    stack.operator.with_header("if-match", &stale).patch(&path, change.clone()).await.expect_status(200);
    let stale = stack.operator.with_header("if-match", &stale);
    stale.patch(&path, change).await.expect_problem(412, "version_conflict");
    for (change, errors) in [
        (json!({"url": "https://10.0.0.1"}), &["/url invalid_value"][..]),
        (json!({"url": null}), &["/url invalid_value"]),
        (json!({"event_types": null}), &["/event_types invalid_value"]),
        (json!({"event_types": []}), &["/event_types invalid_value"]),
        (json!({"is_active": null}), &["/is_active invalid_value"]),
        (json!({"id": "whe_1", "secret": "a"}), &["/id unknown_field", "/secret unknown_field"]),
    ] {
        stack.operator.patch(&path, change).await.expect_errors(422, errors);
    }
}

#[tokio::test]
async fn concurrent_updates_of_different_fields_are_both_kept() {
    let stack = Stack::start().await;
    let created = stack.operator.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}", text(&created["id"]));
    let (operator, slow_path) = (stack.operator.clone(), path.clone());
    let slow = async move { operator.patch(&slow_path, json!({"description": "a"})).await };
    let other = async {
        stack.operator.patch(&path, json!({"url": "https://example.org"})).await.expect_status(200);
    };
    stack.faults.interleave(("TransactWriteItems", "ENDPOINT#"), slow, other).await.expect_status(200);
    let found = stack.operator.get(&path).await.expect_status(200);
    assert_eq!((&found["description"], &found["url"]), (&json!("a"), &json!("https://example.org")));
}

#[tokio::test]
async fn lost_response_of_the_update_is_not_a_conflict() {
    let stack = Stack::start().await;
    let created = stack.operator.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}", text(&created["id"]));
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    let changed = stack.operator.patch(&path, json!({"description": "a"})).await.expect_status(200);
    assert_eq!(changed["description"], "a");
}

#[tokio::test]
async fn inactive_endpoint_receives_nothing_and_an_activated_one_only_later_events() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    let pending = installation.create_event().await;
    stack.advance(1);
    stack.operator.patch(&path, json!({"is_active": false})).await.expect_status(200);
    installation.create_event().await;
    assert_eq!((installation.send().await, receiver.ids().len()), (0, 0));
    let test = stack.operator.post(&format!("{path}/test"), json!({})).await;
    test.expect_problem(409, "state_conflict");
    stack.advance(60);
    let changed = stack.operator.patch(&path, json!({"is_active": true})).await.expect_status(200);
    assert_eq!(changed["is_active"], true);
    let later = installation.create_event().await;
    installation.send().await;
    assert_eq!(receiver.ids(), [later], "not {pending}, which was not a delivery before the endpoint was inactive");
}

#[tokio::test]
async fn pending_deliveries_of_an_inactive_endpoint_are_sent_when_it_is_activated() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    receiver.set_behavior(Behavior::Status(500));
    let event = installation.create_event().await;
    installation.send().await;
    stack.operator.patch(&path, json!({"is_active": false})).await.expect_status(200);
    receiver.set_behavior(Behavior::Status(204));
    stack.advance(60);
    assert_eq!(installation.send().await, 0);
    let retry = format!("webhook-deliveries/{}/retry", text(&installation.delivery(&event).await["id"]));
    stack.operator.post(&retry, json!({})).await.expect_problem(409, "state_conflict");
    stack.operator.patch(&path, json!({"is_active": true})).await.expect_status(200);
    assert_eq!(installation.send().await, 1);
    assert_eq!(installation.delivery(&event).await["status"], "delivered");
}
