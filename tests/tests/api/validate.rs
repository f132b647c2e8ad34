//! `POST /license-keys/validate`: always 200, and the first reason of API.md's list.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{IssuedLicense, Stack, Value, json, merged};

async fn ask(stack: &Stack, body: &Value) -> Value {
    let answer = stack.anonymous.post("license-keys/validate", body.clone()).await.expect_status(200);
    let fields: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 5, "{answer}");
    assert_eq!(answer["valid"], answer["code"] == "valid", "{answer}");
    assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
    answer
}

/// The code, with these fields besides the credential.
async fn code(stack: &Stack, credential: &Value, more: &Value) -> String {
    ask(stack, &merged(credential.clone(), more)).await["code"].as_str().unwrap().to_owned()
}

/// One machine is active; its token, and its activation's path.
async fn activated(stack: &Stack) -> (IssuedLicense, Value, String) {
    let sold = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    let path = format!("license-activations/{}/deactivate", activated["activation"]["id"].as_str().unwrap());
    (sold, activated["token"].clone(), path)
}

#[tokio::test]
async fn by_key_the_first_reason_wins() {
    let stack = Stack::start().await;
    let (sold, _, deactivate) = activated(&stack).await;
    let by_key = json!({"license_key": sold.license_key});
    let is = async |more: Value| code(&stack, &by_key, &more).await;
    let (nothing, machine) = (json!({}), json!({"machine_id": "one"}));
    let wrong = json!({"machine_id": "one", "product": "other"});

    assert_eq!(is(nothing.clone()).await, "valid");
    assert_eq!(is(json!({"machine_id": "one", "product": sold.product["code"]})).await, "valid");
    assert_eq!(is(json!({"machine_id": "two"})).await, "not_activated");
    stack.advance(3599);
    assert_eq!(is(machine.clone()).await, "valid");
    // From here on each reason comes to those that are there already, from the last of the list to the first.
    stack.advance(1);
    assert_eq!(is(machine.clone()).await, "heartbeat_lapsed");
    assert_eq!(is(nothing.clone()).await, "valid", "the machine was not asked about");
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    assert_eq!(is(machine.clone()).await, "not_activated");
    stack.set_license_attribute(&sold.license_id, "generation", json!({"N": "2"})).await;
    assert_eq!(is(machine.clone()).await, "generation_outdated");
    assert_eq!(is(nothing.clone()).await, "generation_outdated");
    let product =
        stack.operator.replace("products", &sold.product, &json!({"is_active": false})).await.expect_status(200);
    assert_eq!(is(machine.clone()).await, "product_inactive");
    assert_eq!(is(nothing.clone()).await, "product_inactive");
    stack.advance(366 * 86400);
    assert_eq!(is(machine.clone()).await, "expired");
    stack.set_license_attribute(&sold.license_id, "status", json!({"S": "suspended"})).await;
    assert_eq!(is(machine.clone()).await, "suspended");
    let next = stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
    let answer = ask(&stack, &merged(by_key.clone(), &machine)).await;
    assert_eq!((&answer["code"], &answer["license"]["superseded_by"]), (&json!("superseded"), &next["license"]["id"]));
    let revoke = format!("license-keys/{}/revoke", sold.license_id);
    stack.operator.post(&revoke, json!({"reason": "refund"})).await.expect_status(200);
    assert_eq!(is(machine.clone()).await, "revoked");
    assert_eq!(is(wrong.clone()).await, "product_mismatch");
    assert_eq!(is(json!({"product": product["code"]})).await, "revoked");

    let mut unknown = sold.license_key.clone();
    unknown.replace_range(unknown.len() - 1.., if unknown.ends_with('7') { "8" } else { "7" });
    assert_eq!(code(&stack, &json!({"license_key": unknown}), &wrong).await, "not_found");
}

#[tokio::test]
async fn by_token_the_first_reason_wins() {
    let stack = Stack::start().await;
    let (sold, token, deactivate) = activated(&stack).await;
    let by_token = json!({"token": token});
    let is = async |more: Value| code(&stack, &by_token, &more).await;
    let (nothing, one, two) = (json!({}), json!({"machine_id": "one"}), json!({"machine_id": "two"}));
    let wrong = json!({"machine_id": "two", "product": "other"});

    assert_eq!(is(nothing.clone()).await, "valid");
    assert_eq!(is(json!({"machine_id": "one", "product": sold.product["code"]})).await, "valid");
    assert_eq!(is(two.clone()).await, "machine_mismatch");
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    for more in [&nothing, &one, &two] {
        assert_eq!(is(more.clone()).await, "not_activated");
    }
    stack.advance(3599);
    assert_eq!(is(nothing.clone()).await, "not_activated");
    stack.advance(1);
    assert_eq!(is(two.clone()).await, "token_expired");
    stack.set_license_attribute(&sold.license_id, "generation", json!({"N": "2"})).await;
    assert_eq!(is(two.clone()).await, "generation_outdated");
    stack.operator.replace("products", &sold.product, &json!({"is_active": false})).await.expect_status(200);
    assert_eq!(is(two.clone()).await, "product_inactive");
    stack.advance(366 * 86400);
    assert_eq!(is(two.clone()).await, "expired");
    stack.set_license_attribute(&sold.license_id, "status", json!({"S": "suspended"})).await;
    assert_eq!(is(two.clone()).await, "suspended");
    stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
    assert_eq!(is(two.clone()).await, "superseded");
    stack.operator.post(&format!("license-keys/{}/revoke", sold.license_id), json!({})).await.expect_status(200);
    assert_eq!(is(two.clone()).await, "revoked");
    assert_eq!(is(wrong.clone()).await, "product_mismatch");
    let tampered = format!("{}x", token.as_str().unwrap());
    assert_eq!(code(&stack, &json!({"token": tampered}), &wrong).await, "token_invalid");
}

#[tokio::test]
async fn heartbeat_lapsed_also_by_a_token_that_holds() {
    // A lease covers its token, so only a table that was changed by hand shows this.
    let stack = Stack::start().await;
    let (sold, token, _) = activated(&stack).await;
    let machine =
        stack.items().await.into_iter().find(|item| item["SK"]["S"].as_str().unwrap().starts_with("MACHINE#"));
    let machine = machine.unwrap();
    let ask = json!({
        "Key": {"PK": machine["PK"], "SK": machine["SK"]},
        "UpdateExpression": "SET lease_expires_at = :then",
        "ExpressionAttributeValues": {":then": {"N": stack.clock.now().as_second().to_string()}},
    });
    stack.call_dynamodb("UpdateItem", ask).await;
    assert_eq!(code(&stack, &json!({"token": token}), &json!({})).await, "heartbeat_lapsed");
    assert_eq!(code(&stack, &json!({"token": token}), &json!({"machine_id": "two"})).await, "machine_mismatch");
    let by_key = json!({"license_key": sold.license_key});
    assert_eq!(code(&stack, &by_key, &json!({"machine_id": "one"})).await, "heartbeat_lapsed");
}

#[tokio::test]
async fn by_the_token_that_issuing_returned() {
    let stack = Stack::start().await;
    let (sold, _, _) = activated(&stack).await;
    let by_token = json!({"token": sold.issued["token"]});
    assert_eq!(code(&stack, &by_token, &json!({})).await, "valid");
    // With a token, the activation looked at is the token's, and this one names none.
    assert_eq!(code(&stack, &by_token, &json!({"machine_id": "one"})).await, "not_activated");
}

#[tokio::test]
async fn a_token_names_its_own_life_of_a_machine() {
    let stack = Stack::start().await;
    let (sold, token, deactivate) = activated(&stack).await;
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    let second = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    assert_eq!(code(&stack, &json!({"token": token}), &json!({"machine_id": "one"})).await, "not_activated");
    assert_eq!(code(&stack, &json!({"token": second["token"]}), &json!({"machine_id": "one"})).await, "valid");
    let by_key = json!({"license_key": sold.license_key});
    assert_eq!(code(&stack, &by_key, &json!({"machine_id": "one"})).await, "valid");
}

#[tokio::test]
async fn the_license_is_shown_without_customer_data() {
    let stack = Stack::start().await;
    let (sold, token, _) = activated(&stack).await;
    stack.operator.post(&format!("license-keys/{}/revoke", sold.license_id), json!({"reason": "fraud of Ada"})).await;
    for body in [json!({"license_key": sold.license_key}), json!({"token": token})] {
        let answer = ask(&stack, &body).await;
        let mut expected = sold.issued["license"].clone();
        expected.as_object_mut().unwrap().remove("customer_id");
        expected["status"] = "revoked".into();
        expected["revoked_at"] = "2026-01-15T12:00:00Z".into();
        assert_eq!(answer["license"], expected);
        let without_claims = answer["license"].to_string();
        for told in [&sold.customer["id"], &sold.customer["email"], &sold.customer["name"], &json!("fraud")] {
            assert!(!without_claims.contains(told.as_str().unwrap()), "{without_claims}");
        }
    }
}

#[tokio::test]
async fn claims_are_shown_only_of_a_token_that_holds() {
    let stack = Stack::start().await;
    let (sold, token, _) = activated(&stack).await;
    let by_key = ask(&stack, &json!({"license_key": sold.license_key})).await;
    assert_eq!(by_key["claims"], Value::Null);
    assert_eq!(ask(&stack, &json!({"token": token})).await["claims"], stack.claims(&token).await);
    stack.advance(3600);
    let expired = ask(&stack, &json!({"token": token})).await;
    assert_eq!((&expired["code"], &expired["claims"]), (&json!("token_expired"), &stack.claims(&token).await));
    let nothing = json!({"valid": false, "license": null, "claims": null});
    for body in
        [json!({"token": "a.b.c"}), json!({"license_key": "ATLAS-1"}), json!({"token": ""}), json!({"license_key": ""})]
    {
        let mut answer = ask(&stack, &body).await;
        let fields = answer.as_object_mut().unwrap();
        fields.retain(|name, _| name != "code" && name != "detail");
        assert_eq!(answer, nothing, "{body}");
    }
}

#[tokio::test]
async fn it_costs_reads_alone() {
    let stack = Stack::start().await;
    let (sold, token, _) = activated(&stack).await;
    for body in [json!({"license_key": sold.license_key, "machine_id": "one"}), json!({"token": token})] {
        ask(&stack, &body).await;
        stack.faults.reset_calls();
        ask(&stack, &body).await;
        let calls = stack.faults.calls();
        assert!(calls.len() <= 3 && calls.iter().all(|call| call == "GetItem"), "{calls:?}");
    }
}

#[tokio::test]
async fn validate_422() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let post = async |body: Value| stack.anonymous.post("license-keys/validate", body).await;
    let both = ["/license_key invalid_value", "/token invalid_value"];
    post(json!({})).await.expect_errors(422, &both);
    post(json!({"machine_id": "one"})).await.expect_errors(422, &both);
    post(json!({"license_key": null, "token": null})).await.expect_errors(422, &both);
    post(json!({"license_key": sold.license_key, "token": sold.issued["token"]})).await.expect_errors(422, &both);
    post(json!({"license_key": 5})).await.expect_errors(422, &["/license_key invalid_value"]);
    post(json!({"token": []})).await.expect_errors(422, &["/token invalid_value"]);
    post(json!({"license_key": "x", "machine_id": 5})).await.expect_errors(422, &["/machine_id invalid_value"]);
    post(json!({"license_key": "x", "product": {}})).await.expect_errors(422, &["/product invalid_value"]);
    post(json!({"license_key": "x", "machine": "one"})).await.expect_errors(422, &["/machine unknown_field"]);
}
