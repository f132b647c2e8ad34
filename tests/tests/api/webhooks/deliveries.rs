//! Which events are delivered, the list of deliveries, tests of endpoints and retries.

use signet_tests::{Behavior, Value, WebhookReceiver, json, merged, text};

use super::{Installation, PAUSES, deliveries_of};

#[tokio::test]
async fn every_event_since_the_creation_of_the_endpoint_is_delivered_once() {
    let installation = Installation::start().await;
    let mut expected = Vec::new();
    for pause in [0, 1, 200, 3600, 90_000] {
        installation.stack.advance(pause);
        expected.push(installation.create_event().await);
        assert_eq!(installation.send().await, 1);
        // Nothing is due any more, although the same events are read again.
        assert_eq!(installation.send().await, 0);
    }
    assert_eq!(installation.receiver.ids(), expected, "and not the event before the endpoint was created");
    let deliveries = installation.deliveries().await;
    let statuses: Vec<_> = deliveries.iter().map(|delivery| (&delivery["status"], &delivery["attempts"])).collect();
    assert_eq!(statuses, vec![(&json!("delivered"), &json!(1)); 5]);
}

#[tokio::test]
async fn delivery_shows_the_latest_attempt() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    installation.receiver.set_behavior(Behavior::Body(201, b"accepted".to_vec()));
    installation.send().await;
    let delivery = installation.delivery(&event).await;
    let duration = delivery["duration_ms"].clone();
    assert!(duration.as_u64().is_some_and(|duration| duration < 10_000), "{duration}");
    let endpoint = installation.endpoint_id();
    let id = format!("whd_{}_{}", &endpoint[4..], &event[4..]);
    let expected = json!({
        "id": id, "endpoint_id": endpoint, "event_id": event, "event_type": "license.suspended", "status": "delivered",
        "attempts": 1, "response_status": 201, "response_body": "accepted", "error": null, "duration_ms": duration,
        "last_attempt_at": "2026-01-15T12:00:01Z", "next_attempt_at": null, "created_at": "2026-01-15T12:00:01Z",
    });
    assert_eq!(delivery, expected);
}

#[tokio::test]
async fn events_are_delivered_to_each_endpoint_that_receives_their_type() {
    let installation = Installation::start().await;
    let operator = &installation.stack.operator;
    let (all, none) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    let second = operator.create_webhook_endpoint(&all.url).await;
    let body = json!({"url": none.url, "event_types": ["customer.*", "license.renewed"]});
    let third = operator.post("webhook-endpoints", body).await.expect_status(201);
    let event = installation.create_event().await;
    assert_eq!(installation.send().await, 2);
    assert_eq!(
        (installation.receiver.ids(), all.ids(), none.ids()),
        (vec![event.clone()], vec![event.clone()], vec![])
    );
    assert_eq!(deliveries_of(&installation.stack, text(&second["id"])).await[0]["event_id"], event);
    assert_eq!(deliveries_of(&installation.stack, text(&third["id"])).await, [Value::Null; 0]);
}

#[tokio::test]
async fn events_of_endpoints_are_delivered_to_the_others() {
    let installation = Installation::start().await;
    let operator = &installation.stack.operator;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    let event_types = json!({"event_types": ["webhook_endpoint.*"]});
    operator.patch(&path, event_types.clone()).await.expect_status(200);
    let other = WebhookReceiver::start().await;
    let body = merged(event_types, &json!({"url": other.url}));
    let second = operator.post("webhook-endpoints", body).await.expect_status(201);
    let path = format!("webhook-endpoints/{}", text(&second["id"]));
    installation.stack.advance(1);
    operator.patch(&path, json!({"description": "CRM"})).await.expect_status(200);
    installation.send().await;
    let received = installation.receiver.received();
    let found: Vec<_> =
        received.iter().map(|webhook| (&webhook.event["type"], &webhook.event["subject"]["id"])).collect();
    let [created, updated] = [json!("webhook_endpoint.created"), json!("webhook_endpoint.updated")];
    assert_eq!(found, [(&created, &second["id"]), (&updated, &second["id"])], "and none about itself");
    assert_eq!(received[1].event["data"], json!({"changes": {"description": {"from": null, "to": "CRM"}}}));
}

#[tokio::test]
async fn list_filters_by_status_and_pages_newest_first() {
    let installation = Installation::start().await;
    let mut events = Vec::new();
    for status in [204, 500, 204, 500, 204] {
        installation.receiver.set_behavior(Behavior::Status(status));
        installation.stack.advance(1);
        events.push(installation.create_event().await);
        installation.send().await;
    }
    let ids = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|one| text(&one["event_id"]).to_owned()).collect()
    };
    let get = async |query: &str| {
        let path = format!("webhook-endpoints/{}/deliveries?{query}", installation.endpoint_id());
        installation.stack.operator.get(&path).await
    };
    let first = get("limit=2").await.expect_status(200);
    assert_eq!(ids(&first), [events[4].clone(), events[3].clone()]);
    let second = get(&format!("limit=2&cursor={}", text(&first["next_cursor"]))).await.expect_status(200);
    assert_eq!(ids(&second), [events[2].clone(), events[1].clone()]);
    let delivered = get("status=delivered").await.expect_status(200);
    assert_eq!(ids(&delivered), [events[4].clone(), events[2].clone(), events[0].clone()]);
    assert_eq!(ids(&get("status=pending").await.expect_status(200)), [events[3].clone(), events[1].clone()]);
    assert_eq!(ids(&get("status=failed").await.expect_status(200)), [""; 0]);
    get("status=lost").await.expect_errors(422, &["status invalid_value"]);
}

#[tokio::test]
async fn deliveries_disappear_after_30_days() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    installation.send().await;
    let delivery = installation.delivery(&event).await;
    let retry = format!("webhook-deliveries/{}/retry", text(&delivery["id"]));
    installation.stack.advance(30 * 86_400 - 1);
    assert_eq!(installation.deliveries().await.len(), 1);
    installation.stack.advance(1);
    assert_eq!(installation.deliveries().await, [Value::Null; 0]);
    installation.stack.operator.post(&retry, json!({})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn test_event_is_sent_only_to_its_endpoint_whatever_its_types() {
    let installation = Installation::start().await;
    let operator = &installation.stack.operator;
    let receiver = WebhookReceiver::start().await;
    let body = json!({"url": receiver.url, "event_types": ["customer.*"]});
    let endpoint = operator.post("webhook-endpoints", body).await.expect_status(201);
    let path = format!("webhook-endpoints/{}/test", text(&endpoint["id"]));
    let pending = operator.post(&path, json!({})).await.expect_status(200);
    assert_eq!((&pending["status"], &pending["event_type"]), (&json!("pending"), &json!("webhook_endpoint.test")));
    installation.send().await;
    assert_eq!(installation.receiver.ids(), [""; 0]);
    let [webhook] = &receiver.received()[..] else { panic!("not one webhook") };
    assert_eq!(webhook.event["type"], "webhook_endpoint.test");
    assert_eq!(webhook.event["subject"], json!({"type": "webhook_endpoint", "id": endpoint["id"]}));
    assert_eq!((&webhook.event["license_id"], webhook.id()), (&Value::Null, text(&pending["event_id"])));
    let delivered = deliveries_of(&installation.stack, text(&endpoint["id"])).await.remove(0);
    assert_eq!((&delivered["id"], &delivered["status"]), (&pending["id"], &json!("delivered")));
    let once = operator.with_header("idempotency-key", "once");
    let first = once.post(&path, json!({})).await.expect_status(200);
    assert_eq!(once.post(&path, json!({})).await.expect_status(200)["id"], first["id"]);
}

#[tokio::test]
async fn retry_sends_a_delivery_in_any_state_again() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    installation.send().await;
    let path = format!("webhook-deliveries/{}/retry", text(&installation.delivery(&event).await["id"]));
    let retry = async || installation.stack.operator.post(&path, json!({})).await.expect_status(200);
    // Delivered, but the receiver has lost it.
    let pending = retry().await;
    assert_eq!((&pending["status"], &pending["attempts"]), (&json!("pending"), &json!(1)));
    installation.receiver.set_behavior(Behavior::Status(500));
    assert_eq!(installation.send().await, 1);
    // Pending until the next attempt of the schedule.
    assert_eq!(installation.send().await, 0);
    retry().await;
    assert_eq!(installation.send().await, 1);
    for pause in PAUSES {
        installation.stack.advance(pause + pause / 10 + 1);
        assert_eq!(installation.send().await, 1);
    }
    assert_eq!(installation.delivery(&event).await["status"], "failed");
    installation.receiver.set_behavior(Behavior::Status(204));
    retry().await;
    assert_eq!(installation.send().await, 1);
    assert_eq!(installation.delivery(&event).await["status"], "delivered");
    assert!(installation.receiver.ids().iter().all(|id| *id == event));
}

#[tokio::test]
async fn retry_returns_404_for_deliveries_that_do_not_exist() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    installation.send().await;
    let id = text(&installation.delivery(&event).await["id"]).to_owned();
    let (other_event, other_endpoint) = (&id[..id.len() - 1], format!("whd_{}{}", "0".repeat(26), &id[30..]));
    for id in [format!("{other_event}Z"), other_endpoint, "whd_1".to_owned(), id.to_lowercase(), event] {
        let path = format!("webhook-deliveries/{id}/retry");
        installation.stack.operator.post(&path, json!({})).await.expect_problem(404, "not_found");
    }
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    assert_eq!(installation.stack.operator.delete(&path).await.status, 204);
    let path = format!("webhook-deliveries/{id}/retry");
    installation.stack.operator.post(&path, json!({})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn deleted_endpoint_receives_nothing() {
    let installation = Installation::start().await;
    installation.receiver.set_behavior(Behavior::Status(500));
    installation.create_event().await;
    installation.send().await;
    installation.receiver.clear();
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    assert_eq!(installation.stack.operator.delete(&path).await.status, 204);
    installation.create_event().await;
    installation.stack.advance(3600);
    assert_eq!((installation.send().await, installation.receiver.ids()), (0, vec![]));
}
