//! What a request of a machine costs: calls to DynamoDB, and signatures.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{IssuedLicense, Stack, TestResponse, Value, json, text};

/// The operations that a request takes, sorted, as some go out at once; and its answer.
async fn cost(stack: &Stack, request: impl Future<Output = TestResponse>) -> (TestResponse, Vec<String>) {
    stack.faults.reset_calls();
    let answer = request.await;
    let mut calls = stack.faults.calls();
    calls.sort();
    (answer, calls)
}

/// A stack whose copies are warm, and a license key of two seats of which machine one has one.
async fn warm() -> (Stack, IssuedLicense, Value) {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    (stack, sold, activated)
}

#[tokio::test]
async fn a_heartbeat_costs_one_read_and_one_write() {
    let (stack, sold, activated) = warm().await;
    let beat = async || cost(&stack, stack.anonymous.heartbeat(text(&activated["token"]), "one")).await;
    let one_round = ["GetItem", "UpdateItem"];
    for renewed in [false, true] {
        // Both while the catalog's copy is fresh: for a minute.
        stack
            .operator
            .replace("pricing-tiers", &sold.tier, &json!({"renew_after_seconds": 30}))
            .await
            .expect_status(200);
        stack.anonymous.activate(&sold.license_key, "one").await.expect_status(200);
        let (answer, calls) = beat().await;
        assert_eq!(
            (answer.expect_status(200)["renewed"].clone(), calls),
            (json!(renewed), one_round.map(str::to_owned).into())
        );
        stack.advance(40);
    }
    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    stack.operator.post(&end, json!({})).await.expect_status(200);
    let (answer, calls) = beat().await;
    answer.expect_problem(403, "not_activated");
    assert_eq!(calls, one_round);
}

#[tokio::test]
async fn a_heartbeat_that_is_wrong_by_itself_reads_nothing() {
    let (stack, sold, activated) = warm().await;
    let token = text(&activated["token"]);
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    let counted = ["UpdateItem"].map(str::to_owned);
    for (token, machine, status, calls) in [
        (token, "two", 403, &[][..]),
        (&*forged, "one", 401, &counted),
        ("x", "one", 401, &counted),
        (text(&sold.issued["token"]), "one", 403, &[]),
    ] {
        let (answer, found) = cost(&stack, stack.anonymous.heartbeat(token, machine)).await;
        assert_eq!((answer.status, &*found), (status, calls), "{}", answer.text);
    }
}

#[tokio::test]
async fn validating_reads_and_nothing_else() {
    let (stack, sold, activated) = warm().await;
    let key = &sold.license_key;
    for (body, reads) in [
        (json!({"token": activated["token"], "machine_id": "one"}), 2),
        (json!({"token": sold.issued["token"]}), 1),
        (json!({"license_key": key}), 2),
        (json!({"license_key": key, "machine_id": "one"}), 3),
        (json!({"license_key": key, "machine_id": "two"}), 3),
    ] {
        let (answer, calls) = cost(&stack, stack.anonymous.post("license-keys/validate", body.clone())).await;
        answer.expect_status(200);
        assert_eq!(calls, vec!["GetItem"; reads], "{body}");
    }
    // What does not hold is counted, and not even looked up where its check part tells.
    for body in [json!({"license_key": "x"}), json!({"token": "x"})] {
        let (answer, calls) = cost(&stack, stack.anonymous.post("license-keys/validate", body.clone())).await;
        answer.expect_status(200);
        assert_eq!(calls, ["UpdateItem"], "{body}");
    }
    // When the copies are cold, they are read as well.
    stack.advance(3600);
    let body = json!({"token": activated["token"]});
    let (_, calls) = cost(&stack, stack.anonymous.post("license-keys/validate", body)).await;
    assert!(calls.iter().all(|call| matches!(call.as_str(), "GetItem" | "Query")), "{calls:?}");
}

#[tokio::test]
async fn an_activation_costs_its_reads_its_count_and_one_transaction() {
    let (stack, sold, activated) = warm().await;
    let app = &stack.anonymous;
    let activate = async |machine: &str| cost(&stack, app.activate(&sold.license_key, machine)).await;
    let reads = ["GetItem", "GetItem", "GetItem"];

    let (answer, calls) = activate("one").await;
    answer.expect_status(200);
    assert_eq!(calls, [&reads[..], &["UpdateItem"]].concat(), "a renewal");

    let (answer, calls) = activate("two").await;
    answer.expect_status(201);
    assert_eq!(calls, [&reads[..], &["Query", "TransactWriteItems", "UpdateItem"]].concat(), "a free seat");

    let (answer, calls) = activate("three").await;
    answer.expect_problem(409, "seat_limit_reached");
    // The search is counted; seats, machines from a random start on, machines before it, and both read once more.
    let more = ["GetItem", "GetItem", "Query", "Query", "Query", "UpdateItem"];
    assert_eq!(calls, [&reads[..], &more].concat(), "no seat");

    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    let (answer, calls) = cost(&stack, app.post(&end, json!({"token": activated["token"]}))).await;
    answer.expect_status(200);
    assert_eq!(calls, ["GetItem", "TransactWriteItems"], "an end");
}

/// Makes the current signing key one that signs nothing, or the one that it was again. Tokens are verified as before.
async fn set_handle(stack: &Stack, handle: &str) {
    let kid = stack.local.app.table.ring().await.unwrap().keys[0].kid.clone();
    let ask = json!({
        "Key": {"PK": {"S": "KEYRING"}, "SK": {"S": format!("KEY#{kid}")}},
        "UpdateExpression": "SET #handle = :handle",
        "ExpressionAttributeNames": {"#handle": "handle"},
        "ExpressionAttributeValues": {":handle": {"S": handle}},
    });
    stack.call_dynamodb("UpdateItem", ask).await;
    // Until the copy of the key ring is read anew.
    stack.advance(301);
}

#[tokio::test]
async fn a_refusal_signs_nothing_and_what_can_not_be_signed_holds_its_seat() {
    let (stack, sold, one) = warm().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let full = operator.issue_new_license(1).await;
    let ended = app.activate(&full.license_key, "ended").await.expect_status(201);
    let end = format!("license-activations/{}/deactivate", text(&ended["activation"]["id"]));
    operator.post(&end, json!({})).await.expect_status(200);
    app.activate(&full.license_key, "one").await.expect_status(201);
    let revoked = operator.issue_new_license(1).await;
    let of_revoked = app.activate(&revoked.license_key, "one").await.expect_status(201);
    operator.post(&format!("license-keys/{}/revoke", revoked.license_id), json!({})).await.expect_status(200);
    let handle = stack.local.app.table.ring().await.unwrap().keys[0].handle.clone();

    set_handle(&stack, "none").await;
    app.activate(&full.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    app.activate(&revoked.license_key, "one").await.expect_problem(403, "revoked");
    app.heartbeat(text(&of_revoked["token"]), "one").await.expect_problem(403, "revoked");
    app.heartbeat(text(&ended["token"]), "ended").await.expect_problem(403, "not_activated");
    let young = app.heartbeat(text(&one["token"]), "one").await.expect_status(200);
    assert_eq!((&young["renewed"], &young["token"]), (&json!(false), &one["token"]));
    let asked = app.post("license-keys/validate", json!({"token": one["token"]})).await.expect_status(200);
    assert_eq!(asked["code"], "valid");

    let unsigned = app.activate(&sold.license_key, "two").await;
    unsigned.expect_problem(503, "unavailable");
    let held = stack.check_seats(&sold.license_id).await.held;
    set_handle(&stack, &handle).await;
    let signed = app.activate(&sold.license_key, "two").await.expect_status(200);
    assert_eq!(held["two"], text(&signed["activation"]["id"]), "the repeat is a renewal");
    app.heartbeat(text(&signed["token"]), "two").await.expect_status(200);
}
