//! License keys with more seats than one query reads: searches, remembered refusals and counts.

use signet_local::DataDirectory;
use signet_tests::{Fault, Gate, IssuedLicense, Rule, Stack, TestResponse, json, text};

use super::seats_used;

/// More than one window of 128 seats.
const SEATS: u32 = 150;

/// Returns a stack and a license key whose seats are all taken, by the machines `0` to `149`.
async fn full_license() -> (Stack, IssuedLicense) {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(SEATS).await;
    stack.fill_seats(&license).await;
    (stack, license)
}

/// Activates a machine. Returns the response, and how many DynamoDB requests it took.
async fn activate(stack: &Stack, license: &IssuedLicense, machine: &str) -> (TestResponse, usize) {
    stack.faults.reset_calls();
    let response = stack.anonymous.activate(&license.license_key, machine).await;
    (response, stack.faults.calls().len())
}

/// Activates a machine that is refused. Returns how many queries read or counted seats and machines.
async fn refused(stack: &Stack, license: &IssuedLicense, machine: &str) -> usize {
    let (response, _) = activate(stack, license, machine).await;
    response.expect_problem(409, "seat_limit_reached");
    stack.faults.calls().iter().filter(|call| *call == "Query").count()
}

/// Deactivates a machine of the license key, as an operator.
async fn deactivate(stack: &Stack, license: &IssuedLicense, machine: &str) {
    let activation = stack.anonymous.activate(&license.license_key, machine).await.expect_status(200);
    let path = format!("license-activations/{}/deactivate", text(&activation["activation"]["id"]));
    stack.operator.post(&path, json!({})).await.expect_status(200);
}

#[tokio::test]
async fn a_repeated_refusal_reads_the_newest_event_in_place_of_the_seats() {
    let (stack, license) = full_license().await;
    assert!(refused(&stack, &license, "one more").await > 1);
    for machine in ["one more", "another"] {
        let (response, _) = activate(&stack, &license, machine).await;
        response.expect_problem(409, "seat_limit_reached");
        assert_eq!(stack.faults.calls(), ["GetItem", "GetItem", "GetItem", "Query"]);
    }
    // A machine with a seat is renewed as usual.
    activate(&stack, &license, "7").await.0.expect_status(200);
    // A remembered refusal is not counted, because it causes no search.
    for _ in 0..20 {
        assert_eq!(refused(&stack, &license, "another").await, 1);
    }
    stack.advance(4);
    assert_eq!(refused(&stack, &license, "another").await, 1);
    stack.advance(1);
    assert!(refused(&stack, &license, "another").await > 1, "after five seconds, the seats are read again");
}

#[tokio::test]
async fn a_refusal_of_a_license_with_few_seats_is_not_remembered() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(128).await;
    stack.fill_seats(&license).await;
    for _ in 0..3 {
        let queries = refused(&stack, &license, "one more").await;
        assert_eq!(queries, 4, "the seats, the machines in two parts, and the seats again");
    }
}

#[tokio::test]
async fn a_deactivation_ends_a_remembered_refusal() {
    let (stack, license) = full_license().await;
    refused(&stack, &license, "one more").await;
    deactivate(&stack, &license, "7").await;
    activate(&stack, &license, "one more").await.0.expect_status(201);
    assert_eq!(stack.check_seats(&license.license_id).await.available(), Some(0));
    refused(&stack, &license, "another").await;
}

#[tokio::test]
async fn a_deactivation_by_the_same_instance_ends_a_remembered_refusal_although_its_event_is_not_the_newest() {
    let (stack, license) = full_license().await;
    refused(&stack, &license, "one more").await;
    // The time of an event is that at which its request began.
    stack.advance(-1);
    deactivate(&stack, &license, "7").await;
    stack.advance(1);
    activate(&stack, &license, "one more").await.0.expect_status(201);
}

#[tokio::test]
async fn a_seat_that_is_freed_before_the_newest_event_is_read_is_found() {
    let (stack, license) = full_license().await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("Query", Fault::HoldRequest(gate.clone())).containing("EVENT#"));
    let free_a_seat = async {
        gate.wait_for_request().await;
        deactivate(&stack, &license, "7").await;
        gate.open();
    };
    let (response, ()) = tokio::join!(stack.anonymous.activate(&license.license_key, "one more"), free_a_seat);
    response.expect_status(201);
}

#[tokio::test]
async fn a_deactivation_by_another_instance_ends_a_remembered_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = Stack::start_pair(&DataDirectory::open(folder.path()).unwrap()).await;
    let license = one.operator.issue_new_license(SEATS).await;
    one.fill_seats(&license).await;
    refused(&one, &license, "one more").await;
    assert_eq!(refused(&one, &license, "one more").await, 1);
    // The events of an instance are sorted by its clock.
    other.advance(1);
    deactivate(&other, &license, "7").await;
    activate(&one, &license, "one more").await.0.expect_status(201);
}

#[tokio::test]
async fn a_raised_limit_and_a_regeneration_end_a_remembered_refusal() {
    let (stack, license) = full_license().await;
    let path = format!("license-keys/{}", license.license_id);
    refused(&stack, &license, "one more").await;
    stack.operator.post(&format!("{path}/change"), json!({"max_users": SEATS + 1})).await.expect_status(200);
    activate(&stack, &license, "one more").await.0.expect_status(201);
    refused(&stack, &license, "another").await;
    let regenerated = stack.operator.post(&format!("{path}/regenerate"), json!({})).await.expect_status(200);
    stack.anonymous.activate(text(&regenerated["license_key"]), "another").await.expect_status(201);
    assert_eq!(seats_used(&stack, &license).await, 1);
}

#[tokio::test]
async fn a_lapsed_lease_is_found_five_seconds_after_a_refusal_at_the_latest() {
    let (stack, license) = full_license().await;
    stack.advance(3599);
    refused(&stack, &license, "one more").await;
    stack.advance(1);
    assert_eq!(refused(&stack, &license, "one more").await, 1, "the leases have lapsed");
    stack.advance(4);
    let activated = activate(&stack, &license, "one more").await.0.expect_status(201);
    let events = stack.license_events(&license.license_id).await;
    assert!(events.iter().any(|event| event["type"] == "activation.taken_over"), "{activated}");
}

#[tokio::test]
async fn each_free_seat_of_a_large_license_is_found() {
    let (stack, license) = full_license().await;
    for machine in ["3", "77", "149"] {
        deactivate(&stack, &license, machine).await;
    }
    assert_eq!(seats_used(&stack, &license).await, SEATS - 3);
    for machine in ["a", "b", "c"] {
        activate(&stack, &license, machine).await.0.expect_status(201);
    }
    assert_eq!(stack.check_seats(&license.license_id).await.available(), Some(0));
    refused(&stack, &license, "d").await;
}

#[tokio::test]
async fn five_thousand_seats_are_searched_and_counted_with_few_requests() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(5000).await;
    stack.fill_seats(&license).await;
    stack.faults.reset_calls();
    assert_eq!(seats_used(&stack, &license).await, 5000);
    assert!(stack.faults.calls().len() <= 7, "2,048 seats a query: {:?}", stack.faults.calls());
    let (response, calls) = activate(&stack, &license, "one more").await;
    response.expect_problem(409, "seat_limit_reached");
    assert!(calls <= 25, "2,048 seats or 1,000 machines a query: {:?}", stack.faults.calls());
    deactivate(&stack, &license, "4321").await;
    let (response, calls) = activate(&stack, &license, "one more").await;
    response.expect_status(201);
    assert!(calls <= 30, "one window of 128 seats after another in one range: {:?}", stack.faults.calls());
    assert_eq!(seats_used(&stack, &license).await, 5000);
}

#[tokio::test]
async fn activations_of_a_license_without_limit_are_counted_in_parts() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": null})).await;
    for machine in 0..20 {
        stack.anonymous.activate(&license.license_key, &machine.to_string()).await.expect_status(201);
    }
    assert_eq!(seats_used(&stack, &license).await, 20);
}
