//! Sixteen callers who want one thing at once: each gets its turn, and nobody is sent away with 503.

use std::collections::BTreeSet;

use signet_tests::{Client, Stack, TestResponse, Value, json, text};

const CROWD: usize = 16;

/// Posts sixteen times at once.
async fn at_once(client: &Client, path: &str, body: &Value) -> Vec<TestResponse> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let (client, path, body) = (client.clone(), path.to_owned(), body.clone());
        tasks.spawn(async move { client.post(&path, body).await });
    }
    tasks.join_all().await
}

/// Checks that all were done.
#[track_caller]
fn all(answers: Vec<TestResponse>, status: u16) -> Vec<Value> {
    answers.into_iter().map(|answer| answer.expect_status(status)).collect()
}

fn different(values: &[Value], field: &str) -> usize {
    values.iter().map(|value| value[field].to_string()).collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_for_one_customer_201() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let body = json!({"customer_id": sold.customer["id"], "tier_id": sold.tier["id"]});
    let issued = all(at_once(&stack.operator, "license-keys", &body).await, 201);
    assert_eq!(different(&issued, "license_key"), CROWD);
    let active = format!("license-keys?customer_id={}&status=active", text(&sold.customer["id"]));
    assert_eq!(stack.operator.get(&active).await.expect_status(200)["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_of_one_key_200() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let renewed = all(at_once(&stack.operator, &format!("license-keys/{id}/renew"), &json!({})).await, 200);
    assert_eq!(different(&renewed, "expires_at"), CROWD, "each paid for a year of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn regenerations_of_one_key_200() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let made = all(at_once(&stack.operator, &format!("license-keys/{id}/regenerate"), &json!({})).await, 200);
    assert_eq!(different(&made, "license_key"), CROWD);
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_of_one_key_200() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let revoked = all(at_once(&stack.operator, &format!("license-keys/{id}/revoke"), &json!({})).await, 200);
    assert!(revoked.iter().all(|license| license == &revoked[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_and_claims_of_one_user_200_and_201() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let tier = stack.operator.create_tier(&product, &json!({"is_claimable": true})).await;
    let ada = stack.sign_in("ada@example.com", "openid email").await;
    for (path, body) in [("register", json!({})), ("user/claim-license", json!({"tier_id": tier["id"]}))] {
        let answers = at_once(&ada, path, &body).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:#?}");
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), CROWD - 1, "{answers:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_fields_of_one_customer_and_of_the_catalog_200() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    for (list, thing) in [("customers", &sold.customer), ("products", &sold.product), ("pricing-tiers", &sold.tier)] {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..CROWD {
            let (operator, thing) = (stack.operator.clone(), thing.clone());
            tasks.spawn(async move { operator.replace(list, &thing, &json!({"name": format!("Number {n}")})).await });
        }
        all(tasks.join_all().await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_of_one_machine_200_and_201() {
    let stack = Stack::start_without_rate_limits().await;
    let sold = stack.operator.issue_new_license(1).await;
    let body = json!({"license_key": sold.license_key, "machine_id": "one"});
    let answers = at_once(&stack.anonymous, "license-activations/activate", &body).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)), "{answers:#?}");
    assert_eq!(stack.check_seats(&sold.license_id).await.held.len(), 1);
}
