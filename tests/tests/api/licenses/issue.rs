//! `POST license-keys`.

use signet_tests::{START, Stack, Value, json, merged, text};

use super::{get_license, ids};

#[tokio::test]
async fn issue_returns_201_with_the_license_key() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"code": "atlas-3"})).await;
    let tier = operator.create_tier(&product, &json!({"max_tenants": 7})).await;
    let customer = operator.create_customer().await;
    let body = json!({"customer_id": customer["id"], "tier_id": tier["id"]});
    let response = operator.post("license-keys", body).await;
    let path = format!("/api/v1.0/license-keys/{}", text(&response.body["license"]["id"]));
    assert_eq!((response.status, response.header("location")), (201, &*path));
    assert_eq!(response.header("cache-control"), "no-store");
    let issued = response.body;
    let key = text(&issued["license_key"]);
    let groups: Vec<&str> = key.strip_prefix("ATLAS-3-").unwrap().split('-').collect();
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 6], "{key}");
    assert!(groups.concat().chars().all(|symbol| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(symbol)), "{key}");
    let expected = json!({
        "license_key": key,
        "license": {
            "id": issued["license"]["id"], "customer_id": customer["id"], "product_id": product["id"],
            "tier_id": tier["id"], "name": null, "external_id": null, "tag": null, "metadata": {}, "overrides": [], "status": "active", "key_hint": format!("ATLAS-3-…-{}", groups[5]), "max_users": 5,
            "max_tenants": 7, "seats_used": null, "generation": 1, "issued_at": "2026-01-15T12:00:00Z",
            "expires_at": "2027-01-15T12:00:00Z", "expiry_grace_seconds": 0, "in_grace": false, "grace_ends_at": null,
            "last_borrowed_until": null,
            "revoked_at": null, "revocation_reason": null, "superseded_by": null,
        },
        "token": issued["token"], "token_type": "JWT", "token_expires_at": "2026-01-15T13:00:00Z",
        "superseded": null,
    });
    assert_eq!(issued, expected);
    let read = operator.get(&path).await;
    assert!(!read.header("etag").is_empty());
    assert_eq!(read.expect_status(200), merged(issued["license"].clone(), &json!({"seats_used": 0})));
    let events =
        operator.get(&format!("license-keys/{}/events", text(&issued["license"]["id"]))).await.expect_status(200);
    let [event] = &events["items"].as_array().unwrap()[..] else { panic!("one event: {events}") };
    assert_eq!((&event["type"], &event["at"]), (&json!("license.issued"), &json!("2026-01-15T12:00:00Z")));
    assert_eq!((&event["ip"], &event["actor"]["kind"]), (&json!("127.0.0.1"), &json!("api_key")));
    assert_eq!(event["license_id"], issued["license"]["id"]);
    assert!(text(&event["id"]).starts_with("evt_") && text(&event["actor"]["id"]).starts_with("key_"));
}

#[tokio::test]
async fn issue_sets_the_expiry_from_the_billing_period_or_the_request() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let mut tiers = Vec::new();
    for period in ["monthly", "annual", "perpetual"] {
        tiers.push(operator.create_tier(&product, &json!({"billing_period": period})).await);
    }
    let customer = operator.create_customer().await;
    let expiry = async |tier: &Value, fields: Value| {
        let issued = operator.issue(&customer, tier, &fields).await["license"].clone();
        assert_eq!(get_license(&stack, &issued["id"]).await["expires_at"], issued["expires_at"]);
        issued["expires_at"].clone()
    };
    let [monthly, annual, perpetual] = &tiers[..] else { panic!("three") };
    assert_eq!(expiry(monthly, json!({})).await, "2026-02-15T12:00:00Z");
    assert_eq!(expiry(annual, json!({})).await, "2027-01-15T12:00:00Z");
    assert_eq!(expiry(perpetual, json!({})).await, Value::Null);
    for tier in [monthly, perpetual] {
        assert_eq!(expiry(tier, json!({"expires_at": null})).await, Value::Null);
        assert_eq!(expiry(tier, json!({"expires_at": "2026-03-01T00:00:00Z"})).await, "2026-03-01T00:00:00Z");
        assert_eq!(expiry(tier, json!({"expires_at": "2026-03-01T02:00:00.5+02:00"})).await, "2026-03-01T00:00:00.5Z");
        assert_eq!(expiry(tier, json!({"expires_at": "9999-12-01T00:00:00Z"})).await, "9999-12-01T00:00:00Z");
    }
    // The last day of a shorter month is used.
    stack.advance(16 * 86400);
    assert_eq!(expiry(monthly, json!({})).await, "2026-02-28T12:00:00Z");
    stack.advance((365 + 365 + 29) * 86400);
    assert_eq!(stack.clock.now().to_string(), "2028-02-29T12:00:00Z");
    assert_eq!(expiry(annual, json!({})).await, "2029-02-28T12:00:00Z");
}

#[tokio::test]
async fn issue_sets_the_seats_from_the_tier_or_the_request() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let five = operator.create_tier(&product, &json!({"max_users": 5})).await;
    let any = operator.create_tier(&product, &json!({"max_users": null})).await;
    let customer = operator.create_customer().await;
    for (tier, fields, seats) in [
        (&five, json!({}), json!(5)),
        (&any, json!({}), Value::Null),
        (&five, json!({"max_users": null}), Value::Null),
        (&any, json!({"max_users": 1}), json!(1)),
        (&five, json!({"max_users": 100_000}), json!(100_000)),
    ] {
        let issued = operator.issue(&customer, tier, &fields).await;
        assert_eq!(issued["license"]["max_users"], seats, "{fields}");
        assert_eq!(get_license(&stack, &issued["license"]["id"]).await["max_users"], seats, "{fields}");
        assert_eq!(stack.claims(&issued["token"]).await["limits"]["max_users"], seats, "{fields}");
    }
}

#[tokio::test]
async fn issue_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    let valid = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let (no_customer, no_tier) = ("cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB");
    let mut cases: Vec<(Value, &[&str])> = Vec::new();
    for id in [json!(no_customer), json!("x"), license.tier["id"].clone(), json!(5), Value::Null] {
        cases.push((json!({"customer_id": id}), &["/customer_id invalid_value"]));
    }
    for id in [json!(no_tier), json!(""), license.customer["id"].clone(), json!([]), Value::Null] {
        cases.push((json!({"tier_id": id}), &["/tier_id invalid_value"]));
    }
    let now = START.to_string();
    for expiry in [
        json!(now),
        json!("2020-01-01T00:00:00Z"),
        json!("2027-01-01"),
        json!("2027-01-01T00:00:00"),
        json!("tomorrow"),
        json!(1_800_000_000),
        json!(""),
    ] {
        cases.push((json!({"expires_at": expiry}), &["/expires_at invalid_value"]));
    }
    for seats in [json!(0), json!(-1), json!(100_001), json!("5"), json!(1.5)] {
        cases.push((json!({"max_users": seats}), &["/max_users invalid_value"]));
    }
    cases.push((json!({"max_tenants": 5}), &["/max_tenants unknown_field"]));
    cases
        .push((json!({"max_users": 0, "expires_at": now}), &["/max_users invalid_value", "/expires_at invalid_value"]));
    let both_unknown = json!({"customer_id": no_customer, "tier_id": no_tier});
    cases.push((both_unknown, &["/customer_id invalid_value", "/tier_id invalid_value"]));
    for (change, errors) in cases {
        operator.post("license-keys", merged(valid.clone(), &change)).await.expect_errors(422, errors);
    }
    operator
        .post("license-keys", json!({"tier_id": license.tier["id"]}))
        .await
        .expect_errors(422, &["/customer_id invalid_value"]);
    operator
        .post("license-keys", json!({"customer_id": license.customer["id"]}))
        .await
        .expect_errors(422, &["/tier_id invalid_value"]);
    let list = operator.get("license-keys").await.expect_status(200);
    assert_eq!(ids(&list), [license.issued["license"]["id"].clone()], "rejected requests create nothing");
    assert_eq!(list["items"][0]["status"], "active");
}

#[tokio::test]
async fn issue_supersedes_the_customers_key_for_the_product() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license_with(&json!({"max_users": 1, "max_borrow_seconds": 86_400})).await;
    let borrow =
        json!({"license_key": license.license_key, "machine_id": "one", "borrow_until": "2026-01-16T12:00:00Z"});
    let activated = app.post("license-activations/activate", borrow).await.expect_status(201);
    let other_tier = operator.create_tier(&license.product, &json!({})).await;
    let second = operator.issue(&license.customer, &other_tier, &json!({})).await;
    let old = get_license(&stack, &license.issued["license"]["id"]).await;
    assert_eq!((&old["status"], &old["superseded_by"]), (&json!("superseded"), &second["license"]["id"]));
    let expected = json!({"id": old["id"], "key_hint": old["key_hint"], "last_borrowed_until": "2026-01-16T12:00:00Z"});
    assert_eq!(second["superseded"], expected, "tokens of borrowed seats go on working until then");
    app.heartbeat(text(&activated["token"]), "one").await.expect_problem(403, "superseded");
    app.activate(&license.license_key, "one").await.expect_problem(403, "superseded");
    app.activate(text(&second["license_key"]), "one").await.expect_status(201);
    let events = stack.license_events(&license.license_id).await;
    let superseded = events.iter().find(|event| event["type"] == "license.superseded").unwrap();
    assert_eq!(superseded["data"]["superseded_by"], second["license"]["id"]);
    // The third supersedes the second; the first still refers to the second.
    let third = operator.issue(&license.customer, &license.tier, &json!({})).await;
    assert_eq!(get_license(&stack, &second["license"]["id"]).await["superseded_by"], third["license"]["id"]);
    assert_eq!(get_license(&stack, &license.issued["license"]["id"]).await["superseded_by"], second["license"]["id"]);
    // Other customers and other products are not affected.
    let other = operator.issue_new_license(1).await;
    operator.issue(&license.customer, &other.tier, &json!({})).await;
    operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await;
    assert_eq!(get_license(&stack, &third["license"]["id"]).await["status"], "active");
    assert_eq!(get_license(&stack, &other.issued["license"]["id"]).await["status"], "active");
}

#[tokio::test]
async fn issue_supersedes_expired_and_suspended_but_not_revoked_keys() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let issue =
        async || stack.operator.issue(&license.customer, &license.tier, &json!({})).await["license"]["id"].clone();
    let status = async |id: &Value| get_license(&stack, id).await["status"].clone();
    let first = license.issued["license"]["id"].clone();
    stack.advance(366 * 86400);
    assert_eq!(status(&first).await, "expired");
    let second = issue().await;
    assert_eq!(status(&first).await, "superseded");
    stack.set_license_attribute(text(&second), "status", json!({"S": "suspended"})).await;
    let third = issue().await;
    assert_eq!(status(&second).await, "superseded");
    stack.operator.post(&format!("license-keys/{}/revoke", text(&third)), json!({})).await.expect_status(200);
    issue().await;
    let revoked = get_license(&stack, &third).await;
    assert_eq!((&revoked["status"], &revoked["superseded_by"]), (&json!("revoked"), &Value::Null));
}

#[tokio::test]
async fn issue_supersedes_nothing_if_the_product_allows_several_keys() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let tier = operator.create_tier(&product, &json!({})).await;
    let customer = operator.create_customer().await;
    let mut issued = Vec::new();
    for _ in 0..3 {
        issued.push(operator.issue(&customer, &tier, &json!({})).await["license"]["id"].clone());
    }
    for id in &issued {
        assert_eq!(get_license(&stack, id).await["status"], "active");
    }
    // After it is switched on, it applies to the next key.
    operator.replace("products", &product, &json!({"one_key_per_customer": true})).await.expect_status(200);
    let last = operator.issue(&customer, &tier, &json!({})).await;
    let mut statuses = Vec::new();
    for id in &issued {
        statuses.push(get_license(&stack, id).await["status"].clone());
    }
    assert_eq!(statuses, ["active", "active", "superseded"]);
    assert_eq!(get_license(&stack, &issued[2]).await["superseded_by"], last["license"]["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_issues_leave_one_active_key() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let post = |_| {
        let (client, body) = (operator.clone(), body.clone());
        tokio::spawn(async move { client.post("license-keys", body).await })
    };
    let mut issued = 1;
    for response in (0..8).map(post).collect::<Vec<_>>() {
        let response = response.await.unwrap();
        match response.status {
            201 => issued += 1,
            _ => drop(response.expect_problem(503, "unavailable").clone()),
        }
    }
    let list = operator.get("license-keys?limit=100").await.expect_status(200);
    let mut statuses: Vec<_> = list["items"].as_array().unwrap().iter().map(|row| text(&row["status"])).collect();
    statuses.sort_unstable();
    assert_eq!(statuses.len(), issued);
    assert_eq!((statuses[0], &statuses[1..]), ("active", &*vec!["superseded"; issued - 1]));
}
