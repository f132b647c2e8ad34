//! Nothing is lost if the process or DynamoDB fails between any two steps: every event is received at least once.

use std::collections::BTreeSet;

use signet_local::{DataDirectory, Options};
use signet_tests::{Behavior, Fault, Gate, Rule, Stack, Value, WebhookReceiver, all_cases, json, text};

use super::{Installation, deliveries_of};

/// How a call to DynamoDB fails.
#[derive(Debug, Clone, Copy)]
enum FailureMode {
    /// The process is killed before the call.
    KilledBefore,
    /// The process is killed after the call has taken effect.
    KilledAfter,
    /// The call takes effect, but its response is lost; the SDK repeats it.
    ResponseLost,
    /// The call takes effect, but all its responses are lost.
    AllResponsesLost,
    /// DynamoDB throttles the call once.
    Throttled,
    /// DynamoDB returns internal errors.
    ServerErrors,
}

impl FailureMode {
    const ALL: [Self; 6] = [
        Self::KilledBefore,
        Self::KilledAfter,
        Self::ResponseLost,
        Self::AllResponsesLost,
        Self::Throttled,
        Self::ServerErrors,
    ];

    /// Returns the rules that let the call with this number fail, counted from 1.
    fn rules(self, call: usize) -> Vec<Rule> {
        let at = |fault| Rule::new("*", fault).nth(call);
        match self {
            Self::KilledBefore => vec![at(Fault::RefuseConnection).always()],
            Self::KilledAfter => vec![at(Fault::LoseResponse), at(Fault::RefuseConnection).always()],
            Self::ResponseLost => vec![at(Fault::LoseResponse)],
            Self::AllResponsesLost => vec![at(Fault::LoseResponse).times(3)],
            Self::Throttled => vec![at(Fault::THROTTLE)],
            Self::ServerErrors => vec![at(Fault::SERVER_ERROR).times(3)],
        }
    }
}

#[tokio::test]
async fn every_event_is_received_whatever_call_fails() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    installation.create_event().await;
    stack.faults.reset_calls();
    installation.send().await;
    let calls = stack.faults.calls();
    assert!(calls.iter().filter(|call| call.ends_with("Items") || call.starts_with("Put")).count() >= 3, "{calls:?}");
    let mut number = 0;
    for (call, name) in (1..).zip(&calls) {
        for mode in FailureMode::ALL {
            number += 1;
            let is_write = !matches!(name.as_str(), "GetItem" | "Query");
            let is_kill = matches!(mode, FailureMode::KilledBefore | FailureMode::KilledAfter);
            let is_selected = (is_write && is_kill) || all_cases() || number % 5 == 0;
            if !is_selected {
                continue;
            }
            let status = if number % 2 == 0 { 204 } else { 500 };
            check_failure(&installation, mode, call, status).await;
        }
    }
    let listed = stack.operator.get("events?limit=100").await.expect_status(200);
    let received: BTreeSet<_> = receiver.ids().into_iter().collect();
    let events = listed["items"].as_array().unwrap().iter();
    let of_licenses = events.filter(|event| text(&event["type"]).starts_with("license."));
    let missing: Vec<_> = of_licenses.filter(|event| !received.contains(text(&event["id"]))).collect();
    // That the license key was issued, before the endpoint was created.
    assert!(missing.iter().all(|event| event["type"] == "license.issued"), "{missing:?}");
}

/// Lets a call fail while an event is sent, and asserts that it is delivered after another start.
async fn check_failure(installation: &Installation, mode: FailureMode, call: usize, status: u16) {
    let Installation { stack, receiver, .. } = installation;
    let event = installation.create_event().await;
    receiver.set_behavior(Behavior::Status(status));
    for rule in mode.rules(call) {
        stack.faults.add(rule);
    }
    // Whether it returns an error depends on the call.
    let _ = stack.local.webhooks.run_once().await;
    stack.faults.clear();
    receiver.set_behavior(Behavior::Status(204));
    // The lease of an attempt lapses.
    stack.advance(31);
    installation.send().await;
    stack.advance(31);
    installation.send().await;
    let count = receiver.ids().iter().filter(|id| **id == event).count();
    assert!((1..=3).contains(&count), "{mode:?} of call {call}: received {count} times");
    let delivery = installation.delivery(&event).await;
    assert_eq!(delivery["status"], "delivered", "{mode:?} of call {call}: {delivery}");
}

#[tokio::test]
async fn webhook_that_was_being_sent_when_the_process_was_killed_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    let receiver = WebhookReceiver::start().await;
    receiver.set_behavior(Behavior::Hold(Gate::default(), 204));
    let stack = Stack::start_with(Options { data: Some(&data), ..Options::default() }).await;
    let endpoint = stack.operator.create_webhook_endpoint(&receiver.url).await;
    let license = stack.operator.issue_new_license(1).await;
    let worker = stack.local.webhooks.clone();
    let sending = tokio::spawn(async move { worker.run_once().await });
    receiver.wait_for(1).await;
    sending.abort();
    stack.stop().await;

    receiver.set_behavior(Behavior::Status(204));
    let stack = Stack::start_with(Options { data: Some(&data), ..Options::default() }).await;
    assert_eq!(stack.local.webhooks.run_once().await.unwrap(), 0, "the lease has not lapsed");
    stack.advance(31);
    assert_eq!(stack.local.webhooks.run_once().await.unwrap(), 1);
    let delivery = deliveries_of(&stack, text(&endpoint["id"])).await.remove(0);
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("delivered"), &json!(2)));
    let ids = receiver.ids();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(receiver.received()[1].event["license_id"], license.license_id);
}

#[tokio::test]
async fn events_while_no_worker_ran_are_sent_when_one_runs() {
    let installation = Installation::start().await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(installation.create_event().await);
        installation.stack.advance(40_000);
    }
    installation.send().await;
    assert_eq!(installation.receiver.ids(), expected);
}

#[tokio::test]
async fn event_that_is_written_late_is_sent() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    // The request begins before another one and is written after its event was sent.
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("EVENT#"));
    let (operator, license) = (stack.operator.clone(), installation.license.license_id.clone());
    let late = tokio::spawn(async move { operator.post(&format!("license-keys/{license}/suspend"), json!({})).await });
    gate.wait_for_request().await;
    stack.advance(1);
    let other = stack.operator.issue_new_license(1).await;
    installation.send().await;
    assert_eq!(receiver.received()[0].event["license_id"], other.license_id);
    stack.advance(60);
    installation.send().await;
    gate.open();
    late.await.unwrap().expect_status(200);
    // Within a minute, a pass begins long before the time of the last one.
    stack.advance(60);
    installation.send().await;
    let last = receiver.received().pop().unwrap();
    assert_eq!((&last.event["type"], receiver.ids().len()), (&json!("license.suspended"), 2));
}

#[tokio::test]
async fn two_workers_on_one_table_deliver_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    let [one, other] = Stack::start_pair(&data).await;
    let receiver = WebhookReceiver::start().await;
    let endpoint = one.operator.create_webhook_endpoint(&receiver.url).await;
    for _ in 0..4 {
        one.operator.issue_new_license(1).await;
        let (first, second) = tokio::join!(one.local.webhooks.run_once(), other.local.webhooks.run_once());
        assert_eq!(first.unwrap() + second.unwrap(), 1);
    }
    let mut ids = receiver.ids();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), receiver.ids().len()), (4, 4));
    let deliveries: Vec<Value> = deliveries_of(&one, text(&endpoint["id"])).await;
    assert!(deliveries.iter().all(|delivery| delivery["attempts"] == 1), "{deliveries:?}");
}
