//! Tiers of so many features that a token has just room for them, and of more.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{AppKey, Logs, Stack, Value, json, text};

/// How many features of 64 characters a token has room for.
const FIT: usize = 447;

/// A product and so many features of it, each with a key of 64 characters. All but the first are put into the table as
/// the first lies there: made one by one, they would take the better part of a minute.
async fn features(stack: &Stack, count: usize) -> (Value, Vec<String>) {
    let product = stack.operator.create_product().await;
    let first = stack.operator.create_feature(&product, &format!("{:064}", 0)).await;
    let items = stack.items().await;
    let lies = |item: &&Value| item["SK"]["S"] == format!("FEATURE#{}", text(&first["id"]));
    let item = items.iter().find(lies).unwrap();
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
async fn the_largest_tier_activates_and_renews_encrypted_too() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let (product, ids) = features(&stack, FIT + 1).await;
    let fields = json!({"feature_ids": ids[..FIT], "name": "\u{1f600}".repeat(200), "max_users": 100_000});
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
    assert_eq!(stack.claims(&json!(renewed)).await["features"].as_array().unwrap().len(), FIT);
    // An app that forgets to decrypt is told so, not that its body is too large.
    app.heartbeat(text(&activated["token"]), &machine).await.expect_problem(401, "token_invalid");

    // What no token has room for is refused, and harms no machine that is there.
    let more = stack.operator.replace("pricing-tiers", &tier, &json!({"feature_ids": ids})).await;
    more.expect_errors(422, &["/feature_ids invalid_value"]);
    stack.advance(600);
    app.heartbeat(&renewed, &machine).await.expect_status(200);
}

#[tokio::test]
async fn a_tier_that_is_too_large_is_503_and_in_the_log_and_may_become_smaller() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, ids) = features(&stack, 500).await;
    for id in &ids[FIT..] {
        set_display_only(&stack, id, true).await;
    }
    let tier = operator.create_tier(&product, &json!({"feature_ids": ids})).await;
    let issued = operator.issue(&operator.create_customer().await, &tier, &json!({})).await;
    let key = text(&issued["license_key"]);
    let hidden = operator.get(&format!("product-features/{}", ids[FIT])).await.expect_status(200);
    let shown = operator.replace("product-features", &hidden, &json!({"display_only": false})).await;
    shown.expect_errors(422, &["/display_only invalid_value"]);

    // As a table may have it that was filled before there was such a limit.
    for id in &ids[FIT..] {
        set_display_only(&stack, id, false).await;
    }
    stack.advance(60);
    stack.anonymous.activate(key, "one").await.expect_problem(503, "unavailable");
    let cause = logs.last_request()["cause"].as_str().unwrap().to_owned();
    let (license, tier_id) = (text(&issued["license"]["id"]), text(&tier["id"]));
    assert!(cause.starts_with(&format!("the claims of license {license} in tier {tier_id} are ")), "{cause}");

    operator.replace("pricing-tiers", &tier, &json!({"feature_ids": ids[..FIT + 9]})).await.expect_status(200);
    operator.replace("pricing-tiers", &tier, &json!({"feature_ids": ids[..FIT]})).await.expect_status(200);
    stack.anonymous.activate(key, "one").await.expect_status(200);
}

async fn set_display_only(stack: &Stack, id: &str, value: bool) {
    let ask = json!({
        "Key": {"PK": {"S": "CATALOG"}, "SK": {"S": format!("FEATURE#{id}")}},
        "UpdateExpression": "SET display_only = :value",
        "ExpressionAttributeValues": {":value": {"BOOL": value}},
    });
    stack.call_dynamodb("UpdateItem", ask).await;
}
