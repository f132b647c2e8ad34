//! License keys: issuing, reading, listing and revoking.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use signet_tests::{START, Stack, Value, json, merged, text};

fn ids(list: &Value) -> Vec<Value> {
    list["items"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

async fn get_license(stack: &Stack, id: &Value) -> Value {
    stack.operator.get(&format!("license-keys/{}", text(id))).await.expect_status(200)
}

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
            "tier_id": tier["id"], "status": "active", "key_hint": format!("ATLAS-3-…-{}", groups[5]), "max_users": 5,
            "max_tenants": 7, "seats_used": null, "generation": 1, "issued_at": "2026-01-15T12:00:00Z",
            "expires_at": "2027-01-15T12:00:00Z", "revoked_at": null, "revocation_reason": null, "superseded_by": null,
        },
        "token": issued["token"], "token_type": "JWT", "token_expires_at": "2026-01-15T13:00:00Z",
    });
    assert_eq!(issued, expected);
    let read = operator.get(&path).await;
    assert!(!read.header("etag").is_empty());
    assert_eq!(read.expect_status(200), merged(issued["license"].clone(), &json!({"seats_used": 0})));
    let events =
        operator.get(&format!("license-keys/{}/events", text(&issued["license"]["id"]))).await.expect_status(200);
    let [event] = &events["items"].as_array().unwrap()[..] else { panic!("one event: {events}") };
    assert_eq!((&event["type"], &event["at"]), (&json!("issued"), &json!("2026-01-15T12:00:00Z")));
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
    let license = operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let other_tier = operator.create_tier(&license.product, &json!({})).await;
    let second = operator.issue(&license.customer, &other_tier, &json!({})).await;
    let old = get_license(&stack, &license.issued["license"]["id"]).await;
    assert_eq!((&old["status"], &old["superseded_by"]), (&json!("superseded"), &second["license"]["id"]));
    app.heartbeat(text(&activated["token"]), "one").await.expect_problem(403, "superseded");
    app.activate(&license.license_key, "one").await.expect_problem(403, "superseded");
    app.activate(text(&second["license_key"]), "one").await.expect_status(201);
    let events = stack.license_events(&license.license_id).await;
    let superseded = events.iter().find(|event| event["type"] == "superseded").unwrap();
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

#[tokio::test]
async fn list_returns_pages_with_the_newest_first() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    let mut expected = vec![license.issued["license"]["id"].clone()];
    for _ in 0..6 {
        stack.advance(1);
        expected.insert(
            0,
            operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await["license"]["id"].clone(),
        );
    }
    let all = operator.get("license-keys").await.expect_status(200);
    assert_eq!((ids(&all), &all["next_cursor"]), (expected.clone(), &Value::Null));
    assert_eq!(all["items"][6], license.issued["license"], "rows omit the number of used seats");
    let first = operator.get("license-keys?limit=3").await.expect_status(200);
    let mut seen = ids(&first);
    let mut cursor = text(&first["next_cursor"]).to_owned();
    stack.advance(1);
    operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await;
    loop {
        let page = operator.get(&format!("license-keys?limit=2&cursor={cursor}")).await.expect_status(200);
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn list_returns_each_key_of_the_same_millisecond_once() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let mut issued = vec![license.license_id.clone()];
    for _ in 0..10 {
        let next = stack.operator.issue(&stack.operator.create_customer().await, &license.tier, &json!({})).await;
        issued.push(text(&next["license"]["id"]).to_owned());
    }
    let (mut seen, mut more) = (Vec::new(), String::new());
    loop {
        let page = stack.operator.get(&format!("license-keys?limit=3{more}")).await.expect_status(200);
        seen.extend(ids(&page).iter().map(|id| text(id).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => more = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort_unstable();
    issued.sort_unstable();
    assert_eq!(seen, issued);
}

#[tokio::test]
async fn list_filters_by_customer_product_and_status() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    let other = operator.issue_new_license(1).await;
    let mut issued = vec![license.issued["license"]["id"].clone()];
    // One customer and product: superseded, revoked and active; two other customers: expired and suspended.
    for _ in 0..2 {
        stack.advance(1);
        issued.push(operator.issue(&license.customer, &license.tier, &json!({})).await["license"]["id"].clone());
    }
    operator.post(&format!("license-keys/{}/revoke", text(&issued[1])), json!({})).await.expect_status(200);
    let second_customer = operator.create_customer().await;
    let short = json!({"expires_at": "2026-01-15T12:00:05Z"});
    issued.push(operator.issue(&second_customer, &license.tier, &short).await["license"]["id"].clone());
    let third_customer = operator.create_customer().await;
    issued.push(
        operator.issue(&third_customer, &license.tier, &json!({"expires_at": null})).await["license"]["id"].clone(),
    );
    stack.set_license_attribute(text(&issued[4]), "status", json!({"S": "suspended"})).await;
    stack.advance(60);

    let list = async |query: &str| ids(&operator.get(&format!("license-keys?{query}")).await.expect_status(200));
    let (product, customer) = (text(&license.product["id"]), text(&license.customer["id"]));
    for (status, index) in [("active", 2), ("superseded", 0), ("revoked", 1), ("expired", 3), ("suspended", 4)] {
        let found = list(&format!("product_id={product}&status={status}")).await;
        assert_eq!(found, [issued[index].clone()], "{status}");
    }
    assert_eq!(list(&format!("customer_id={customer}")).await, [2, 1, 0].map(|index| issued[index].clone()));
    assert_eq!(list(&format!("customer_id={customer}&status=revoked")).await, [issued[1].clone()]);
    assert_eq!(list(&format!("customer_id={customer}&product_id={product}")).await.len(), 3);
    let other_product = text(&other.product["id"]);
    assert_eq!(list(&format!("customer_id={customer}&product_id={other_product}")).await, [Value::Null; 0]);
    assert_eq!(list(&format!("product_id={other_product}")).await, [other.issued["license"]["id"].clone()]);
    assert_eq!(list("status=active").await.len(), 2);
    assert_eq!(list("status=&customer_id=").await.len(), 6);
    assert_eq!(list("customer_id=cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB").await, [Value::Null; 0]);
    // Every page of a filtered list except the last is full.
    let page = operator.get(&format!("license-keys?product_id={product}&limit=2")).await.expect_status(200);
    assert_eq!(ids(&page).len(), 2);
    let next = format!("product_id={product}&limit=2&cursor={}", text(&page["next_cursor"]));
    assert_eq!(list(&next).await.len(), 2);
}

#[tokio::test]
async fn list_returns_422_for_invalid_parameters_and_cursors() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    operator.issue(&license.customer, &license.tier, &json!({})).await;
    for (query, error) in [
        ("status=gone", "status invalid_value"),
        ("status=Active", "status invalid_value"),
        ("customer_id=x", "customer_id invalid_value"),
        ("product_id=cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "product_id invalid_value"),
        ("state=active", "state unknown_field"),
        ("limit=0", "limit invalid_value"),
        ("limit=101", "limit invalid_value"),
        ("limit=x", "limit invalid_value"),
        ("status=active&status=active", "status invalid_value"),
        ("cursor=x", "cursor cursor_invalid"),
    ] {
        operator.get(&format!("license-keys?{query}")).await.expect_errors(422, &[error]);
    }
    let cursor = async |query: &str| {
        let page = operator.get(&format!("license-keys?limit=1&{query}")).await.expect_status(200);
        text(&page["next_cursor"]).to_owned()
    };
    let (customer, product) = (text(&license.customer["id"]), text(&license.product["id"]));
    let of_all = cursor("").await;
    let of_customer = cursor(&format!("customer_id={customer}")).await;
    let of_product = cursor(&format!("product_id={product}")).await;
    for query in [
        format!("customer_id={customer}&cursor={of_all}"),
        format!("status=active&cursor={of_all}"),
        format!("product_id={product}&cursor={of_all}"),
        format!("cursor={of_customer}"),
        format!("customer_id={customer}&status=superseded&cursor={of_customer}"),
        format!("customer_id={customer}&cursor={of_product}"),
    ] {
        operator.get(&format!("license-keys?{query}")).await.expect_errors(422, &["cursor cursor_invalid"]);
    }
    operator.get(&format!("products?cursor={of_all}")).await.expect_errors(422, &["cursor cursor_invalid"]);
    operator.get(&format!("license-keys?cursor={of_all}")).await.expect_status(200);
}

#[tokio::test]
async fn get_returns_the_number_of_used_seats() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(3).await;
    let unlimited = operator.issue_new_license_with(&json!({"max_users": null})).await;
    for license in [&license, &unlimited] {
        let id = &license.issued["license"]["id"];
        let used = async || get_license(&stack, id).await["seats_used"].clone();
        assert_eq!(used().await, 0);
        let one = app.activate(&license.license_key, "one").await.expect_status(201);
        let etag = operator.get(&format!("license-keys/{}", text(id))).await.header("etag").to_owned();
        app.activate(&license.license_key, "two").await.expect_status(201);
        app.activate(&license.license_key, "two").await.expect_status(200);
        assert_eq!(used().await, 2);
        assert_ne!(operator.get(&format!("license-keys/{}", text(id))).await.header("etag"), etag);
        let path = format!("license-activations/{}/deactivate", text(&one["activation"]["id"]));
        operator.post(&path, json!({})).await.expect_status(200);
        assert_eq!(used().await, 1);
        stack.advance(86400);
        assert_eq!(used().await, 1, "a lapsed machine keeps its seat until another machine takes it over");
    }
}

#[tokio::test]
async fn get_and_revoke_return_404_for_unknown_ids() {
    let stack = Stack::start().await;
    for id in [
        "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
        "lic_01jd8w0v5xk6q3r7t2n4m8p9zb",
        "x",
        "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
        "%2e%2e",
    ] {
        stack.operator.get(&format!("license-keys/{id}")).await.expect_problem(404, "not_found");
        stack.operator.post(&format!("license-keys/{id}/revoke"), json!({})).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn revoke_is_idempotent_and_final() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let path = format!("license-keys/{}/revoke", license.license_id);
    stack.advance(5);
    let first = stack.operator.post(&path, json!({"reason": "refund"})).await;
    assert!(!first.header("etag").is_empty());
    let changed = json!({"status": "revoked", "revoked_at": "2026-01-15T12:00:05Z", "revocation_reason": "refund"});
    assert_eq!(first.body, merged(license.issued["license"].clone(), &changed));
    stack.advance(5);
    for body in [json!({"reason": "refund"}), json!({"reason": "fraud"}), json!({})] {
        let response = stack.operator.post(&path, body).await;
        assert_eq!((response.status, response.text), (200, first.text.clone()));
    }
    assert_eq!(
        stack.license_events(&license.license_id).await.iter().filter(|event| event["type"] == "revoked").count(),
        1
    );
    let read = get_license(&stack, &license.issued["license"]["id"]).await;
    assert_eq!(read, merged(first.body, &json!({"seats_used": 0})));
    // It stays revoked, also after it has expired and after a new key is issued.
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    stack.advance(400 * 86400);
    assert_eq!(get_license(&stack, &license.issued["license"]["id"]).await, read);
}

#[tokio::test]
async fn revoke_accepts_superseded_and_expired_keys() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let second = stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let revoke = async |id: &Value| {
        stack
            .operator
            .post(&format!("license-keys/{}/revoke", text(id)), json!({"reason": null}))
            .await
            .expect_status(200)
    };
    let first = revoke(&license.issued["license"]["id"]).await;
    assert_eq!((&first["status"], &first["superseded_by"]), (&json!("revoked"), &second["license"]["id"]));
    assert_eq!(first["revocation_reason"], Value::Null);
    stack.advance(400 * 86400);
    assert_eq!(revoke(&second["license"]["id"]).await["status"], "revoked");
}

#[tokio::test]
async fn revoke_returns_422_for_an_invalid_reason() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let path = format!("license-keys/{}/revoke", license.license_id);
    let post = async |body: Value| stack.operator.post(&path, body).await;
    post(json!({"reason": 5})).await.expect_errors(422, &["/reason invalid_value"]);
    post(json!({"reason": "a".repeat(501)})).await.expect_errors(422, &["/reason invalid_value"]);
    post(json!({"reason": "\u{0}"})).await.expect_errors(422, &["/reason invalid_value"]);
    post(json!({"why": "x"})).await.expect_errors(422, &["/why unknown_field"]);
    post(json!([])).await.expect_problem(422, "invalid_value");
    assert_eq!(get_license(&stack, &license.issued["license"]["id"]).await["status"], "active");
    assert_eq!(post(json!({"reason": "é".repeat(500)})).await.expect_status(200)["status"], "revoked");
}
