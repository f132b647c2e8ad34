//! Tiers with as many features as fit into a token, and tiers with more.

use signet_tests::{AppKey, Logs, Stack, Value, json, text};

/// The number of features with keys of 64 characters that fit into a token.
const MAX_FEATURES: usize = 447;

/// Creates a product with this many features, each with a key of 64 characters. All but the first are written directly
/// to the table as copies of the first, because creating them through the API would take most of a minute.
async fn create_features(stack: &Stack, count: usize) -> (Value, Vec<String>) {
    let product = stack.operator.create_product().await;
    let first = stack.operator.create_feature(&product, &format!("{:064}", 0)).await;
    let items = stack.items().await;
    let is_first = |item: &&Value| item["SK"]["S"] == format!("FEATURE#{}", text(&first["id"]));
    let item = items.iter().find(is_first).unwrap();
    let mut ids = vec![text(&first["id"]).to_owned()];
    for n in 1..count {
        let id = format!("feat_01JD8W0V5XK6Q3R7T2N4M8{n:04}");
        let mut item = item.clone();
        for (name, value) in [("SK", format!("FEATURE#{id}")), ("id", id.clone()), ("key", format!("{n:064}"))] {
            item[name] = json!({ "S": value });
        }
        stack.call_dynamodb("PutItem", json!({ "Item": item })).await;
        ids.push(id);
    }
    (product, ids)
}

#[tokio::test]
async fn activate_and_heartbeat_return_an_encrypted_token_for_the_largest_tier() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let (product, ids) = create_features(&stack, MAX_FEATURES + 1).await;
    let fields = json!({"feature_ids": ids[..MAX_FEATURES], "name": "\u{1f600}".repeat(200), "max_users": 100_000});
    let tier = stack.operator.create_tier(&product, &fields).await;
    let issued = stack.operator.issue(&stack.operator.create_customer().await, &tier, &json!({})).await;
    let (machine, key) = ("\"".repeat(256), AppKey::generate(4096));
    let activate = json!({"license_key": issued["license_key"], "machine_id": machine, "public_key": key.jwk()});
    let activated = app.post("license-activations/activate", activate).await.expect_status(201);
    let (token, _) = key.decrypt(&activated).unwrap();
    assert!(token.len() > 40 * 1024, "{}", token.len());

    stack.advance(600);
    let renewed = app.heartbeat(&token, &machine).await.expect_status(200);
    let (renewed, _) = key.decrypt(&renewed).unwrap();
    assert_eq!(stack.claims(&json!(renewed)).await["features"].as_array().unwrap().len(), MAX_FEATURES);
    // An app that sends the encrypted token gets `token_invalid`, not `body_too_large`.
    app.heartbeat(text(&activated["token"]), &machine).await.expect_problem(401, "token_invalid");

    // A tier that does not fit into a token is rejected, and active machines are not affected.
    let rejected = stack.operator.replace("pricing-tiers", &tier, &json!({"feature_ids": ids})).await;
    rejected.expect_errors(422, &["/feature_ids invalid_value"]);
    stack.advance(600);
    app.heartbeat(&renewed, &machine).await.expect_status(200);
}

#[tokio::test]
async fn activate_returns_503_and_logs_a_tier_that_is_too_large_until_it_is_reduced() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, ids) = create_features(&stack, 500).await;
    for id in &ids[MAX_FEATURES..] {
        set_display_only(&stack, id, true).await;
    }
    let tier = operator.create_tier(&product, &json!({"feature_ids": ids})).await;
    let issued = operator.issue(&operator.create_customer().await, &tier, &json!({})).await;
    let key = text(&issued["license_key"]);
    let display_only = operator.get(&format!("product-features/{}", ids[MAX_FEATURES])).await.expect_status(200);
    let rejected = operator.replace("product-features", &display_only, &json!({"display_only": false})).await;
    rejected.expect_errors(422, &["/display_only invalid_value"]);

    // As in a table that was filled before this limit existed.
    for id in &ids[MAX_FEATURES..] {
        set_display_only(&stack, id, false).await;
    }
    stack.advance(60);
    stack.anonymous.activate(key, "one").await.expect_problem(503, "unavailable");
    let cause = logs.last_request()["cause"].as_str().unwrap().to_owned();
    let (license, tier_id) = (text(&issued["license"]["id"]), text(&tier["id"]));
    assert!(cause.starts_with(&format!("the claims of license {license} in tier {tier_id} have ")), "{cause}");

    operator.replace("pricing-tiers", &tier, &json!({"feature_ids": ids[..MAX_FEATURES + 9]})).await.expect_status(200);
    operator.replace("pricing-tiers", &tier, &json!({"feature_ids": ids[..MAX_FEATURES]})).await.expect_status(200);
    stack.anonymous.activate(key, "one").await.expect_status(200);
}

async fn set_display_only(stack: &Stack, id: &str, value: bool) {
    let input = json!({
        "Key": {"PK": {"S": "CATALOG"}, "SK": {"S": format!("FEATURE#{id}")}},
        "UpdateExpression": "SET display_only = :value",
        "ExpressionAttributeValues": {":value": {"BOOL": value}},
    });
    stack.call_dynamodb("UpdateItem", input).await;
}
