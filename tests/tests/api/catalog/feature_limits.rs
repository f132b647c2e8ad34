//! `feature_limits` of pricing tiers: their features, their inheritance, and the claim of license tokens.

use signet_tests::{Client, Stack, Value, json, merged, text};

use super::{assert_rejected, minimal_tier};

const MAX_LIMIT: u64 = 9_007_199_254_740_991;

/// Returns `feature_limits` with these values.
fn limits<const N: usize>(values: [(&Value, Value); N]) -> Value {
    values.into_iter().map(|(feature, limit)| (text(&feature["id"]).to_owned(), limit)).collect()
}

/// Returns an element of `effective_limits`.
fn effective(feature: &Value, limit: impl Into<Value>, inherited_from: &Value) -> Value {
    json!({"feature_id": feature["id"], "key": feature["key"], "limit": limit.into(), "inherited_from": inherited_from})
}

async fn read(operator: &Client, tier: &Value) -> Value {
    operator.get(&format!("pricing-tiers/{}", text(&tier["id"]))).await.expect_status(200)
}

#[tokio::test]
async fn feature_limits_must_be_limits_of_the_product_with_whole_numbers() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let (flag, limit) = (operator.create_feature(&product, "flag").await, operator.create_limit(&product, "a").await);
    let foreign = operator.create_limit(&other, "a").await;
    let unknown = json!({"id": "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB"});
    let at = |feature: &Value, code: &str| format!("/feature_limits/{} {code}", text(&feature["id"]));
    let with = |feature: &Value, value: Value| json!({"feature_limits": limits([(feature, value)])});
    let valid = minimal_tier(&product);

    let at_limit = at(&limit, "invalid_value");
    let at_limit = [&*at_limit];
    let mut cases: Vec<(Value, &[&str])> = Vec::new();
    for value in [json!(-1), json!(1.5), json!("1000"), json!(MAX_LIMIT + 1), json!(true), json!([])] {
        cases.push((with(&limit, value), &at_limit));
    }
    let errors = [at(&flag, "invalid_value"), at(&foreign, "feature_of_other_product"), at(&unknown, "invalid_value")];
    let errors = errors.each_ref().map(|error| &**error);
    for (index, feature) in [&flag, &foreign, &unknown].into_iter().enumerate() {
        cases.push((with(feature, json!(5)), &errors[index..=index]));
    }
    let all = limits([(&flag, json!(5)), (&limit, json!(5)), (&foreign, Value::Null), (&unknown, json!(0))]);
    cases.push((json!({"feature_limits": all}), &errors));
    for value in [json!([]), json!("x"), json!(5), Value::Null] {
        cases.push((json!({"feature_limits": value}), &["/feature_limits invalid_value"]));
    }
    cases.push((json!({"feature_ids": [limit["id"]]}), &["/feature_ids/0 invalid_value"]));
    cases.push((json!({"effective_limits": []}), &["/effective_limits unknown_field"]));
    assert_rejected(operator, "pricing-tiers", &valid, &cases).await;

    for (code, value) in [("t0", json!(0)), ("t1", json!(MAX_LIMIT)), ("t2", Value::Null)] {
        let fields = merged(json!({"code": code}), &with(&limit, value.clone()));
        let created = operator.post("pricing-tiers", merged(valid.clone(), &fields)).await.expect_status(201);
        assert_eq!(created["feature_limits"], limits([(&limit, value.clone())]));
        assert_eq!(created["effective_limits"], json!([effective(&limit, value, &Value::Null)]));
        assert_eq!(read(operator, &created).await, created);
    }
    let many: Value = (0..501).map(|n| (format!("feat_01JD8W0V5XK6Q3R7T2N4M8{n:04}"), json!(1))).collect();
    let response = operator.post("pricing-tiers", merged(valid, &json!({"feature_limits": many}))).await;
    response.expect_errors(422, &["/feature_limits invalid_value"]);
}

#[tokio::test]
async fn a_feature_id_that_is_malformed_or_repeated_is_rejected() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let limit = operator.create_limit(&product, "a").await;
    let body = merged(minimal_tier(&product), &json!({"feature_limits": {"x": 1}}));
    let response = operator.post("pricing-tiers", body).await;
    let pointer = text(&response.expect_problem(422, "invalid_value")["errors"][0]["pointer"]).to_owned();
    assert!(pointer.starts_with("/feature_limits"), "{pointer}");

    let id = text(&limit["id"]);
    let repeated = minimal_tier(&product).to_string().replacen(
        '{',
        &format!(r#"{{"feature_limits": {{"{id}": 1, "{id}": 2}},"#),
        1,
    );
    let build = |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(repeated);
    let response = operator.send(reqwest::Method::POST, "pricing-tiers", build).await;
    let pointer = text(&response.expect_problem(422, "invalid_value")["errors"][0]["pointer"]).to_owned();
    assert!(pointer.starts_with("/feature_limits"), "{pointer}");
}

#[tokio::test]
async fn patch_replaces_all_feature_limits_so_that_null_means_unlimited() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let (a, b) = (operator.create_limit(&product, "a").await, operator.create_limit(&product, "b").await);
    let both = limits([(&a, json!(1)), (&b, json!(2))]);
    let tier = operator.create_tier(&product, &json!({"feature_limits": both})).await;
    let path = format!("pricing-tiers/{}", text(&tier["id"]));
    let patch = async |fields: Value| operator.patch(&path, fields).await;
    let unlimited = limits([(&a, Value::Null)]);
    let patched = patch(json!({"feature_limits": unlimited})).await.expect_status(200);
    assert_eq!(patched["feature_limits"], unlimited, "the null is a value, and the other limit is gone");
    let kept = patch(json!({"name": "New"})).await.expect_status(200);
    assert_eq!(kept["feature_limits"], unlimited);
    assert_eq!(patch(json!({"feature_limits": {}})).await.expect_status(200)["feature_limits"], json!({}));
    patch(json!({"feature_limits": null})).await.expect_errors(422, &["/feature_limits invalid_value"]);
    let error = format!("/feature_limits/{} invalid_value", text(&a["id"]));
    patch(json!({"feature_limits": limits([(&a, json!(-1))])})).await.expect_errors(422, &[&error]);
    // An omitted field of a PUT is reset.
    patch(json!({"feature_limits": both})).await.expect_status(200);
    let put = operator.put(&path, super::without(&minimal_tier(&product), "code")).await.expect_status(200);
    assert_eq!(put["feature_limits"], json!({}));
}

#[tokio::test]
async fn the_nearest_limit_applies_and_tokens_list_it() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let mut found = Vec::new();
    for key in ["c", "a", "b", "shown"] {
        found.push(operator.create_limit(&product, key).await);
    }
    let [c, a, b, shown] = &found[..] else { panic!("expected four limits") };
    operator.replace("product-features", shown, &json!({"display_only": true})).await.expect_status(200);
    let base = json!({"feature_limits": limits([(a, json!(1)), (b, json!(2)), (c, Value::Null), (shown, json!(3))])});
    let base = operator.create_tier(&product, &base).await;
    let middle = json!({"includes_tier_id": base["id"], "feature_limits": limits([(a, Value::Null)])});
    let middle = operator.create_tier(&product, &middle).await;
    let top = json!({"includes_tier_id": middle["id"], "feature_limits": limits([(c, json!(0))])});
    let top = operator.create_tier(&product, &top).await;
    let expected = json!([
        effective(a, Value::Null, &middle["id"]),
        effective(b, json!(2), &base["id"]),
        effective(c, json!(0), &Value::Null),
    ]);
    assert_eq!((&top["effective_limits"], &read(operator, &top).await["effective_limits"]), (&expected, &expected));
    let list = operator.get("pricing-tiers").await.expect_status(200);
    let row = list["items"].as_array().unwrap().iter().find(|row| row["id"] == top["id"]).unwrap();
    assert_eq!(row["effective_limits"], expected);

    let issued = operator.issue(&operator.create_customer().await, &top, &json!({})).await;
    let claims = async |token: &Value| stack.claims(token).await["feature_limits"].to_string();
    assert_eq!(claims(&issued["token"]).await, r#"{"a":null,"b":2,"c":0}"#, "sorted by key");
    let activated = stack.anonymous.activate(text(&issued["license_key"]), "one").await.expect_status(201);
    // Changes of included tiers reach the app with the next heartbeat.
    let changed = json!({"feature_limits": limits([(b, json!(5)), (shown, json!(3))])});
    operator.replace("pricing-tiers", &base, &changed).await.expect_status(200);
    let heartbeat = stack.anonymous.heartbeat(text(&activated["token"]), "one").await.expect_status(200);
    assert_eq!(claims(&heartbeat["token"]).await, r#"{"a":null,"b":5,"c":0}"#);
    let unchanged = stack.anonymous.heartbeat(text(&heartbeat["token"]), "one").await.expect_status(200);
    assert_eq!(unchanged["renewed"], false);
    // The claim is present, too, if there is no limit.
    let plain = operator.create_tier(&product, &json!({})).await;
    let issued = operator.issue(&operator.create_customer().await, &plain, &json!({})).await;
    assert_eq!(claims(&issued["token"]).await, "{}");
}
