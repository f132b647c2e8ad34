//! `POST license-keys/{id}/change`.

use signet_tests::{Fault, Gate, Rule, Stack, Value, json, merged};

use super::{after, claims, read, text, transition, transition_concurrently, validate};

/// Returns the license of the response to a change.
fn license_of(mut changed: Value) -> Value {
    changed.as_object_mut().unwrap().retain(|name, _| !["from", "to", "activations_without_seat"].contains(&&**name));
    changed
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
        assert_eq!(license_of(response.expect_status(200)), expected);
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
    assert_eq!(license_of(changed), merged(license.issued["license"].clone(), &expected));
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
async fn a_dry_run_says_what_a_change_will_change_and_changes_nothing() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license_with(&json!({"max_users": null, "expiry_grace_seconds": 60})).await;
    let api = operator.create_feature(&license.product, "api").await;
    let rows = json!({"product_id": license.product["id"], "key": "rows", "name": "Rows", "kind": "limit"});
    let rows = operator.post("product-features", rows).await.expect_status(201);
    let larger = json!({"feature_ids": [api["id"]], "feature_limits": {text(&rows["id"]): 5}, "max_users": 3,
        "max_borrow_seconds": 100});
    let larger = operator.create_tier(&license.product, &larger).await;
    for machine in ["one", "two"] {
        stack.anonymous.activate(&license.license_key, machine).await.expect_status(201);
    }
    let path = format!("license-keys/{}/change", license.license_id);
    let body = json!({"tier_id": larger["id"]});
    let before = stack.snapshot_items().await;
    let preview = operator.post(&format!("{path}?dry_run=true"), body.clone()).await.expect_status(200);
    stack.assert_unchanged_since(&before).await;
    assert_eq!(preview["from"]["features"], json!(["export.pdf"]));
    let expected = json!({"tier_id": larger["id"], "max_users": 3, "max_tenants": null, "seat_unit": "machine",
        "max_borrow_seconds": 100, "expiry_grace_seconds": 0, "honoured_until": preview["expires_at"],
        "features": ["api"], "feature_limits": {"rows": 5}});
    assert_eq!(preview["to"], expected);
    assert_eq!((&preview["activations_without_seat"], &preview["max_users"]), (&json!(2), &json!(3)));
    // A dry run does not use up the idempotency key of the change.
    let keyed = operator.with_header("idempotency-key", "change-1");
    keyed.post(&format!("{path}?dry_run=true"), body.clone()).await.expect_status(200);
    let changed = keyed.post(&path, body).await.expect_status(200);
    assert_eq!((&changed["from"], &changed["to"]), (&preview["from"], &preview["to"]));
    assert_eq!(read(&stack, &license.license_id).await["tier_id"], larger["id"]);
    assert_eq!(changed["activations_without_seat"], 2);

    // A dry run is refused as the change would be.
    let unknown = json!({"tier_id": "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"});
    operator.post(&format!("{path}?dry_run=true"), unknown).await.expect_errors(422, &["/tier_id invalid_value"]);
    operator
        .post(&format!("{path}?dry_run=yes"), json!({"max_users": 9}))
        .await
        .expect_errors(422, &["dry_run invalid_value"]);
}
