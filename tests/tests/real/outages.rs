use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use shared::domain::rate_limit::RateLimits;
use signet_local::Options;
use signet_tests::{Fault, Gate, IssuedLicense, Rule, Stack, TestResponse, Value, json, text};
use tokio::task::JoinSet;

use crate::services::{KEY_CALLS, TestServices, signing_key, take_key_calls};

/// The operations that sign a token, or encrypt or decrypt a stored secret, and the health check, which reports the keys. A
/// heartbeat signs only if its token is due for renewal, which that of the test is not.
const NEED_KEYS: [&str; 6] = [
    "get /health",
    "post /api/v1.0/license-activations/activate",
    "post /api/v1.0/license-keys",
    "post /api/v1.0/license-keys/{id}/offline-activations",
    "post /api/v1.0/license-keys/{id}/regenerate",
    "post /api/v1.0/user/claim-license",
];

/// The request timeout, with a margin for a busy machine.
const MAX_DURATION: Duration = Duration::from_secs(12);

/// Asserts that a request that needs a signature returns 503 in time and without a token.
async fn assert_unavailable(response: impl Future<Output = TestResponse>) {
    let started = Instant::now();
    let response = response.await;
    assert!(started.elapsed() < MAX_DURATION, "{:?}: {}", started.elapsed(), response.request);
    assert_eq!(response.expect_problem(503, "unavailable").get("token"), None);
    assert!(!response.text.contains("eyJ"), "{}", response.text);
    for inner in ["arn:", "KMS", "Exception", "by the test"] {
        assert!(!response.text.contains(inner), "the cause is only logged: {}", response.text);
    }
}

/// Issues a license key and activates a machine whose token is due for renewal.
async fn activate_machine(stack: &Stack) -> (IssuedLicense, Value) {
    let license = stack.operator.issue_new_license(5).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    stack.advance(1800);
    (license, activated["token"].clone())
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn disabled_signing_key_returns_503_until_it_is_enabled() {
    let services = TestServices::new();
    let stack = services.stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (license, token) = activate_machine(&stack).await;
    let key = signing_key(&stack).await;

    services.kms().disable_key().key_id(&key).send().await.unwrap();
    assert_unavailable(app.activate(&license.license_key, "two")).await;
    assert_unavailable(app.heartbeat(text(&token), "one")).await;
    let issue = json!({"customer_id": operator.create_customer().await["id"], "tier_id": license.tier["id"]});
    assert_unavailable(operator.post("license-keys", issue.clone())).await;
    assert_eq!(app.get("/health").await.expect_status(503)["checks"][1]["status"], "down");
    // Requests without a signature succeed.
    let body = json!({"token": token, "machine_id": "one"});
    assert_eq!(app.post("license-keys/validate", body).await.expect_status(200)["code"], "valid");
    stack.claims(&token).await;

    services.kms().enable_key().key_id(&key).send().await.unwrap();
    stack.advance(5);
    assert_eq!(app.get("/health").await.expect_status(200)["checks"][1]["status"], "ok");
    let heartbeat = app.heartbeat(text(&token), "one").await.expect_status(200);
    stack.claims(&heartbeat["token"]).await;
    app.activate(&license.license_key, "two").await.expect_status(200);
    operator.post("license-keys", issue).await.expect_status(201);
    stack.check_seats(&license.license_id).await;
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn disabled_sealing_key_returns_503_until_it_is_enabled() {
    let services = TestServices::new();
    let stack = services.stack().await;
    let (license, token) = activate_machine(&stack).await;
    services.kms().disable_key().key_id(services.sealing_key().await).send().await.unwrap();
    let issue = json!({"customer_id": stack.operator.create_customer().await["id"], "tier_id": license.tier["id"]});
    assert_unavailable(stack.operator.post("license-keys", issue.clone())).await;
    let list = format!("license-keys?customer_id={}", text(&issue["customer_id"]));
    assert_eq!(stack.operator.get(&list).await.expect_status(200)["items"], json!([]), "no partial license key");
    // A heartbeat seals nothing.
    stack.anonymous.heartbeat(text(&token), "one").await.expect_status(200);
    services.kms().enable_key().key_id(services.sealing_key().await).send().await.unwrap();
    stack.operator.post("license-keys", issue).await.expect_status(201);
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn single_kms_failure_is_retried_and_repeated_failures_return_503() {
    let stack = TestServices::new().stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (license, token) = activate_machine(&stack).await;
    take_key_calls(&stack);
    let throttle = Fault::Respond(400, "ThrottlingException");
    for fault in
        [throttle.clone(), Fault::Respond(500, "KMSInternalException"), Fault::RefuseConnection, Fault::LoseResponse]
    {
        stack.faults.add(Rule::new("Sign", fault.clone()));
        let heartbeat = app.heartbeat(text(&token), "one").await.expect_status(200);
        stack.claims(&heartbeat["token"]).await;
        assert_eq!(take_key_calls(&stack), ["Sign"; 2], "{fault:?}");

        stack.faults.add(Rule::new("Sign", fault).always());
        assert_unavailable(app.heartbeat(text(&token), "one")).await;
        assert_unavailable(app.activate(&license.license_key, "two")).await;
        stack.faults.clear();
        take_key_calls(&stack);
    }
    let issue = json!({"customer_id": operator.create_customer().await["id"], "tier_id": license.tier["id"]});
    stack.faults.add(Rule::new("GenerateDataKey", throttle).always());
    assert_unavailable(operator.post("license-keys", issue.clone())).await;
    stack.faults.clear();
    operator.post("license-keys", issue).await.expect_status(201);
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn hanging_signature_returns_503_at_the_timeout_and_keeps_the_seat() {
    let stack = TestServices::new().stack().await;
    let app = &stack.anonymous;
    let (license, token) = activate_machine(&stack).await;
    let hang = Fault::HoldRequest(Gate::default());
    stack.faults.add(Rule::new("Sign", hang.clone()).always());
    tokio::join!(
        assert_unavailable(app.heartbeat(text(&token), "one")),
        assert_unavailable(app.activate(&license.license_key, "two")),
        async {
            // Other requests succeed concurrently.
            let body = json!({"token": token, "machine_id": "one"});
            assert_eq!(app.post("license-keys/validate", body).await.expect_status(200)["code"], "valid");
        },
    );
    stack.faults.clear();
    // A single attempt that hangs times out and is retried.
    stack.faults.add(Rule::new("Sign", hang));
    app.activate(&license.license_key, "two").await.expect_status(200);
    stack.check_seats(&license.license_id).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/real.sh"]
async fn only_operations_that_need_a_key_wait_for_kms_and_secrets_manager() {
    let services = TestServices::new();
    let stack = Stack::start_with(Options { rate_limits: RateLimits::UNLIMITED, ..services.options() }).await;
    let operations = stack.operations_with_own_resources().await;
    for call in KEY_CALLS {
        stack.faults.add(Rule::new(call, Fault::HoldRequest(Gate::default())).always());
    }
    let mut requests = JoinSet::new();
    for operation in operations {
        requests.spawn(async move {
            let response = operation.send_valid().await;
            (response.status == 503).then(|| format!("{} {}", operation.method, operation.template).to_lowercase())
        });
    }
    let waited: BTreeSet<String> = requests.join_all().await.into_iter().flatten().collect();
    assert_eq!(waited, BTreeSet::from(NEED_KEYS.map(str::to_owned)));
}
