//! State transitions of a license key: suspend, reinstate, renew, change, regenerate and revoke.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use signet_tests::{Fault, Gate, IssuedLicense, Rule, START, Stack, TestResponse, Value, json, merged};

/// Requests a state transition of a license key.
async fn transition(stack: &Stack, id: &str, action: &str, body: Value) -> TestResponse {
    stack.operator.post(&format!("license-keys/{id}/{action}"), body).await
}

async fn read(stack: &Stack, id: &str) -> Value {
    stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200)
}

/// Validates a license key or a token and returns the code.
async fn validate(stack: &Stack, body: Value) -> Value {
    stack.anonymous.post("license-keys/validate", body).await.expect_status(200)["code"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Returns the claims of a token without verifying it.
fn claims(token: &Value) -> Value {
    let payload = text(token).split('.').nth(1).unwrap();
    String::from_utf8(BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap().parse().unwrap()
}

/// Returns the time this many seconds after the start.
fn after(seconds: i64) -> String {
    (START + SignedDuration::from_secs(seconds)).to_string()
}

/// Runs two transitions concurrently: both read the license before either writes.
async fn transition_concurrently(stack: &Stack, id: &str, requests: [(&'static str, Value); 2]) -> Vec<TestResponse> {
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let tasks = requests.map(|(action, body)| {
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{action}"));
        tokio::spawn(async move { operator.post(&path, body).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut responses = Vec::new();
    for task in tasks {
        responses.push(task.await.unwrap());
    }
    responses
}

#[tokio::test]
async fn suspend_and_reinstate_return_200() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let (id, key) = (&license.license_id, &license.license_key);
    let activated = stack.anonymous.activate(key, "m1").await.expect_status(201);
    let token = text(&activated["token"]).to_owned();
    stack.advance(60);

    let suspended = transition(&stack, id, "suspend", json!({"reason": "unpaid"})).await;
    assert!(!suspended.header("etag").is_empty());
    let expected = merged(license.issued["license"].clone(), &json!({"status": "suspended"}));
    assert_eq!(suspended.expect_status(200), expected);
    assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 1})));
    assert_eq!(validate(&stack, json!({"license_key": key})).await, "suspended");
    assert_eq!(validate(&stack, json!({"token": token})).await, "suspended");
    stack.anonymous.heartbeat(&token, "m1").await.expect_problem(403, "suspended");
    stack.anonymous.activate(key, "m1").await.expect_problem(403, "suspended");
    stack.anonymous.activate(key, "m2").await.expect_problem(403, "suspended");
    transition(&stack, id, "suspend", json!({})).await.expect_problem(409, "state_conflict");

    let reinstated = transition(&stack, id, "reinstate", json!({})).await.expect_status(200);
    assert_eq!(reinstated, license.issued["license"]);
    transition(&stack, id, "reinstate", json!({})).await.expect_problem(409, "state_conflict");
    // The machine still has its seat, and its token is accepted.
    stack.anonymous.heartbeat(&token, "m1").await.expect_status(200);
    assert_eq!(
        stack.anonymous.activate(key, "m1").await.expect_status(200)["activation"]["id"],
        activated["activation"]["id"]
    );
}

#[tokio::test]
async fn suspend_reinstate_and_revoke_return_422_for_invalid_bodies() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let long = "x".repeat(501);
    for action in ["suspend", "reinstate", "revoke"] {
        for reason in [json!(long), json!("\u{7}"), json!(5)] {
            let response = transition(&stack, &id, action, json!({"reason": reason})).await;
            assert_eq!(response.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/reason", "{action}");
        }
        let response = transition(&stack, &id, action, json!({"reasons": "x"})).await;
        assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/reasons", "{action}");
    }
    assert_eq!(read(&stack, &id).await["status"], "active");
    let longest = "é\n".repeat(250);
    transition(&stack, &id, "suspend", json!({"reason": longest})).await.expect_status(200);
}

#[tokio::test]
async fn each_state_allows_only_its_transitions() {
    let stack = Stack::start().await;
    let tier = json!({"billing_period": "monthly"});
    let expiry = json!({"expires_at": after(30 * 86_400)});
    let transitions = || {
        let regenerate = ("regenerate", json!({}));
        let change = ("change", json!({"max_users": 7}));
        let renew = [("renew", expiry.clone()), ("renew", json!({}))];
        [("suspend", json!({})), ("reinstate", json!({})), renew[0].clone(), renew[1].clone(), change, regenerate]
    };
    let issue_in_state = async |state: &str| -> String {
        let license = stack.operator.issue_new_license_with(&tier).await;
        match state {
            "suspended" => _ = transition(&stack, &license.license_id, "suspend", json!({})).await.expect_status(200),
            "expired" => {
                _ = transition(&stack, &license.license_id, "renew", json!({"expires_at": after(10)}))
                    .await
                    .expect_status(200);
            }
            "superseded" => _ = stack.operator.issue(&license.customer, &license.tier, &json!({})).await,
            "revoked" => _ = transition(&stack, &license.license_id, "revoke", json!({})).await.expect_status(200),
            _ => {}
        }
        license.license_id
    };
    let allowed: [(&str, &[&str]); 5] = [
        ("active", &["suspend", "renew", "change", "regenerate"]),
        ("suspended", &["reinstate", "renew", "change"]),
        ("expired", &["suspend", "renew", "change"]),
        ("superseded", &[]),
        ("revoked", &[]),
    ];
    let mut cases = Vec::new();
    for (state, allowed) in allowed {
        // Rejected transitions change nothing, so they share one license key.
        let unchanged = issue_in_state(state).await;
        for (action, body) in transitions() {
            let is_allowed = allowed.contains(&action);
            let id = if is_allowed { issue_in_state(state).await } else { unchanged.clone() };
            cases.push((state, action, body, is_allowed, id));
        }
    }
    stack.advance(10);
    for (state, action, body, is_allowed, id) in cases {
        let before = read(&stack, &id).await;
        assert_eq!(before["status"], state, "{action}");
        let response = transition(&stack, &id, action, body).await;
        if is_allowed {
            assert_eq!(response.status, 200, "{action} in {state}: {}", response.text);
            assert_ne!(read(&stack, &id).await, before, "{action} in {state}");
        } else {
            response.expect_problem(409, "state_conflict");
            assert_eq!(read(&stack, &id).await, before, "{action} in {state}");
        }
    }
}

#[tokio::test]
async fn transitions_of_an_unknown_license_key_return_404() {
    let stack = Stack::start().await;
    let unknown = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
    let audit = ("audit", json!({}));
    for (action, body) in [
        ("suspend", json!({})),
        ("reinstate", json!({})),
        ("renew", json!({})),
        ("renew", json!({"expires_at": after(100)})),
        ("change", json!({"max_users": 1})),
        ("regenerate", json!({})),
        ("revoke", json!({})),
        audit,
    ] {
        let expected = transition(&stack, unknown, action, body.clone()).await;
        let mut expected = expected.expect_problem(404, "not_found").clone();
        let other = transition(&stack, "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", action, body).await;
        expected["trace_id"] = other.body["trace_id"].clone();
        assert_eq!(*other.expect_problem(404, "not_found"), expected, "{action}");
    }
}

#[tokio::test]
async fn revoke_returns_200_and_is_final() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    let activated = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    stack.advance(60);
    let revoked = transition(&stack, id, "revoke", json!({"reason": "refund"})).await;
    let changed = json!({"status": "revoked", "revoked_at": after(60), "revocation_reason": "refund"});
    assert_eq!(revoked.body, merged(license.issued["license"].clone(), &changed));
    // The next request with its key string or a token is rejected.
    stack.anonymous.heartbeat(text(&activated["token"]), "m1").await.expect_problem(403, "revoked");
    stack.anonymous.activate(&license.license_key, "m1").await.expect_problem(403, "revoked");
    assert_eq!(validate(&stack, json!({"token": activated["token"]})).await, "revoked");
    stack.advance(60);
    let repeated = transition(&stack, id, "revoke", json!({"reason": "another"})).await;
    assert_eq!((repeated.status, &repeated.text), (200, &revoked.text));
    assert_eq!(repeated.header("etag"), revoked.header("etag"));

    // A revoked key is still `superseded_by` its successor, and the reason is optional.
    let license = stack.operator.issue_new_license(1).await;
    let newer = stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let revoked = transition(&stack, &license.license_id, "revoke", json!({})).await.expect_status(200);
    let changed = json!({
        "status": "revoked", "revoked_at": after(120), "revocation_reason": null, "superseded_by": newer["license"]["id"],
    });
    assert_eq!(revoked, merged(license.issued["license"].clone(), &changed));
    // A revoked key is not superseded when the next one is issued.
    transition(&stack, text(&newer["license"]["id"]), "revoke", json!({})).await.expect_status(200);
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let revoked = read(&stack, text(&newer["license"]["id"])).await;
    assert_eq!((&revoked["status"], &revoked["superseded_by"]), (&json!("revoked"), &Value::Null));
}

#[tokio::test]
async fn renew_sets_the_requested_expiry() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let (id, initial) = (&license.license_id, &license.issued["license"]);
    assert_eq!(initial["expires_at"], "2027-01-15T12:00:00Z");
    for (requested, stored) in [
        (json!("2026-01-15T12:00:01Z"), json!("2026-01-15T12:00:01Z")),
        (json!("2030-06-01T00:00:00+02:00"), json!("2030-05-31T22:00:00Z")),
        // Times are stored with milliseconds, and the response already shows the stored value.
        (json!("2030-06-01T00:00:00.123987654Z"), json!("2030-06-01T00:00:00.123Z")),
        (Value::Null, Value::Null),
        (json!("9999-01-01T00:00:00Z"), json!("9999-01-01T00:00:00Z")),
    ] {
        let renewed = transition(&stack, id, "renew", json!({"expires_at": requested})).await.expect_status(200);
        let expected = merged(initial.clone(), &json!({"expires_at": stored}));
        assert_eq!(renewed, expected);
        assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 0})));
    }
    // From the next heartbeat on, a token does not outlive the license.
    let activated = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    assert_eq!(activated["token_expires_at"], after(3600));
    transition(&stack, id, "renew", json!({"expires_at": after(1000)})).await.expect_status(200);
    let heartbeat = stack.anonymous.heartbeat(text(&activated["token"]), "m1").await.expect_status(200);
    assert_eq!(heartbeat["token_expires_at"], after(1000));
    stack.advance(1000);
    stack.anonymous.heartbeat(text(&heartbeat["token"]), "m1").await.expect_problem(403, "expired");
    transition(&stack, id, "renew", json!({})).await.expect_status(200);
    let heartbeat = stack.anonymous.heartbeat(text(&heartbeat["token"]), "m1").await.expect_status(200);
    assert_eq!(heartbeat["token_expires_at"], after(4600));
}

#[tokio::test]
async fn renew_returns_422_for_an_invalid_expiry() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    for invalid in [json!(START.to_string()), json!("2020-01-01T00:00:00Z"), json!("tomorrow"), json!(5), json!("")] {
        let response = transition(&stack, &id, "renew", json!({"expires_at": invalid})).await;
        assert_eq!(response.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/expires_at");
    }
    let response = transition(&stack, &id, "renew", json!({"expires": null})).await;
    assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/expires");
    assert_eq!(read(&stack, &id).await["expires_at"], "2027-01-15T12:00:00Z");
}

#[tokio::test]
async fn renew_extends_the_expiry_by_one_billing_period() {
    let stack = Stack::start().await;
    let monthly = json!({"billing_period": "monthly"});
    let annual = json!({"billing_period": "annual"});
    let chains: [(&Value, &str, &[&str]); 5] = [
        (&monthly, "2026-01-31T10:00:00Z", &["2026-02-28T10:00:00Z", "2026-03-28T10:00:00Z", "2026-04-28T10:00:00Z"]),
        (&monthly, "2026-08-31T23:59:59.999Z", &["2026-09-30T23:59:59.999Z", "2026-10-30T23:59:59.999Z"]),
        (&monthly, "2028-01-30T00:00:00Z", &["2028-02-29T00:00:00Z", "2028-03-29T00:00:00Z"]),
        (&monthly, "2026-12-15T00:00:00Z", &["2027-01-15T00:00:00Z"]),
        (&annual, "2028-02-29T12:00:00Z", &["2029-02-28T12:00:00Z", "2030-02-28T12:00:00Z"]),
    ];
    for (tier, end, ends) in chains {
        let IssuedLicense { tier, customer, .. } = stack.operator.issue_new_license_with(tier).await;
        let issued = stack.operator.issue(&customer, &tier, &json!({"expires_at": end})).await;
        assert_eq!(issued["license"]["expires_at"], end);
        for end in ends {
            let id = text(&issued["license"]["id"]);
            let renewed = transition(&stack, id, "renew", json!({})).await.expect_status(200);
            assert_eq!(renewed, merged(issued["license"].clone(), &json!({"expires_at": end})));
        }
    }

    // The period of an expired key starts now, and a suspended key stays suspended.
    let license = stack.operator.issue_new_license_with(&monthly).await;
    assert_eq!(license.issued["license"]["expires_at"], "2026-02-15T12:00:00Z");
    transition(&stack, &license.license_id, "suspend", json!({})).await.expect_status(200);
    stack.advance(44 * 86_400); // 2026-02-28
    let renewed = transition(&stack, &license.license_id, "renew", json!({})).await.expect_status(200);
    assert_eq!((&renewed["expires_at"], &renewed["status"]), (&json!("2026-03-28T12:00:00Z"), &json!("suspended")));
}

#[tokio::test]
async fn renew_returns_409_without_a_billing_period_or_expiry() {
    let stack = Stack::start().await;
    let perpetual = stack.operator.issue_new_license_with(&json!({"billing_period": "perpetual"})).await;
    assert_eq!(perpetual.issued["license"]["expires_at"], Value::Null);
    transition(&stack, &perpetual.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    transition(&stack, &perpetual.license_id, "renew", json!({"expires_at": after(100)})).await.expect_status(200);
    transition(&stack, &perpetual.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    let unexpiring = stack.operator.issue_new_license(1).await;
    transition(&stack, &unexpiring.license_id, "renew", json!({"expires_at": null})).await.expect_status(200);
    transition(&stack, &unexpiring.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    assert_eq!(read(&stack, &unexpiring.license_id).await["expires_at"], Value::Null);
    // Years above 9999 are not supported.
    transition(&stack, &unexpiring.license_id, "renew", json!({"expires_at": "9999-06-01T00:00:00Z"}))
        .await
        .expect_status(200);
    let last = transition(&stack, &unexpiring.license_id, "renew", json!({})).await;
    let detail = last.expect_problem(409, "state_conflict")["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("9999") && !detail.contains("perpetual"), "{detail}");
}

#[tokio::test]
async fn two_concurrent_renewals_extend_by_two_periods() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await.license_id;
    let responses = transition_concurrently(&stack, &id, [("renew", json!({})), ("renew", json!({}))]).await;
    let mut ends: Vec<_> =
        responses.into_iter().map(|response| response.expect_status(200)["expires_at"].clone()).collect();
    ends.sort_by_key(ToString::to_string);
    assert_eq!(ends, ["2026-03-15T12:00:00Z", "2026-04-15T12:00:00Z"]);
    assert_eq!(read(&stack, &id).await["expires_at"], "2026-04-15T12:00:00Z");
    // The SDK repeats a renewal whose response was lost; it counts once.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    let renewed = transition(&stack, &id, "renew", json!({})).await.expect_status(200);
    assert_eq!(renewed["expires_at"], "2026-05-15T12:00:00Z");
    assert_eq!(read(&stack, &id).await["expires_at"], "2026-05-15T12:00:00Z");
}

#[tokio::test]
async fn a_delayed_transition_does_not_undo_a_suspension_or_revocation() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let id = &license.license_id;
    for (action, body) in [("renew", json!({})), ("change", json!({"max_users": 3})), ("regenerate", json!({}))] {
        let gate = Gate::default();
        stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{action}"));
        let delayed = tokio::spawn(async move { operator.post(&path, body).await });
        gate.wait_for_request().await;
        transition(&stack, id, "suspend", json!({})).await.expect_status(200);
        gate.open();
        let delayed = delayed.await.unwrap();
        if action == "regenerate" {
            delayed.expect_problem(409, "state_conflict");
        } else {
            delayed.expect_status(200);
        }
        assert_eq!(read(&stack, id).await["status"], "suspended", "{action}");
        transition(&stack, id, "reinstate", json!({})).await.expect_status(200);
    }
    // A revocation is not undone either.
    for action in ["suspend", "renew"] {
        let id = stack.operator.issue_new_license(1).await.license_id;
        let gate = Gate::default();
        stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{action}"));
        let delayed = tokio::spawn(async move { operator.post(&path, json!({})).await });
        gate.wait_for_request().await;
        transition(&stack, &id, "revoke", json!({})).await.expect_status(200);
        gate.open();
        delayed.await.unwrap().expect_problem(409, "state_conflict");
        assert_eq!(read(&stack, &id).await["status"], "revoked", "{action}");
    }
}

#[tokio::test]
async fn change_moves_the_license_to_another_tier() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": 2, "max_tenants": 1})).await;
    let (id, initial) = (&license.license_id, &license.issued["license"]);
    let feature = stack.operator.create_feature(&license.product, "import.pdf").await;
    let bigger = json!({
        "max_users": 7, "max_tenants": 9, "feature_ids": [feature["id"]], "includes_tier_id": license.tier["id"],
    });
    let bigger = stack.operator.create_tier(&license.product, &bigger).await;
    let activated = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    assert_eq!(claims(&activated["token"])["features"], json!(["export.pdf"]));

    let change = async |body: Value, changed: Value| {
        let response = transition(&stack, id, "change", body).await;
        assert!(!response.header("etag").is_empty());
        let expected = merged(initial.clone(), &changed);
        assert_eq!(response.expect_status(200), expected);
        assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 1})));
    };
    let in_bigger = |users: Value| json!({"tier_id": bigger["id"], "max_users": users, "max_tenants": 9});
    // The tier's limits apply unless the request has others.
    change(json!({"tier_id": bigger["id"]}), in_bigger(json!(7))).await;
    let heartbeat = stack.anonymous.heartbeat(text(&activated["token"]), "m1").await.expect_status(200);
    assert_eq!(heartbeat["renewed"], true);
    let claims = claims(&heartbeat["token"]);
    assert_eq!(claims["features"], json!(["export.pdf", "import.pdf"]));
    assert_eq!(claims["limits"], json!({"max_users": 7, "max_tenants": 9}));
    assert_eq!(claims["tier"]["id"], bigger["id"]);
    change(json!({"max_users": 9}), in_bigger(json!(9))).await;
    change(json!({"max_users": 100_000}), in_bigger(json!(100_000))).await;
    change(json!({"tier_id": bigger["id"], "max_users": 3}), in_bigger(json!(3))).await;
    change(json!({"tier_id": null, "max_users": 4}), in_bigger(json!(4))).await;
}

#[tokio::test]
async fn change_removes_and_restores_the_seat_limit() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": 1, "max_tenants": 1})).await;
    let (id, key) = (&license.license_id, &license.license_key);
    let unlimited =
        stack.operator.create_tier(&license.product, &json!({"max_users": null, "max_tenants": null})).await;
    let first = stack.anonymous.activate(key, "m1").await.expect_status(201);
    let changed = transition(&stack, id, "change", json!({"tier_id": unlimited["id"]})).await.expect_status(200);
    let expected = json!({"tier_id": unlimited["id"], "max_users": null, "max_tenants": null});
    assert_eq!(changed, merged(license.issued["license"].clone(), &expected));
    // The machine with a seat keeps it, and other machines need none.
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_status(200);
    let second = stack.anonymous.activate(key, "m2").await.expect_status(201);
    assert_eq!(read(&stack, id).await["seats_used"], 2);

    transition(&stack, id, "change", json!({"max_users": 1})).await.expect_problem(409, "state_conflict");
    let changed = transition(&stack, id, "change", json!({"max_users": 2})).await.expect_status(200);
    assert_eq!(changed["max_users"], 2);
    // A machine without a seat must activate again once.
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_status(200);
    stack.anonymous.heartbeat(text(&second["token"]), "m2").await.expect_problem(403, "not_activated");
    let second = stack.anonymous.activate(key, "m2").await.expect_status(201);
    stack.anonymous.heartbeat(text(&second["token"]), "m2").await.expect_status(200);
    stack.anonymous.activate(key, "m3").await.expect_problem(409, "seat_limit_reached");
    let repeated = transition(&stack, id, "change", json!({"max_users": null})).await.expect_status(200);
    assert_eq!(repeated["max_users"], Value::Null);
    stack.anonymous.activate(key, "m3").await.expect_status(201);
}

#[tokio::test]
async fn change_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let other = stack.operator.issue_new_license(2).await;
    let id = &license.license_id;
    for (body, code, pointer) in [
        (json!({}), "invalid_value", "/tier_id"),
        (json!({"tier_id": null}), "invalid_value", "/tier_id"),
        (json!({"tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}), "invalid_value", "/tier_id"),
        (json!({"tier_id": license.product["id"]}), "invalid_value", "/tier_id"),
        (json!({"tier_id": other.tier["id"]}), "tier_of_other_product", "/tier_id"),
        (json!({"tier_id": other.tier["id"], "max_users": 5}), "tier_of_other_product", "/tier_id"),
        (json!({"max_users": 0}), "invalid_value", "/max_users"),
        (json!({"max_users": 100_001}), "invalid_value", "/max_users"),
        (json!({"max_users": -1}), "invalid_value", "/max_users"),
        (json!({"max_users": "5"}), "invalid_value", "/max_users"),
        (json!({"max_users": 5, "max_tenants": 5}), "unknown_field", "/max_tenants"),
    ] {
        let response = transition(&stack, id, "change", body.clone()).await;
        assert_eq!(response.expect_problem(422, code)["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(read(&stack, id).await, merged(license.issued["license"].clone(), &json!({"seats_used": 0})));
}

#[tokio::test]
async fn change_returns_409_for_fewer_seats_than_are_held() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(5).await;
    let (id, key) = (&license.license_id, &license.license_key);
    let mut machines = Vec::new();
    for name in ["m1", "m2", "m3"] {
        machines.push((name, stack.anonymous.activate(key, name).await.expect_status(201)));
    }
    let smaller = stack.operator.create_tier(&license.product, &json!({"max_users": 2})).await;
    for body in [json!({"max_users": 2}), json!({"tier_id": smaller["id"]})] {
        transition(&stack, id, "change", body).await.expect_problem(409, "state_conflict");
    }
    assert_eq!(read(&stack, id).await["max_users"], 5);

    // The limit may equal the number of held seats. Machines in seats above the new limit must activate again once.
    transition(&stack, id, "change", json!({"tier_id": smaller["id"], "max_users": 3})).await.expect_status(200);
    for (name, machine) in machines {
        let token = text(&machine["token"]).to_owned();
        let heartbeat = stack.anonymous.heartbeat(&token, name).await;
        if heartbeat.status == 200 {
            continue;
        }
        heartbeat.expect_problem(403, "not_activated");
        assert_eq!(validate(&stack, json!({"token": token})).await, "not_activated");
        let reactivated = stack.anonymous.activate(key, name).await.expect_status(201);
        assert_ne!(reactivated["activation"]["id"], machine["activation"]["id"]);
        stack.anonymous.heartbeat(text(&reactivated["token"]), name).await.expect_status(200);
        assert_eq!(stack.anonymous.activate(key, name).await.status, 200);
    }
    assert_eq!(read(&stack, id).await["seats_used"], 3);
    stack.anonymous.activate(key, "m4").await.expect_problem(409, "seat_limit_reached");
    // No seat above the limit is left.
    let audit = transition(&stack, id, "audit", json!({})).await.expect_status(200);
    assert_eq!((&audit["ok"], &audit["license"]["seats_used"]), (&json!(true), &json!(3)));

    // After a deactivation and further changes of the limit, no more machines than seats can activate.
    let list = stack.operator.get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    let first = text(&list["items"][0]["id"]);
    stack.operator.post(&format!("license-activations/{first}/deactivate"), json!({})).await.expect_status(200);
    transition(&stack, id, "change", json!({"max_users": 2})).await.expect_status(200);
    transition(&stack, id, "change", json!({"max_users": 4})).await.expect_status(200);
    for name in ["m5", "m6"] {
        stack.anonymous.activate(key, name).await.expect_status(201);
    }
    stack.anonymous.activate(key, "m7").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn an_activation_during_a_limit_reduction_does_not_exceed_the_limit() {
    let stack = Stack::start().await;
    // The first machine's seat is random, and it decides which machine loses its seat.
    for _ in 0..4 {
        let license = stack.operator.issue_new_license(2).await;
        let (id, key) = (&license.license_id, &license.license_key);
        let first = stack.anonymous.activate(key, "m1").await.expect_status(201);
        let gate = Gate::default();
        stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("SEAT#"));
        let (anonymous, license_key) = (stack.anonymous.clone(), key.clone());
        let second = tokio::spawn(async move { anonymous.activate(&license_key, "m2").await });
        gate.wait_for_request().await;
        // The check before the change sees only one held seat and allows it.
        transition(&stack, id, "change", json!({"max_users": 1})).await.expect_status(200);
        gate.open();
        let second = second.await.unwrap().expect_status(201);
        let statuses = [
            stack.anonymous.heartbeat(text(&first["token"]), "m1").await.status,
            stack.anonymous.heartbeat(text(&second["token"]), "m2").await.status,
        ];
        assert!(statuses == [200, 403] || statuses == [403, 200], "{statuses:?}");
        let other = if statuses[0] == 200 { "m2" } else { "m1" };
        stack.anonymous.activate(key, other).await.expect_problem(409, "seat_limit_reached");
        assert_eq!(read(&stack, id).await["seats_used"], 1);
    }
}

#[tokio::test]
async fn concurrent_changes_of_different_fields_are_both_applied() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"max_users": 2, "max_tenants": 1})).await;
    let bigger = stack.operator.create_tier(&license.product, &json!({"max_users": 7, "max_tenants": 9})).await;
    // The delayed change has read the old tier, and writes after the other has changed it.
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{}/change", license.license_id));
    let delayed = tokio::spawn(async move { operator.post(&path, json!({"max_users": 3})).await });
    gate.wait_for_request().await;
    transition(&stack, &license.license_id, "change", json!({"tier_id": bigger["id"], "max_users": 5}))
        .await
        .expect_status(200);
    gate.open();
    delayed.await.unwrap().expect_status(200);
    let changed = read(&stack, &license.license_id).await;
    assert_eq!((&changed["tier_id"], &changed["max_tenants"]), (&bigger["id"], &json!(9)));
    assert_eq!(changed["max_users"], 3);
    let events = stack.operator.get(&format!("license-keys/{}/events", license.license_id)).await.expect_status(200);
    let old_tiers: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| &event["data"]["from"]["tier_id"]).collect();
    assert!(
        old_tiers.contains(&&bigger["id"]) && old_tiers.contains(&&license.tier["id"]),
        "each event has the values that it replaced: {old_tiers:?}"
    );

    let requests = [("change", json!({"max_users": 8})), ("renew", json!({"expires_at": after(100)}))];
    for response in transition_concurrently(&stack, &license.license_id, requests).await {
        response.expect_status(200);
    }
    let changed = read(&stack, &license.license_id).await;
    assert_eq!((&changed["max_users"], &changed["expires_at"]), (&json!(8), &json!(after(100))));
}

#[tokio::test]
async fn regenerate_invalidates_the_old_key_string_its_tokens_and_its_seats() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let (id, old_key) = (&license.license_id, &license.license_key);
    let first = stack.anonymous.activate(old_key, "m1").await.expect_status(201);
    stack.anonymous.activate(old_key, "m2").await.expect_status(201);
    stack.advance(60);

    let response = transition(&stack, id, "regenerate", json!({})).await;
    assert!(!response.header("etag").is_empty() && response.header("location").is_empty());
    let regenerated = response.expect_status(200);
    let new_key = text(&regenerated["license_key"]);
    let fields: Vec<_> = regenerated.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 5, "{fields:?}");
    assert_ne!(new_key, old_key);
    assert_eq!((&regenerated["token_type"], &regenerated["token_expires_at"]), (&json!("JWT"), &json!(after(3660))));
    let hint = text(&regenerated["license"]["key_hint"]);
    assert!(new_key.ends_with(hint.rsplit('-').next().unwrap()), "{hint}");
    let expected = merged(license.issued["license"].clone(), &json!({"generation": 2, "key_hint": hint}));
    assert_eq!(regenerated["license"], expected);
    assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 0})));
    let claims = claims(&regenerated["token"]);
    assert_eq!((&claims["generation"], &claims["sub"], &claims["activation"]), (&json!(2), &json!(id), &Value::Null));

    // The next request with the old key string or an old token is rejected.
    for old in
        [json!({"license_key": old_key}), json!({"token": first["token"]}), json!({"token": license.issued["token"]})]
    {
        assert_eq!(validate(&stack, old).await, "generation_outdated");
    }
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_problem(403, "generation_outdated");
    stack.anonymous.activate(old_key, "m1").await.expect_problem(403, "generation_outdated");
    let by_old_token = json!({"token": first["token"], "machine_id": "m1"});
    stack.anonymous.post("license-activations/activate", by_old_token).await.expect_problem(403, "generation_outdated");
    let list = stack.operator.get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    assert_eq!(list["items"], json!([]));

    // The new key string and token work, and all seats are available.
    assert_eq!(validate(&stack, json!({"license_key": new_key})).await, "valid");
    assert_eq!(validate(&stack, json!({"token": regenerated["token"]})).await, "valid");
    assert_eq!(validate(&stack, json!({"license_key": new_key, "machine_id": "m1"})).await, "not_activated");
    let by_token = json!({"token": regenerated["token"], "machine_id": "m1"});
    let reactivated = stack.anonymous.post("license-activations/activate", by_token).await.expect_status(201);
    stack.anonymous.heartbeat(text(&reactivated["token"]), "m1").await.expect_status(200);
    stack.anonymous.activate(new_key, "m3").await.expect_status(201);
    stack.anonymous.activate(new_key, "m2").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(transition(&stack, id, "audit", json!({})).await.expect_status(200)["ok"], true);
}

#[tokio::test]
async fn regenerate_accepts_no_body_or_an_empty_object() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/regenerate");
    let bare = stack.operator.send(reqwest::Method::POST, &path, |request| request).await;
    assert_eq!(bare.expect_status(200)["license"]["generation"], 2);
    let response = transition(&stack, &id, "regenerate", json!({"force": true})).await;
    assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/force");
    assert_eq!(read(&stack, &id).await["generation"], 2);
}

#[tokio::test]
async fn two_concurrent_regenerations_leave_one_valid_key_string() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let responses = transition_concurrently(&stack, &id, [("regenerate", json!({})), ("regenerate", json!({}))]).await;
    let mut regenerated: Vec<_> = responses.into_iter().map(|response| response.expect_status(200)).collect();
    regenerated.sort_by_key(|body| body["license"]["generation"].as_u64());
    let generations: Vec<_> = regenerated.iter().map(|body| &body["license"]["generation"]).collect();
    assert_eq!(generations, [2, 3]);
    assert_eq!(validate(&stack, json!({"license_key": regenerated[0]["license_key"]})).await, "generation_outdated");
    assert_eq!(validate(&stack, json!({"license_key": regenerated[1]["license_key"]})).await, "valid");
    // The stored token and key string belong to the valid generation.
    assert_eq!(transition(&stack, &id, "audit", json!({})).await.expect_status(200)["ok"], true);
}

#[tokio::test]
async fn a_failed_transition_changes_nothing() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let id = &license.license_id;
    let before = read(&stack, id).await;
    for (action, body) in [
        ("suspend", json!({})),
        ("renew", json!({})),
        ("change", json!({"max_users": 9})),
        ("regenerate", json!({})),
        ("revoke", json!({})),
    ] {
        for fault in [Fault::RefuseConnection, Fault::THROTTLE, Fault::Cancel("TransactionConflict")] {
            stack.faults.add(Rule::new("TransactWriteItems", fault).always());
            let started = std::time::Instant::now();
            transition(&stack, id, action, body.clone()).await.expect_problem(503, "unavailable");
            assert!(started.elapsed() < std::time::Duration::from_secs(8), "{action}");
            stack.faults.clear();
            if action != "suspend" {
                break;
            }
        }
        assert_eq!(read(&stack, id).await, before, "{action}");
        assert_eq!(validate(&stack, json!({"license_key": license.license_key})).await, "valid", "{action}");
    }
    let events = stack.operator.get(&format!("license-keys/{id}/events")).await.expect_status(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "only the event of the issue");
}
