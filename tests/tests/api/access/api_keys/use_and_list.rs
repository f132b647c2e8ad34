//! `GET api-keys`, and what an API key allows.

use std::time::{Duration, Instant};

use signet_tests::{Fault, Gate, Rule, START, Stack, Value, json};

use super::{create, ids, path_of, text};

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
    let mut created = vec![stack.operator_api_key_id()];
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
