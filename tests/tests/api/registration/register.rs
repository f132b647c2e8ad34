//! `POST register`.

use std::sync::Arc;

use signet_tests::{Stack, Value, json, listed, text};

use super::SCOPE;

#[tokio::test]
async fn register_returns_201_and_then_200_with_the_same_customer() {
    let stack = Stack::start().await;
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let registered = ada.post("register", json!({ "name": "Ada Lovelace", "company": "Analytical Engines" })).await;
    assert_eq!(registered.header("location"), format!("/api/v1.0/customers/{}", text(&registered.body["id"])));
    let registered = registered.expect_status(201);
    assert_eq!([&registered["email"], &registered["company"]], ["ada@example.com", "Analytical Engines"]);
    assert!(registered["subject"].is_string());
    assert_eq!(ada.post("register", json!({ "name": "Someone Else" })).await.expect_status(200), registered);
    let read = stack.operator.get(&format!("customers/{}", text(&registered["id"]))).await.expect_status(200);
    assert_eq!(listed(&read), registered, "a user does not see the operator's metadata");

    // Without a name in the request, the issuer's is used.
    let bob = stack.sign_in("Bob@example.com", SCOPE).await.post("register", json!({})).await.expect_status(201);
    assert_eq!(
        [&bob["name"], &bob["email"], &bob["company"]],
        [&json!("Bob"), &json!("Bob@example.com"), &Value::Null]
    );
}

#[tokio::test]
async fn register_requires_a_signed_in_user() {
    let stack = Stack::start().await;
    stack.anonymous.post("register", json!({})).await.expect_problem(401, "unauthenticated");
    stack.operator.post("register", json!({})).await.expect_problem(403, "forbidden");
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    ada.post("register", json!({ "email": "eve@example.com" })).await.expect_problem(422, "unknown_field");
}

#[tokio::test]
async fn register_links_an_existing_customer_once_and_only_with_a_verified_address() {
    let stack = Stack::start().await;
    let body = json!({ "name": "Ada Lovelace", "email": "Ada@Example.com" });
    let customer = stack.operator.post("customers", body).await.expect_status(201);
    let unverified = stack.sign_in("ada@example.com", &format!("{SCOPE} unverified")).await;
    unverified.post("register", json!({ "name": "Ada" })).await.expect_problem(409, "email_taken");
    let ada = stack.sign_in("ada@example.com", SCOPE).await;
    let linked = ada.post("register", json!({ "name": "Ada" })).await.expect_status(200);
    assert_eq!([&linked["id"], &linked["name"]], [&customer["id"], &json!("Ada Lovelace")]);
    assert_eq!(ada.post("register", json!({})).await.expect_status(200), linked);
    // From now on the user is identified by the subject, not the address.
    assert_eq!(unverified.post("register", json!({})).await.expect_status(200), linked);

    // A customer with a subject is not linked to another user who has its new address.
    let body = json!({ "name": "Ada Lovelace", "email": "grace@example.com" });
    stack.operator.put(&format!("customers/{}", text(&customer["id"])), body).await.expect_status(200);
    let grace = stack.sign_in("grace@example.com", SCOPE).await;
    grace.post("register", json!({ "name": "Grace" })).await.expect_problem(409, "email_taken");
}

#[tokio::test]
async fn register_returns_403_for_an_unverified_address() {
    let stack = Stack::start().await;
    let unverified = format!("{SCOPE} unverified");
    let squatter = stack.sign_in("ada@example.com", &unverified).await.with_header("idempotency-key", "mine");
    squatter.post("register", json!({ "name": "Eve" })).await.expect_problem(403, "forbidden");
    // After the address has been verified, the same idempotency key can be used again.
    let ada = stack.sign_in("ada@example.com", SCOPE).await.with_header("idempotency-key", "mine");
    let customer = ada.post("register", json!({ "name": "Eve" })).await.expect_status(201);
    assert_eq!(customer["email"], "ada@example.com");
    let list = stack.operator.get("customers").await.expect_status(200);
    assert_eq!(list["items"], json!([customer]));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_registrations_create_one_customer() {
    let stack = Stack::start().await;
    let ada = Arc::new(stack.sign_in("ada@example.com", SCOPE).await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let ada = Arc::clone(&ada);
            tokio::spawn(async move { ada.post("register", json!({ "name": "Ada" })).await })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        let response = task.await.unwrap();
        assert!(matches!(response.status, 200 | 201), "{}", response.text);
        created += usize::from(response.status == 201);
    }
    assert_eq!(created, 1);
    assert_eq!(stack.operator.get("customers").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
}
