//! `POST api-keys`.

use signet_tests::{START, Stack, Value, json};

use super::{create, ids, text};

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
    assert_eq!(ids(&stack.operator.get("api-keys").await.expect_status(200)), [stack.operator_api_key_id()]);
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
