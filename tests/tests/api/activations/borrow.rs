//! Borrowed seats: the tokens of a machine are valid until a later time, also offline.

use signet_tests::{Client, IssuedLicense, START, Stack, TestResponse, Value, json, merged, text};

use super::{paths, seats_used};

const ACTIVATE: &str = "license-activations/activate";
const DAY: i64 = 86_400;

fn at(seconds: i64) -> String {
    (START + jiff::SignedDuration::from_secs(seconds)).to_string()
}

/// Issues a license key whose seats can be borrowed for ten days.
async fn issue(stack: &Stack, max_users: Value) -> IssuedLicense {
    stack.operator.issue_new_license_with(&json!({"max_users": max_users, "max_borrow_seconds": 10 * DAY})).await
}

async fn activate(stack: &Stack, license: &IssuedLicense, machine: &str, until: i64) -> TestResponse {
    let body = json!({"license_key": license.license_key, "machine_id": machine, "borrow_until": at(until)});
    stack.anonymous.post(ACTIVATE, body).await
}

async fn heartbeat(stack: &Stack, token: &Value, more: Value) -> TestResponse {
    let body = merged(json!({"token": token, "machine_id": "one"}), &more);
    stack.anonymous.post("license-keys/heartbeat", body).await
}

async fn license(stack: &Stack, license: &IssuedLicense) -> Value {
    stack.operator.get(&format!("license-keys/{}", license.license_id)).await.expect_status(200)
}

/// Deactivates a machine by its token.
async fn give_back(app: &Client, activated: &Value) -> TestResponse {
    app.post(&paths(activated)[1], json!({"token": activated["token"]})).await
}

#[tokio::test]
async fn tokens_of_a_borrowed_seat_are_valid_until_the_borrow_ends() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(1)).await;
    let first = activate(&stack, &key, "one", 5 * DAY).await.expect_status(201);
    assert_eq!(first["token_expires_at"], at(5 * DAY));
    let activation = &first["activation"];
    assert_eq!(
        (&activation["borrowed_until"], &activation["lease_expires_at"]),
        (&json!(at(5 * DAY)), &json!(at(5 * DAY)))
    );
    assert_eq!(stack.claims(&first["token"]).await["enforcement"]["offline_until"], START.as_second() + 5 * DAY);
    assert_eq!(license(&stack, &key).await["last_borrowed_until"], at(5 * DAY));

    stack.advance(3600);
    let kept = heartbeat(&stack, &first["token"], json!({})).await.expect_status(200);
    assert_eq!(kept["token_expires_at"], at(5 * DAY), "a heartbeat keeps the borrow");
    let extended = heartbeat(&stack, &kept["token"], json!({"borrow_until": at(6 * DAY)})).await.expect_status(200);
    assert_eq!((&extended["token_expires_at"], &extended["renewed"]), (&json!(at(6 * DAY)), &json!(true)));
    let earlier = heartbeat(&stack, &extended["token"], json!({"borrow_until": at(2 * DAY)})).await.expect_status(200);
    assert_eq!(earlier["token_expires_at"], at(6 * DAY), "an earlier time is an ordinary heartbeat");
    stack.advance(6 * DAY - 3601);
    stack.anonymous.activate(&key.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    stack.advance(1);
    stack.anonymous.activate(&key.license_key, "two").await.expect_status(201);
    let events = stack.license_events(&key.license_id).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "activation.borrowed").count(), 2);
}

#[tokio::test]
async fn a_heartbeat_of_a_borrowed_seat_takes_one_read_and_one_write() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(1)).await;
    let first = activate(&stack, &key, "one", 5 * DAY).await.expect_status(201);
    stack.faults.reset_calls();
    heartbeat(&stack, &first["token"], json!({})).await.expect_status(200);
    let mut calls = stack.faults.calls();
    calls.sort();
    assert_eq!(calls, ["GetItem", "UpdateItem"]);
}

#[tokio::test]
async fn a_borrow_that_is_not_allowed_takes_no_seat() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(1)).await;
    activate(&stack, &key, "one", 10 * DAY + 1).await.expect_problem(403, "borrow_not_allowed");
    for until in [0, -1] {
        activate(&stack, &key, "one", until).await.expect_errors(422, &["/borrow_until invalid_value"]);
    }
    let renew = format!("license-keys/{}/renew", key.license_id);
    stack.operator.post(&renew, json!({"expires_at": at(3 * DAY)})).await.expect_status(200);
    activate(&stack, &key, "one", 3 * DAY + 1).await.expect_problem(403, "borrow_not_allowed");
    stack.operator.replace("pricing-tiers", &key.tier, &json!({"max_borrow_seconds": 0})).await.expect_status(200);
    activate(&stack, &key, "one", DAY).await.expect_problem(403, "borrow_not_allowed");
    assert_eq!(seats_used(&stack, &key).await, 0);
    let first = stack.anonymous.activate(&key.license_key, "one").await.expect_status(201);
    let refused = heartbeat(&stack, &first["token"], json!({"borrow_until": at(DAY)})).await;
    refused.expect_problem(403, "borrow_not_allowed");
    stack.operator.post(&format!("license-keys/{}/suspend", key.license_id), json!({})).await.expect_status(200);
    let refused = heartbeat(&stack, &first["token"], json!({"borrow_until": at(DAY)})).await;
    refused.expect_problem(403, "suspended");
    let lease = stack.operator.get(&paths(&first)[0]).await.expect_status(200)["lease_expires_at"].clone();
    assert_eq!(lease, at(3600), "the lease is not extended");
}

#[tokio::test]
async fn the_app_returns_a_borrowed_seat_early_and_the_customer_cannot() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(1)).await;
    let ada = stack.sign_in("ada@example.com", "openid email profile").await;
    let customer = ada.post("register", json!({"name": "Ada"})).await.expect_status(201);
    let issued = stack.operator.issue(&customer, &key.tier, &json!({})).await;
    let key = IssuedLicense { license_key: text(&issued["license_key"]).to_owned(), ..key };
    let first = activate(&stack, &key, "one", 5 * DAY).await.expect_status(201);
    let path = &paths(&first)[1];
    ada.post(path, json!({})).await.expect_problem(409, "seat_borrowed");
    let returned = give_back(&stack.anonymous, &first).await.expect_status(200);
    assert_eq!((&returned["status"], &returned["borrowed_until"]), (&json!("deactivated"), &json!(at(5 * DAY))));
    assert_eq!(give_back(&stack.anonymous, &first).await.expect_status(200), returned, "a repeat is not counted");
    let second = activate(&stack, &key, "two", 5 * DAY).await.expect_status(201);
    give_back(&stack.anonymous, &second).await.expect_problem(409, "borrow_return_limit");
    stack.operator.post(&paths(&second)[1], json!({})).await.expect_status(200);

    // The window starts with the first return, and is as long as the longest borrow that was possible.
    stack.advance(10 * DAY - 1);
    let third = activate(&stack, &key, "three", 12 * DAY).await.expect_status(201);
    give_back(&stack.anonymous, &third).await.expect_problem(409, "borrow_return_limit");
    stack.advance(1);
    give_back(&stack.anonymous, &third).await.expect_status(200);
}

#[tokio::test]
async fn two_early_returns_at_once_are_both_counted() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(2)).await;
    let [one, two] = [activate(&stack, &key, "one", 5 * DAY).await, activate(&stack, &key, "two", 5 * DAY).await]
        .map(|response| response.expect_status(201));
    let app = stack.anonymous.clone();
    let delayed = async move { give_back(&app, &one).await };
    let concurrent = async { drop(give_back(&stack.anonymous, &two).await.expect_status(200)) };
    let delayed = stack.faults.interleave(("TransactWriteItems", "EVENT#"), delayed, concurrent).await;
    delayed.expect_status(200);
    let third = activate(&stack, &key, "three", 5 * DAY).await.expect_status(201);
    give_back(&stack.anonymous, &third).await.expect_problem(409, "borrow_return_limit");
}

#[tokio::test]
async fn a_return_is_counted_if_the_seat_was_borrowed_during_it() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(1)).await;
    let ordinary = stack.anonymous.activate(&key.license_key, "one").await.expect_status(201);
    let app = stack.anonymous.clone();
    let delayed = async move { give_back(&app, &ordinary).await };
    let concurrent = async { drop(activate(&stack, &key, "one", 5 * DAY).await.expect_status(200)) };
    let returned = stack.faults.interleave(("TransactWriteItems", "EVENT#"), delayed, concurrent).await;
    assert_eq!(returned.expect_status(200)["borrowed_until"], at(5 * DAY));
    let second = activate(&stack, &key, "two", 5 * DAY).await.expect_status(201);
    give_back(&stack.anonymous, &second).await.expect_problem(409, "borrow_return_limit");
}

#[tokio::test]
async fn a_change_does_not_lose_a_borrowed_seat() {
    let stack = Stack::start().await;
    let key = issue(&stack, Value::Null).await;
    activate(&stack, &key, "one", 5 * DAY).await.expect_status(201);
    let change = async |max_users: Value| {
        let path = format!("license-keys/{}/change", key.license_id);
        stack.operator.post(&path, json!({"max_users": max_users})).await
    };
    change(json!(3)).await.expect_problem(409, "seats_borrowed");
    stack.advance(5 * DAY);
    change(json!(1)).await.expect_status(200);
    activate(&stack, &key, "one", 9 * DAY).await.expect_status(201);
    change(json!(2)).await.expect_status(200);
    change(Value::Null).await.expect_status(200);
    change(json!(1)).await.expect_status(200);
    stack.anonymous.activate(&key.license_key, "two").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn a_seat_that_is_borrowed_during_a_change_is_noticed() {
    let stack = Stack::start().await;
    let key = issue(&stack, Value::Null).await;
    stack.anonymous.activate(&key.license_key, "one").await.expect_status(201);
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{}/change", key.license_id));
    let change = async move { operator.post(&path, json!({"max_users": 1})).await };
    let concurrent = async { drop(activate(&stack, &key, "one", 5 * DAY).await.expect_status(200)) };
    let changed = stack.faults.interleave(("TransactWriteItems", "EVENT#"), change, concurrent).await;
    changed.expect_problem(409, "seats_borrowed");
    assert_eq!(license(&stack, &key).await["max_users"], Value::Null);
}

#[tokio::test]
async fn a_borrow_during_a_change_or_a_suspension_is_decided_again() {
    let stack = Stack::start().await;
    for (operation, body, expected) in
        [("change", json!({"max_users": 7}), (200, None)), ("suspend", json!({}), (403, Some("suspended")))]
    {
        let key = issue(&stack, json!(1)).await;
        stack.anonymous.activate(&key.license_key, "one").await.expect_status(201);
        let app = stack.anonymous.clone();
        let body_of_app = json!({"license_key": key.license_key, "machine_id": "one", "borrow_until": at(5 * DAY)});
        let borrow = async move { app.post(ACTIVATE, body_of_app).await };
        let path = format!("license-keys/{}/{operation}", key.license_id);
        let concurrent = async { drop(stack.operator.post(&path, body).await.expect_status(200)) };
        let response = stack.faults.interleave(("TransactWriteItems", "borrow_count"), borrow, concurrent).await;
        assert_eq!(response.status, expected.0, "{operation}: {}", response.text);
        if let Some(code) = expected.1 {
            response.expect_problem(403, code);
            assert_eq!(license(&stack, &key).await["last_borrowed_until"], Value::Null);
        }
    }
}

#[tokio::test]
async fn a_lost_response_does_not_borrow_twice() {
    let stack = Stack::start().await;
    let key = issue(&stack, json!(1)).await;
    stack.anonymous.activate(&key.license_key, "one").await.expect_status(201);
    let rule =
        signet_tests::Rule::new("TransactWriteItems", signet_tests::Fault::LoseResponse).containing("borrow_count");
    stack.faults.add(rule);
    activate(&stack, &key, "one", 5 * DAY).await.expect_status(200);
    let events = stack.license_events(&key.license_id).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "activation.borrowed").count(), 1);
}
