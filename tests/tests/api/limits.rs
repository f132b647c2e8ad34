//! Guessing, and machines that come and go: what is counted, what is then refused, and whom that does not touch.

use shared::domain::rate_limit::{ActivationRateLimit, Limit, RateLimits};
use signet_local::{Folder, Options};
use signet_tests::{Client, Fault, IssuedLicense, Rule, Stack, TestResponse, Value, json, text};

const ACTIVATE: &str = "license-activations/activate";
const VALIDATE: &str = "license-keys/validate";

/// Three guesses a minute.
fn three_guesses() -> RateLimits {
    RateLimits { guesses: Some(Limit { most: 3, seconds: 60 }), churn: None }
}

/// Three searches and activations, however many seats there are.
fn three_machines() -> RateLimits {
    RateLimits { guesses: None, churn: Some(ActivationRateLimit { per_seat: 0, extra: 3 }) }
}

async fn start(rate_limits: RateLimits) -> Stack {
    Stack::start_with(Options { rate_limits, ..Options::default() }).await
}

async fn guess(app: &Client) -> TestResponse {
    app.post(VALIDATE, json!({"license_key": "ATLAS-XXXX"})).await
}

/// Guesses until nothing more is told.
async fn fill(app: &Client) {
    for _ in 0..3 {
        guess(app).await.expect_status(200);
    }
    limited(&guess(app).await, 60);
}

/// That so much may not be asked, until then.
#[track_caller]
fn limited(answer: &TestResponse, seconds: u64) {
    answer.expect_problem(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), seconds.to_string(), "{}", answer.request);
}

async fn deactivate(client: &Client, activated: &Value) {
    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    client.post(&end, json!({})).await.expect_status(200);
}

#[tokio::test]
async fn whatever_does_not_hold_counts_60_times_a_minute_and_then_429() {
    let (stack, foreign) = (Stack::start().await, Stack::start().await);
    let sold = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&sold.license_key, "m").await.expect_status(201);
    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    // Its check part holds, and there is no such key here.
    let unknown = foreign.operator.issue_new_license(1).await.license_key;
    let forged = format!("{}AAAA", &text(&sold.issued["token"])[..100]);
    let app = &stack.anonymous;
    let guesses = async || {
        let foreign_key = app.with_api_key(foreign.local.operator_api_key.expose());
        [
            app.post(VALIDATE, json!({"license_key": "ATLAS-XXXX"})).await,
            app.post(VALIDATE, json!({"license_key": unknown})).await,
            app.post(VALIDATE, json!({"token": forged})).await,
            app.activate("ATLAS-XXXX", "m").await,
            app.activate(&unknown, "m").await,
            app.post(ACTIVATE, json!({"token": forged, "machine_id": "m"})).await,
            app.heartbeat(&forged, "m").await,
            app.post(&end, json!({"token": forged})).await,
            foreign_key.get("license-keys").await,
            app.with_api_key("signet_x").get("license-keys").await,
            app.with_header("authorization", &format!("Bearer {forged}")).get("user/licenses").await,
            app.with_header("authorization", "Basic YTpi").get("user/licenses").await,
        ]
    };
    for answer in [guesses().await, guesses().await, guesses().await, guesses().await, guesses().await].concat() {
        assert!([200, 401, 404].contains(&answer.status), "{}: {}", answer.request, answer.text);
    }
    stack.advance(10);
    for answer in guesses().await {
        limited(&answer, 50);
    }
    // Nor is it told what does hold.
    limited(&app.post(VALIDATE, json!({"license_key": sold.license_key})).await, 50);
    limited(&app.activate(&sold.license_key, "m").await, 50);
    limited(&stack.operator.get("license-keys").await, 50);

    stack.advance(50);
    assert_eq!(app.post(VALIDATE, json!({"license_key": sold.license_key})).await.expect_status(200)["code"], "valid");
    stack.operator.get("license-keys").await.expect_status(200);
}

#[tokio::test]
async fn a_token_whose_signature_holds_passes_from_any_address() {
    let stack = start(three_guesses()).await;
    let sold = stack.operator.issue_new_license(2).await;
    let person = stack.sign_in("ada@example.com", "role:operator").await;
    let app = &stack.anonymous;
    let activated = app.activate(&sold.license_key, "m").await.expect_status(201);
    fill(app).await;
    let token = &activated["token"];
    app.heartbeat(text(token), "m").await.expect_status(200);
    app.post(VALIDATE, json!({"token": token})).await.expect_status(200);
    app.post(ACTIVATE, json!({"token": token, "machine_id": "other"})).await.expect_status(201);
    person.get("license-keys").await.expect_status(200);
    // That it holds is enough; that it is refused, is for other reasons.
    app.heartbeat(text(token), "other").await.expect_problem(403, "machine_mismatch");
    stack.advance(3660);
    for _ in 0..5 {
        person.get("license-keys").await.expect_problem(401, "unauthenticated");
    }
    stack.operator.get("license-keys").await.expect_status(200);
    fill(app).await;
    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&end, json!({"token": token})).await.expect_status(200);
}

#[tokio::test]
async fn who_shows_nothing_has_guessed_nothing() {
    let stack = start(three_guesses()).await;
    for _ in 0..5 {
        stack.anonymous.get("license-keys").await.expect_problem(401, "unauthenticated");
        stack.anonymous.get("no-such-path").await.expect_problem(404, "not_found");
        stack.operator.get("license-keys/lic_01KF0RE18GGZ0GF3HSC5MTCJRC").await.expect_problem(404, "not_found");
    }
    guess(&stack.anonymous).await.expect_status(200);
}

#[tokio::test]
async fn an_address_answers_for_itself_whatever_its_headers_say() {
    let stack = start(three_guesses()).await;
    let elsewhere = stack.anonymous.from([127, 0, 0, 2].into());
    let liar = elsewhere.with_header("x-forwarded-for", "127.0.0.1").with_header("forwarded", "for=127.0.0.1");
    fill(&liar).await;
    limited(&guess(&elsewhere).await, 60);
    stack.operator.get("license-keys").await.expect_status(200);
    fill(&stack.anonymous).await;
}

#[tokio::test]
async fn a_flood_becomes_no_writes_and_no_reads() {
    let stack = start(three_guesses()).await;
    fill(&stack.anonymous).await;
    stack.faults.reset_calls();
    for _ in 0..20 {
        limited(&guess(&stack.anonymous).await, 60);
        limited(&stack.operator.get("license-keys").await, 60);
        limited(&stack.anonymous.heartbeat("x", "m").await, 60);
    }
    assert_eq!(stack.faults.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn all_instances_count_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::take(folder.path()).unwrap();
    let options = || Options { data: Some(&folder), rate_limits: three_guesses(), ..Options::default() };
    let one = Stack::start_with(options()).await;
    let other = Options { dynamodb_endpoint: Some(one.local.dynamodb_endpoint.clone()), ..options() };
    let other = Stack::start_with(other).await;
    for stack in [&one, &other, &one] {
        guess(&stack.anonymous).await.expect_status(200);
    }
    limited(&guess(&other.anonymous).await, 60);
    limited(&guess(&one.anonymous).await, 60);
}

#[tokio::test]
async fn what_can_not_be_counted_is_not_told() {
    let stack = start(three_guesses()).await;
    let counting = || Rule::new("UpdateItem", Fault::THROTTLE).containing("RATE#").always();
    stack.faults.add(counting());
    guess(&stack.anonymous).await.expect_problem(503, "unavailable");
    stack.anonymous.with_api_key("signet_x").get("license-keys").await.expect_problem(503, "unavailable");
    stack.operator.get("license-keys").await.expect_status(200);
    stack.faults.clear();
    guess(&stack.anonymous).await.expect_status(200);
}

#[tokio::test]
async fn a_seat_changes_hands_so_often_in_a_token_life_and_then_429() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license_with(&json!({"max_users": 1, "token_ttl_seconds": 600})).await;
    let app = &stack.anonymous;
    let activate = async |machine: usize| app.activate(&sold.license_key, &format!("m{machine}")).await;
    // 2 × 1 seat + 10.
    for machine in 0..11 {
        let activated = activate(machine).await.expect_status(201);
        deactivate(&stack.operator, &activated).await;
    }
    let last = activate(11).await.expect_status(201);
    limited(&activate(12).await, 600);
    // Whoever has a seat keeps it.
    stack.advance(100);
    activate(11).await.expect_status(200);
    app.heartbeat(text(&last["token"]), "m11").await.expect_status(200);
    deactivate(&stack.operator, &last).await;
    limited(&activate(11).await, 500);
    stack.faults.reset_calls();
    limited(&activate(12).await, 500);
    assert_eq!(stack.faults.calls(), ["GetItem"; 3], "the key, the license and the machine; no search");
    stack.advance(500);
    activate(12).await.expect_status(201);
}

#[tokio::test]
async fn machines_that_find_no_seat_count_and_then_429() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let activate = async |machine: &str| stack.anonymous.activate(&sold.license_key, machine).await;
    activate("m").await.expect_status(201);
    for _ in 0..11 {
        activate("other").await.expect_problem(409, "seat_limit_reached");
    }
    limited(&activate("other").await, 3600);
    // Another license, and one without a limit, are another matter.
    let others = stack.operator.issue_new_license(1).await;
    stack.anonymous.activate(&others.license_key, "other").await.expect_status(201);
    let unlimited = stack.operator.issue_new_license_with(&json!({"max_users": null})).await;
    for machine in 0..30 {
        stack.anonymous.activate(&unlimited.license_key, &machine.to_string()).await.expect_status(201);
    }
}

#[tokio::test]
async fn a_limit_that_grows_lets_go_at_once() {
    let stack = start(RateLimits { guesses: None, churn: Some(ActivationRateLimit { per_seat: 1, extra: 0 }) }).await;
    let sold = stack.operator.issue_new_license(1).await;
    let first = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    deactivate(&stack.operator, &first).await;
    limited(&stack.anonymous.activate(&sold.license_key, "two").await, 3600);
    // The customer has bought two more.
    let change = format!("license-keys/{}/change", sold.license_id);
    stack.operator.post(&change, json!({"max_users": 3})).await.expect_status(200);
    for machine in ["two", "three"] {
        stack.anonymous.activate(&sold.license_key, machine).await.expect_status(201);
    }
    limited(&stack.anonymous.activate(&sold.license_key, "four").await, 3600);
}

#[tokio::test]
async fn looks_at_every_seat_in_vain_count_60_times_a_minute_and_then_429() {
    let stack =
        start(RateLimits { guesses: None, churn: Some(ActivationRateLimit { per_seat: 0, extra: 1000 }) }).await;
    let sold = stack.operator.issue_new_license(1).await;
    let activate = async |machine: &str| stack.anonymous.activate(&sold.license_key, machine).await;
    let first = activate("one").await.expect_status(201);
    for _ in 0..60 {
        activate("other").await.expect_problem(409, "seat_limit_reached");
    }
    limited(&activate("other").await, 60);
    limited(&activate("yet another").await, 60);
    activate("one").await.expect_status(200);
    deactivate(&stack.operator, &first).await;
    stack.advance(60);
    activate("other").await.expect_status(201);
}

#[tokio::test]
async fn a_search_that_finds_nothing_keeps_nobody_out_for_the_life_of_a_long_token() {
    let stack = start(three_machines()).await;
    let IssuedLicense { license_key, .. } =
        stack.operator.issue_new_license_with(&json!({"max_users": 1, "token_ttl_seconds": 86_400})).await;
    let activate = async |machine: &str| stack.anonymous.activate(&license_key, machine).await;
    let first = activate("one").await.expect_status(201);
    for _ in 0..2 {
        activate("two").await.expect_problem(409, "seat_limit_reached");
    }
    limited(&activate("two").await, 3600);
    deactivate(&stack.operator, &first).await;
    stack.advance(3600);
    for machine in ["two", "three"] {
        let activated = activate(machine).await.expect_status(201);
        deactivate(&stack.operator, &activated).await;
    }
    // Three machines have had the seat today, each with a token that may live on offline. It is one o'clock.
    limited(&activate("four").await, 11 * 3600);
    stack.advance(11 * 3600);
    activate("four").await.expect_status(201);
}

#[tokio::test]
async fn an_activation_that_begins_again_is_counted_once() {
    let stack = start(three_machines()).await;
    let sold = stack.operator.issue_new_license(3).await;
    // A condition that fails for no reason that lasts: everything begins again from reading.
    for machine in ["one", "two", "three"] {
        stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("ConditionalCheckFailed")).times(3));
        stack.anonymous.activate(&sold.license_key, machine).await.expect_status(201);
    }
    limited(&stack.anonymous.activate(&sold.license_key, "four").await, 3600);
}
