//! Signatures, verified by the library of Standard Webhooks.

use shared::Clock;
use signet_tests::{ReceivedWebhook, START, Value, json, text};
use standardwebhooks::Webhook;

use super::Installation;

/// Returns whether the signature of a webhook is valid with a secret, whatever its time: the library compares that with the
/// system's clock.
fn verifies(webhook: &ReceivedWebhook, secret: &str) -> bool {
    let timestamp = webhook.header("webhook-timestamp").parse().unwrap();
    let expected = Webhook::new(secret).unwrap().sign(webhook.id(), timestamp, &webhook.bytes).unwrap();
    webhook.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

#[tokio::test]
async fn library_of_standard_webhooks_accepts_webhooks_and_no_others() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    // The library compares the time of the attempt with the system's clock.
    installation.stack.clock.advance(Clock::System.now().duration_since(installation.stack.clock.now()));
    assert_eq!(installation.send().await, 1);
    let webhook = installation.receiver.received().remove(0);
    let secret = text(&installation.endpoint["secret"]);
    let verify = |webhook: &ReceivedWebhook, secret| {
        Webhook::new(secret).unwrap().verify(&webhook.bytes, &webhook.headers).is_ok()
    };
    assert!(verify(&webhook, secret));
    assert_eq!(webhook.id(), event);
    let other = installation.stack.operator.create_webhook_endpoint("https://example.com/").await;
    assert!(!verify(&webhook, text(&other["secret"])));
    for (name, value) in [("webhook-id", &*format!("{event}0")), ("webhook-timestamp", "1")] {
        let mut changed = webhook.clone();
        changed.headers.insert(name, value.parse().unwrap());
        assert!(!verify(&changed, secret), "{name}");
    }
    let mut changed = webhook.clone();
    changed.bytes.push(b' ');
    assert!(!verify(&changed, secret));
}

#[tokio::test]
async fn webhook_is_the_event_with_a_valid_signature() {
    let installation = Installation::start().await;
    let event = installation.create_event().await;
    installation.stack.advance(7);
    assert_eq!(installation.send().await, 1);
    let [webhook] = &installation.receiver.received()[..] else { panic!("not one webhook") };
    let path = format!("license-keys/{}/events?limit=1", installation.license.license_id);
    let listed = installation.stack.operator.get(&path).await.expect_status(200);
    assert_eq!(webhook.event, listed["items"][0]);
    assert_eq!((webhook.id(), &webhook.event["id"]), (&*event, &json!(event)));
    // The time of the attempt, not that of the event.
    assert_eq!(webhook.header("webhook-timestamp"), (START.as_second() + 8).to_string());
    assert_eq!(webhook.header("content-type"), "application/json");
    assert!(webhook.header("user-agent").starts_with("Signet/"), "{webhook:?}");
    let secret = text(&installation.endpoint["secret"]);
    assert!(verifies(webhook, secret));
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_after_a_rotation() {
    let installation = Installation::start().await;
    let path = format!("webhook-endpoints/{}/rotate-secret", installation.endpoint_id());
    let rotated = installation.stack.operator.post(&path, json!({})).await.expect_status(200);
    let secrets = [&installation.endpoint["secret"], &rotated["secret"]];
    assert_ne!(secrets[0], secrets[1]);
    assert_eq!(rotated["previous_secret_expires_at"], "2026-01-16T12:00:01Z");
    let valid = |webhook: &ReceivedWebhook| secrets.map(|secret: &Value| verifies(webhook, text(secret)));
    for (advance, expected, count) in [(0, [true, true], 2), (86_399, [true, true], 2), (1, [false, true], 1)] {
        installation.stack.advance(advance);
        installation.receiver.clear();
        installation.create_event().await;
        installation.send().await;
        let webhook = installation.receiver.received().remove(0);
        assert_eq!(valid(&webhook), expected);
        assert_eq!(webhook.header("webhook-signature").split(' ').count(), count);
    }
    assert!(installation.current_endpoint().await["previous_secret_expires_at"].is_null());
}

#[tokio::test]
async fn second_rotation_ends_the_first_secret_at_once() {
    let installation = Installation::start().await;
    let path = format!("webhook-endpoints/{}/rotate-secret", installation.endpoint_id());
    let mut secrets = vec![installation.endpoint["secret"].clone()];
    for _ in 0..2 {
        secrets.push(installation.stack.operator.post(&path, json!({})).await.expect_status(200)["secret"].clone());
    }
    installation.create_event().await;
    installation.send().await;
    let webhook = installation.receiver.received().remove(0);
    let valid: Vec<_> = secrets.iter().map(|secret| verifies(&webhook, text(secret))).collect();
    assert_eq!(valid, [false, true, true]);
}

#[tokio::test]
async fn repeated_rotation_with_an_idempotency_key_rotates_once() {
    let installation = Installation::start().await;
    let path = format!("webhook-endpoints/{}/rotate-secret", installation.endpoint_id());
    let once = installation.stack.operator.with_header("idempotency-key", "once");
    let first = once.post(&path, json!({})).await;
    let second = once.post(&path, json!({})).await;
    assert_eq!(first.text, second.text);
    installation.create_event().await;
    installation.send().await;
    let webhook = installation.receiver.received().remove(0);
    assert!(verifies(&webhook, text(&installation.endpoint["secret"])), "the secret before the rotation");
    assert!(verifies(&webhook, text(&first.body["secret"])));
}
