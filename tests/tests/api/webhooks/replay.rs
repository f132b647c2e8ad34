//! `POST webhook-endpoints/{id}/replay`.

use signet_tests::{Behavior, Stack, Value, WebhookReceiver, json};

use super::Installation;

/// Replays a range until its end. Returns the number of replayed events and of requests.
async fn replay(installation: &Installation, mut body: Value) -> (u64, usize) {
    let path = format!("webhook-endpoints/{}/replay", installation.endpoint_id());
    let (mut replayed, mut requests) = (0, 0);
    loop {
        let response = installation.stack.operator.post(&path, body.clone()).await.expect_status(200);
        replayed += response["replayed"].as_u64().unwrap();
        requests += 1;
        if response["next_after"].is_null() {
            return (replayed, requests);
        }
        body["after"] = response["next_after"].clone();
    }
}

#[tokio::test]
async fn replay_sends_the_events_of_the_range_again_in_their_order() {
    let installation = Installation::start().await;
    let mut events = Vec::new();
    for _ in 0..4 {
        installation.stack.advance(86_400);
        events.push(installation.create_event().await);
        installation.send().await;
    }
    installation.receiver.clear();
    let range = json!({"since": "2026-01-17T12:00:01Z", "until": "2026-01-18T12:00:01Z"});
    assert_eq!(replay(&installation, range).await.0, 2);
    assert_eq!(installation.send().await, 2);
    assert_eq!(installation.receiver.ids(), events[1..3]);
    installation.receiver.clear();
    assert_eq!(replay(&installation, json!({"since": "2026-01-18T12:00:02Z"})).await.0, 1);
    installation.send().await;
    assert_eq!(installation.receiver.ids(), events[3..]);
    assert_eq!(installation.delivery(&events[3]).await["attempts"], 2);
}

#[tokio::test]
async fn replay_includes_events_from_before_the_endpoint_and_while_it_was_inactive() {
    let installation = Installation::start().await;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    installation.stack.operator.patch(&path, json!({"is_active": false})).await.expect_status(200);
    installation.stack.advance(60);
    let missed = installation.create_event().await;
    installation.send().await;
    let body = json!({"since": "2026-01-01T00:00:00Z"});
    let response = installation.stack.operator.post(&format!("{path}/replay"), body.clone()).await;
    response.expect_problem(409, "state_conflict");
    installation.stack.advance(60);
    installation.stack.operator.patch(&path, json!({"is_active": true})).await.expect_status(200);
    // The license key was issued before the endpoint was created.
    assert_eq!(replay(&installation, body).await.0, 2);
    installation.send().await;
    assert_eq!(installation.receiver.ids()[1], missed);
}

#[tokio::test]
async fn replay_of_undelivered_events_leaves_out_delivered_ones() {
    let installation = Installation::start().await;
    let delivered = installation.create_event().await;
    installation.send().await;
    installation.receiver.set_behavior(Behavior::Status(500));
    installation.stack.advance(1);
    let failing = installation.create_event().await;
    installation.send().await;
    installation.receiver.set_behavior(Behavior::Status(204));
    installation.receiver.clear();
    let body = json!({"since": "2026-01-15T12:00:01Z", "only_undelivered": true});
    assert_eq!(replay(&installation, body).await.0, 1);
    installation.send().await;
    assert_eq!(installation.receiver.ids(), [failing]);
    assert_eq!(installation.delivery(&delivered).await["attempts"], 1);
}

#[tokio::test]
async fn long_range_is_replayed_by_several_requests() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(2).await;
    let tier = json!({"tier_id": license.tier["id"], "count": 100, "tag": "many"});
    for _ in 0..6 {
        stack.operator.post("license-keys/batch", tier.clone()).await.expect_status(201);
        stack.advance(1);
    }
    let receiver = WebhookReceiver::start().await;
    let endpoint = stack.operator.create_webhook_endpoint(&receiver.url).await;
    let is_suspended = false.into();
    let installation = Installation { stack, receiver, license, endpoint, is_suspended };
    let (replayed, requests) = replay(&installation, json!({"since": "2026-01-15T00:00:00Z"})).await;
    assert_eq!((replayed, requests), (601, 3));
    let mut deliveries = 0;
    let mut path = format!("webhook-endpoints/{}/deliveries?limit=100", installation.endpoint_id());
    loop {
        let page = installation.stack.operator.get(&path).await.expect_status(200);
        deliveries += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        let list = path.split('&').next().unwrap();
        path = format!("{list}&cursor={cursor}");
    }
    assert_eq!(deliveries, 601);
}

#[tokio::test]
async fn replay_returns_422_for_invalid_ranges() {
    let installation = Installation::start().await;
    let path = format!("webhook-endpoints/{}/replay", installation.endpoint_id());
    for (body, error) in [
        (json!({"since": "2026-01-15T12:00:01Z", "until": "2026-01-15T12:00:00Z"}), "/since invalid_value"),
        (json!({"since": "2027-01-15T12:00:00Z"}), "/since invalid_value"),
        (json!({"since": "yesterday"}), "/since invalid_value"),
        (json!({"since": "2026-01-15T12:00:00Z", "until": 5}), "/until invalid_value"),
        (json!({"since": "2026-01-15T12:00:00Z", "after": "lic_1"}), "/after invalid_value"),
        (json!({"since": "2026-01-15T12:00:00Z", "all": true}), "/all unknown_field"),
    ] {
        installation.stack.operator.post(&path, body).await.expect_errors(422, &[error]);
    }
    installation.stack.operator.post(&path, json!({})).await.expect_problem(422, "invalid_value");
}
