//! The authentication throttle and the activation rate limit: what they count, what they reject, and what they allow.

use shared::domain::rate_limit::{ActivationRateLimit, Limit, RateLimits};
use signet_local::{DataDirectory, Options};
use signet_tests::{Client, Fault, IssuedLicense, Rule, Stack, TestResponse, Value, json, text};

const ACTIVATE: &str = "license-activations/activate";
const VALIDATE: &str = "license-keys/validate";

/// Three failed authentication attempts per minute.
fn three_failed_attempts() -> RateLimits {
    RateLimits { failed_auth: Some(Limit { max: 3, seconds: 60 }), activations: None }
}

/// Three activations, independent of the number of seats.
fn three_activations() -> RateLimits {
    RateLimits { failed_auth: None, activations: Some(ActivationRateLimit { per_seat: 0, base: 3 }) }
}

async fn start(rate_limits: RateLimits) -> Stack {
    Stack::start_with(Options { rate_limits, ..Options::default() }).await
}

/// Validates an invalid key string, which counts as a failed attempt.
async fn fail_authentication(app: &Client) -> TestResponse {
    app.post(VALIDATE, json!({"license_key": "ATLAS-XXXX"})).await
}

/// Uses up the three failed attempts of the client's address.
async fn exhaust_attempts(app: &Client) {
    for _ in 0..3 {
        fail_authentication(app).await.expect_status(200);
    }
    assert_rate_limited(&fail_authentication(app).await, 60);
}

/// Asserts a 429 with this `Retry-After`.
#[track_caller]
fn assert_rate_limited(response: &TestResponse, seconds: u64) {
    response.expect_problem(429, "rate_limited");
    assert_eq!(response.header("retry-after"), seconds.to_string(), "{}", response.request);
    let [_, remaining, reset] = rate_limit(response);
    assert_eq!((remaining, reset), ("0", response.header("retry-after")), "{}", response.request);
}

/// Returns the headers of the rate limit in which the request was counted: limit, remaining and reset.
fn rate_limit(response: &TestResponse) -> [&str; 3] {
    ["limit", "remaining", "reset"].map(|name| response.header(&format!("ratelimit-{name}")))
}

#[tokio::test]
async fn responses_to_counted_requests_report_the_rate_limit() {
    let stack = start(RateLimits { failed_auth: three_failed_attempts().failed_auth, ..three_activations() }).await;
    let license = stack.operator.issue_new_license(1).await;
    stack.advance(10);
    let activated = stack.anonymous.activate(&license.license_key, "one").await;
    assert_eq!(rate_limit(&activated), ["3", "2", "3590"]);
    let activated = activated.expect_status(201);
    // Requests that are not counted report nothing.
    let heartbeat = stack.anonymous.heartbeat(text(&activated["token"]), "one").await;
    let renewed = stack.anonymous.activate(&license.license_key, "one").await;
    for response in [heartbeat, renewed, stack.operator.get("license-keys").await] {
        assert_eq!((response.status, rate_limit(&response)), (200, [""; 3]), "{}", response.request);
    }
    // A machine that finds no seat learns how often it may try again.
    let refused = stack.anonymous.activate(&license.license_key, "two").await;
    refused.expect_problem(409, "seat_limit_reached");
    assert_eq!(rate_limit(&refused), ["10", "9", "50"]);
    for (remaining, reset) in [("2", "50"), ("1", "40"), ("0", "30"), ("0", "20")] {
        let response = fail_authentication(&stack.anonymous).await;
        assert_eq!(rate_limit(&response), ["3", remaining, reset], "{}", response.text);
        stack.advance(10);
    }
}

async fn deactivate(client: &Client, activated: &Value) {
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    client.post(&path, json!({})).await.expect_status(200);
}

#[tokio::test]
async fn sixty_failed_attempts_per_minute_are_allowed_and_more_return_429() {
    let (stack, foreign) = (Stack::start().await, Stack::start().await);
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "m").await.expect_status(201);
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    // The check characters are valid, but the key is unknown to this stack.
    let unknown = foreign.operator.issue_new_license(1).await.license_key;
    let forged = format!("{}AAAA", &text(&license.issued["token"])[..100]);
    let app = &stack.anonymous;
    let fail_twelve_times = async || {
        let foreign_key = app.with_api_key(foreign.local.operator_api_key.expose());
        [
            app.post(VALIDATE, json!({"license_key": "ATLAS-XXXX"})).await,
            app.post(VALIDATE, json!({"license_key": unknown})).await,
            app.post(VALIDATE, json!({"token": forged})).await,
            app.activate("ATLAS-XXXX", "m").await,
            app.activate(&unknown, "m").await,
            app.post(ACTIVATE, json!({"token": forged, "machine_id": "m"})).await,
            app.heartbeat(&forged, "m").await,
            app.post(&path, json!({"token": forged})).await,
            foreign_key.get("license-keys").await,
            app.with_api_key("signet_x").get("license-keys").await,
            app.with_header("authorization", &format!("Bearer {forged}")).get("user/licenses").await,
            app.with_header("authorization", "Basic YTpi").get("user/licenses").await,
        ]
    };
    for response in [
        fail_twelve_times().await,
        fail_twelve_times().await,
        fail_twelve_times().await,
        fail_twelve_times().await,
        fail_twelve_times().await,
    ]
    .concat()
    {
        assert!([200, 401, 404].contains(&response.status), "{}: {}", response.request, response.text);
    }
    stack.advance(10);
    for response in fail_twelve_times().await {
        assert_rate_limited(&response, 50);
    }
    stack.advance(50);
    fail_authentication(app).await.expect_status(200);
}

#[tokio::test]
async fn valid_credentials_are_not_throttled() {
    let stack = start(three_failed_attempts()).await;
    let license = stack.operator.issue_new_license(2).await;
    let operator = stack.sign_in("ada@example.com", "role:operator").await;
    let app = &stack.anonymous;
    let activated = app.activate(&license.license_key, "m").await.expect_status(201);
    exhaust_attempts(app).await;
    let by_key = app.post(VALIDATE, json!({"license_key": license.license_key})).await;
    assert_eq!(by_key.expect_status(200)["code"], "valid");
    app.activate(&license.license_key, "m").await.expect_status(200);
    stack.operator.get("license-keys").await.expect_status(200);
    let token = &activated["token"];
    app.heartbeat(text(token), "m").await.expect_status(200);
    app.post(VALIDATE, json!({"token": token})).await.expect_status(200);
    app.post(ACTIVATE, json!({"token": token, "machine_id": "other"})).await.expect_status(201);
    operator.get("license-keys").await.expect_status(200);
    // Requests that are rejected for other reasons than the signature do not count.
    app.heartbeat(text(token), "other").await.expect_problem(403, "machine_mismatch");
    stack.advance(3660);
    for _ in 0..5 {
        operator.get("license-keys").await.expect_problem(401, "unauthenticated");
    }
    stack.operator.get("license-keys").await.expect_status(200);
    exhaust_attempts(app).await;
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&path, json!({"token": token})).await.expect_status(200);
}

#[tokio::test]
async fn requests_without_credentials_do_not_count() {
    let stack = start(three_failed_attempts()).await;
    for _ in 0..5 {
        stack.anonymous.get("license-keys").await.expect_problem(401, "unauthenticated");
        stack.anonymous.get("no-such-path").await.expect_problem(404, "not_found");
        stack.operator.get("license-keys/lic_01KF0RE18GGZ0GF3HSC5MTCJRC").await.expect_problem(404, "not_found");
    }
    fail_authentication(&stack.anonymous).await.expect_status(200);
}

#[tokio::test]
async fn attempts_are_counted_per_address_and_not_by_header() {
    let stack = start(three_failed_attempts()).await;
    let other_address = stack.anonymous.from([127, 0, 0, 2].into());
    let spoofing = other_address.with_header("x-forwarded-for", "127.0.0.1").with_header("forwarded", "for=127.0.0.1");
    exhaust_attempts(&spoofing).await;
    assert_rate_limited(&fail_authentication(&other_address).await, 60);
    stack.operator.get("license-keys").await.expect_status(200);
    exhaust_attempts(&stack.anonymous).await;
}

#[tokio::test]
async fn throttled_requests_cause_no_writes_and_at_most_one_read() {
    let (stack, foreign) = (start(three_failed_attempts()).await, Stack::start().await);
    let unknown = foreign.operator.issue_new_license(1).await.license_key;
    exhaust_attempts(&stack.anonymous).await;
    stack.faults.reset_calls();
    for _ in 0..20 {
        assert_rate_limited(&fail_authentication(&stack.anonymous).await, 60);
        assert_rate_limited(&stack.anonymous.with_api_key("signet_x").get("license-keys").await, 60);
        assert_rate_limited(&stack.anonymous.heartbeat("x", "m").await, 60);
    }
    assert_eq!(stack.faults.calls(), Vec::<String>::new());
    // Credentials of another stack are well-formed.
    assert_rate_limited(&stack.anonymous.activate(&unknown, "m").await, 60);
    let foreign_key = stack.anonymous.with_api_key(foreign.local.operator_api_key.expose());
    assert_rate_limited(&foreign_key.get("license-keys").await, 60);
    assert_eq!(stack.faults.calls(), ["GetItem"; 2]);
}

#[tokio::test]
async fn all_instances_share_the_counter() {
    let folder = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(folder.path()).unwrap();
    let options = || Options { data: Some(&folder), rate_limits: three_failed_attempts(), ..Options::default() };
    let one = Stack::start_with(options()).await;
    let other = Options { dynamodb_endpoint: Some(one.local.dynamodb_endpoint.clone()), ..options() };
    let other = Stack::start_with(other).await;
    for stack in [&one, &other, &one] {
        fail_authentication(&stack.anonymous).await.expect_status(200);
    }
    assert_rate_limited(&fail_authentication(&other.anonymous).await, 60);
    assert_rate_limited(&fail_authentication(&one.anonymous).await, 60);
}

#[tokio::test]
async fn failed_attempts_return_503_if_they_cannot_be_counted() {
    let stack = start(three_failed_attempts()).await;
    let throttled_counter = || Rule::new("UpdateItem", Fault::THROTTLE).containing("RATE#").always();
    stack.faults.add(throttled_counter());
    fail_authentication(&stack.anonymous).await.expect_problem(503, "unavailable");
    stack.anonymous.with_api_key("signet_x").get("license-keys").await.expect_problem(503, "unavailable");
    stack.operator.get("license-keys").await.expect_status(200);
    stack.faults.clear();
    fail_authentication(&stack.anonymous).await.expect_status(200);
}

#[tokio::test]
async fn activate_returns_429_after_too_many_activations_in_a_token_lifetime() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": 1, "token_ttl_seconds": 600})).await;
    let app = &stack.anonymous;
    let activate = async |machine: usize| app.activate(&license.license_key, &format!("m{machine}")).await;
    // The limit is 2 × 1 seat + 10.
    for machine in 0..11 {
        let activated = activate(machine).await.expect_status(201);
        deactivate(&stack.operator, &activated).await;
    }
    let last = activate(11).await.expect_status(201);
    assert_rate_limited(&activate(12).await, 600);
    // A machine with a seat can still renew it.
    stack.advance(100);
    activate(11).await.expect_status(200);
    app.heartbeat(text(&last["token"]), "m11").await.expect_status(200);
    deactivate(&stack.operator, &last).await;
    assert_rate_limited(&activate(11).await, 500);
    stack.faults.reset_calls();
    assert_rate_limited(&activate(12).await, 500);
    assert_eq!(stack.faults.calls(), ["GetItem"; 3], "only the key, the license and the machine are read");
    stack.advance(500);
    activate(12).await.expect_status(201);
}

#[tokio::test]
async fn a_license_without_a_seat_limit_has_an_hourly_limit_of_activations() {
    let stack =
        start(RateLimits { failed_auth: None, activations: Some(ActivationRateLimit { per_seat: 0, base: 10 }) }).await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": null, "token_ttl_seconds": 600})).await;
    let activate = async |machine: usize| stack.anonymous.activate(&license.license_key, &format!("m{machine}")).await;
    // Ten activations in five shards, which machines are assigned to at random.
    let mut limited = Vec::new();
    for machine in 0..100 {
        let response = activate(machine).await;
        if response.status == 429 {
            assert_rate_limited(&response, 3600);
            limited.push(machine);
        }
    }
    assert_eq!(limited.len(), 90);
    stack.advance(3600);
    activate(limited[0]).await.expect_status(201);
}

#[tokio::test]
async fn a_machine_without_a_seat_does_not_use_up_the_activations_of_the_others() {
    let stack =
        start(RateLimits { failed_auth: None, activations: Some(ActivationRateLimit { per_seat: 0, base: 4 }) }).await;
    let license = stack.operator.issue_new_license(2).await;
    let activate = async |machine: &str| stack.anonymous.activate(&license.license_key, machine).await;
    let first = activate("one").await.expect_status(201);
    activate("two").await.expect_status(201);
    for _ in 0..10 {
        activate("too many").await.expect_problem(409, "seat_limit_reached");
    }
    assert_rate_limited(&activate("too many").await, 60);
    // Others are refused for themselves, and take the seat when it is free.
    activate("three").await.expect_problem(409, "seat_limit_reached");
    deactivate(&stack.operator, &first).await;
    activate("three").await.expect_status(201);
    stack.advance(60);
    activate("too many").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn a_larger_seat_limit_raises_the_rate_limit_immediately() {
    let stack =
        start(RateLimits { failed_auth: None, activations: Some(ActivationRateLimit { per_seat: 1, base: 0 }) }).await;
    let license = stack.operator.issue_new_license(1).await;
    let first = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    deactivate(&stack.operator, &first).await;
    assert_rate_limited(&stack.anonymous.activate(&license.license_key, "two").await, 3600);
    // The customer buys two more seats.
    let change = format!("license-keys/{}/change", license.license_id);
    stack.operator.post(&change, json!({"max_users": 3})).await.expect_status(200);
    for machine in ["two", "three"] {
        stack.anonymous.activate(&license.license_key, machine).await.expect_status(201);
    }
    assert_rate_limited(&stack.anonymous.activate(&license.license_key, "four").await, 3600);
}

#[tokio::test]
async fn sixty_unsuccessful_seat_searches_per_minute_are_allowed_and_more_return_429() {
    let stack =
        start(RateLimits { failed_auth: None, activations: Some(ActivationRateLimit { per_seat: 0, base: 1000 }) })
            .await;
    let license = stack.operator.issue_new_license(1).await;
    let activate = async |machine: &str| stack.anonymous.activate(&license.license_key, machine).await;
    let first = activate("one").await.expect_status(201);
    for number in 0..60 {
        activate(&format!("other {number}")).await.expect_problem(409, "seat_limit_reached");
    }
    stack.faults.reset_calls();
    assert_rate_limited(&activate("other").await, 60);
    // The key, the license, the machine and one window of seats are read.
    assert_eq!(stack.faults.calls(), ["GetItem", "GetItem", "GetItem", "Query"]);
    activate("one").await.expect_status(200);
    // A seat that is freed within the minute is not kept from a machine that has not been refused too often itself.
    deactivate(&stack.operator, &first).await;
    activate("other").await.expect_status(201);
    assert_rate_limited(&activate("another").await, 60);
    stack.advance(60);
    activate("another").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn activations_are_counted_for_the_whole_token_lifetime() {
    let stack = start(three_activations()).await;
    let IssuedLicense { license_key, .. } =
        stack.operator.issue_new_license_with(&json!({"max_users": 1, "token_ttl_seconds": 86_400})).await;
    let activate = async |machine: &str| stack.anonymous.activate(&license_key, machine).await;
    for machine in ["one", "two", "three"] {
        let activated = activate(machine).await.expect_status(201);
        deactivate(&stack.operator, &activated).await;
    }
    // Three machines have held the seat today, each with a token that may still be valid offline. It is 12:00.
    assert_rate_limited(&activate("four").await, 12 * 3600);
    stack.advance(12 * 3600);
    activate("four").await.expect_status(201);
}

#[tokio::test]
async fn a_retried_activation_is_counted_once() {
    let stack = start(three_activations()).await;
    let license = stack.operator.issue_new_license(3).await;
    // After a failed condition, the activation is retried from the reads on.
    for machine in ["one", "two", "three"] {
        stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("ConditionalCheckFailed")).times(3));
        stack.anonymous.activate(&license.license_key, machine).await.expect_status(201);
    }
    assert_rate_limited(&stack.anonymous.activate(&license.license_key, "four").await, 3600);
}
