use signet_tests::{json, text};

use crate::parts::{Parts, asked_of_keys};

/// A signature is most of what a request costs.
#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn kms_is_asked_for_what_must_be_signed_and_for_a_data_key_in_five_minutes() {
    let stack = Parts::new().stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let sold = operator.issue_new_license(1).await;
    assert_eq!(asked_of_keys(&stack), ["Sign", "GenerateDataKey"], "the first license key");
    let issue = async || operator.issue(&operator.create_customer().await, &sold.tier, &json!({})).await;
    issue().await;
    assert_eq!(asked_of_keys(&stack), ["Sign"], "the second");
    stack.advance(300);
    issue().await;
    assert_eq!(asked_of_keys(&stack), ["Sign", "GenerateDataKey"], "one after five minutes");

    let activated = app.activate(&sold.license_key, "one").await.expect_status(201);
    assert_eq!(asked_of_keys(&stack), ["Sign"], "an activation");
    app.activate(&sold.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(asked_of_keys(&stack), [""; 0], "one that is refused");
    let token = text(&activated["token"]);
    app.post("license-keys/validate", json!({"token": token, "machine_id": "one"})).await.expect_status(200);
    assert_eq!(asked_of_keys(&stack), [""; 0], "a validation");
    assert_eq!(app.heartbeat(token, "one").await.expect_status(200)["renewed"], false);
    assert_eq!(asked_of_keys(&stack), [""; 0], "a heartbeat with a young token");
    stack.advance(900);
    assert_eq!(app.heartbeat(token, "one").await.expect_status(200)["renewed"], true);
    assert_eq!(asked_of_keys(&stack), ["Sign"], "a heartbeat");
    for document in ["jwks.json", "jwks.jwt", "license-configuration"] {
        app.get(&format!("/.well-known/{document}")).await.expect_status(200);
    }
    assert_eq!(asked_of_keys(&stack), [""; 0], "what apps read");
    app.get("/health").await.expect_status(200);
    assert_eq!(asked_of_keys(&stack), ["DescribeKey"], "what load balancers read, once in five seconds");
    operator.get("license-keys?limit=1").await.expect_status(200);
    assert_eq!(asked_of_keys(&stack), ["GetSecretValue"], "a list, once in five minutes");
    operator.get("license-keys?limit=1").await.expect_status(200);
    assert_eq!(asked_of_keys(&stack), [""; 0], "a list");
}
