//! An installation has at most 20 endpoints.

use std::collections::BTreeSet;

use signet_tests::{Fault, Rule, Stack, json, text};

const MAX_ENDPOINTS: usize = 20;

async fn count(stack: &Stack) -> usize {
    stack.operator.get("webhook-endpoints?limit=100").await.expect_status(200)["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_create_exactly_20_endpoints() {
    let stack = Stack::start_without_rate_limits().await;
    let create = |number: usize| {
        let client = stack.operator.clone();
        let body = json!({"url": format!("https://example.com/{number}"), "event_types": ["*"]});
        tokio::spawn(async move { client.post("webhook-endpoints", body).await })
    };
    let mut created = BTreeSet::new();
    for response in (0..MAX_ENDPOINTS + 8).map(create).collect::<Vec<_>>() {
        let response = response.await.unwrap();
        if response.status == 201 {
            created.insert(text(&response.body["id"]).to_owned());
        } else {
            response.expect_problem(409, "state_conflict");
        }
    }
    assert_eq!((created.len(), count(&stack).await), (MAX_ENDPOINTS, MAX_ENDPOINTS));
    // A deleted endpoint makes room for one.
    let path = format!("webhook-endpoints/{}", created.first().unwrap());
    assert_eq!(stack.operator.delete(&path).await.status, 204);
    stack.operator.create_webhook_endpoint("https://example.com/new").await;
    let body = json!({"url": "https://example.com/more", "event_types": ["*"]});
    stack.operator.post("webhook-endpoints", body).await.expect_problem(409, "state_conflict");
    assert_eq!(count(&stack).await, MAX_ENDPOINTS);
}

#[tokio::test]
async fn creation_whose_response_is_lost_counts_once() {
    let stack = Stack::start().await;
    for number in 0..MAX_ENDPOINTS {
        stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
        stack.operator.create_webhook_endpoint(&format!("https://example.com/{number}")).await;
    }
    assert_eq!(count(&stack).await, MAX_ENDPOINTS);
}
