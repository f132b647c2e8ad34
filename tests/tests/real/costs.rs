use signet_tests::{json, text};

use crate::services::{TestServices, take_key_calls};

/// KMS signatures are most of the cost of a request.
#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn kms_is_called_once_per_signature_and_for_a_data_key_every_five_minutes() {
    let stack = TestServices::new().stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    assert_eq!(take_key_calls(&stack), ["Sign", "GenerateDataKey"], "the first license key");
    let issue = async || operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await;
    issue().await;
    assert_eq!(take_key_calls(&stack), ["Sign"], "the second license key");
    stack.advance(300);
    issue().await;
    assert_eq!(take_key_calls(&stack), ["Sign", "GenerateDataKey"], "a license key after five minutes");

    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(take_key_calls(&stack), ["Sign"], "an activation");
    app.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(take_key_calls(&stack), [""; 0], "a refused activation");
    let token = text(&activated["token"]);
    app.post("license-keys/validate", json!({"token": token, "machine_id": "one"})).await.expect_status(200);
    assert_eq!(take_key_calls(&stack), [""; 0], "a validation");
    assert_eq!(app.heartbeat(token, "one").await.expect_status(200)["renewed"], false);
    assert_eq!(take_key_calls(&stack), [""; 0], "a heartbeat before the token is due for renewal");
    stack.advance(1800);
    assert_eq!(app.heartbeat(token, "one").await.expect_status(200)["renewed"], true);
    assert_eq!(take_key_calls(&stack), ["Sign"], "a heartbeat that renews the token");
    for document in ["jwks.json", "jwks.jwt", "license-configuration"] {
        app.get(&format!("/.well-known/{document}")).await.expect_status(200);
    }
    assert_eq!(take_key_calls(&stack), [""; 0], "discovery documents");
    app.get("/health").await.expect_status(200);
    assert_eq!(take_key_calls(&stack), ["DescribeKey"], "the health check, once in five seconds");
    operator.get("license-keys?limit=1").await.expect_status(200);
    assert_eq!(take_key_calls(&stack), ["GetSecretValue"], "a list, once in five minutes");
    operator.get("license-keys?limit=1").await.expect_status(200);
    assert_eq!(take_key_calls(&stack), [""; 0], "a list");
}
