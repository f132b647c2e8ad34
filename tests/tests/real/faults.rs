use std::time::{Duration, Instant};

use signet_tests::{Fault, Gate, IssuedLicense, Rule, Stack, TestResponse, Value, json, text};

use crate::parts::{Parts, asked_of_keys, signing_key};

/// A request's own time, and a moment for a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);

/// Asks for something that must be signed, and finds that it can't be, soon and without a token.
async fn unavailable(answer: impl Future<Output = TestResponse>) {
    let begun = Instant::now();
    let answer = answer.await;
    assert!(begun.elapsed() < PATIENCE, "{:?}: {}", begun.elapsed(), answer.request);
    assert_eq!(answer.expect_problem(503, "unavailable").get("token"), None);
    assert!(!answer.text.contains("eyJ"), "{}", answer.text);
    for inner in ["arn:", "KMS", "Exception", "by the test"] {
        assert!(!answer.text.contains(inner), "the cause is for the log alone: {}", answer.text);
    }
}

/// A machine whose token is old enough to be renewed.
async fn machine(stack: &Stack) -> (IssuedLicense, Value) {
    let sold = stack.operator.issue_new_license(5).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    stack.advance(900);
    (sold, activated["token"].clone())
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_disabled_signing_key_is_503_until_it_is_enabled() {
    let parts = Parts::new();
    let stack = parts.stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (sold, token) = machine(&stack).await;
    let key = signing_key(&stack).await;

    parts.kms().disable_key().key_id(&key).send().await.unwrap();
    unavailable(app.activate(&sold.license_key, "two")).await;
    unavailable(app.heartbeat(text(&token), "one")).await;
    let issue = json!({"customer_id": operator.create_customer().await["id"], "tier_id": sold.tier["id"]});
    unavailable(operator.post("license-keys", issue.clone())).await;
    assert_eq!(app.get("/health").await.expect_status(503)["checks"][1]["status"], "down");
    // What needs no signature goes on.
    let asked = json!({"token": token, "machine_id": "one"});
    assert_eq!(app.post("license-keys/validate", asked).await.expect_status(200)["code"], "valid");
    stack.claims(&token).await;

    parts.kms().enable_key().key_id(&key).send().await.unwrap();
    stack.advance(5);
    assert_eq!(app.get("/health").await.expect_status(200)["checks"][1]["status"], "ok");
    let beat = app.heartbeat(text(&token), "one").await.expect_status(200);
    stack.claims(&beat["token"]).await;
    app.activate(&sold.license_key, "two").await.expect_status(200);
    operator.post("license-keys", issue).await.expect_status(201);
    stack.check_seats(&sold.license_id).await;
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_disabled_sealing_key_is_503_until_it_is_enabled() {
    let parts = Parts::new();
    let stack = parts.stack().await;
    let (sold, token) = machine(&stack).await;
    parts.kms().disable_key().key_id(parts.sealing_key().await).send().await.unwrap();
    let issue = json!({"customer_id": stack.operator.create_customer().await["id"], "tier_id": sold.tier["id"]});
    unavailable(stack.operator.post("license-keys", issue.clone())).await;
    let list = format!("license-keys?customer_id={}", text(&issue["customer_id"]));
    assert_eq!(stack.operator.get(&list).await.expect_status(200)["items"], json!([]), "nothing is half sold");
    // A heartbeat seals nothing.
    stack.anonymous.heartbeat(text(&token), "one").await.expect_status(200);
    parts.kms().enable_key().key_id(parts.sealing_key().await).send().await.unwrap();
    stack.operator.post("license-keys", issue).await.expect_status(201);
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn what_fails_once_is_asked_again_and_what_fails_always_is_503() {
    let stack = Parts::new().stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (sold, token) = machine(&stack).await;
    asked_of_keys(&stack);
    let throttle = Fault::Respond(400, "ThrottlingException");
    for fault in
        [throttle.clone(), Fault::Respond(500, "KMSInternalException"), Fault::RefuseConnection, Fault::LoseResponse]
    {
        stack.faults.add(Rule::new("Sign", fault.clone()));
        let beat = app.heartbeat(text(&token), "one").await.expect_status(200);
        stack.claims(&beat["token"]).await;
        assert_eq!(asked_of_keys(&stack), ["Sign"; 2], "{fault:?}");

        stack.faults.add(Rule::new("Sign", fault).always());
        unavailable(app.heartbeat(text(&token), "one")).await;
        unavailable(app.activate(&sold.license_key, "two")).await;
        stack.faults.clear();
        asked_of_keys(&stack);
    }
    let issue = json!({"customer_id": operator.create_customer().await["id"], "tier_id": sold.tier["id"]});
    stack.faults.add(Rule::new("GenerateDataKey", throttle).always());
    unavailable(operator.post("license-keys", issue.clone())).await;
    stack.faults.clear();
    operator.post("license-keys", issue).await.expect_status(201);
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_signer_that_hangs_is_503_in_time_and_the_seat_is_there_for_the_next_try() {
    let stack = Parts::new().stack().await;
    let app = &stack.anonymous;
    let (sold, token) = machine(&stack).await;
    let never = Fault::HoldRequest(Gate::default());
    stack.faults.add(Rule::new("Sign", never.clone()).always());
    tokio::join!(
        unavailable(app.heartbeat(text(&token), "one")),
        unavailable(app.activate(&sold.license_key, "two")),
        async {
            // Others are served meanwhile.
            let asked = json!({"token": token, "machine_id": "one"});
            assert_eq!(app.post("license-keys/validate", asked).await.expect_status(200)["code"], "valid");
        },
    );
    stack.faults.clear();
    // One attempt that hangs is given up after some seconds, and made again.
    stack.faults.add(Rule::new("Sign", never));
    app.activate(&sold.license_key, "two").await.expect_status(200);
    stack.check_seats(&sold.license_id).await;
}
