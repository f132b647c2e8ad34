//! What receivers respond, and when an attempt is made again.

use std::time::Duration;

use signet_local::Options;
use signet_tests::{Behavior, Gate, Value, WebhookReceiver, json, text};
use tokio::{io::AsyncReadExt, net::TcpListener};
use webhooks_sender::client::DEFAULT_TIMEOUT;

use super::{Installation, PAUSES, deliveries_of, impatient, spawn_worker};

#[tokio::test]
async fn only_2xx_is_accepted() {
    let installation = Installation::start().await;
    // 1xx are not final responses, and 410 disables the endpoint.
    let statuses = (200..600).step_by(7).chain([201, 204, 299, 300, 301, 304, 308, 400, 404, 429, 500, 503, 599]);
    for status in statuses.filter(|status| *status != 410) {
        installation.receiver.set_behavior(Behavior::Status(status));
        let event = installation.create_event().await;
        installation.send().await;
        let delivery = installation.delivery(&event).await;
        let expected = if (200..300).contains(&status) { "delivered" } else { "pending" };
        assert_eq!((&delivery["status"], &delivery["response_status"]), (&json!(expected), &json!(status)));
        installation.stack.advance(1);
    }
}

#[tokio::test]
async fn failed_attempts_are_repeated_with_growing_pauses_for_almost_three_days() {
    let installation = Installation::start().await;
    installation.receiver.set_behavior(Behavior::Status(500));
    let event = installation.create_event().await;
    assert_eq!(installation.send().await, 1);
    for (made, pause) in (1..).zip(PAUSES) {
        let delivery = installation.delivery(&event).await;
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!(made)));
        installation.stack.advance(pause - 1);
        assert_eq!(installation.send().await, 0, "too early for the attempt after {pause} seconds");
        // A second more than the pause and its jitter of at most a tenth.
        installation.stack.advance(pause / 10 + 2);
        assert_eq!(installation.send().await, 1, "the attempt after {pause} seconds");
    }
    let delivery = installation.delivery(&event).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("failed"), &json!(11)));
    assert_eq!(delivery["next_attempt_at"], Value::Null);
    installation.stack.advance(86_400);
    assert_eq!(installation.send().await, 0);
    assert_eq!(installation.receiver.ids(), vec![event; 11]);
}

#[tokio::test]
async fn each_attempt_is_signed_with_its_own_time() {
    let installation = Installation::start().await;
    installation.receiver.set_behavior(Behavior::Status(500));
    installation.create_event().await;
    installation.send().await;
    installation.stack.advance(10);
    installation.send().await;
    let received = installation.receiver.received();
    let time = |index: usize| received[index].header("webhook-timestamp").parse::<i64>().unwrap();
    assert_eq!((time(1) - time(0), received[0].id()), (10, received[1].id()));
    assert_eq!(received[0].bytes, received[1].bytes);
    assert_ne!(received[0].header("webhook-signature"), received[1].header("webhook-signature"));
}

#[tokio::test]
async fn failures_without_a_response_are_named_and_repeated() {
    let installation = Installation::start_with(Options { webhooks: impatient(), ..Options::default() }).await;
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closing_url = format!("http://{}/", closing.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = closing.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let not_tls = installation.receiver.url.replace("http://", "https://");
    for (url, error) in [
        (refused.as_str(), "connection_failed"),
        (&closing_url, "connection_failed"),
        (&not_tls, "connection_failed"),
        (&silent_url, "timeout"),
    ] {
        let path = format!("webhook-endpoints/{}", installation.endpoint_id());
        installation.stack.operator.patch(&path, json!({"url": url})).await.expect_status(200);
        let event = installation.create_event().await;
        installation.send().await;
        let delivery = installation.delivery(&event).await;
        assert_eq!((&delivery["error"], &delivery["response_status"]), (&json!(error), &Value::Null), "{url}");
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!(1)), "{url}");
    }
    assert_eq!(DEFAULT_TIMEOUT, Duration::from_secs(15));
}

#[tokio::test]
async fn event_that_is_too_large_is_not_sent() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    let items = installation.stack.items().await;
    let mut item = items.into_iter().find(|item| item["id"]["S"] == *event).expect("the event has an item");
    item["data"]["M"]["reason"] = json!({"S": "a".repeat(256 * 1024)});
    installation.stack.call_dynamodb("PutItem", json!({"Item": item})).await;
    installation.send().await;
    assert_eq!(installation.receiver.ids(), [""; 0]);
    assert_eq!(installation.delivery(&event).await["error"], "event_too_large");
    assert_eq!(installation.current_endpoint().await["failing_since"], Value::Null);
}

#[tokio::test]
async fn slow_response_is_a_timeout() {
    let installation = Installation::start_with(Options { webhooks: impatient(), ..Options::default() }).await;
    for behavior in [Behavior::Hold(Gate::default(), 204), Behavior::UnfinishedBody] {
        installation.receiver.set_behavior(behavior);
        let event = installation.create_event().await;
        installation.send().await;
        let delivery = installation.delivery(&event).await;
        assert_eq!((&delivery["error"], &delivery["status"]), (&json!("timeout"), &json!("pending")));
        assert!(delivery["duration_ms"].as_u64().unwrap() >= 300, "{delivery}");
        installation.stack.advance(1);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let installation = Installation::start().await;
    let target = WebhookReceiver::start().await;
    installation.receiver.set_behavior(Behavior::Redirect(target.url.clone()));
    let event = installation.create_event().await;
    installation.send().await;
    assert_eq!(target.ids(), [""; 0]);
    assert_eq!(installation.delivery(&event).await["response_status"], 307);
}

#[tokio::test]
async fn only_the_beginning_of_a_response_is_read_and_stored() {
    let installation = Installation::start().await;
    for (behavior, length) in [
        (Behavior::Body(200, vec![b'a'; 1024]), 1024),
        (Behavior::Body(200, vec![b'a'; 1025]), 1024),
        (Behavior::Body(500, vec![b'a'; 5_000_000]), 1024),
        (Behavior::EndlessBody, 1024),
        // Not UTF-8: each byte is replaced by a character of three bytes.
        (Behavior::Body(200, vec![0xff; 1000]), 1023),
        (Behavior::Body(200, "é".repeat(600).into_bytes()), 1024),
        (Behavior::Body(200, format!("a{}", "é".repeat(600)).into_bytes()), 1023),
    ] {
        installation.receiver.set_behavior(behavior);
        let event = installation.create_event().await;
        installation.send().await;
        let delivery = installation.delivery(&event).await;
        assert_eq!(text(&delivery["response_body"]).len(), length);
        installation.stack.advance(1);
    }
}

#[tokio::test]
async fn slow_endpoint_delays_no_other() {
    let installation = Installation::start().await;
    let gate = Gate::default();
    installation.receiver.set_behavior(Behavior::Hold(gate.clone(), 204));
    let fast = WebhookReceiver::start().await;
    let endpoint = installation.stack.operator.create_webhook_endpoint(&fast.url).await;
    let other = installation.stack.operator.issue_new_license(1).await;
    for license in [&installation.license, &other] {
        for verb in ["suspend", "reinstate"] {
            installation.create_event_by(license, verb).await;
        }
    }
    let sending = spawn_worker(&installation.stack);
    // The event of the issue, and four more, while the slow endpoint holds its first ones.
    fast.wait_for(5).await;
    assert_eq!(installation.receiver.ids().len(), 2, "one per license key");
    gate.open();
    assert_eq!(sending.await.unwrap(), 10);
    assert_eq!(installation.receiver.ids().len(), 5);
    let statuses = deliveries_of(&installation.stack, text(&endpoint["id"])).await;
    assert!(statuses.iter().all(|delivery| delivery["status"] == "delivered"));
}
