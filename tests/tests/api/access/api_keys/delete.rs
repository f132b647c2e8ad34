//! `DELETE api-keys/{id}`. One key with `access:write` always remains.

use std::collections::BTreeSet;

use signet_tests::{Fault, Gate, Rule, START, Stack, json};

use super::{create, ids, path_of, text};

/// Asserts that nothing is left of an API key but its events.
async fn assert_only_events_contain(stack: &Stack, id: &str) {
    let left = stack.items().await.into_iter().filter(|item| item.to_string().contains(id));
    let keys: BTreeSet<String> = left.map(|item| text(&item["PK"]["S"]).to_owned()).collect();
    assert_eq!(keys, BTreeSet::from([format!("HISTORY#api_key#{id}")]));
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
    assert_only_events_contain(&stack, &id).await;
    // An API key can delete itself.
    let (own, id) = create(&stack.operator, &stack.anonymous, &["*"]).await;
    assert_eq!(own.delete(&path_of(&id)).await.status, 204);
    own.get("products").await.expect_problem(401, "unauthenticated");
    assert_only_events_contain(&stack, &id).await;
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
    stack.operator.delete(&path_of(&stack.operator_api_key_id())).await.expect_problem(409, "last_access_key");
    let (_, id) = create(&stack.operator, &stack.anonymous, &["access:write"]).await;
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")).times(3));
    assert_eq!(stack.operator.delete(&path_of(&id)).await.status, 204);
}

#[tokio::test]
async fn delete_api_key_returns_409_for_the_last_access_key() {
    let stack = Stack::start().await;
    let own = path_of(&stack.operator_api_key_id());
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
    let paths = [path_of(&stack.operator_api_key_id()), path_of(&other)];
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
    stack.operator.delete(&path_of(&stack.operator_api_key_id())).await.expect_problem(409, "last_access_key");
}
