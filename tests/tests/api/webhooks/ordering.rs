//! The order of events, and how many are sent at the same time.

use std::collections::BTreeMap;

use signet_tests::{Behavior, Fault, Gate, Rule};

use super::{Installation, spawn_worker};

#[tokio::test]
async fn events_of_a_license_key_are_sent_one_after_the_other_in_their_order() {
    let installation = Installation::start().await;
    let mut licenses = vec![installation.license.clone()];
    for _ in 0..2 {
        licenses.push(installation.stack.operator.issue_new_license(1).await);
    }
    let mut expected = BTreeMap::<String, Vec<String>>::new();
    // Events of one millisecond are in no defined order.
    installation.stack.advance(1);
    for round in 0..5 {
        for license in &licenses {
            let verb = if round % 2 == 0 { "suspend" } else { "reinstate" };
            let event = installation.create_event_by(license, verb).await;
            expected.entry(license.license_id.clone()).or_default().push(event);
        }
        installation.stack.advance(1);
    }
    installation.send().await;
    for (license, events) in expected {
        let received = installation.receiver.received();
        let of_license = received.iter().filter(|webhook| webhook.event["license_id"] == *license);
        let ids: Vec<_> = of_license.map(|webhook| webhook.id().to_owned()).collect();
        assert_eq!(ids[ids.len() - events.len()..], events);
    }
    assert!(installation.receiver.most_in_flight() <= 2);
}

#[tokio::test]
async fn failing_event_does_not_hold_back_later_ones() {
    let installation = Installation::start().await;
    installation.receiver.set_behavior(Behavior::Status(500));
    let first = installation.create_event().await;
    installation.send().await;
    installation.receiver.set_behavior(Behavior::Status(204));
    installation.stack.advance(1);
    let second = installation.create_event().await;
    installation.send().await;
    installation.stack.advance(10);
    installation.send().await;
    assert_eq!(installation.receiver.ids(), [first.clone(), second, first]);
}

#[tokio::test]
async fn at_most_two_webhooks_are_in_flight_per_endpoint_whatever_the_number_of_workers() {
    let installation = Installation::start().await;
    let gate = Gate::default();
    installation.receiver.set_behavior(Behavior::Hold(gate.clone(), 204));
    let mut licenses = vec![installation.license.clone()];
    for _ in 0..4 {
        licenses.push(installation.stack.operator.issue_new_license(1).await);
    }
    for license in &licenses {
        installation.create_event_by(license, "suspend").await;
    }
    let workers: Vec<_> = (0..4).map(|_| spawn_worker(&installation.stack)).collect();
    installation.receiver.wait_for(2).await;
    gate.open();
    let mut attempts = 0;
    for worker in workers {
        attempts += worker.await.unwrap();
    }
    assert_eq!((attempts, installation.receiver.ids().len()), (9, 9), "each event once");
    assert_eq!(installation.receiver.most_in_flight(), 2);
}

#[tokio::test]
async fn worker_that_read_free_slots_before_another_took_them_takes_none() {
    let installation = Installation::start().await;
    let Installation { stack, receiver, .. } = &installation;
    installation.create_event().await;
    installation.create_event().await;
    let gate = Gate::default();
    receiver.set_behavior(Behavior::Hold(gate.clone(), 204));
    // Both lanes of the first worker have read that the slots are free, and wait to take one.
    let begin = Gate::default();
    let hold = Rule::new("TransactWriteItems", Fault::HoldRequest(begin.clone())).containing("SLOT#").times(2);
    stack.faults.add(hold);
    let slow = spawn_worker(stack);
    begin.wait_for_request().await;
    begin.wait_for_request().await;
    let fast = spawn_worker(stack);
    receiver.wait_for(1).await;
    begin.open();
    slow.await.unwrap();
    assert_eq!(receiver.ids().len(), 1, "two events of one license key are not sent at the same time");
    gate.open();
    fast.await.unwrap();
    assert_eq!(receiver.most_in_flight(), 1);
    installation.send().await;
    assert!(installation.deliveries().await.iter().all(|delivery| delivery["status"] == "delivered"));
}
