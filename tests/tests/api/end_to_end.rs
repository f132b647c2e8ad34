//! The life of a license end to end: the operator issues it, an app uses it, and any JOSE library verifies its tokens.

use data_encoding::BASE64URL_NOPAD;
use josekit::jwk::Jwk;
use signet_tests::{START, Stack, Value, VerifiedToken, json, jwk_to_json, thumbprint};

/// Issues a license of a tier with its own and included features. Returns the product, the tier, the customer and the
/// response of the issue.
async fn issue_license(stack: &Stack) -> (Value, Value, Value, Value) {
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let feature = async |key: &str| operator.create_feature(&product, key).await["id"].clone();
    let (pdf, api) = (feature("export.pdf").await, feature("api").await);
    let support = json!({"product_id": product["id"], "key": "zz.support", "name": "Support", "display_only": true});
    let support = operator.post("product-features", support).await.expect_status(201)["id"].clone();
    let basic = operator.create_tier(&product, &json!({"feature_ids": [pdf, support]})).await;
    let pro = json!({
        "name": "Pro", "includes_tier_id": basic["id"], "feature_ids": [api], "max_users": 2, "max_tenants": 3,
        "token_ttl_seconds": 7200, "heartbeat_interval_seconds": 600, "offline_grace_seconds": 86400,
    });
    let pro = operator.create_tier(&product, &pro).await;
    assert_eq!(pro["feature_keys"], json!(["api", "export.pdf"]));
    let customer = operator.create_customer().await;
    let issued = operator.issue(&customer, &pro, &json!({})).await;
    (product, pro, customer, issued)
}

#[tokio::test]
async fn a_license_is_issued_activated_deactivated_and_revoked() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let (_, _, _, issued) = issue_license(&stack).await;
    let (id, key) = (issued["license"]["id"].as_str().unwrap(), issued["license_key"].as_str().unwrap());

    let activated = app.activate(key, "laptop").await.expect_status(201);
    assert_eq!(activated["activation"]["status"], "active");
    stack.advance(3600);
    let heartbeat = app.heartbeat(activated["token"].as_str().unwrap(), "laptop").await.expect_status(200);
    assert_eq!(heartbeat["renewed"], true);
    let token = heartbeat["token"].as_str().unwrap();
    let validate = json!({"token": token, "machine_id": "laptop"});
    assert_eq!(app.post("license-keys/validate", validate.clone()).await.expect_status(200)["code"], "valid");
    let path = format!("license-keys/{id}");
    assert_eq!(operator.get(&path).await.expect_status(200)["seats_used"], 1);

    let activation = activated["activation"]["id"].as_str().unwrap();
    let deactivate = format!("license-activations/{activation}/deactivate");
    assert_eq!(app.post(&deactivate, json!({"token": token})).await.expect_status(200)["status"], "deactivated");
    assert_eq!(operator.get(&path).await.expect_status(200)["seats_used"], 0);
    app.heartbeat(token, "laptop").await.expect_problem(403, "not_activated");
    assert_eq!(app.post("license-keys/validate", validate.clone()).await.expect_status(200)["code"], "not_activated");

    let reactivated = app.activate(key, "laptop").await.expect_status(201);
    assert_ne!(reactivated["activation"]["id"], activation);
    let revoked = operator.post(&format!("{path}/revoke"), json!({"reason": "refund"})).await.expect_status(200);
    assert_eq!(revoked["status"], "revoked");
    app.heartbeat(reactivated["token"].as_str().unwrap(), "laptop").await.expect_problem(403, "revoked");
    app.activate(key, "laptop").await.expect_problem(403, "revoked");
    assert_eq!(app.post("license-keys/validate", validate).await.expect_status(200)["code"], "revoked");

    let events = stack.license_events(id).await;
    let mut types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(
        types,
        ["activation.created", "activation.created", "activation.deactivated", "license.issued", "license.revoked"]
    );
}

#[tokio::test]
async fn a_token_is_verified_with_the_published_keys_and_a_jose_library() {
    let stack = Stack::start().await;
    let (product, tier, customer, issued) = issue_license(&stack).await;
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let key = &jwks["keys"][0];
    assert_eq!(key["kid"], thumbprint(key));

    let verified = VerifiedToken::verify(issued["token"].as_str().unwrap(), &jwks).unwrap();
    assert_eq!(verified.header, json!({"alg": "RS256", "typ": "license+jwt", "kid": key["kid"]}));
    let mut claims = verified.claims;
    let first_jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(first_jti.as_str().unwrap().len(), 26);
    let start = START.as_second();
    let expected = json!({
        "iss": stack.local.base_url, "aud": product["code"], "sub": issued["license"]["id"],
        "iat": start, "nbf": start, "exp": start + 7200,
        "customer_id": customer["id"], "product_id": product["id"],
        "tier": {"id": tier["id"], "code": tier["code"], "name": "Pro"},
        "features": ["api", "export.pdf"], "feature_limits": {},
        "limits": {"max_users": 2, "max_tenants": 3},
        "enforcement": {
            "heartbeat_interval_seconds": 600, "offline_until": start + 7200 + 86400,
            "license_expires_at": "2027-01-15T12:00:00Z",
        },
        "generation": 1,
    });
    assert_eq!(claims, expected);
    assert_eq!(issued["token_expires_at"], "2026-01-15T14:00:00Z");

    stack.advance(60);
    let activated =
        stack.anonymous.activate(issued["license_key"].as_str().unwrap(), "laptop").await.expect_status(201);
    let mut claims = stack.claims(&activated["token"]).await;
    assert_ne!(claims.as_object_mut().unwrap().remove("jti"), Some(first_jti));
    let mut expected = expected;
    for (name, value) in [("iat", start + 60), ("nbf", start + 60), ("exp", start + 7260)] {
        expected[name] = value.into();
    }
    expected["enforcement"]["offline_until"] = (start + 7260 + 86400).into();
    expected["activation"] = json!({"id": activated["activation"]["id"], "machine_id": "laptop"});
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn an_unlimited_perpetual_license_has_null_limits_and_expiry_in_its_token() {
    let stack = Stack::start().await;
    let license =
        stack.operator.issue_new_license_with(&json!({"max_users": null, "billing_period": "perpetual"})).await;
    let claims = stack.claims(&license.issued["token"]).await;
    assert_eq!(claims["limits"], json!({"max_users": null, "max_tenants": null}));
    assert_eq!(claims["enforcement"]["license_expires_at"], Value::Null);
    assert_eq!(claims["exp"], START.as_second() + 3600);
}

#[tokio::test]
async fn altered_tokens_return_401_and_do_not_verify() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "laptop").await.expect_status(201);
    let token = activated["token"].as_str().unwrap();
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    assert!(VerifiedToken::verify(token, &jwks).is_some());

    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts: {token}") };
    let encode = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
    let decode = |part: &str| String::from_utf8(BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
    let with_payload = |payload: &str| format!("{header}.{payload}.{signature}");
    let with_header =
        |change: &dyn Fn(String) -> String| format!("{}.{payload}.{signature}", encode(change(decode(header))));
    let changed_payload = encode(decode(payload).replace("\"max_users\":1", "\"max_users\":9"));
    assert_ne!(changed_payload, payload);
    // The last of the 342 base64 characters has four unused bits, which a decoder must not ignore.
    let last = if signature.ends_with('A') { 'B' } else { 'A' };
    let tampered = [
        with_payload(&changed_payload),
        with_payload(""),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{}", "A".repeat(signature.len())),
        format!("{header}.{payload}.{}{last}", &signature[..signature.len() - 1]),
        format!("{header}.{payload}.{signature}="),
        format!("{token}.{signature}"),
        format!("{token} "),
        with_header(&|header| header.replace("RS256", "none")),
        with_header(&|header| header.replace("RS256", "HS256")),
        with_header(&|header| header.replace("license+jwt", "JWT")),
        with_header(&|header| header.replacen('{', "{\"jku\":\"https://a.example\",", 1)),
        "a.b.c".to_owned(),
        String::new(),
    ];
    let app = &stack.anonymous;
    let deactivate = format!("license-activations/{}/deactivate", activated["activation"]["id"].as_str().unwrap());
    for token in &tampered {
        app.heartbeat(token, "laptop").await.expect_problem(401, "token_invalid");
        let validation = app.post("license-keys/validate", json!({"token": token})).await.expect_status(200);
        let nulls = [&Value::Null, &Value::Null];
        assert_eq!(
            (validation["code"].as_str(), [&validation["license"], &validation["claims"]]),
            (Some("token_invalid"), nulls)
        );
        let body = json!({"token": token, "machine_id": "other"});
        app.post("license-activations/activate", body).await.expect_problem(401, "token_invalid");
        app.post(&deactivate, json!({"token": token})).await.expect_problem(401, "token_invalid");
    }

    // Another key with the same kid, as if an attacker served the keys to the app.
    let mut other = jwk_to_json(&Jwk::generate_rsa_key(2048).unwrap().to_public_key().unwrap());
    other["kid"] = jwks["keys"][0]["kid"].clone();
    assert!(VerifiedToken::claims_with_key(token, &other).is_none());
    assert!(VerifiedToken::verify(&with_payload(&changed_payload), &jwks).is_none());
}

#[tokio::test]
async fn a_token_of_another_issuer_returns_401() {
    let (one, other) = (Stack::start().await, Stack::start().await);
    let license = other.operator.issue_new_license(1).await;
    let token = other.anonymous.activate(&license.license_key, "laptop").await.expect_status(201)["token"].clone();
    one.anonymous.heartbeat(token.as_str().unwrap(), "laptop").await.expect_problem(401, "token_invalid");
    let validation = one.anonymous.post("license-keys/validate", json!({"token": token})).await.expect_status(200);
    assert_eq!(validation["code"], "token_invalid");
}
