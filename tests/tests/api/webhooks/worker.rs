//! The worker of the local server.

use std::time::{Duration, Instant};

use signet_local::Options;
use signet_tests::{Behavior, Gate, Stack, WebhookReceiver, json, text};

use super::{deliveries_of, impatient};

/// Starts a stack whose worker runs, with an endpoint that receives the events of license keys.
async fn start(receiver: &WebhookReceiver) -> (Stack, String) {
    let mut stack = Stack::start_with(Options { webhooks: impatient(), ..Options::default() }).await;
    stack.local.run_webhooks();
    let endpoint = stack.operator.create_webhook_endpoint(&receiver.url).await;
    (stack, text(&endpoint["id"]).to_owned())
}

#[tokio::test]
async fn events_and_retries_are_sent_within_two_seconds() {
    let receiver = WebhookReceiver::start().await;
    let (stack, endpoint) = start(&receiver).await;
    let started = Instant::now();
    stack.operator.issue_new_license(1).await;
    receiver.wait_for(1).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let delivery = deliveries_of(&stack, &endpoint).await.remove(0);
    let started = Instant::now();
    let path = format!("webhook-deliveries/{}/retry", text(&delivery["id"]));
    stack.operator.post(&path, json!({})).await.expect_status(200);
    receiver.wait_for(2).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn failed_attempt_is_repeated_when_it_is_due() {
    let receiver = WebhookReceiver::start().await;
    receiver.set_behavior(Behavior::Status(500));
    let (stack, endpoint) = start(&receiver).await;
    stack.operator.issue_new_license(1).await;
    receiver.wait_for(1).await;
    while deliveries_of(&stack, &endpoint).await[0]["response_status"] != 500 {
        tokio::task::yield_now().await;
    }
    receiver.set_behavior(Behavior::Status(204));
    // Nothing is written: the worker looks for deliveries that have become due.
    stack.advance(6);
    receiver.wait_for(2).await;
    let ids = receiver.ids();
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn dead_endpoint_delays_no_other_while_it_times_out_again_and_again() {
    let dead = WebhookReceiver::start().await;
    dead.set_behavior(Behavior::Hold(Gate::default(), 204));
    let (stack, _) = start(&dead).await;
    let alive = WebhookReceiver::start().await;
    stack.operator.create_webhook_endpoint(&alive.url).await;
    for count in 1..=5 {
        stack.operator.issue_new_license(1).await;
        // It gives up long before the attempts to the dead endpoint end.
        alive.wait_for(count).await;
    }
    assert!(dead.most_in_flight() >= 1);
}

#[tokio::test]
async fn stopping_waits_for_the_webhook_that_is_being_sent_and_starts_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = signet_local::DataDirectory::open(folder.path()).unwrap();
    let receiver = WebhookReceiver::start().await;
    let gate = Gate::default();
    receiver.set_behavior(Behavior::Hold(gate.clone(), 204));
    let mut stack = Stack::start_with(Options { data: Some(&data), ..Options::default() }).await;
    stack.local.run_webhooks();
    let endpoint = stack.operator.create_webhook_endpoint(&receiver.url).await;
    let license = stack.operator.issue_new_license(1).await;
    receiver.wait_for(1).await;
    let suspend = format!("license-keys/{}/suspend", license.license_id);
    stack.operator.post(&suspend, json!({})).await.expect_status(200);
    let stopping = tokio::spawn(stack.stop());
    tokio::task::yield_now().await;
    gate.open();
    stopping.await.unwrap();
    let stack = Stack::start_with(Options { data: Some(&data), ..Options::default() }).await;
    let deliveries = deliveries_of(&stack, text(&endpoint["id"])).await;
    let delivered: Vec<_> = deliveries.iter().filter(|delivery| delivery["status"] == "delivered").collect();
    assert_eq!(delivered.len(), receiver.ids().len(), "what was sent is recorded");
    stack.local.webhooks.run_once().await.unwrap();
    assert_eq!(receiver.ids().len(), 2, "each event once");
}
