//! API keys: creation, scopes, expiry and deletion. One key with `access:write` always remains.

use std::time::{Duration, Instant};

use signet_tests::{Client, Fault, Gate, Rule, START, Stack, Value, json};

/// Creates an API key. Returns a client that uses it, and its id.
async fn create(creator: &Client, anonymous: &Client, scopes: &[&str]) -> (Client, String) {
    let created = creator.post("api-keys", json!({"name": "ci", "scopes": scopes})).await.expect_status(201);
    (anonymous.with_api_key(text(&created["api_key"])), text(&created["id"]).to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the path of an API key.
fn path_of(id: &str) -> String {
    format!("api-keys/{id}")
}

/// Returns the id of the operator's API key, which is part of its secret.
fn own_id(stack: &Stack) -> String {
    let secret = stack.local.operator_api_key.expose();
    secret.trim_start_matches("signet_").rsplit_once('_').map(|(id, _)| id.to_owned()).unwrap_or_default()
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().into_iter().flatten().map(|key| text(&key["id"])).collect()
}

#[tokio::test]
async fn create_api_key_returns_201_with_the_secret_only_once() {
    let stack = Stack::start().await;
    stack.advance(1);
    let body = json!({"name": "ci", "scopes": ["licenses:read", "catalog:write", "licenses:read"], "expires_at": null});
    let response = stack.operator.post("api-keys", body).await;
    let location = response.header("location").to_owned();
    assert!(!response.header("etag").is_empty());
    assert_eq!(response.header("cache-control"), "no-store");
    let created = response.expect_status(201);
    let id = text(&created["id"]);
    assert_eq!(location, format!("/api/v1.0/api-keys/{id}"));
    let secret = text(&created["api_key"]);
    let random = secret.strip_prefix(&format!("signet_{id}_")).unwrap_or_default();
    assert_eq!(random.len(), 64, "{secret}");
    let expected = json!({
        "api_key": secret, "id": id, "name": "ci", "scopes": ["catalog:write", "licenses:read"],
        "created_at": "2026-01-15T12:00:01Z", "expires_at": null, "last_used_at": null,
    });
    assert_eq!(created, expected);

    let mut without_secret = expected;
    without_secret.as_object_mut().map(|fields| fields.remove("api_key"));
    let read = stack.operator.get(&location).await;
    assert!(!read.header("etag").is_empty());
    assert_eq!(read.expect_status(200), without_secret);
    let list = stack.operator.get("api-keys").await;
    assert!(!list.text.contains(random));
    assert_eq!(list.expect_status(200)["items"][0], without_secret);
    assert!(!stack.table_as_text().await.contains(random));

    stack.anonymous.with_api_key(secret).get("license-keys").await.expect_status(200);
    let wrong = format!("signet_{id}_{}", "0".repeat(64));
    stack.anonymous.with_api_key(&wrong).get("license-keys").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn create_api_key_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let long = "x".repeat(101);
    let cases: [(Value, &[&str]); 11] = [
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
    for (body, pointers) in cases {
        let response = stack.operator.post("api-keys", body.clone()).await;
        let problem = response.expect_problem(422, "invalid_value");
        let found: Vec<_> = problem["errors"].as_array().into_iter().flatten().map(|error| &error["pointer"]).collect();
        assert_eq!(found, pointers, "{body}");
    }
    let typo = stack.operator.post("api-keys", json!({"name": "a", "scopes": ["*"], "expire_at": null})).await;
    assert_eq!(typo.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/expire_at");
    assert_eq!(ids(&stack.operator.get("api-keys").await.expect_status(200)), [own_id(&stack)]);
}

#[tokio::test]
async fn create_api_key_returns_403_for_scopes_that_the_caller_lacks() {
    let stack = Stack::start().await;
    let (manager, _) = create(&stack.operator, &stack.anonymous, &["access:write", "licenses:read"]).await;
    create(&manager, &stack.anonymous, &["licenses:read"]).await;
    create(&manager, &stack.anonymous, &["access:write", "licenses:read"]).await;
    for more in [&["*"][..], &["licenses:write"], &["licenses:read", "keys:write"]] {
        let response = manager.post("api-keys", json!({"name": "a", "scopes": more})).await;
        response.expect_problem(403, "forbidden");
    }
    // All present scopes are less than `*`, which includes future ones.
    let every = [
        "catalog:write",
        "customers:read",
        "customers:write",
        "licenses:read",
        "licenses:write",
        "access:write",
        "keys:write",
    ];
    let (almost, _) = create(&stack.operator, &stack.anonymous, &every).await;
    create(&almost, &stack.anonymous, &every).await;
    almost.post("api-keys", json!({"name": "a", "scopes": ["*"]})).await.expect_problem(403, "forbidden");
    let user = stack.sign_in("op@example.com", "role:operator").await;
    let (all, _) = create(&user, &stack.anonymous, &["*"]).await;
    let (all, _) = create(&all, &stack.anonymous, &["*", "licenses:read"]).await;
    create(&all, &stack.anonymous, &["keys:write"]).await;
}

#[tokio::test]
async fn api_keys_return_401_and_403_without_access_write() {
    let stack = Stack::start().await;
    let others = ["catalog:write", "customers:write", "licenses:read", "licenses:write", "keys:write"];
    let (other, id) = create(&stack.operator, &stack.anonymous, &others).await;
    let customer = stack.sign_in("ada@example.com", "openid").await;
    for (caller, status, code) in
        [(&stack.anonymous, 401, "unauthenticated"), (&other, 403, "forbidden"), (&customer, 403, "forbidden")]
    {
        // The response is the same for an invalid body and for an unknown API key.
        caller.post("api-keys", json!({"name": "a", "scopes": ["licenses:read"]})).await.expect_problem(status, code);
        caller.post("api-keys", json!({})).await.expect_problem(status, code);
        caller.get("api-keys").await.expect_problem(status, code);
        for id in [id.as_str(), "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB"] {
            caller.get(&path_of(id)).await.expect_problem(status, code);
            caller.delete(&path_of(id)).await.expect_problem(status, code);
        }
    }
    other.get("license-keys").await.expect_status(200);
}

#[tokio::test]
async fn api_key_grants_only_its_scopes() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let license_path = format!("license-keys/{}", license.license_id);
    // The endpoints that each scope grants. The body is invalid, which is checked after the scope.
    let writes = [
        ("catalog:write", "products".to_owned()),
        ("customers:write", "customers".to_owned()),
        ("licenses:write", "license-keys".to_owned()),
        ("licenses:write", format!("{license_path}/suspend")),
        ("access:write", "api-keys".to_owned()),
    ];
    let reads = [
        ("customers:read", "customers".to_owned()),
        ("licenses:read", "license-keys".to_owned()),
        ("licenses:read", license_path.clone()),
        ("licenses:read", format!("{license_path}/events")),
        ("licenses:read", "events".to_owned()),
        ("licenses:read", format!("license-activations?license_id={}", license.license_id)),
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
        let (key, _) = create(&stack.operator, &stack.anonymous, &[scope]).await;
        for (needed, path) in &writes {
            let response = key.post(path, json!({"nothing": 1})).await;
            assert_eq!(response.status, if *needed == scope { 422 } else { 403 }, "{scope}: {path}");
        }
        for (needed, path) in &reads {
            let response = key.get(path).await;
            assert_eq!(response.status, if *needed == scope { 200 } else { 403 }, "{scope}: {path}");
        }
        // Every API key can read the catalog.
        key.get("products").await.expect_status(200);
    }
}

#[tokio::test]
async fn api_key_is_invalid_after_expires_at() {
    let stack = Stack::start().await;
    let end = START.as_second() + 60;
    let end = jiff::Timestamp::from_second(end).unwrap();
    let body = json!({"name": "ci", "scopes": ["*"], "expires_at": end.to_string()});
    let created = stack.operator.post("api-keys", body).await.expect_status(201);
    assert_eq!(created["expires_at"], end.to_string());
    let key = stack.anonymous.with_api_key(text(&created["api_key"]));
    stack.advance(59);
    key.get("products").await.expect_status(200);
    stack.advance(1);
    key.get("products").await.expect_problem(401, "unauthenticated");
    // The expired key can still be read and deleted.
    let path = path_of(text(&created["id"]));
    assert_eq!(stack.operator.get(&path).await.expect_status(200)["expires_at"], end.to_string());
    assert_eq!(stack.operator.delete(&path).await.status, 204);
}

#[tokio::test]
async fn list_api_keys_returns_pages_newest_first() {
    let stack = Stack::start().await;
    let mut created = vec![own_id(&stack)];
    for _ in 0..4 {
        stack.advance(1);
        created.push(create(&stack.operator, &stack.anonymous, &["licenses:read"]).await.1);
    }
    created.reverse();
    assert_eq!(ids(&stack.operator.get("api-keys").await.expect_status(200)), created);
    let first = stack.operator.get("api-keys?limit=2").await.expect_status(200);
    assert_eq!(ids(&first), created[..2]);
    // Creations and deletions between pages neither skip nor repeat a row.
    stack.advance(1);
    create(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    assert_eq!(stack.operator.delete(&path_of(&created[1])).await.status, 204);
    let next = |page: &Value| format!("api-keys?limit=2&cursor={}", text(&page["next_cursor"]));
    let second = stack.operator.get(&next(&first)).await.expect_status(200);
    assert_eq!(ids(&second), created[2..4]);
    let third = stack.operator.get(&next(&second)).await.expect_status(200);
    assert_eq!((ids(&third), &third["next_cursor"]), (vec![created[4].as_str()], &Value::Null));
    stack.operator.get("api-keys?cursor=x").await.expect_problem(422, "cursor_invalid");
    stack.operator.get("api-keys?name=ci").await.expect_problem(422, "unknown_field");
}

#[tokio::test]
async fn api_keys_return_404_for_unknown_ids() {
    let stack = Stack::start().await;
    for id in ["key_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "ACCESS", "x"] {
        stack.operator.get(&path_of(id)).await.expect_problem(404, "not_found");
        stack.operator.delete(&path_of(id)).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn last_used_at_is_updated_at_most_once_a_minute() {
    let stack = Stack::start().await;
    let (key, id) = create(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    let last_used_at = async || stack.operator.get(&path_of(&id)).await.expect_status(200)["last_used_at"].clone();
    let later = |seconds| (START + jiff::SignedDuration::from_secs(seconds)).to_string();
    assert_eq!(last_used_at().await, Value::Null);

    let updates = async |status| {
        stack.faults.reset_calls();
        assert_eq!(key.get("license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB").await.status, status);
        stack.faults.calls().iter().filter(|call| *call == "UpdateItem").count()
    };
    assert_eq!((updates(404).await, last_used_at().await), (1, json!(later(0))));
    stack.advance(59);
    assert_eq!((updates(404).await, last_used_at().await), (0, json!(later(0))));
    stack.advance(1);
    assert_eq!((updates(404).await, last_used_at().await), (1, json!(later(60))));
    // A request with a wrong secret does not count as a use.
    stack.advance(60);
    let wrong = format!("signet_{id}_{}", "0".repeat(64));
    stack.anonymous.with_api_key(&wrong).get("products").await.expect_problem(401, "unauthenticated");
    assert_eq!(last_used_at().await, json!(later(60)));
    // A request that is forbidden does.
    key.get("customers").await.expect_problem(403, "forbidden");
    assert_eq!(last_used_at().await, json!(later(120)));
}

#[tokio::test]
async fn request_succeeds_when_last_used_at_cannot_be_updated() {
    let stack = Stack::start().await;
    let (key, id) = create(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    stack.faults.add(Rule::new("UpdateItem", Fault::Respond(400, "ValidationException")).containing(&id));
    key.get("license-keys").await.expect_status(200);
    stack.faults.add(Rule::new("UpdateItem", Fault::RefuseConnection).containing(&id).always());
    key.get("license-keys").await.expect_status(200);
    stack.faults.clear();
    // The request does not wait for an update that hangs.
    let gate = Gate::default();
    stack.faults.add(Rule::new("UpdateItem", Fault::HoldRequest(gate.clone())).containing(&id).always());
    let started = Instant::now();
    key.get("license-keys").await.expect_status(200);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(stack.operator.get(&path_of(&id)).await.expect_status(200)["last_used_at"], Value::Null);
    gate.open();
    stack.faults.clear();
    // If the response is lost, the SDK retries.
    stack.faults.add(Rule::new("UpdateItem", Fault::LoseResponse).containing(&id));
    key.get("license-keys").await.expect_status(200);
    assert_eq!(stack.operator.get(&path_of(&id)).await.expect_status(200)["last_used_at"], START.to_string());
}

#[tokio::test]
async fn delete_api_key_returns_204_then_404_and_takes_effect_immediately() {
    let stack = Stack::start().await;
    let (key, id) = create(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    key.get("license-keys").await.expect_status(200);
    let response = stack.operator.delete(&path_of(&id)).await;
    assert_eq!((response.status, response.text.as_str()), (204, ""));
    key.get("license-keys").await.expect_problem(401, "unauthenticated");
    stack.operator.get(&path_of(&id)).await.expect_problem(404, "not_found");
    stack.operator.delete(&path_of(&id)).await.expect_problem(404, "not_found");
    assert!(!stack.table_as_text().await.contains(&id), "the table still contains the key's id");
    // An API key can delete itself.
    let (own, id) = create(&stack.operator, &stack.anonymous, &["*"]).await;
    assert_eq!(own.delete(&path_of(&id)).await.status, 204);
    own.get("products").await.expect_problem(401, "unauthenticated");
    assert!(!stack.table_as_text().await.contains(&id), "the table still contains the key's id");
}

#[tokio::test]
async fn delete_api_key_succeeds_when_the_write_response_is_lost() {
    let stack = Stack::start().await;
    let (_, id) = create(&stack.operator, &stack.anonymous, &["access:write"]).await;
    // The SDK retries with the same client request token, which DynamoDB reports as done.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    assert_eq!(stack.operator.delete(&path_of(&id)).await.status, 204);
    let (_, id) = create(&stack.operator, &stack.anonymous, &["access:write"]).await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse).always());
    stack.operator.delete(&path_of(&id)).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    stack.operator.delete(&path_of(&id)).await.expect_problem(404, "not_found");
    // Only this key was removed from the set of access keys.
    stack.operator.delete(&path_of(&own_id(&stack))).await.expect_problem(409, "last_access_key");
    let (_, id) = create(&stack.operator, &stack.anonymous, &["access:write"]).await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")).times(3));
    assert_eq!(stack.operator.delete(&path_of(&id)).await.status, 204);
}

#[tokio::test]
async fn delete_api_key_returns_409_for_the_last_access_key() {
    let stack = Stack::start().await;
    let own = path_of(&own_id(&stack));
    let refused = async |path: &str| {
        stack.operator.delete(path).await.expect_problem(409, "last_access_key");
        stack.operator.get(path).await.expect_status(200);
    };
    refused(&own).await;
    // Neither a key without `access:write` nor one that expires counts.
    let (_, reader) = create(&stack.operator, &stack.anonymous, &["licenses:read"]).await;
    let expiry = jiff::Timestamp::from_second(START.as_second() + 3600).unwrap().to_string();
    let body = json!({"name": "a", "scopes": ["*"], "expires_at": expiry});
    let expiring = stack.operator.post("api-keys", body).await.expect_status(201);
    refused(&own).await;
    assert_eq!(stack.operator.delete(&path_of(&reader)).await.status, 204);
    assert_eq!(stack.operator.delete(&path_of(text(&expiring["id"]))).await.status, 204);

    let (manager, id) = create(&stack.operator, &stack.anonymous, &["access:write"]).await;
    // A key cannot delete one with more scopes.
    manager.delete(&own).await.expect_problem(403, "forbidden");
    assert_eq!(stack.operator.delete(&own).await.status, 204);
    stack.operator.get("products").await.expect_problem(401, "unauthenticated");
    manager.delete(&path_of(&id)).await.expect_problem(409, "last_access_key");
    // A signed-in operator cannot delete the last access key either.
    let user = stack.sign_in("op@example.com", "role:operator").await;
    user.delete(&path_of(&id)).await.expect_problem(409, "last_access_key");
    manager.get("api-keys").await.expect_status(200);
}

#[tokio::test]
async fn concurrent_deletions_keep_one_access_key() {
    let stack = Stack::start().await;
    let user = stack.sign_in("op@example.com", "role:operator").await;
    let (_, other) = create(&stack.operator, &stack.anonymous, &["access:write"]).await;
    let paths = [path_of(&own_id(&stack)), path_of(&other)];
    // Both requests have read, and neither has written.
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let both = paths.clone().map(|path| {
        let user = user.clone();
        tokio::spawn(async move { user.delete(&path).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut statuses = Vec::new();
    for task in both {
        statuses.push(task.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    assert_eq!(ids(&user.get("api-keys").await.expect_status(200)).len(), 1);

    // Two deletions of the same key delete it once.
    let (_, id) = create(&user, &stack.anonymous, &["access:write"]).await;
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).times(2));
    let both = [user.clone(), user.clone()].map(|user| {
        let path = path_of(&id);
        tokio::spawn(async move { user.delete(&path).await })
    });
    gate.wait_for_request().await;
    gate.wait_for_request().await;
    gate.open();
    let mut statuses = Vec::new();
    for task in both {
        statuses.push(task.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
}

#[tokio::test]
async fn access_key_with_lost_create_response_is_listed_and_deletable() {
    let stack = Stack::start().await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse).always());
    let body = json!({"name": "lost", "scopes": ["*"]});
    stack.operator.post("api-keys", body).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    // The secret is unknown, but the key is listed and can be deleted.
    let list = stack.operator.get("api-keys").await.expect_status(200);
    let lost = list["items"].as_array().into_iter().flatten().find(|key| key["name"] == "lost");
    let lost = lost.map(|key| text(&key["id"])).unwrap_or_default();
    assert_eq!(stack.operator.delete(&path_of(lost)).await.status, 204);
    stack.operator.delete(&path_of(&own_id(&stack))).await.expect_problem(409, "last_access_key");
}
