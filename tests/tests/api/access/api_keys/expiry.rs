//! `POST api-keys` with an API key that expires.

use signet_tests::{Client, Stack, TestResponse, Value, json, merged};

use super::{ids, text};

/// The end of the API key that creates others.
const END: &str = "2026-02-01T00:00:00Z";

/// Creates an API key with `access:write` that expires at `END`.
async fn create_temporary(stack: &Stack) -> Client {
    let created = create(&stack.operator, &json!({"scopes": ["*"], "expires_at": END})).await.expect_status(201);
    stack.anonymous.with_api_key(text(&created["api_key"]))
}

async fn create(creator: &Client, fields: &Value) -> TestResponse {
    creator.post("api-keys", merged(json!({"name": "ci", "scopes": ["access:write"]}), fields)).await
}

#[tokio::test]
async fn create_api_key_returns_422_for_a_key_that_outlives_its_creator() {
    let stack = Stack::start().await;
    let temporary = create_temporary(&stack).await;
    let before = stack.operator.get("api-keys").await.body;
    for fields in [
        json!({}),
        json!({"expires_at": null}),
        json!({"expires_at": "2026-02-01T00:00:00.001Z"}),
        json!({"expires_at": "9999-12-31T23:59:59Z"}),
    ] {
        let response = create(&temporary, &fields).await;
        response.expect_errors(422, &["/expires_at invalid_value"]);
        assert!(text(&response.body["detail"]).contains(END), "{}", response.text);
    }
    assert_eq!(ids(&stack.operator.get("api-keys").await.body), ids(&before));
}

#[tokio::test]
async fn create_api_key_returns_201_for_a_key_that_ends_with_its_creator_or_before() {
    let stack = Stack::start().await;
    let temporary = create_temporary(&stack).await;
    for end in [END, "2026-02-01T01:00:00+01:00", "2026-01-20T00:00:00Z"] {
        create(&temporary, &json!({"expires_at": end})).await.expect_status(201);
    }
    // The bound applies to the keys of its keys.
    let earlier = create(&temporary, &json!({"expires_at": "2026-01-20T00:00:00Z"})).await.expect_status(201);
    let earlier = stack.anonymous.with_api_key(text(&earlier["api_key"]));
    create(&earlier, &json!({"expires_at": END})).await.expect_errors(422, &["/expires_at invalid_value"]);
    create(&earlier, &json!({"expires_at": "2026-01-19T00:00:00Z"})).await.expect_status(201);
}

#[tokio::test]
async fn operators_and_permanent_api_keys_create_keys_without_an_expiry() {
    let stack = Stack::start().await;
    let user = stack.sign_in("op@example.com", "role:operator").await;
    for creator in [&user, &stack.operator] {
        assert_eq!(create(creator, &json!({})).await.expect_status(201)["expires_at"], Value::Null);
    }
}
