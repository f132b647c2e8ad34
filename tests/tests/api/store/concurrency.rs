//! Sixteen concurrent requests for the same resource: all of them succeed, none returns 503.

use std::collections::BTreeSet;

use signet_tests::{Client, Stack, TestResponse, Value, json, text};

const REQUESTS: usize = 16;

/// Sends sixteen concurrent POST requests.
async fn post_concurrently(client: &Client, path: &str, body: &Value) -> Vec<TestResponse> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let (client, path, body) = (client.clone(), path.to_owned(), body.clone());
        tasks.spawn(async move { client.post(&path, body).await });
    }
    tasks.join_all().await
}

/// Asserts that all responses have this status, and returns their bodies.
#[track_caller]
fn expect_all(responses: Vec<TestResponse>, status: u16) -> Vec<Value> {
    responses.into_iter().map(|response| response.expect_status(status)).collect()
}

fn count_distinct(values: &[Value], field: &str) -> usize {
    values.iter().map(|value| value[field].to_string()).collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_issues_for_one_customer_all_return_201() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": license.customer["id"], "tier_id": license.tier["id"]});
    let issued = expect_all(post_concurrently(&stack.operator, "license-keys", &body).await, 201);
    assert_eq!(count_distinct(&issued, "license_key"), REQUESTS);
    let active = format!("license-keys?customer_id={}&status=active", text(&license.customer["id"]));
    assert_eq!(stack.operator.get(&active).await.expect_status(200)["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_renewals_of_one_license_all_return_200() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let renewed =
        expect_all(post_concurrently(&stack.operator, &format!("license-keys/{id}/renew"), &json!({})).await, 200);
    assert_eq!(count_distinct(&renewed, "expires_at"), REQUESTS, "each renewal adds a period");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_regenerations_of_one_license_all_return_200() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let created =
        expect_all(post_concurrently(&stack.operator, &format!("license-keys/{id}/regenerate"), &json!({})).await, 200);
    assert_eq!(count_distinct(&created, "license_key"), REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_revocations_of_one_license_all_return_200() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let revoked =
        expect_all(post_concurrently(&stack.operator, &format!("license-keys/{id}/revoke"), &json!({})).await, 200);
    assert!(revoked.iter().all(|license| license == &revoked[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_registrations_and_claims_of_one_user_return_one_201_and_otherwise_200() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let tier = stack.operator.create_tier(&product, &json!({"is_claimable": true})).await;
    let ada = stack.sign_in("ada@example.com", "openid email").await;
    for (path, body) in [("register", json!({})), ("user/claim-license", json!({"tier_id": tier["id"]}))] {
        let responses = post_concurrently(&ada, path, &body).await;
        assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1, "{responses:#?}");
        assert_eq!(responses.iter().filter(|response| response.status == 200).count(), REQUESTS - 1, "{responses:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates_of_one_resource_all_return_200() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    for (list, resource) in
        [("customers", &license.customer), ("products", &license.product), ("pricing-tiers", &license.tier)]
    {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..REQUESTS {
            let (operator, resource) = (stack.operator.clone(), resource.clone());
            tasks
                .spawn(async move { operator.replace(list, &resource, &json!({"name": format!("Number {n}")})).await });
        }
        expect_all(tasks.join_all().await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_activations_of_one_machine_return_200_or_201() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"license_key": license.license_key, "machine_id": "one"});
    let responses = post_concurrently(&stack.anonymous, "license-activations/activate", &body).await;
    assert!(responses.iter().all(|response| matches!(response.status, 200 | 201)), "{responses:#?}");
    assert_eq!(stack.check_seats(&license.license_id).await.held.len(), 1);
}
