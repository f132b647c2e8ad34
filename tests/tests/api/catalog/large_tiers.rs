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
    let tier = stack.operator.create_tier(&product, &json!({})).await;
    let issued = stack.operator.issue(&stack.operator.create_customer().await, &tier, &json!({})).await;
    // Overrides that are set before the tier grows stay. They add the most that they can.
    let mut overrides = Vec::new();
    for n in 0..20 {
        let limit = stack.operator.create_limit(&product, &format!("{n:a>64}")).await;
        overrides.push(json!({"feature_id": limit["id"], "limit": 9_007_199_254_740_991_u64}));
    }
    let (path, overrides) =
        (format!("license-keys/{}/overrides", text(&issued["license"]["id"])), json!({"overrides": overrides}));
    stack.operator.put(&path, overrides.clone()).await.expect_status(200);
    let tier = stack.operator.replace("pricing-tiers", &tier, &fields).await.expect_status(200);
    stack.operator.put(&path, overrides.clone()).await.expect_errors(422, &["/overrides invalid_value"]);
    let smaller = json!({"overrides": [overrides["overrides"][0], {"feature_id": ids[0], "enabled": false}]});
    stack.operator.put(&path, smaller).await.expect_errors(422, &["/overrides invalid_value"]);
    let (machine, key) = ("\"".repeat(256), AppKey::generate(4096));
    let activate = json!({"license_key": issued["license_key"], "machine_id": machine, "public_key": key.jwk()});
    let activated = app.post("license-activations/activate", activate).await.expect_status(201);
    let (token, _) = key.decrypt(&activated).unwrap();
    assert!(token.len() > 40 * 1024, "{}", token.len());

    stack.advance(600);
    let renewed = app.heartbeat(&token, &machine).await.expect_status(200);
    let (renewed, _) = key.decrypt(&renewed).unwrap();
    let claims = stack.claims(&json!(renewed)).await;
    let counts = (claims["features"].as_array().unwrap().len(), claims["feature_limits"].as_object().unwrap().len());
    assert_eq!(counts, (MAX_FEATURES, 20));
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
    let (product, ids) = create_features(&stack, 600).await;
    for id in &ids[MAX_FEATURES..] {
        set_display_only(&stack, id, true).await;
    }
    let base = operator.create_tier(&product, &json!({"feature_ids": ids[500..]})).await;
    let tier = json!({"feature_ids": ids[..500], "includes_tier_id": base["id"]});
    let tier = operator.create_tier(&product, &tier).await;
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
    let small = json!({"feature_ids": ids[..MAX_FEATURES], "includes_tier_id": null});
    operator.replace("pricing-tiers", &tier, &small).await.expect_status(200);
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
