//! The cost of an app's requests: calls to DynamoDB, and signatures.

use signet_tests::{IssuedLicense, Stack, TestResponse, Value, json, text};

/// Returns a request's response, and its DynamoDB operations, sorted because some are concurrent.
async fn measure(stack: &Stack, request: impl Future<Output = TestResponse>) -> (TestResponse, Vec<String>) {
    stack.faults.reset_calls();
    let response = request.await;
    let mut calls = stack.faults.calls();
    calls.sort();
    (response, calls)
}

/// Returns a stack with warm caches, and a license key with two seats, one of which machine `one` holds.
async fn warm_stack() -> (Stack, IssuedLicense, Value) {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    (stack, license, activated)
}

#[tokio::test]
async fn heartbeat_takes_one_read_and_one_write() {
    let (stack, license, activated) = warm_stack().await;
    let heartbeat = async || measure(&stack, stack.anonymous.heartbeat(text(&activated["token"]), "one")).await;
    let read_and_write = ["GetItem", "UpdateItem"];
    for renewed in [false, true] {
        // The catalog cache is fresh for one minute.
        stack
            .operator
            .replace("pricing-tiers", &license.tier, &json!({"renew_after_seconds": 30}))
            .await
            .expect_status(200);
        stack.anonymous.activate(&license.license_key, "one").await.expect_status(200);
        let (response, calls) = heartbeat().await;
        assert_eq!(
            (response.expect_status(200)["renewed"].clone(), calls),
            (json!(renewed), read_and_write.map(str::to_owned).into())
        );
        stack.advance(40);
    }
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    stack.operator.post(&path, json!({})).await.expect_status(200);
    let (response, calls) = heartbeat().await;
    response.expect_problem(403, "not_activated");
    assert_eq!(calls, read_and_write);
}

#[tokio::test]
async fn an_invalid_heartbeat_reads_nothing() {
    let (stack, license, activated) = warm_stack().await;
    let token = text(&activated["token"]);
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    let counted = ["UpdateItem"].map(str::to_owned);
    for (token, machine, status, calls) in [
        (token, "two", 403, &[][..]),
        (&*forged, "one", 401, &counted),
        ("x", "one", 401, &counted),
        (text(&license.issued["token"]), "one", 403, &[]),
    ] {
        let (response, found) = measure(&stack, stack.anonymous.heartbeat(token, machine)).await;
        assert_eq!((response.status, &*found), (status, calls), "{}", response.text);
    }
}

#[tokio::test]
async fn validate_only_reads() {
    let (stack, license, activated) = warm_stack().await;
    let key = &license.license_key;
    for (body, reads) in [
        (json!({"token": activated["token"], "machine_id": "one"}), 2),
        (json!({"token": license.issued["token"]}), 1),
        (json!({"license_key": key}), 2),
        (json!({"license_key": key, "machine_id": "one"}), 3),
        (json!({"license_key": key, "machine_id": "two"}), 3),
    ] {
        let (response, calls) = measure(&stack, stack.anonymous.post("license-keys/validate", body.clone())).await;
        response.expect_status(200);
        assert_eq!(calls, vec!["GetItem"; reads], "{body}");
    }
    // Failed attempts are counted, and key strings with invalid check characters are not looked up.
    for body in [json!({"license_key": "x"}), json!({"token": "x"})] {
        let (response, calls) = measure(&stack, stack.anonymous.post("license-keys/validate", body.clone())).await;
        response.expect_status(200);
        assert_eq!(calls, ["UpdateItem"], "{body}");
    }
    // Expired caches are read as well.
    stack.advance(3600);
    let body = json!({"token": activated["token"]});
    let (_, calls) = measure(&stack, stack.anonymous.post("license-keys/validate", body)).await;
    assert!(calls.iter().all(|call| matches!(call.as_str(), "GetItem" | "Query")), "{calls:?}");
}

#[tokio::test]
async fn activate_takes_its_reads_one_counter_update_and_one_transaction() {
    let (stack, license, activated) = warm_stack().await;
    let app = &stack.anonymous;
    let activate = async |machine: &str| measure(&stack, app.activate(&license.license_key, machine)).await;
    let reads = ["GetItem", "GetItem", "GetItem"];

    let (response, calls) = activate("one").await;
    response.expect_status(200);
    assert_eq!(calls, [&reads[..], &["UpdateItem"]].concat(), "a renewal");

    let (response, calls) = activate("two").await;
    response.expect_status(201);
    assert_eq!(calls, [&reads[..], &["Query", "TransactWriteItems", "UpdateItem"]].concat(), "a free seat");

    let (response, calls) = activate("three").await;
    response.expect_problem(409, "seat_limit_reached");
    // It reads the seats, the machines from a random position on and those before it; then the license, the machine and the
    // seats are read again. The refusal is counted for the machine and for the license key.
    let search = ["GetItem", "GetItem", "Query", "Query", "Query", "Query", "UpdateItem", "UpdateItem"];
    assert_eq!(calls, [&reads[..], &search].concat(), "no seat");

    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    let (response, calls) = measure(&stack, app.post(&path, json!({"token": activated["token"]}))).await;
    response.expect_status(200);
    assert_eq!(calls, ["GetItem", "TransactWriteItems"], "a deactivation");
}

/// Sets the handle of the current signing key. With an unknown handle, signing fails and verification still works.
async fn set_handle(stack: &Stack, handle: &str) {
    let kid = stack.local.app.table.ring().await.unwrap().keys[0].kid.clone();
    let input = json!({
        "Key": {"PK": {"S": "KEYRING"}, "SK": {"S": format!("KEY#{kid}")}},
        "UpdateExpression": "SET #handle = :handle",
        "ExpressionAttributeNames": {"#handle": "handle"},
        "ExpressionAttributeValues": {":handle": {"S": handle}},
    });
    stack.call_dynamodb("UpdateItem", input).await;
    // Past the refresh interval, so that the key ring is reloaded.
    stack.advance(301);
}

#[tokio::test]
async fn rejected_requests_sign_nothing_and_an_activation_keeps_its_seat_if_signing_fails() {
    let (stack, license, one) = warm_stack().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let full = operator.issue_new_license(1).await;
    let ended = app.activate(&full.license_key, "ended").await.expect_status(201);
    let path = format!("license-activations/{}/deactivate", text(&ended["activation"]["id"]));
    operator.post(&path, json!({})).await.expect_status(200);
    app.activate(&full.license_key, "one").await.expect_status(201);
    let revoked = operator.issue_new_license(1).await;
    let activated = app.activate(&revoked.license_key, "one").await.expect_status(201);
    operator.post(&format!("license-keys/{}/revoke", revoked.license_id), json!({})).await.expect_status(200);
    let handle = stack.local.app.table.ring().await.unwrap().keys[0].handle.clone();

    set_handle(&stack, "none").await;
    app.activate(&full.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    app.activate(&revoked.license_key, "one").await.expect_problem(403, "revoked");
    app.heartbeat(text(&activated["token"]), "one").await.expect_problem(403, "revoked");
    app.heartbeat(text(&ended["token"]), "ended").await.expect_problem(403, "not_activated");
    let unchanged = app.heartbeat(text(&one["token"]), "one").await.expect_status(200);
    assert_eq!((&unchanged["renewed"], &unchanged["token"]), (&json!(false), &one["token"]));
    let validation = app.post("license-keys/validate", json!({"token": one["token"]})).await.expect_status(200);
    assert_eq!(validation["code"], "valid");

    let unsigned = app.activate(&license.license_key, "two").await;
    unsigned.expect_problem(503, "unavailable");
    let held = stack.check_seats(&license.license_id).await.held;
    set_handle(&stack, &handle).await;
    let signed = app.activate(&license.license_key, "two").await.expect_status(200);
    assert_eq!(held["two"], text(&signed["activation"]["id"]), "the repeated activation is a renewal");
    app.heartbeat(text(&signed["token"]), "two").await.expect_status(200);
}
