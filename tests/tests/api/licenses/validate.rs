//! `POST /license-keys/validate`: always 200, with the first reason in the documented order.

use signet_tests::{IssuedLicense, Stack, Value, json, merged};

/// Validates and returns the response body, after checking its form.
async fn validate(stack: &Stack, body: &Value) -> Value {
    let response = stack.anonymous.post("license-keys/validate", body.clone()).await.expect_status(200);
    let fields: Vec<_> = response.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 7, "{response}");
    assert_eq!(response["valid"], response["code"] == "valid", "{response}");
    assert!(response["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{response}");
    response
}

/// Validates a credential with additional fields and returns the code.
async fn code(stack: &Stack, credential: &Value, fields: &Value) -> String {
    validate(stack, &merged(credential.clone(), fields)).await["code"].as_str().unwrap().to_owned()
}

/// Issues a license and activates one machine. Returns the license, the machine's token, and the path of its
/// deactivation.
async fn activate_machine(stack: &Stack) -> (IssuedLicense, Value, String) {
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let path = format!("license-activations/{}/deactivate", activated["activation"]["id"].as_str().unwrap());
    (license, activated["token"].clone(), path)
}

#[tokio::test]
async fn validate_by_key_returns_the_first_reason() {
    let stack = Stack::start().await;
    let (license, _, deactivate) = activate_machine(&stack).await;
    let by_key = json!({"license_key": license.license_key});
    let code_with = async |fields: Value| code(&stack, &by_key, &fields).await;
    let (empty, machine) = (json!({}), json!({"machine_id": "one"}));
    let other_product = json!({"machine_id": "one", "product": "other"});

    assert_eq!(code_with(empty.clone()).await, "valid");
    assert_eq!(code_with(json!({"machine_id": "one", "product": license.product["code"]})).await, "valid");
    assert_eq!(code_with(json!({"machine_id": "two"})).await, "not_activated");
    stack.advance(3599);
    assert_eq!(code_with(machine.clone()).await, "valid");
    // From here on, each step adds a reason that precedes the previous ones in the documented order.
    stack.advance(1);
    assert_eq!(code_with(machine.clone()).await, "heartbeat_lapsed");
    assert_eq!(code_with(empty.clone()).await, "valid", "the request names no machine");
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    assert_eq!(code_with(machine.clone()).await, "not_activated");
    stack.set_license_attribute(&license.license_id, "generation", json!({"N": "2"})).await;
    assert_eq!(code_with(machine.clone()).await, "generation_outdated");
    assert_eq!(code_with(empty.clone()).await, "generation_outdated");
    let product =
        stack.operator.replace("products", &license.product, &json!({"is_active": false})).await.expect_status(200);
    assert_eq!(code_with(machine.clone()).await, "product_inactive");
    assert_eq!(code_with(empty.clone()).await, "product_inactive");
    stack.advance(366 * 86400);
    assert_eq!(code_with(machine.clone()).await, "expired");
    stack.set_license_attribute(&license.license_id, "status", json!({"S": "suspended"})).await;
    assert_eq!(code_with(machine.clone()).await, "suspended");
    let next = stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let response = validate(&stack, &merged(by_key.clone(), &machine)).await;
    assert_eq!(
        (&response["code"], &response["license"]["superseded_by"]),
        (&json!("superseded"), &next["license"]["id"])
    );
    let revoke = format!("license-keys/{}/revoke", license.license_id);
    stack.operator.post(&revoke, json!({"reason": "refund"})).await.expect_status(200);
    assert_eq!(code_with(machine.clone()).await, "revoked");
    assert_eq!(code_with(other_product.clone()).await, "product_mismatch");
    assert_eq!(code_with(json!({"product": product["code"]})).await, "revoked");

    let mut unknown = license.license_key.clone();
    unknown.replace_range(unknown.len() - 1.., if unknown.ends_with('7') { "8" } else { "7" });
    assert_eq!(code(&stack, &json!({"license_key": unknown}), &other_product).await, "not_found");
}

#[tokio::test]
async fn validate_by_token_returns_the_first_reason() {
    let stack = Stack::start().await;
    let (license, token, deactivate) = activate_machine(&stack).await;
    let by_token = json!({"token": token});
    let code_with = async |fields: Value| code(&stack, &by_token, &fields).await;
    let (empty, one, two) = (json!({}), json!({"machine_id": "one"}), json!({"machine_id": "two"}));
    let other_product = json!({"machine_id": "two", "product": "other"});

    assert_eq!(code_with(empty.clone()).await, "valid");
    assert_eq!(code_with(json!({"machine_id": "one", "product": license.product["code"]})).await, "valid");
    assert_eq!(code_with(two.clone()).await, "machine_mismatch");
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    for fields in [&empty, &one, &two] {
        assert_eq!(code_with(fields.clone()).await, "not_activated");
    }
    stack.advance(3599);
    assert_eq!(code_with(empty.clone()).await, "not_activated");
    stack.advance(1);
    assert_eq!(code_with(two.clone()).await, "token_expired");
    stack.set_license_attribute(&license.license_id, "generation", json!({"N": "2"})).await;
    assert_eq!(code_with(two.clone()).await, "generation_outdated");
    stack.operator.replace("products", &license.product, &json!({"is_active": false})).await.expect_status(200);
    assert_eq!(code_with(two.clone()).await, "product_inactive");
    stack.advance(366 * 86400);
    assert_eq!(code_with(two.clone()).await, "expired");
    stack.set_license_attribute(&license.license_id, "status", json!({"S": "suspended"})).await;
    assert_eq!(code_with(two.clone()).await, "suspended");
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    assert_eq!(code_with(two.clone()).await, "superseded");
    stack.operator.post(&format!("license-keys/{}/revoke", license.license_id), json!({})).await.expect_status(200);
    assert_eq!(code_with(two.clone()).await, "revoked");
    assert_eq!(code_with(other_product.clone()).await, "product_mismatch");
    let tampered = format!("{}x", token.as_str().unwrap());
    assert_eq!(code(&stack, &json!({"token": tampered}), &other_product).await, "token_invalid");
}

#[tokio::test]
async fn validate_returns_heartbeat_lapsed_for_a_valid_token() {
    // A lease is never shorter than its token, so this state requires a direct change of the table.
    let stack = Stack::start().await;
    let (license, token, _) = activate_machine(&stack).await;
    let machine =
        stack.items().await.into_iter().find(|item| item["SK"]["S"].as_str().unwrap().starts_with("MACHINE#"));
    let machine = machine.unwrap();
    let input = json!({
        "Key": {"PK": machine["PK"], "SK": machine["SK"]},
        "UpdateExpression": "SET lease_expires_at = :then",
        "ExpressionAttributeValues": {":then": {"N": stack.clock.now().as_second().to_string()}},
    });
    stack.call_dynamodb("UpdateItem", input).await;
    assert_eq!(code(&stack, &json!({"token": token}), &json!({})).await, "heartbeat_lapsed");
    assert_eq!(code(&stack, &json!({"token": token}), &json!({"machine_id": "two"})).await, "machine_mismatch");
    let by_key = json!({"license_key": license.license_key});
    assert_eq!(code(&stack, &by_key, &json!({"machine_id": "one"})).await, "heartbeat_lapsed");
}

#[tokio::test]
async fn validate_accepts_the_token_of_an_issued_license() {
    let stack = Stack::start().await;
    let (license, _, _) = activate_machine(&stack).await;
    let by_token = json!({"token": license.issued["token"]});
    assert_eq!(code(&stack, &by_token, &json!({})).await, "valid");
    // With a token, its own activation is checked, and this token has none.
    assert_eq!(code(&stack, &by_token, &json!({"machine_id": "one"})).await, "not_activated");
}

#[tokio::test]
async fn a_token_is_bound_to_its_own_activation() {
    let stack = Stack::start().await;
    let (license, token, deactivate) = activate_machine(&stack).await;
    stack.operator.post(&deactivate, json!({})).await.expect_status(200);
    let second = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(code(&stack, &json!({"token": token}), &json!({"machine_id": "one"})).await, "not_activated");
    assert_eq!(code(&stack, &json!({"token": second["token"]}), &json!({"machine_id": "one"})).await, "valid");
    let by_key = json!({"license_key": license.license_key});
    assert_eq!(code(&stack, &by_key, &json!({"machine_id": "one"})).await, "valid");
}

#[tokio::test]
async fn the_license_is_returned_without_customer_data() {
    let stack = Stack::start().await;
    let (license, token, _) = activate_machine(&stack).await;
    stack
        .operator
        .post(&format!("license-keys/{}/revoke", license.license_id), json!({"reason": "fraud of Ada"}))
        .await;
    for body in [json!({"license_key": license.license_key}), json!({"token": token})] {
        let response = validate(&stack, &body).await;
        let mut expected = license.issued["license"].clone();
        let is_private =
            |name: &str| ["customer_id", "name", "external_id", "tag", "metadata", "overrides"].contains(&name);
        expected.as_object_mut().unwrap().retain(|name, _| !is_private(name));
        expected["status"] = "revoked".into();
        expected["revoked_at"] = "2026-01-15T12:00:00Z".into();
        assert_eq!(response["license"], expected);
        let text = response["license"].to_string();
        for private in [&license.customer["id"], &license.customer["email"], &license.customer["name"], &json!("fraud")]
        {
            assert!(!text.contains(private.as_str().unwrap()), "{text}");
        }
    }
}

#[tokio::test]
async fn claims_are_returned_only_for_a_token_with_a_valid_signature() {
    let stack = Stack::start().await;
    let (license, token, _) = activate_machine(&stack).await;
    let by_key = validate(&stack, &json!({"license_key": license.license_key})).await;
    assert_eq!(by_key["claims"], Value::Null);
    assert_eq!(validate(&stack, &json!({"token": token})).await["claims"], stack.claims(&token).await);
    stack.advance(3600);
    let expired = validate(&stack, &json!({"token": token})).await;
    assert_eq!((&expired["code"], &expired["claims"]), (&json!("token_expired"), &stack.claims(&token).await));
    let rejected = json!({"valid": false, "license": null, "in_grace": false, "grace_ends_at": null, "claims": null});
    for body in
        [json!({"token": "a.b.c"}), json!({"license_key": "ATLAS-1"}), json!({"token": ""}), json!({"license_key": ""})]
    {
        let mut response = validate(&stack, &body).await;
        let fields = response.as_object_mut().unwrap();
        fields.retain(|name, _| name != "code" && name != "detail");
        assert_eq!(response, rejected, "{body}");
    }
}

#[tokio::test]
async fn validate_only_reads() {
    let stack = Stack::start().await;
    let (license, token, _) = activate_machine(&stack).await;
    for body in [json!({"license_key": license.license_key, "machine_id": "one"}), json!({"token": token})] {
        validate(&stack, &body).await;
        stack.faults.reset_calls();
        validate(&stack, &body).await;
        let calls = stack.faults.calls();
        assert!(calls.len() <= 3 && calls.iter().all(|call| call == "GetItem"), "{calls:?}");
    }
}

#[tokio::test]
async fn validate_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let post = async |body: Value| stack.anonymous.post("license-keys/validate", body).await;
    let both = ["/license_key invalid_value", "/token invalid_value"];
    post(json!({})).await.expect_errors(422, &both);
    post(json!({"machine_id": "one"})).await.expect_errors(422, &both);
    post(json!({"license_key": null, "token": null})).await.expect_errors(422, &both);
    post(json!({"license_key": license.license_key, "token": license.issued["token"]})).await.expect_errors(422, &both);
    post(json!({"license_key": 5})).await.expect_errors(422, &["/license_key invalid_value"]);
    post(json!({"token": []})).await.expect_errors(422, &["/token invalid_value"]);
    post(json!({"license_key": "x", "machine_id": 5})).await.expect_errors(422, &["/machine_id invalid_value"]);
    post(json!({"license_key": "x", "product": {}})).await.expect_errors(422, &["/product invalid_value"]);
    post(json!({"license_key": "x", "machine": "one"})).await.expect_errors(422, &["/machine unknown_field"]);
}
