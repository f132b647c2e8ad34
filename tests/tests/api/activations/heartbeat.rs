//! `POST license-keys/heartbeat` without effect. The folder's other files test renewals.

use signet_tests::{Stack, Value, json, merged, text};

#[tokio::test]
async fn heartbeat_returns_401_403_and_422() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let license = stack.operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let token = text(&activated["token"]);
    app.heartbeat("x", "one").await.expect_problem(401, "token_invalid");
    app.heartbeat(&license.license_key, "one").await.expect_problem(401, "token_invalid");
    app.heartbeat(&"x".repeat(60_000), "one").await.expect_problem(401, "token_invalid");
    app.heartbeat(token, "two").await.expect_problem(403, "machine_mismatch");
    app.heartbeat(token, "ONE").await.expect_problem(403, "machine_mismatch");
    app.heartbeat(text(&license.issued["token"]), "one").await.expect_problem(403, "not_activated");
    let valid = json!({"token": token, "machine_id": "one"});
    let post = async |change: Value| app.post("license-keys/heartbeat", merged(valid.clone(), &change)).await;
    post(json!({"token": 5})).await.expect_errors(422, &["/token invalid_value"]);
    post(json!({"machine_id": null})).await.expect_errors(422, &["/machine_id invalid_value"]);
    post(json!({"license_key": "x"})).await.expect_errors(422, &["/license_key unknown_field"]);
    app.post("license-keys/heartbeat", json!({"token": token}))
        .await
        .expect_errors(422, &["/machine_id invalid_value"]);
    app.post("license-keys/heartbeat", json!({"machine_id": "one"}))
        .await
        .expect_errors(422, &["/token invalid_value"]);
    post(json!({})).await.expect_status(200);
}
