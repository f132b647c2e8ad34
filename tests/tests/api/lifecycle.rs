//! A license key from state to state: suspended, reinstated, renewed, changed, regenerated, ended.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use signet_tests::{Fault, Gate, IssuedLicense, Rule, START, Stack, TestResponse, Value, json, merged};

/// Takes a step of a license key.
async fn step(stack: &Stack, id: &str, verb: &str, body: Value) -> TestResponse {
    stack.operator.post(&format!("license-keys/{id}/{verb}"), body).await
}

async fn read(stack: &Stack, id: &str) -> Value {
    stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200)
}

/// What validating a license key or a token finds.
async fn verdict(stack: &Stack, body: Value) -> Value {
    stack.anonymous.post("license-keys/validate", body).await.expect_status(200)["code"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What a token says, unverified.
fn claims(token: &Value) -> Value {
    let payload = text(token).split('.').nth(1).unwrap();
    String::from_utf8(BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap().parse().unwrap()
}

fn after(seconds: i64) -> String {
    (START + SignedDuration::from_secs(seconds)).to_string()
}

/// Runs two requests at once: both have read, and none has written, when both go on.
async fn at_once(stack: &Stack, id: &str, both: [(&'static str, Value); 2]) -> Vec<TestResponse> {
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let tasks = both.map(|(verb, body)| {
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{verb}"));
        tokio::spawn(async move { operator.post(&path, body).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn suspend_and_reinstate_200() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let (id, key) = (&sold.license_id, &sold.license_key);
    let active = stack.anonymous.activate(key, "m1").await.expect_status(201);
    let token = text(&active["token"]).to_owned();
    stack.advance(60);

    let suspended = step(&stack, id, "suspend", json!({"reason": "unpaid"})).await;
    assert!(!suspended.header("etag").is_empty());
    let expected = merged(sold.issued["license"].clone(), &json!({"status": "suspended"}));
    assert_eq!(suspended.expect_status(200), expected);
    assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 1})));
    assert_eq!(verdict(&stack, json!({"license_key": key})).await, "suspended");
    assert_eq!(verdict(&stack, json!({"token": token})).await, "suspended");
    stack.anonymous.heartbeat(&token, "m1").await.expect_problem(403, "suspended");
    stack.anonymous.activate(key, "m1").await.expect_problem(403, "suspended");
    stack.anonymous.activate(key, "m2").await.expect_problem(403, "suspended");
    step(&stack, id, "suspend", json!({})).await.expect_problem(409, "state_conflict");

    let reinstated = step(&stack, id, "reinstate", json!({})).await.expect_status(200);
    assert_eq!(reinstated, sold.issued["license"]);
    step(&stack, id, "reinstate", json!({})).await.expect_problem(409, "state_conflict");
    // The machine kept its seat, and its token.
    stack.anonymous.heartbeat(&token, "m1").await.expect_status(200);
    assert_eq!(
        stack.anonymous.activate(key, "m1").await.expect_status(200)["activation"]["id"],
        active["activation"]["id"]
    );
}

#[tokio::test]
async fn suspend_and_reinstate_422() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let long = "x".repeat(501);
    for verb in ["suspend", "reinstate", "revoke"] {
        for reason in [json!(long), json!("\u{7}"), json!(5)] {
            let answer = step(&stack, &id, verb, json!({"reason": reason})).await;
            assert_eq!(answer.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/reason", "{verb}");
        }
        let answer = step(&stack, &id, verb, json!({"reasons": "x"})).await;
        assert_eq!(answer.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/reasons", "{verb}");
    }
    assert_eq!(read(&stack, &id).await["status"], "active");
    let longest = "é\n".repeat(250);
    step(&stack, &id, "suspend", json!({"reason": longest})).await.expect_status(200);
}

#[tokio::test]
async fn each_state_allows_its_steps_and_refuses_the_others() {
    let stack = Stack::start().await;
    let tier = json!({"billing_period": "monthly"});
    let end = json!({"expires_at": after(30 * 86_400)});
    let steps = || {
        let regenerate = ("regenerate", json!({}));
        let change = ("change", json!({"max_users": 7}));
        let renew = [("renew", end.clone()), ("renew", json!({}))];
        [("suspend", json!({})), ("reinstate", json!({})), renew[0].clone(), renew[1].clone(), change, regenerate]
    };
    let in_state = async |state: &str| -> String {
        let sold = stack.operator.issue_new_license_with(&tier).await;
        match state {
            "suspended" => _ = step(&stack, &sold.license_id, "suspend", json!({})).await.expect_status(200),
            "expired" => {
                _ = step(&stack, &sold.license_id, "renew", json!({"expires_at": after(10)})).await.expect_status(200);
            }
            "superseded" => _ = stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await,
            "revoked" => _ = step(&stack, &sold.license_id, "revoke", json!({})).await.expect_status(200),
            _ => {}
        }
        sold.license_id
    };
    let allowed: [(&str, &[&str]); 5] = [
        ("active", &["suspend", "renew", "change", "regenerate"]),
        ("suspended", &["reinstate", "renew", "change"]),
        // Nothing but the time has decided that it is over.
        ("expired", &["suspend", "renew", "change"]),
        ("superseded", &[]),
        ("revoked", &[]),
    ];
    let mut asked = Vec::new();
    for (state, allowed) in allowed {
        // What is refused changes nothing, so one license key does for all of that.
        let stays = in_state(state).await;
        for (verb, body) in steps() {
            let may = allowed.contains(&verb);
            asked.push((state, verb, body, may, if may { in_state(state).await } else { stays.clone() }));
        }
    }
    stack.advance(10);
    for (state, verb, body, may, id) in asked {
        let before = read(&stack, &id).await;
        assert_eq!(before["status"], state, "{verb}");
        let answer = step(&stack, &id, verb, body).await;
        if may {
            assert_eq!(answer.status, 200, "{verb} of {state}: {}", answer.text);
            assert_ne!(read(&stack, &id).await, before, "{verb} of {state}");
        } else {
            answer.expect_problem(409, "state_conflict");
            assert_eq!(read(&stack, &id).await, before, "{verb} of {state}");
        }
    }
}

#[tokio::test]
async fn steps_of_an_unknown_license_key_404() {
    let stack = Stack::start().await;
    let unknown = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
    let audit = ("audit", json!({}));
    for (verb, body) in [
        ("suspend", json!({})),
        ("reinstate", json!({})),
        ("renew", json!({})),
        ("renew", json!({"expires_at": after(100)})),
        ("change", json!({"max_users": 1})),
        ("regenerate", json!({})),
        ("revoke", json!({})),
        audit,
    ] {
        let expected = step(&stack, unknown, verb, body.clone()).await;
        let mut expected = expected.expect_problem(404, "not_found").clone();
        let other = step(&stack, "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", verb, body).await;
        expected["trace_id"] = other.body["trace_id"].clone();
        assert_eq!(*other.expect_problem(404, "not_found"), expected, "{verb}");
    }
}

#[tokio::test]
async fn revoke_200_for_good() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let id = &sold.license_id;
    let active = stack.anonymous.activate(&sold.license_key, "m1").await.expect_status(201);
    stack.advance(60);
    let revoked = step(&stack, id, "revoke", json!({"reason": "refund"})).await;
    let changed = json!({"status": "revoked", "revoked_at": after(60), "revocation_reason": "refund"});
    assert_eq!(revoked.body, merged(sold.issued["license"].clone(), &changed));
    // From the next request on, nothing that it gave out is honoured.
    stack.anonymous.heartbeat(text(&active["token"]), "m1").await.expect_problem(403, "revoked");
    stack.anonymous.activate(&sold.license_key, "m1").await.expect_problem(403, "revoked");
    assert_eq!(verdict(&stack, json!({"token": active["token"]})).await, "revoked");
    stack.advance(60);
    let again = step(&stack, id, "revoke", json!({"reason": "another"})).await;
    assert_eq!((again.status, &again.text), (200, &revoked.text));
    assert_eq!(again.header("etag"), revoked.header("etag"));

    // A superseded one says so also when it is revoked, and the reason may be left out.
    let sold = stack.operator.issue_new_license(1).await;
    let newer = stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
    let revoked = step(&stack, &sold.license_id, "revoke", json!({})).await.expect_status(200);
    let changed = json!({
        "status": "revoked", "revoked_at": after(120), "revocation_reason": null, "superseded_by": newer["license"]["id"],
    });
    assert_eq!(revoked, merged(sold.issued["license"].clone(), &changed));
    // A revoked key is not superseded by the next, and the next is not touched by its end.
    step(&stack, text(&newer["license"]["id"]), "revoke", json!({})).await.expect_status(200);
    stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
    let stays = read(&stack, text(&newer["license"]["id"])).await;
    assert_eq!((&stays["status"], &stays["superseded_by"]), (&json!("revoked"), &Value::Null));
}

#[tokio::test]
async fn renew_200_to_a_given_end() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let (id, license) = (&sold.license_id, &sold.issued["license"]);
    assert_eq!(license["expires_at"], "2027-01-15T12:00:00Z");
    for (given, kept) in [
        (json!("2026-01-15T12:00:01Z"), json!("2026-01-15T12:00:01Z")),
        (json!("2030-06-01T00:00:00+02:00"), json!("2030-05-31T22:00:00Z")),
        // What is finer than is kept is not shown once and forgotten then.
        (json!("2030-06-01T00:00:00.123987654Z"), json!("2030-06-01T00:00:00.123Z")),
        (Value::Null, Value::Null),
        (json!("9999-01-01T00:00:00Z"), json!("9999-01-01T00:00:00Z")),
    ] {
        let renewed = step(&stack, id, "renew", json!({"expires_at": given})).await.expect_status(200);
        let expected = merged(license.clone(), &json!({"expires_at": kept}));
        assert_eq!(renewed, expected);
        assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 0})));
    }
    // An app's token ends no later than the license, from its next heartbeat on.
    let active = stack.anonymous.activate(&sold.license_key, "m1").await.expect_status(201);
    assert_eq!(active["token_expires_at"], after(3600));
    step(&stack, id, "renew", json!({"expires_at": after(1000)})).await.expect_status(200);
    let beat = stack.anonymous.heartbeat(text(&active["token"]), "m1").await.expect_status(200);
    assert_eq!(beat["token_expires_at"], after(1000));
    stack.advance(1000);
    stack.anonymous.heartbeat(text(&beat["token"]), "m1").await.expect_problem(403, "expired");
    step(&stack, id, "renew", json!({})).await.expect_status(200);
    let beat = stack.anonymous.heartbeat(text(&beat["token"]), "m1").await.expect_status(200);
    assert_eq!(beat["token_expires_at"], after(4600));
}

#[tokio::test]
async fn renew_422() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    for wrong in [json!(START.to_string()), json!("2020-01-01T00:00:00Z"), json!("tomorrow"), json!(5), json!("")] {
        let answer = step(&stack, &id, "renew", json!({"expires_at": wrong})).await;
        assert_eq!(answer.expect_problem(422, "invalid_value")["errors"][0]["pointer"], "/expires_at");
    }
    let answer = step(&stack, &id, "renew", json!({"expires": null})).await;
    assert_eq!(answer.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/expires");
    assert_eq!(read(&stack, &id).await["expires_at"], "2027-01-15T12:00:00Z");
}

#[tokio::test]
async fn renew_200_by_one_period() {
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
            let renewed = step(&stack, id, "renew", json!({})).await.expect_status(200);
            assert_eq!(renewed, merged(issued["license"].clone(), &json!({"expires_at": end})));
        }
    }

    // One that is over is paid for from now on; one that is suspended stays so.
    let sold = stack.operator.issue_new_license_with(&monthly).await;
    assert_eq!(sold.issued["license"]["expires_at"], "2026-02-15T12:00:00Z");
    step(&stack, &sold.license_id, "suspend", json!({})).await.expect_status(200);
    stack.advance(44 * 86_400); // 2026-02-28
    let renewed = step(&stack, &sold.license_id, "renew", json!({})).await.expect_status(200);
    assert_eq!((&renewed["expires_at"], &renewed["status"]), (&json!("2026-03-28T12:00:00Z"), &json!("suspended")));
}

#[tokio::test]
async fn renew_409_where_there_is_no_period() {
    let stack = Stack::start().await;
    let perpetual = stack.operator.issue_new_license_with(&json!({"billing_period": "perpetual"})).await;
    assert_eq!(perpetual.issued["license"]["expires_at"], Value::Null);
    step(&stack, &perpetual.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    step(&stack, &perpetual.license_id, "renew", json!({"expires_at": after(100)})).await.expect_status(200);
    step(&stack, &perpetual.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    let endless = stack.operator.issue_new_license(1).await;
    step(&stack, &endless.license_id, "renew", json!({"expires_at": null})).await.expect_status(200);
    step(&stack, &endless.license_id, "renew", json!({})).await.expect_problem(409, "state_conflict");
    assert_eq!(read(&stack, &endless.license_id).await["expires_at"], Value::Null);
    // The calendar ends; the tier is not to blame.
    step(&stack, &endless.license_id, "renew", json!({"expires_at": "9999-06-01T00:00:00Z"})).await.expect_status(200);
    let last = step(&stack, &endless.license_id, "renew", json!({})).await;
    let detail = last.expect_problem(409, "state_conflict")["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("9999") && !detail.contains("perpetual"), "{detail}");
}

#[tokio::test]
async fn two_renewals_at_once_pay_for_two_periods() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly"})).await.license_id;
    let answers = at_once(&stack, &id, [("renew", json!({})), ("renew", json!({}))]).await;
    let mut ends: Vec<_> = answers.into_iter().map(|answer| answer.expect_status(200)["expires_at"].clone()).collect();
    ends.sort_by_key(ToString::to_string);
    assert_eq!(ends, ["2026-03-15T12:00:00Z", "2026-04-15T12:00:00Z"]);
    assert_eq!(read(&stack, &id).await["expires_at"], "2026-04-15T12:00:00Z");
    // One whose answer is lost is repeated by the SDK, and pays for one.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    let renewed = step(&stack, &id, "renew", json!({})).await.expect_status(200);
    assert_eq!(renewed["expires_at"], "2026-05-15T12:00:00Z");
    assert_eq!(read(&stack, &id).await["expires_at"], "2026-05-15T12:00:00Z");
}

#[tokio::test]
async fn a_suspension_is_not_undone_by_who_comes_late() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let id = &sold.license_id;
    for (verb, body) in [("renew", json!({})), ("change", json!({"max_users": 3})), ("regenerate", json!({}))] {
        let gate = Gate::default();
        stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{verb}"));
        let late = tokio::spawn(async move { operator.post(&path, body).await });
        gate.wait_for_request().await;
        step(&stack, id, "suspend", json!({})).await.expect_status(200);
        gate.open();
        let late = late.await.unwrap();
        if verb == "regenerate" {
            late.expect_problem(409, "state_conflict");
        } else {
            late.expect_status(200);
        }
        assert_eq!(read(&stack, id).await["status"], "suspended", "{verb}");
        step(&stack, id, "reinstate", json!({})).await.expect_status(200);
    }
    // Nor is a revocation.
    for verb in ["suspend", "renew"] {
        let id = stack.operator.issue_new_license(1).await.license_id;
        let gate = Gate::default();
        stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
        let (operator, path) = (stack.operator.clone(), format!("license-keys/{id}/{verb}"));
        let late = tokio::spawn(async move { operator.post(&path, json!({})).await });
        gate.wait_for_request().await;
        step(&stack, &id, "revoke", json!({})).await.expect_status(200);
        gate.open();
        late.await.unwrap().expect_problem(409, "state_conflict");
        assert_eq!(read(&stack, &id).await["status"], "revoked", "{verb}");
    }
}

#[tokio::test]
async fn change_200_to_another_tier() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license_with(&json!({"max_users": 2, "max_tenants": 1})).await;
    let (id, license) = (&sold.license_id, &sold.issued["license"]);
    let more = stack.operator.create_feature(&sold.product, "import.pdf").await;
    let bigger = json!({
        "max_users": 7, "max_tenants": 9, "feature_ids": [more["id"]], "includes_tier_id": sold.tier["id"],
    });
    let bigger = stack.operator.create_tier(&sold.product, &bigger).await;
    let active = stack.anonymous.activate(&sold.license_key, "m1").await.expect_status(201);
    assert_eq!(claims(&active["token"])["features"], json!(["export.pdf"]));

    let change = async |body: Value, changed: Value| {
        let answer = step(&stack, id, "change", body).await;
        assert!(!answer.header("etag").is_empty());
        let expected = merged(license.clone(), &changed);
        assert_eq!(answer.expect_status(200), expected);
        assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 1})));
    };
    let in_bigger = |users: Value| json!({"tier_id": bigger["id"], "max_users": users, "max_tenants": 9});
    // The tier's own limits, unless others are given.
    change(json!({"tier_id": bigger["id"]}), in_bigger(json!(7))).await;
    let beat = stack.anonymous.heartbeat(text(&active["token"]), "m1").await.expect_status(200);
    assert_eq!(beat["renewed"], true);
    let said = claims(&beat["token"]);
    assert_eq!(said["features"], json!(["export.pdf", "import.pdf"]));
    assert_eq!(said["limits"], json!({"max_users": 7, "max_tenants": 9}));
    assert_eq!(said["tier"]["id"], bigger["id"]);
    change(json!({"max_users": 9}), in_bigger(json!(9))).await;
    change(json!({"max_users": 100_000}), in_bigger(json!(100_000))).await;
    change(json!({"tier_id": bigger["id"], "max_users": 3}), in_bigger(json!(3))).await;
    change(json!({"tier_id": null, "max_users": 4}), in_bigger(json!(4))).await;
}

#[tokio::test]
async fn change_200_to_no_limit_and_back() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license_with(&json!({"max_users": 1, "max_tenants": 1})).await;
    let (id, key) = (&sold.license_id, &sold.license_key);
    let endless = stack.operator.create_tier(&sold.product, &json!({"max_users": null, "max_tenants": null})).await;
    let first = stack.anonymous.activate(key, "m1").await.expect_status(201);
    let changed = step(&stack, id, "change", json!({"tier_id": endless["id"]})).await.expect_status(200);
    let unlimited = json!({"tier_id": endless["id"], "max_users": null, "max_tenants": null});
    assert_eq!(changed, merged(sold.issued["license"].clone(), &unlimited));
    // The machine with a seat keeps it, and others need none.
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_status(200);
    let second = stack.anonymous.activate(key, "m2").await.expect_status(201);
    assert_eq!(read(&stack, id).await["seats_used"], 2);

    step(&stack, id, "change", json!({"max_users": 1})).await.expect_problem(409, "state_conflict");
    let changed = step(&stack, id, "change", json!({"max_users": 2})).await.expect_status(200);
    assert_eq!(changed["max_users"], 2);
    // One without a seat takes one, once.
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_status(200);
    stack.anonymous.heartbeat(text(&second["token"]), "m2").await.expect_problem(403, "not_activated");
    let second = stack.anonymous.activate(key, "m2").await.expect_status(201);
    stack.anonymous.heartbeat(text(&second["token"]), "m2").await.expect_status(200);
    stack.anonymous.activate(key, "m3").await.expect_problem(409, "seat_limit_reached");
    let again = step(&stack, id, "change", json!({"max_users": null})).await.expect_status(200);
    assert_eq!(again["max_users"], Value::Null);
    stack.anonymous.activate(key, "m3").await.expect_status(201);
}

#[tokio::test]
async fn change_422() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let other = stack.operator.issue_new_license(2).await;
    let id = &sold.license_id;
    for (body, code, pointer) in [
        (json!({}), "invalid_value", "/tier_id"),
        (json!({"tier_id": null}), "invalid_value", "/tier_id"),
        (json!({"tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}), "invalid_value", "/tier_id"),
        (json!({"tier_id": sold.product["id"]}), "invalid_value", "/tier_id"),
        (json!({"tier_id": other.tier["id"]}), "tier_of_other_product", "/tier_id"),
        (json!({"tier_id": other.tier["id"], "max_users": 5}), "tier_of_other_product", "/tier_id"),
        (json!({"max_users": 0}), "invalid_value", "/max_users"),
        (json!({"max_users": 100_001}), "invalid_value", "/max_users"),
        (json!({"max_users": -1}), "invalid_value", "/max_users"),
        (json!({"max_users": "5"}), "invalid_value", "/max_users"),
        (json!({"max_users": 5, "max_tenants": 5}), "unknown_field", "/max_tenants"),
    ] {
        let answer = step(&stack, id, "change", body.clone()).await;
        assert_eq!(answer.expect_problem(422, code)["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(read(&stack, id).await, merged(sold.issued["license"].clone(), &json!({"seats_used": 0})));
}

#[tokio::test]
async fn change_409_to_fewer_seats_than_are_held() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(5).await;
    let (id, key) = (&sold.license_id, &sold.license_key);
    let mut machines = Vec::new();
    for name in ["m1", "m2", "m3"] {
        machines.push((name, stack.anonymous.activate(key, name).await.expect_status(201)));
    }
    let small = stack.operator.create_tier(&sold.product, &json!({"max_users": 2})).await;
    for body in [json!({"max_users": 2}), json!({"tier_id": small["id"]})] {
        step(&stack, id, "change", body).await.expect_problem(409, "state_conflict");
    }
    assert_eq!(read(&stack, id).await["max_users"], 5);

    // As many as are held is enough. Who sits above the new limit activates again, once.
    step(&stack, id, "change", json!({"tier_id": small["id"], "max_users": 3})).await.expect_status(200);
    for (name, machine) in machines {
        let token = text(&machine["token"]).to_owned();
        let beat = stack.anonymous.heartbeat(&token, name).await;
        if beat.status == 200 {
            continue;
        }
        beat.expect_problem(403, "not_activated");
        assert_eq!(verdict(&stack, json!({"token": token})).await, "not_activated");
        let anew = stack.anonymous.activate(key, name).await.expect_status(201);
        assert_ne!(anew["activation"]["id"], machine["activation"]["id"]);
        stack.anonymous.heartbeat(text(&anew["token"]), name).await.expect_status(200);
        assert_eq!(stack.anonymous.activate(key, name).await.status, 200);
    }
    assert_eq!(read(&stack, id).await["seats_used"], 3);
    stack.anonymous.activate(key, "m4").await.expect_problem(409, "seat_limit_reached");
    // Nothing is left of the seats above.
    let audit = step(&stack, id, "audit", json!({})).await.expect_status(200);
    assert_eq!((&audit["ok"], &audit["license"]["seats_used"]), (&json!(true), &json!(3)));

    // One that was freed, or whose limit grows back, holds no more than there are.
    let list = stack.operator.get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    let first = text(&list["items"][0]["id"]);
    stack.operator.post(&format!("license-activations/{first}/deactivate"), json!({})).await.expect_status(200);
    step(&stack, id, "change", json!({"max_users": 2})).await.expect_status(200);
    step(&stack, id, "change", json!({"max_users": 4})).await.expect_status(200);
    for name in ["m5", "m6"] {
        stack.anonymous.activate(key, name).await.expect_status(201);
    }
    stack.anonymous.activate(key, "m7").await.expect_problem(409, "seat_limit_reached");
}

#[tokio::test]
async fn a_machine_that_comes_while_the_limit_shrinks_is_not_one_too_many() {
    let stack = Stack::start().await;
    // Twice each way: the seat that the first machine draws decides which of the two must go.
    for _ in 0..4 {
        let sold = stack.operator.issue_new_license(2).await;
        let (id, key) = (&sold.license_id, &sold.license_key);
        let first = stack.anonymous.activate(key, "m1").await.expect_status(201);
        let gate = Gate::default();
        stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("SEAT#"));
        let (anonymous, text_of_key) = (stack.anonymous.clone(), key.clone());
        let second = tokio::spawn(async move { anonymous.activate(&text_of_key, "m2").await });
        gate.wait_for_request().await;
        // The courtesy sees one seat held, and lets it pass.
        step(&stack, id, "change", json!({"max_users": 1})).await.expect_status(200);
        gate.open();
        let second = second.await.unwrap().expect_status(201);
        let beats = [
            stack.anonymous.heartbeat(text(&first["token"]), "m1").await.status,
            stack.anonymous.heartbeat(text(&second["token"]), "m2").await.status,
        ];
        assert!(beats == [200, 403] || beats == [403, 200], "{beats:?}");
        let other = if beats[0] == 200 { "m2" } else { "m1" };
        stack.anonymous.activate(key, other).await.expect_problem(409, "seat_limit_reached");
        assert_eq!(read(&stack, id).await["seats_used"], 1);
    }
}

#[tokio::test]
async fn two_changes_at_once_each_keep_what_the_other_leaves_alone() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license_with(&json!({"max_users": 2, "max_tenants": 1})).await;
    let bigger = stack.operator.create_tier(&sold.product, &json!({"max_users": 7, "max_tenants": 9})).await;
    // One has read the old tier, and writes when the other has changed it.
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())));
    let (operator, path) = (stack.operator.clone(), format!("license-keys/{}/change", sold.license_id));
    let late = tokio::spawn(async move { operator.post(&path, json!({"max_users": 3})).await });
    gate.wait_for_request().await;
    step(&stack, &sold.license_id, "change", json!({"tier_id": bigger["id"], "max_users": 5})).await.expect_status(200);
    gate.open();
    late.await.unwrap().expect_status(200);
    let license = read(&stack, &sold.license_id).await;
    assert_eq!((&license["tier_id"], &license["max_tenants"]), (&bigger["id"], &json!(9)));
    assert_eq!(license["max_users"], 3);
    let events = stack.operator.get(&format!("license-keys/{}/events", sold.license_id)).await.expect_status(200);
    let froms: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| &event["data"]["from"]["tier_id"]).collect();
    assert!(
        froms.contains(&&bigger["id"]) && froms.contains(&&sold.tier["id"]),
        "each says what it changed: {froms:?}"
    );

    let both = [("change", json!({"max_users": 8})), ("renew", json!({"expires_at": after(100)}))];
    for answer in at_once(&stack, &sold.license_id, both).await {
        answer.expect_status(200);
    }
    let license = read(&stack, &sold.license_id).await;
    assert_eq!((&license["max_users"], &license["expires_at"]), (&json!(8), &json!(after(100))));
}

#[tokio::test]
async fn regenerate_200_ends_the_old_key_string_its_tokens_and_its_seats() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let (id, old_key) = (&sold.license_id, &sold.license_key);
    let first = stack.anonymous.activate(old_key, "m1").await.expect_status(201);
    stack.anonymous.activate(old_key, "m2").await.expect_status(201);
    stack.advance(60);

    let answer = step(&stack, id, "regenerate", json!({})).await;
    assert!(!answer.header("etag").is_empty() && answer.header("location").is_empty());
    let made = answer.expect_status(200);
    let new_key = text(&made["license_key"]);
    let fields: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 5, "{fields:?}");
    assert_ne!(new_key, old_key);
    assert_eq!((&made["token_type"], &made["token_expires_at"]), (&json!("JWT"), &json!(after(3660))));
    let hint = text(&made["license"]["key_hint"]);
    assert!(new_key.ends_with(hint.rsplit('-').next().unwrap()), "{hint}");
    let expected = merged(sold.issued["license"].clone(), &json!({"generation": 2, "key_hint": hint}));
    assert_eq!(made["license"], expected);
    assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 0})));
    let said = claims(&made["token"]);
    assert_eq!((&said["generation"], &said["sub"], &said["activation"]), (&json!(2), &json!(id), &Value::Null));

    // The old ones stop at the next call.
    for old in
        [json!({"license_key": old_key}), json!({"token": first["token"]}), json!({"token": sold.issued["token"]})]
    {
        assert_eq!(verdict(&stack, old).await, "generation_outdated");
    }
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_problem(403, "generation_outdated");
    stack.anonymous.activate(old_key, "m1").await.expect_problem(403, "generation_outdated");
    let by_old_token = json!({"token": first["token"], "machine_id": "m1"});
    stack.anonymous.post("license-activations/activate", by_old_token).await.expect_problem(403, "generation_outdated");
    let list = stack.operator.get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    assert_eq!(list["items"], json!([]));

    // The new ones work, and there are as many seats as were bought.
    assert_eq!(verdict(&stack, json!({"license_key": new_key})).await, "valid");
    assert_eq!(verdict(&stack, json!({"token": made["token"]})).await, "valid");
    assert_eq!(verdict(&stack, json!({"license_key": new_key, "machine_id": "m1"})).await, "not_activated");
    let by_token = json!({"token": made["token"], "machine_id": "m1"});
    let anew = stack.anonymous.post("license-activations/activate", by_token).await.expect_status(201);
    stack.anonymous.heartbeat(text(&anew["token"]), "m1").await.expect_status(200);
    stack.anonymous.activate(new_key, "m3").await.expect_status(201);
    stack.anonymous.activate(new_key, "m2").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(step(&stack, id, "audit", json!({})).await.expect_status(200)["ok"], true);
}

#[tokio::test]
async fn regenerate_takes_no_body_or_an_empty_one() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/regenerate");
    let bare = stack.operator.send(reqwest::Method::POST, &path, |request| request).await;
    assert_eq!(bare.expect_status(200)["license"]["generation"], 2);
    let answer = step(&stack, &id, "regenerate", json!({"force": true})).await;
    assert_eq!(answer.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/force");
    assert_eq!(read(&stack, &id).await["generation"], 2);
}

#[tokio::test]
async fn two_regenerations_at_once_leave_one_key_string() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let answers = at_once(&stack, &id, [("regenerate", json!({})), ("regenerate", json!({}))]).await;
    let mut made: Vec<_> = answers.into_iter().map(|answer| answer.expect_status(200)).collect();
    made.sort_by_key(|made| made["license"]["generation"].as_u64());
    let generations: Vec<_> = made.iter().map(|made| &made["license"]["generation"]).collect();
    assert_eq!(generations, [2, 3]);
    assert_eq!(verdict(&stack, json!({"license_key": made[0]["license_key"]})).await, "generation_outdated");
    assert_eq!(verdict(&stack, json!({"license_key": made[1]["license_key"]})).await, "valid");
    // What is stored is of the one that holds.
    assert_eq!(step(&stack, &id, "audit", json!({})).await.expect_status(200)["ok"], true);
}

#[tokio::test]
async fn a_step_that_fails_has_changed_nothing() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let id = &sold.license_id;
    let before = read(&stack, id).await;
    for (verb, body) in [
        ("suspend", json!({})),
        ("renew", json!({})),
        ("change", json!({"max_users": 9})),
        ("regenerate", json!({})),
        ("revoke", json!({})),
    ] {
        for fault in [Fault::RefuseConnection, Fault::THROTTLE, Fault::Cancel("TransactionConflict")] {
            stack.faults.add(Rule::new("TransactWriteItems", fault).always());
            let begun = std::time::Instant::now();
            step(&stack, id, verb, body.clone()).await.expect_problem(503, "unavailable");
            assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{verb}");
            stack.faults.clear();
            if verb != "suspend" {
                break;
            }
        }
        assert_eq!(read(&stack, id).await, before, "{verb}");
        assert_eq!(verdict(&stack, json!({"license_key": sold.license_key})).await, "valid", "{verb}");
    }
    let events = stack.operator.get(&format!("license-keys/{id}/events")).await.expect_status(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "nothing but that it was issued");
}
