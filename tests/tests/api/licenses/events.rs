//! Events of license keys: written in the transaction of the change, and listed newest first.

use std::{cell::RefCell, cmp::Reverse, collections::BTreeSet};

use shared::domain::Scope;
use signet_tests::{Client, Fault, Rule, START, Stack, Value, json};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Lists the events of a license key, newest first.
async fn events_of(stack: &Stack, id: &str) -> Vec<Value> {
    all_pages(&stack.operator, &format!("license-keys/{id}/events"), 100).await
}

/// Lists all items, page by page.
async fn all_pages(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = format!("{path}?limit={limit}");
    for _ in 0..200 {
        let page = client.get(&next).await.expect_status(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        rows.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}?limit={limit}&cursor={cursor}"),
            None => return rows,
        }
    }
    panic!("{path}: too many pages");
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(&event["id"])).collect()
}

fn later(seconds: i64) -> String {
    (START + jiff::SignedDuration::from_secs(seconds)).to_string()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one list of steps")]
async fn each_transition_writes_its_event_in_the_same_transaction() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license_with(&json!({"billing_period": "monthly", "max_users": 1})).await;
    let bigger = stack.operator.create_tier(&license.product, &json!({"max_users": 3})).await;
    let (id, customer, tier) = (&license.license_id, &license.customer["id"], &license.tier["id"]);
    let operator = json!({"kind": "api_key", "id": stack.operator_api_key_id()});
    let mut expected = vec![(
        "license.issued",
        later(0),
        operator.clone(),
        json!({"tier": license.tier["code"], "customer_id": customer}),
    )];

    // Sends a request one second later, and asserts that it made a single write.
    let request_ids = RefCell::new(Vec::new());
    let step = async |client: &Client, path: &str, body: Value| {
        stack.advance(1);
        stack.faults.reset_calls();
        let response = client.post(path, body).await;
        assert!(response.status < 300, "{path}: {}", response.text);
        request_ids.borrow_mut().push(json!(response.header("x-request-id")));
        let is_write = |call: &&String| !matches!(call.as_str(), "GetItem" | "Query" | "BatchGetItem");
        let calls = stack.faults.calls();
        let written: Vec<_> = calls.iter().filter(is_write).collect();
        // An activation is counted by the rate limiter before it looks for a seat.
        let is_counted = path == "license-activations/activate";
        let expected = if is_counted { &["UpdateItem", "TransactWriteItems"][..] } else { &["TransactWriteItems"] };
        assert_eq!(written, expected, "{path}");
        response.body
    };
    let at = |verb: &str| format!("license-keys/{id}/{verb}");
    let by_operator = &stack.operator;
    step(by_operator, &at("suspend"), json!({"reason": "unpaid"})).await;
    expected.push(("license.suspended", later(1), operator.clone(), json!({"reason": "unpaid"})));
    step(by_operator, &at("reinstate"), json!({})).await;
    expected.push(("license.reinstated", later(2), operator.clone(), json!({"reason": null})));
    step(by_operator, &at("renew"), json!({})).await;
    let data = json!({"from": "2026-02-15T12:00:00Z", "expires_at": "2026-03-15T12:00:00Z"});
    expected.push(("license.renewed", later(3), operator.clone(), data));
    step(by_operator, &at("change"), json!({"tier_id": bigger["id"], "max_users": 1})).await;
    let data = json!({"from": {"tier_id": tier, "max_users": 1}, "tier_id": bigger["id"], "max_users": 1});
    expected.push(("license.changed", later(4), operator.clone(), data));
    let regenerated = step(by_operator, &at("regenerate"), json!({})).await;
    expected.push(("license.regenerated", later(5), operator.clone(), json!({"generation": 2})));
    step(by_operator, &at("audit"), json!({})).await;
    expected.push(("license.audited", later(6), operator.clone(), json!({"ok": true, "repair": false})));

    let app = |active: &Value| json!({"kind": "app", "id": active["activation"]["id"]});
    let body = json!({"license_key": regenerated["license_key"], "machine_id": "m1", "machine_name": "build-07",
        "app_version": "4.2.1", "os": "Windows 11", "hostname": "not in events"});
    let first = step(&stack.anonymous, "license-activations/activate", body).await;
    let first_id = &first["activation"]["id"];
    let data = json!({"activation_id": first_id, "machine_id": "m1", "machine_name": "build-07", "app_version": "4.2.1",
        "os": "Windows 11", "seat": 0});
    expected.push(("activation.created", later(7), app(&first), data));
    // The lease of m1 has expired, so m2 takes over the seat.
    stack.advance(3600);
    let body = json!({"license_key": regenerated["license_key"], "machine_id": "m2"});
    let second = step(&stack.anonymous, "license-activations/activate", body).await;
    let second_id = &second["activation"]["id"];
    let data = json!({
        "activation_id": second_id, "machine_id": "m2", "machine_name": null, "app_version": null, "os": null, "seat": 0,
        "taken_from": {"activation_id": first_id, "machine_id": "m1"},
    });
    expected.push(("activation.taken_over", later(3608), app(&second), data));
    let path = format!("license-activations/{}/deactivate", text(second_id));
    step(&stack.anonymous, &path, json!({"token": second["token"]})).await;
    let data = json!({"activation_id": second_id, "machine_id": "m2"});
    expected.push(("activation.deactivated", later(3609), app(&second), data));

    // A signed-in user is identified by the subject.
    let signed_in = stack.sign_in("op@example.com", "role:operator").await;
    let third = step(
        &stack.anonymous,
        "license-activations/activate",
        json!({"token": regenerated["token"], "machine_id": "m3"}),
    );
    let third = third.await;
    let third_id = &third["activation"]["id"];
    let data = json!({"activation_id": third_id, "machine_id": "m3", "machine_name": null, "app_version": null, "os": null,
        "seat": 0});
    expected.push(("activation.created", later(3610), app(&third), data));
    let path = format!("license-activations/{}/deactivate", text(third_id));
    step(&signed_in, &path, json!({})).await;
    let events = events_of(&stack, id).await;
    let user = events[0]["actor"].clone();
    assert_eq!(user["kind"], "user");
    assert!(!text(&user["id"]).is_empty() && !text(&user["id"]).contains('@'), "{user}");
    expected.push((
        "activation.deactivated",
        later(3611),
        user,
        json!({"activation_id": third_id, "machine_id": "m3"}),
    ));

    let newer = step(by_operator, "license-keys", json!({"customer_id": customer, "tier_id": tier})).await;
    let newer = &newer["license"]["id"];
    expected.push(("license.superseded", later(3612), operator.clone(), json!({"superseded_by": newer})));
    step(by_operator, &at("revoke"), json!({"reason": "refund"})).await;
    expected.push(("license.revoked", later(3613), operator.clone(), json!({"reason": "refund"})));

    let events = events_of(&stack, id).await;
    assert_eq!(events.len(), expected.len());
    let issued = events.last().unwrap()["request_id"].clone();
    assert_eq!(text(&issued).len(), 32);
    let request_ids = [vec![issued], request_ids.take()].concat();
    for (event, ((kind, at, actor, data), request_id)) in events.iter().rev().zip(expected.into_iter().zip(request_ids))
    {
        assert!(text(&event["id"]).starts_with("evt_"));
        let subject = match data.get("activation_id") {
            Some(activation) => json!({"type": "activation", "id": activation}),
            None => json!({"type": "license", "id": id}),
        };
        let complete = json!({
            "id": event["id"], "type": kind, "at": at, "subject": subject, "license_id": id, "actor": actor,
            "ip": "127.0.0.1", "request_id": request_id, "data": data,
        });
        assert_eq!(*event, complete);
    }
    // The `issued` event of the new license precedes the `superseded` event of the license that it replaced.
    let all = all_pages(&stack.operator, "events", 100).await;
    let kinds: Vec<_> = all.iter().take(3).map(|event| (text(&event["type"]), &event["license_id"])).collect();
    assert_eq!(kinds, [("license.revoked", &json!(id)), ("license.superseded", &json!(id)), ("license.issued", newer)]);
    let of_licenses = all.iter().filter(|event| !event["license_id"].is_null()).count();
    assert_eq!(of_licenses, events.len() + 1);
}

#[tokio::test]
async fn refused_repeated_and_failed_requests_write_no_event() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    let at = |verb: &str| format!("license-keys/{id}/{verb}");
    let count = async || events_of(&stack, id).await.len();
    assert_eq!(count().await, 1);
    stack.operator.post(&at("reinstate"), json!({})).await.expect_problem(409, "state_conflict");
    stack
        .operator
        .post(&at("renew"), json!({"expires_at": START.to_string()}))
        .await
        .expect_problem(422, "invalid_value");
    let active = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    assert_eq!(count().await, 2);
    // Renewals, heartbeats and validations write no event, and of the refusals only the first that every seat is taken.
    stack.anonymous.activate(&license.license_key, "m1").await.expect_status(200);
    stack.anonymous.activate(&license.license_key, "m2").await.expect_problem(409, "seat_limit_reached");
    stack.anonymous.heartbeat(text(&active["token"]), "m1").await.expect_status(200);
    stack.anonymous.post("license-keys/validate", json!({"token": active["token"]})).await.expect_status(200);
    assert_eq!(count().await, 3);
    // If the transaction with the event fails, the license is unchanged.
    let read = async || stack.operator.get(&format!("license-keys/{id}")).await.expect_status(200);
    let before = read().await;
    let deactivate = format!("license-activations/{}/deactivate", text(&active["activation"]["id"]));
    let requests = [
        (at("suspend"), json!({})),
        (at("renew"), json!({})),
        (at("change"), json!({"max_users": 4})),
        (at("regenerate"), json!({})),
        (at("audit"), json!({})),
        (at("revoke"), json!({})),
        (deactivate.clone(), json!({})),
    ];
    stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).containing("EVENT#").always());
    for (path, body) in requests {
        stack.operator.post(&path, body).await.expect_problem(503, "unavailable");
    }
    stack.faults.clear();
    assert_eq!((count().await, read().await), (3, before));
    // A repeated request, by the caller or by the SDK, writes one event.
    for path in [deactivate, at("revoke")] {
        stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
        stack.operator.post(&path, json!({})).await.expect_status(200);
        stack.operator.post(&path, json!({})).await.expect_status(200);
    }
    let kinds: Vec<_> = events_of(&stack, id).await.iter().map(|event| event["type"].clone()).collect();
    // All events have the same millisecond, so their order is undefined.
    let kinds: BTreeSet<_> = kinds.iter().map(text).collect();
    assert_eq!(
        (count().await, kinds),
        (
            5,
            BTreeSet::from([
                "activation.created",
                "activation.deactivated",
                "license.issued",
                "license.revoked",
                "license.seat_limit_reached",
            ])
        )
    );
}

/// Returns the events in the table, newest first.
async fn stored_events(stack: &Stack) -> Vec<Value> {
    let mut events = stack.event_items().await;
    for event in &mut events {
        let attributes = event.as_object_mut().unwrap();
        attributes.retain(|name, _| !["PK", "SK", "GSI1PK", "GSI1SK"].contains(&name.as_str()));
    }
    events.sort_by_key(|event| Reverse(text(&event["id"]).to_owned()));
    events
}

/// Suspends and reinstates license keys over several days. Returns their ids and all events, newest first.
async fn history(stack: &Stack, licenses: usize, days: i64) -> (Vec<String>, Vec<Value>) {
    let mut license_ids = Vec::new();
    for _ in 0..licenses {
        license_ids.push(stack.operator.issue_new_license(1).await.license_id);
        stack.advance(7);
    }
    for _ in 0..days {
        for (index, id) in license_ids.iter().enumerate() {
            for verb in ["suspend", "reinstate"] {
                stack.operator.post(&format!("license-keys/{id}/{verb}"), json!({})).await.expect_status(200);
                stack.advance(3600 + i64::try_from(index).unwrap());
            }
        }
        stack.advance(86_400 / 2);
    }
    (license_ids, stored_events(stack).await)
}

#[tokio::test]
async fn list_events_returns_events_of_all_resources_newest_first() {
    let stack = Stack::start().await;
    let (license_ids, events) = history(&stack, 5, 4).await;
    let of_licenses = events.iter().filter(|event| !event["license_id"].is_null()).count();
    assert_eq!(of_licenses, 5 + 5 * 4 * 2);
    let days: BTreeSet<_> = events.iter().map(|event| text(&event["at"])[..10].to_owned()).collect();
    assert!(days.len() >= 4, "{days:?}");
    for limit in [1, 4, events.len(), 100] {
        let listed = all_pages(&stack.operator, "events", limit).await;
        assert_eq!(ids(&listed), ids(&events), "{limit} a page");
        assert_eq!(listed, events);
    }
    // And the events of each license.
    for id in license_ids {
        let own_events: Vec<_> = events.iter().filter(|event| event["license_id"] == json!(id)).cloned().collect();
        assert_eq!(own_events.len(), 9);
        for limit in [1, 3, 9, 100] {
            assert_eq!(all_pages(&stack.operator, &format!("license-keys/{id}/events"), limit).await, own_events);
        }
    }
}

#[tokio::test]
async fn pages_list_every_event_once_while_events_are_added() {
    let stack = Stack::start().await;
    let (license_ids, _) = history(&stack, 3, 2).await;
    for path in ["events".to_owned(), format!("license-keys/{}/events", license_ids[0])] {
        let before: Vec<_> = all_pages(&stack.operator, &path, 100).await;
        let mut listed = Vec::new();
        let mut next = format!("{path}?limit=2");
        let mut rounds = 0;
        loop {
            assert!(listed.len() < 200, "{path}: too many pages");
            let page = stack.operator.get(&next).await.expect_status(200);
            listed.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("{path}?limit=2&cursor={cursor}");
            // More events are added between pages, some of them on another day.
            stack.advance(if rounds == 1 { 86_400 } else { 1 });
            let verb = if rounds % 2 == 0 { "suspend" } else { "reinstate" };
            stack.operator.post(&format!("license-keys/{}/{verb}", license_ids[0]), json!({})).await.expect_status(200);
            rounds += 1;
        }
        assert!(rounds > 2);
        assert_eq!(ids(&listed), ids(&before), "{path}");
        if rounds % 2 == 1 {
            stack
                .operator
                .post(&format!("license-keys/{}/reinstate", license_ids[0]), json!({}))
                .await
                .expect_status(200);
        }
    }
}

#[tokio::test]
async fn list_events_skips_months_without_events_in_few_pages() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    stack.advance(100 * 86_400);
    stack.operator.post(&format!("license-keys/{id}/suspend"), json!({})).await.expect_status(200);
    stack.advance(50 * 86_400);
    let (mut listed, mut pages, mut next) = (Vec::new(), 0, "events".to_owned());
    loop {
        stack.faults.reset_calls();
        let page = stack.operator.get(&next).await.expect_status(200);
        assert!(stack.faults.calls().len() < 600, "the number of days that a page reads is limited");
        let of_licenses = page["items"].as_array().unwrap().iter().filter(|event| !event["license_id"].is_null());
        listed.extend(of_licenses.map(|event| event["type"].clone()));
        pages += 1;
        assert!(pages <= 4, "{pages} pages");
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("events?cursor={cursor}");
    }
    assert_eq!(listed, ["license.suspended", "license.issued"]);
}

#[tokio::test]
async fn list_events_returns_401_403_404_and_422() {
    let stack = Stack::start().await;
    let (one, other) =
        (stack.operator.issue_new_license(1).await.license_id, stack.operator.issue_new_license(1).await.license_id);
    let path = format!("license-keys/{one}/events");
    for path in ["events", &path] {
        stack.anonymous.get(path).await.expect_problem(401, "unauthenticated");
        let customer = stack.sign_in("ada@example.com", "openid").await;
        customer.get(path).await.expect_problem(403, "forbidden");
        let scopes = [Scope::LicensesWrite, Scope::CustomersRead, Scope::AccessWrite];
        stack.client_with_scopes(&scopes).await.get(path).await.expect_problem(403, "forbidden");
        stack.client_with_scopes(&[Scope::LicensesRead]).await.get(path).await.expect_status(200);
        for (query, code) in [
            ("limit=0", "invalid_value"),
            ("limit=101", "invalid_value"),
            ("cursor=x", "cursor_invalid"),
            ("kind=issued", "unknown_field"),
        ] {
            stack.operator.get(&format!("{path}?{query}")).await.expect_problem(422, code);
        }
    }
    stack.operator.get("license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB/events").await.expect_problem(404, "not_found");
    stack.operator.get("license-keys/x/events").await.expect_problem(404, "not_found");
    // A cursor is valid only for its own list.
    stack.operator.post(&format!("license-keys/{one}/suspend"), json!({})).await.expect_status(200);
    let page = stack.operator.get(&format!("{path}?limit=1")).await.expect_status(200);
    let cursor = text(&page["next_cursor"]);
    stack
        .operator
        .get(&format!("license-keys/{other}/events?cursor={cursor}"))
        .await
        .expect_problem(422, "cursor_invalid");
    stack.operator.get(&format!("events?cursor={cursor}")).await.expect_problem(422, "cursor_invalid");
    stack.operator.get(&format!("{path}?cursor={cursor}")).await.expect_status(200);
}
