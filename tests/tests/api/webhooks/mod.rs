//! Webhooks: endpoints, deliveries, signatures, and what happens if receivers, networks or processes fail.

mod addresses;
mod attempts;
mod crashes;
mod deliveries;
mod disabling;
mod endpoints;
mod functions;
mod limits;
mod ordering;
mod replay;
mod secrets;
mod signatures;
mod update;
mod worker;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use signet_local::{Options, WebhookOptions};
use signet_tests::{IssuedLicense, Stack, Value, WebhookReceiver, json, text};

/// A stack with a license key, and an endpoint that receives the events of license keys from then on.
struct Installation {
    stack: Stack,
    receiver: WebhookReceiver,
    license: IssuedLicense,
    /// The endpoint with its secret, as its creation returned it.
    endpoint: Value,
    is_suspended: AtomicBool,
}

/// The pauses between the attempts of a delivery, in seconds.
const PAUSES: [i64; 10] = [5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 18 * 3600, 24 * 3600];

/// Returns options with which an attempt times out soon.
fn impatient() -> WebhookOptions {
    WebhookOptions { timeout: Duration::from_millis(300), ..WebhookOptions::default() }
}

impl Installation {
    async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    async fn start_with(options: Options<'_>) -> Self {
        let stack = Stack::start_with(options).await;
        let license = stack.operator.issue_new_license(2).await;
        stack.advance(1);
        let receiver = WebhookReceiver::start().await;
        let endpoint = stack.operator.create_webhook_endpoint(&receiver.url).await;
        Self { stack, receiver, license, endpoint, is_suspended: AtomicBool::new(false) }
    }

    /// Returns the id of the endpoint.
    fn endpoint_id(&self) -> &str {
        text(&self.endpoint["id"])
    }

    /// Returns the endpoint as it is now.
    async fn current_endpoint(&self) -> Value {
        self.stack.operator.get(&format!("webhook-endpoints/{}", self.endpoint_id())).await.expect_status(200)
    }

    /// Suspends or reinstates the license key, which writes one event. Returns its id.
    async fn create_event(&self) -> String {
        let is_suspended = self.is_suspended.fetch_xor(true, Ordering::SeqCst);
        let verb = if is_suspended { "reinstate" } else { "suspend" };
        self.create_event_by(&self.license, verb).await
    }

    /// Suspends or reinstates a license key. Returns the id of the event.
    async fn create_event_by(&self, license: &IssuedLicense, verb: &str) -> String {
        let path = format!("license-keys/{}", license.license_id);
        let before = self.events_of(&path).await;
        self.stack.operator.post(&format!("{path}/{verb}"), json!({})).await.expect_status(200);
        let after = self.events_of(&path).await;
        let [event] = &after.difference(&before).collect::<Vec<_>>()[..] else { panic!("not one event") };
        (*event).clone()
    }

    async fn events_of(&self, path: &str) -> BTreeSet<String> {
        let events = self.stack.operator.get(&format!("{path}/events?limit=100")).await.expect_status(200);
        events["items"].as_array().unwrap().iter().map(|event| text(&event["id"]).to_owned()).collect()
    }

    /// Sends what is due now. Returns the number of attempts.
    async fn send(&self) -> usize {
        self.stack.local.webhooks.run_once().await.unwrap()
    }

    /// Returns the deliveries to the endpoint, those of the newest events first.
    async fn deliveries(&self) -> Vec<Value> {
        deliveries_of(&self.stack, self.endpoint_id()).await
    }

    /// Returns the delivery of an event to the endpoint.
    async fn delivery(&self, event: &str) -> Value {
        let all = self.deliveries().await;
        all.into_iter().find(|delivery| delivery["event_id"] == *event).expect("the event has a delivery")
    }
}

/// Sends what is due now in a task.
fn spawn_worker(stack: &Stack) -> tokio::task::JoinHandle<usize> {
    let worker = stack.local.webhooks.clone();
    tokio::spawn(async move { worker.run_once().await.unwrap() })
}

async fn deliveries_of(stack: &Stack, endpoint: &str) -> Vec<Value> {
    let path = format!("webhook-endpoints/{endpoint}/deliveries?limit=100");
    stack.operator.get(&path).await.expect_status(200)["items"].as_array().unwrap().clone()
}
