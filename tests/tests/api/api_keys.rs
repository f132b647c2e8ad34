//! The operator's API keys: who makes them, what they allow, and that somebody can always make another.

use std::time::{Duration, Instant};

use signet_tests::{Client, Fault, Gate, Rule, START, Stack, Value, json};

/// Makes a key; the client that uses it, and its id.
async fn make(maker: &Client, anonymous: &Client, scopes: &[&str]) -> (Client, String) {
    let made = maker.post("api-keys", json!({"name": "ci", "scopes": scopes})).await.expect_status(201);
    (anonymous.with_api_key(text(&made["api_key"])), text(&made["id"]).to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A key's path.
fn at(id: &str) -> String {
    format!("api-keys/{id}")
}

/// The id of the operator's own key, which is in its secret.
fn own_id(stack: &Stack) -> String {
    let secret = stack.local.operator_api_key.expose();
    secret.trim_start_matches("signet_").rsplit_once('_').map(|(id, _)| id.to_owned()).unwrap_or_default()
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().into_iter().flatten().map(|key| text(&key["id"])).collect()
}

#[tokio::test]
async fn post_api_keys_201_and_the_secret_is_shown_once() {
    let stack = Stack::start().await;
    stack.advance(1);
    let body = json!({"name": "ci", "scopes": ["licenses:read", "catalog:write", "licenses:read"], "expires_at": null});
    let answer = stack.operator.post("api-keys", body).await;
    let location = answer.header("location").to_owned();
    assert!(!answer.header("etag").is_empty());
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.expect_status(201);
    let id = text(&made["id"]);
    assert_eq!(location, format!("/api/v1.0/api-keys/{id}"));
    let secret = text(&made["api_key"]);
    let random = secret.strip_prefix(&format!("signet_{id}_")).unwrap_or_default();
    assert_eq!(random.len(), 64, "{secret}");
    let expected = json!({
        "api_key": secret, "id": id, "name": "ci", "scopes": ["catalog:write", "licenses:read"],
        "created_at": "2026-01-15T12:00:01Z", "expires_at": null, "last_used_at": null,
    });
    assert_eq!(made, expected);

    let mut shown = expected;
    shown.as_object_mut().map(|fields| fields.remove("api_key"));
    let read = stack.operator.get(&location).await;
    assert!(!read.header("etag").is_empty());
    assert_eq!(read.expect_status(200), shown);
    let list = stack.operator.get("api-keys").await;
    assert!(!list.text.contains(random));
    assert_eq!(list.expect_status(200)["items"][0], shown);
    assert!(!stack.table_as_text().await.contains(random));

    stack.anonymous.with_api_key(secret).get("license-keys").await.expect_status(200);
    let wrong = format!("signet_{id}_{}", "0".repeat(64));
    stack.anonymous.with_api_key(&wrong).get("license-keys").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn post_api_keys_422() {
    let stack = Stack::start().await;
    let long = "x".repeat(101);
    let refused: [(Value, &[&str]); 11] = [
        (json!({"name": "a", "scopes": []}), &["/scopes"]),
        (json!({"name": "a"}), &["/scopes"]),
        (json!({"scopes": ["*"]}), &["/name"]),
        (json!({"name": "a", "scopes": "*"}), &["/scopes"]),
        (json!({"name": "a", "scopes": ["licenses:read", 5]}), &["/scopes/1"]),
        (json!({"name": "a", "scopes": ["licenses:read", "licenses:reed", "*", ""]}), &["/scopes/1", "/scopes/3"]),
        (json!({"name": " ", "scopes": ["Licenses:read"]}), &["/name", "/scopes/0"]),
        (json!({"name": long, "scopes": ["*"]}), &["/name"]),
        (json!({"name": "a\n", "scopes": ["*"]}), &["/name"]),
        (json!({"name": "a", "scopes": ["*"], "expires_at": "soon"}), &["/expires_at"]),
        (json!({"name": "a", "scopes": ["*"], "expires_at": START.to_string()}), &["/expires_at"]),
    ];
    for (body, pointers) in refused {
        let answer = stack.operator.post("api-keys", body.clone()).await;
        let problem = answer.expect_problem(422, "invalid_value");
        let found: Vec<_> = problem["errors"].as_array().into_iter().flatten().map(|one| &one["pointer"]).collect();
        assert_eq!(found, pointers, "{body}");
    }
    let typo = stack.operator.post("api-keys", json!({"name": "a", "scopes": ["*"], "expire_at": null})).await;
    assert_eq!(typo.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/expire_at");
    assert_eq!(ids(&stack.operator.get("api-keys").await.expect_status(200)), [own_id(&stack)]);
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more_than_they() {
    let stack = Stack::start().await;
    let (manager, _) = make(&stack.operator, &stack.anonymous, &["access:write", "licenses:read"]).await;
    make(&manager, &stack.anonymous, &["licenses:read"]).await;
    make(&manager, &stack.anonymous, &["access:write", "licenses:read"]).await;
    for more in [&["*"][..], &["licenses:write"], &["licenses:read", "keys:write"]] {
        let answer = manager.post("api-keys", json!({"name": "a", "scopes": more})).await;
        answer.expect_problem(403, "forbidden");
    }
    // All that there is today is not all that there will be.
    let every = [
        "catalog:write",
        "customers:read",
        "customers:write",
        "licenses:read",
        "licenses:write",
        "access:write",
        "keys:write",
    ];
    let (almost, _) = make(&stack.operator, &stack.anonymous, &every).await;
    make(&almost, &stack.anonymous, &every).await;
    almost.post("api-keys", json!({"name": "a", "scopes": ["*"]})).await.expect_problem(403, "forbidden");
    let person = stack.sign_in("op@example.com", "role:operator").await;
    let (all, _) = make(&person, &stack.anonymous, &["*"]).await;
    let (all, _) = make(&all, &stack.anonymous, &["*", "licenses:read"]).await;
    make(&all, &stack.anonymous, &["keys:write"]).await;
}

#[tokio::test]
async fn api_keys_401_403() {
    let stack = Stack::start().await;
    let others = ["catalog:write", "customers:write", "licenses:read", "licenses:write", "keys:write"];
    let (other, id) = make(&stack.operator, &stack.anonymous, &others).await;
    let customer = stack.sign_in("ada@example.com", "openid").await;
    for (caller, status, code) in
        [(&stack.anonymous, 401, "unauthenticated"), (&other, 403, "forbidden"), (&customer, 403, "forbidden")]
    {
        // The same for a body that would be refused, and for a key that is not there.
        caller.post("api-keys", json!({"name": "a", "scopes": ["licenses:read"]})).await.expect_problem(status, code);
        caller.post("api-keys", json!({})).await.expect_problem(status, code);
        caller.get("api-keys").await.expect_problem(status, code);
        for id in [id.as_str(), "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB"] {
            caller.get(&at(id)).await.expect_problem(status, code);
            caller.delete(&at(id)).await.expect_problem(status, code);
        }
    }
    other.get("license-keys").await.expect_status(200);
}

#[tokio::test]
async fn a_key_allows_its_scopes_and_nothing_else() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let license = format!("license-keys/{}", sold.license_id);
    // What each scope allows, with a body that is refused only after the scope was looked at.
    let asked = [
        ("catalog:write", "products".to_owned()),
        ("customers:write", "customers".to_owned()),
        ("licenses:write", "license-keys".to_owned()),
        ("licenses:write", format!("{license}/suspend")),
        ("access:write", "api-keys".to_owned()),
    ];
    let read = [
        ("customers:read", "customers".to_owned()),
        ("licenses:read", "license-keys".to_owned()),
        ("licenses:read", license.clone()),
        ("licenses:read", format!("{license}/events")),
        ("licenses:read", "events".to_owned()),
        ("licenses:read", format!("license-activations?license_id={}", sold.license_id)),
        ("access:write", "api-keys".to_owned()),
    ];
    for scope in [
        "catalog:write",
        "customers:read",
        "customers:write",
        "licenses:read",
        "licenses:write",
        "access:write",
        "keys:write",
    ] {
        let (key, _) = make(&stack.operator, &stack.anonymous, &[scope]).await;
        for (needed, path) in &asked {
            let answer = key.post(path, json!({"nothing": 1})).await;
            assert_eq!(answer.status, if *needed == scope { 422 } else { 403 }, "{scope}: {path}");
        }
        for (needed, path) in &read {
            let answer = key.get(path).await;
            assert_eq!(answer.status, if *needed == scope { 200 } else { 403 }, "{scope}: {path}");
        }
        // Any key reads the catalog.
        key.get("products").await.expect_status(200);
    }
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let stack = Stack::start().await;
    let end = START.as_second() + 60;
    let end = jiff::Timestamp::from_second(end).unwrap();
    let body = json!({"name": "ci", "scopes": ["*"], "expires_at": end.to_string()});
    let made = stack.operator.post("api-keys", body).await.expect_status(201);
    assert_eq!(made["expires_at"], end.to_string());
    let key = stack.anonymous.with_api_key(text(&made["api_key"]));
    stack.advance(59);
    key.get("products").await.expect_status(200);
    stack.advance(1);
    key.get("products").await.expect_problem(401, "unauthenticated");
    // It is still there to be looked at, and to be deleted.
    let path = at(text(&made["id"]));
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["expires_at"], end.to_string());
    assert_eq!(stack.operator.delete(&path).await.status, 204);
}

#[tokio::test]
async fn get_api_keys_newest_first_in_pages() {
    let stack = Stack::start().await;
    let mut made = vec![own_id(&stack)];
    for _ in 0..4 {
        stack.advance(1);
        made.push(make(&stack.operator, &stack.anonymous, &["licenses:read"]).await.1);
    }
    made.reverse();
    assert_eq!(ids(&stack.operator.get("api-keys").await.expect_status(200)), made);
    let first = stack.operator.get("api-keys?limit=2").await.expect_status(200);
    assert_eq!(ids(&first), made[..2]);
    // One that is added, and one that is deleted, neither shift nor repeat a row.
    stack.advance(1);
    make(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    assert_eq!(stack.operator.delete(&at(&made[1])).await.status, 204);
    let next = |page: &Value| format!("api-keys?limit=2&cursor={}", text(&page["next_cursor"]));
    let second = stack.operator.get(&next(&first)).await.expect_status(200);
    assert_eq!(ids(&second), made[2..4]);
    let third = stack.operator.get(&next(&second)).await.expect_status(200);
    assert_eq!((ids(&third), &third["next_cursor"]), (vec![made[4].as_str()], &Value::Null));
    stack.operator.get("api-keys?cursor=x").await.expect_problem(422, "cursor_invalid");
    stack.operator.get("api-keys?name=ci").await.expect_problem(422, "unknown_field");
}

#[tokio::test]
async fn api_keys_404() {
    let stack = Stack::start().await;
    for id in ["key_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "ACCESS", "x"] {
        stack.operator.get(&at(id)).await.expect_problem(404, "not_found");
        stack.operator.delete(&at(id)).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute() {
    let stack = Stack::start().await;
    let (key, id) = make(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    let noted = async || stack.operator.get(&at(&id)).await.expect_status(200)["last_used_at"].clone();
    let later = |seconds| (START + jiff::SignedDuration::from_secs(seconds)).to_string();
    assert_eq!(noted().await, Value::Null);

    let uses = async |status| {
        stack.faults.reset_calls();
        assert_eq!(key.get("license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB").await.status, status);
        stack.faults.calls().iter().filter(|call| *call == "UpdateItem").count()
    };
    assert_eq!((uses(404).await, noted().await), (1, json!(later(0))));
    stack.advance(59);
    assert_eq!((uses(404).await, noted().await), (0, json!(later(0))));
    stack.advance(1);
    assert_eq!((uses(404).await, noted().await), (1, json!(later(60))));
    // Whoever only knows the id does not use the key.
    stack.advance(60);
    let wrong = format!("signet_{id}_{}", "0".repeat(64));
    stack.anonymous.with_api_key(&wrong).get("products").await.expect_problem(401, "unauthenticated");
    assert_eq!(noted().await, json!(later(60)));
    // One who may not do what it asks for does.
    key.get("customers").await.expect_problem(403, "forbidden");
    assert_eq!(noted().await, json!(later(120)));
}

#[tokio::test]
async fn what_is_not_noted_is_nobodys_loss() {
    let stack = Stack::start().await;
    let (key, id) = make(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    stack.faults.add(Rule::new("UpdateItem", Fault::Respond(400, "ValidationException")).containing(&id));
    key.get("license-keys").await.expect_status(200);
    stack.faults.add(Rule::new("UpdateItem", Fault::RefuseConnection).containing(&id).always());
    key.get("license-keys").await.expect_status(200);
    stack.faults.clear();
    // One that hangs is not waited for.
    let gate = Gate::default();
    stack.faults.add(Rule::new("UpdateItem", Fault::HoldRequest(gate.clone())).containing(&id).always());
    let begun = Instant::now();
    key.get("license-keys").await.expect_status(200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(stack.operator.get(&at(&id)).await.expect_status(200)["last_used_at"], Value::Null);
    gate.open();
    stack.faults.clear();
    // A lost answer is no harm, and the SDK asks again.
    stack.faults.add(Rule::new("UpdateItem", Fault::LoseResponse).containing(&id));
    key.get("license-keys").await.expect_status(200);
    assert_eq!(stack.operator.get(&at(&id)).await.expect_status(200)["last_used_at"], START.to_string());
}

#[tokio::test]
async fn delete_api_keys_204_ends_it_at_once_and_again_404() {
    let stack = Stack::start().await;
    let (key, id) = make(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    key.get("license-keys").await.expect_status(200);
    let answer = stack.operator.delete(&at(&id)).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    key.get("license-keys").await.expect_problem(401, "unauthenticated");
    stack.operator.get(&at(&id)).await.expect_problem(404, "not_found");
    stack.operator.delete(&at(&id)).await.expect_problem(404, "not_found");
    assert!(!stack.table_as_text().await.contains(&id), "nothing of it is left");
    // A key may end itself.
    let (own, id) = make(&stack.operator, &stack.anonymous, &["*"]).await;
    assert_eq!(own.delete(&at(&id)).await.status, 204);
    own.get("products").await.expect_problem(401, "unauthenticated");
    assert!(!stack.table_as_text().await.contains(&id), "nothing of it is left");
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_done() {
    let stack = Stack::start().await;
    let (_, id) = make(&stack.operator, &stack.anonymous, &["access:write"]).await;
    // The SDK asks again under its own token, and is told that it is done.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    assert_eq!(stack.operator.delete(&at(&id)).await.status, 204);
    let (_, id) = make(&stack.operator, &stack.anonymous, &["access:write"]).await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse).always());
    stack.operator.delete(&at(&id)).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    stack.operator.delete(&at(&id)).await.expect_problem(404, "not_found");
    // It was taken out of the list of those that keep access once, and nobody else was.
    stack.operator.delete(&at(&own_id(&stack))).await.expect_problem(409, "last_access_key");
    let (_, id) = make(&stack.operator, &stack.anonymous, &["access:write"]).await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")).times(3));
    assert_eq!(stack.operator.delete(&at(&id)).await.status, 204);
}

#[tokio::test]
async fn delete_api_keys_409_for_the_last_that_keeps_access() {
    let stack = Stack::start().await;
    let own = at(&own_id(&stack));
    let refused = async |path: &str| {
        stack.operator.delete(path).await.expect_problem(409, "last_access_key");
        stack.operator.get(path).await.expect_status(200);
    };
    refused(&own).await;
    // Neither a key that manages no access nor one that ends by itself will do.
    let (_, reader) = make(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    let end = jiff::Timestamp::from_second(START.as_second() + 3600).unwrap().to_string();
    let body = json!({"name": "a", "scopes": ["*"], "expires_at": end});
    let passing = stack.operator.post("api-keys", body).await.expect_status(201);
    refused(&own).await;
    assert_eq!(stack.operator.delete(&at(&reader)).await.status, 204);
    assert_eq!(stack.operator.delete(&at(text(&passing["id"]))).await.status, 204);

    let (manager, id) = make(&stack.operator, &stack.anonymous, &["access:write"]).await;
    // A lesser key does not take a greater one's place.
    manager.delete(&own).await.expect_problem(403, "forbidden");
    assert_eq!(stack.operator.delete(&own).await.status, 204);
    stack.operator.get("products").await.expect_problem(401, "unauthenticated");
    manager.delete(&at(&id)).await.expect_problem(409, "last_access_key");
    // Who signs in may do all, but leaves a key as well.
    let person = stack.sign_in("op@example.com", "role:operator").await;
    person.delete(&at(&id)).await.expect_problem(409, "last_access_key");
    manager.get("api-keys").await.expect_status(200);
}

#[tokio::test]
async fn two_deletions_at_once_leave_one_key() {
    let stack = Stack::start().await;
    let person = stack.sign_in("op@example.com", "role:operator").await;
    let (_, other) = make(&stack.operator, &stack.anonymous, &["access:write"]).await;
    let paths = [at(&own_id(&stack)), at(&other)];
    // Both have read, and neither has written.
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let both = paths.clone().map(|path| {
        let person = person.clone();
        tokio::spawn(async move { person.delete(&path).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut statuses = Vec::new();
    for one in both {
        statuses.push(one.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    assert_eq!(ids(&person.get("api-keys").await.expect_status(200)).len(), 1);

    // The same key twice is one deletion.
    let (_, id) = make(&person, &stack.anonymous, &["access:write"]).await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let both = [person.clone(), person.clone()].map(|person| {
        let path = at(&id);
        tokio::spawn(async move { person.delete(&path).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut statuses = Vec::new();
    for one in both {
        statuses.push(one.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
}

#[tokio::test]
async fn a_key_that_was_made_though_its_answer_was_lost_keeps_access() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse).always());
    let body = json!({"name": "lost", "scopes": ["*"]});
    stack.operator.post("api-keys", body).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    // Nobody knows its secret, but whoever looks finds it and makes another.
    let list = stack.operator.get("api-keys").await.expect_status(200);
    let lost = list["items"].as_array().into_iter().flatten().find(|key| key["name"] == "lost");
    let lost = lost.map(|key| text(&key["id"])).unwrap_or_default();
    assert_eq!(stack.operator.delete(&at(lost)).await.status, 204);
    stack.operator.delete(&at(&own_id(&stack))).await.expect_problem(409, "last_access_key");
}
