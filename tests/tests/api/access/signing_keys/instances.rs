//! Several instances of a function, each with its own cached key ring.

use signet_local::DataDirectory;
use signet_tests::{Stack, json, text};

use super::{ROTATE, kid_of};

#[tokio::test]
async fn an_instance_with_an_empty_ring_finds_the_first_key_within_seconds() {
    let stack = Stack::start().await;
    let query = json!({
        "KeyConditionExpression": "PK = :keyring", "ExpressionAttributeValues": {":keyring": {"S": "KEYRING"}},
    });
    let all = stack.call_dynamodb("Query", query).await;
    let all = all["Items"].as_array().unwrap();
    for item in all {
        stack.call_dynamodb("DeleteItem", json!({"Key": {"PK": item["PK"], "SK": item["SK"]}})).await;
    }
    stack.local.app.tokens.ring().invalidate();
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.anonymous.get("/health").await.expect_status(503);

    // Another instance has created the first keys.
    for item in all {
        stack.call_dynamodb("PutItem", json!({"Item": item})).await;
    }
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.advance(5);
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.status, 200);
    assert_eq!(stack.anonymous.get("/health").await.expect_status(200)["status"], "ok");
}

#[tokio::test]
async fn another_instance_accepts_a_new_key_immediately_and_signs_with_it_after_the_refresh_interval() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = Stack::start_pair(&DataDirectory::open(folder.path()).unwrap()).await;
    let license = one.operator.issue_new_license(2).await;
    // The other instance has just cached the ring.
    let old = other.anonymous.activate(&license.license_key, "a").await.expect_status(201);
    one.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let new = one.anonymous.activate(&license.license_key, "b").await.expect_status(201);
    assert_ne!(kid_of(&new["token"]), kid_of(&old["token"]));
    other.advance(5);
    assert_eq!(
        kid_of(&other.anonymous.activate(&license.license_key, "a").await.expect_status(200)["token"]),
        kid_of(&old["token"])
    );
    other.advance(295);
    assert_eq!(
        kid_of(&other.anonymous.activate(&license.license_key, "a").await.expect_status(200)["token"]),
        kid_of(&new["token"])
    );
    one.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let newest = one.anonymous.activate(&license.license_key, "b").await.expect_status(200);
    other.advance(5);
    other.anonymous.heartbeat(text(&newest["token"]), "b").await.expect_status(200);
}
