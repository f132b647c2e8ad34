//! Concurrent creations and replacements of catalog resources.

use signet_tests::{Stack, TestResponse, Value, json, merged, text};

use super::{ids, minimal_tier};

/// Sends requests concurrently. Returns their responses in order.
async fn send_concurrently<A: Future<Output = TestResponse> + Send + 'static>(
    requests: impl IntoIterator<Item = A>,
) -> Vec<TestResponse> {
    let running: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    let mut responses = Vec::new();
    for task in running {
        responses.push(task.await.unwrap());
    }
    responses
}

fn statuses(responses: &[TestResponse]) -> Vec<u16> {
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_inclusions_that_form_a_cycle_return_200_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let (mut one, mut other) =
        (operator.create_tier(&product, &json!({})).await, operator.create_tier(&product, &json!({})).await);
    for _ in 0..20 {
        let put = |tier: &Value, included: &Value| {
            let (client, tier, fields) = (operator.clone(), tier.clone(), json!({"includes_tier_id": included["id"]}));
            async move { client.replace("pricing-tiers", &tier, &fields).await }
        };
        let responses = send_concurrently([put(&one, &other), put(&other, &one)]).await;
        assert_eq!(statuses(&responses), [200, 422], "{responses:?}");
        responses
            .iter()
            .find(|response| response.status == 422)
            .unwrap()
            .expect_errors(422, &["/includes_tier_id tier_cycle"]);
        for tier in [&mut one, &mut other] {
            *tier =
                operator.replace("pricing-tiers", tier, &json!({"includes_tier_id": null})).await.expect_status(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_with_one_code_return_one_201_and_otherwise_409() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    for round in 0..5 {
        let word = format!("race-{round}");
        let feature = json!({"product_id": product["id"], "key": word, "name": "A"});
        let bodies = [
            ("products", "code_taken", json!({"code": word, "name": "A"})),
            ("product-features", "key_taken", feature),
            ("pricing-tiers", "code_taken", merged(minimal_tier(&product), &json!({"code": word}))),
        ];
        for (list, taken, body) in bodies {
            let post = |_| {
                let (client, body) = (operator.clone(), body.clone());
                async move { client.post(list, body).await }
            };
            let responses = send_concurrently((0..6).map(post)).await;
            assert_eq!(statuses(&responses), [201, 409, 409, 409, 409, 409], "{responses:?}");
            for response in responses.iter().filter(|response| response.status == 409) {
                response.expect_problem(409, taken);
            }
        }
    }
    let products = operator.get("products?limit=100").await.expect_status(200);
    assert_eq!(ids(&products).len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_replacements_with_one_etag_return_one_200_and_otherwise_412() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let path = format!("products/{}", text(&product["id"]));
    for round in 0..8 {
        let client = operator.with_header("if-match", operator.get(&path).await.header("etag"));
        let put = |number| {
            let (client, product, fields) =
                (client.clone(), product.clone(), json!({"name": format!("{round} {number}")}));
            async move { client.replace("products", &product, &fields).await }
        };
        let responses = send_concurrently((0..5).map(put)).await;
        assert_eq!(statuses(&responses), [200, 412, 412, 412, 412], "{responses:?}");
        let winner = responses.iter().find(|response| response.status == 200).unwrap();
        assert_eq!(operator.get(&path).await.text, winner.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_all_return_201_and_keep_references_valid() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let feature = operator.create_feature(&product, "api").await;
    let base = operator.create_tier(&product, &json!({})).await;
    let post = |number: usize| {
        let (client, product, word) = (operator.clone(), product.clone(), format!("w{number}"));
        let tier = json!({"code": word, "includes_tier_id": base["id"], "feature_ids": [feature["id"]]});
        async move {
            match number % 3 {
                0 => client.post("products", json!({"code": word, "name": "A"})).await,
                1 => {
                    client
                        .post("product-features", json!({"product_id": product["id"], "key": word, "name": "A"}))
                        .await
                }
                _ => client.post("pricing-tiers", merged(minimal_tier(&product), &tier)).await,
            }
        }
    };
    let responses = send_concurrently((0..12).map(post)).await;
    assert_eq!(statuses(&responses), [201; 12]);
    for (list, count) in [("products", 5), ("product-features", 5), ("pricing-tiers", 5)] {
        assert_eq!(ids(&operator.get(list).await.expect_status(200)).len(), count, "{list}");
    }
    let tiers = operator.get("pricing-tiers").await.expect_status(200);
    let keys: Vec<_> =
        tiers["items"].as_array().unwrap().iter().map(|tier| tier["feature_keys"].as_array().unwrap().len()).collect();
    assert_eq!(keys.iter().sum::<usize>(), 4);
}
