//! `POST license-keys/{id}/suspend`, `reinstate` and `revoke`, and what each state allows.

use signet_tests::{Fault, Gate, Rule, Stack, Value, json, merged};

use super::{after, read, text, transition, validate};

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
