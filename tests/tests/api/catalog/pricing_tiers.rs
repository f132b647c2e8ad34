//! `POST pricing-tiers` and `PUT pricing-tiers/{id}`, and the feature keys of a tier.

use signet_tests::{Stack, Value, json, listed, merged, text};

use super::{
    assert_created, assert_if_match, assert_not_found, assert_rejected, assert_required, invalid_text_cases,
    minimal_tier, without,
};

#[tokio::test]
async fn create_pricing_tier_returns_201() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let response = operator.post("pricing-tiers", minimal_tier(&product)).await;
    assert_created(operator, "pricing-tiers", &response).await;
    let expected = json!({
        "id": response.body["id"], "product_id": product["id"], "code": "pro", "name": "Pro", "description": null,
        "includes_tier_id": null, "monthly_price": 1900, "annual_price": 19000, "currency": "EUR",
        "billing_period": "monthly", "max_users": null, "seat_unit": "machine", "max_borrow_seconds": 0, "max_tenants": null,
        "feature_ids": [], "feature_keys": [], "feature_limits": {}, "effective_limits": [], "is_claimable": false,
        "is_active": true, "sort_order": 0, "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900,
        "renew_after_seconds": null, "offline_grace_seconds": 259_200, "expiry_grace_seconds": 0,
        "metadata": {}, "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(response.body, expected);
    assert!(text(&response.body["id"]).starts_with("tier_"));

    let feature = operator.create_feature(&product, "api").await;
    let all = json!({
        "code": "max", "name": "Max", "description": "All of it", "includes_tier_id": response.body["id"],
        "monthly_price": 9_007_199_254_740_991_i64, "annual_price": 0, "currency": "JPY", "billing_period": "perpetual",
        "max_users": 100_000, "seat_unit": "machine", "max_borrow_seconds": 31_536_000, "max_tenants": 4_294_967_295_u32, "feature_ids": [feature["id"]], "is_claimable": true,
        "is_active": false, "sort_order": 9, "token_ttl_seconds": 31_536_000, "heartbeat_interval_seconds": 31_536_000,
        "renew_after_seconds": 15_768_000, "offline_grace_seconds": 31_536_000, "expiry_grace_seconds": 7_776_000,
    });
    let created = operator.post("pricing-tiers", merged(minimal_tier(&product), &all)).await;
    assert_created(operator, "pricing-tiers", &created).await;
    assert_eq!(merged(created.body.clone(), &all), created.body);
    assert_eq!(created.body["feature_keys"], json!(["api"]));
    let minimal = json!({"code": "least", "billing_period": "annual", "max_users": 1, "max_tenants": 1,
        "token_ttl_seconds": 1, "renew_after_seconds": 0});
    let created = operator.post("pricing-tiers", merged(minimal_tier(&product), &minimal)).await.expect_status(201);
    assert_eq!(created["heartbeat_interval_seconds"], 1, "at most the lifetime of a token");
    // A tier code is unique only within its product.
    let other = operator.create_product().await;
    operator.post("pricing-tiers", minimal_tier(&other)).await.expect_status(201);
}

#[tokio::test]
async fn create_pricing_tier_returns_409_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let valid = minimal_tier(&product);
    let required =
        ["product_id", "code", "name", "monthly_price", "annual_price", "currency", "billing_period", "max_users"];
    assert_required(operator, "pricing-tiers", &valid, &required).await;
    let (own, foreign) = (operator.create_feature(&product, "a").await, operator.create_feature(&other, "a").await);
    let foreign_tier = operator.create_tier(&other, &json!({})).await;
    let (unknown, unknown_feature) = ("tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB");

    let mut cases = invalid_text_cases();
    let mut invalid = |field: &'static str, errors: &'static [&'static str], values: Vec<Value>| {
        cases.extend(values.into_iter().map(|value| (json!({field: value}), errors)));
    };
    invalid("code", &["/code invalid_value"], vec![json!("P"), json!("p"), json!("a".repeat(41)), json!(5)]);
    let prices = || vec![json!(-1), json!(1.5), json!("1"), json!(9_007_199_254_740_992_i64), Value::Null];
    invalid("monthly_price", &["/monthly_price invalid_value"], prices());
    invalid("annual_price", &["/annual_price invalid_value"], prices());
    invalid(
        "currency",
        &["/currency invalid_value"],
        vec![json!("eur"), json!("EURO"), json!("€€€"), json!(""), Value::Null],
    );
    invalid("billing_period", &["/billing_period invalid_value"], vec![json!("weekly"), json!("Monthly"), Value::Null]);
    let counts = vec![json!(0), json!(100_001), json!(-1), json!("5"), json!(1.5)];
    invalid("max_users", &["/max_users invalid_value"], counts);
    invalid("max_tenants", &["/max_tenants invalid_value"], vec![json!(0), json!(-1), json!(4_294_967_296_i64)]);
    invalid(
        "token_ttl_seconds",
        &["/token_ttl_seconds invalid_value"],
        vec![json!(0), json!(31_536_001), json!(-1), Value::Null],
    );
    let intervals = vec![json!(0), json!(3601), json!("900")];
    invalid("heartbeat_interval_seconds", &["/heartbeat_interval_seconds invalid_value"], intervals);
    invalid("renew_after_seconds", &["/renew_after_seconds invalid_value"], vec![json!(1801), json!(-1)]);
    invalid(
        "offline_grace_seconds",
        &["/offline_grace_seconds invalid_value"],
        vec![json!(31_536_001), json!(-1), Value::Null],
    );
    invalid(
        "expiry_grace_seconds",
        &["/expiry_grace_seconds invalid_value"],
        vec![json!(7_776_001), json!(-1), Value::Null],
    );
    invalid("is_claimable", &["/is_claimable invalid_value"], vec![json!("yes")]);
    invalid("is_active", &["/is_active invalid_value"], vec![Value::Null]);
    invalid(
        "product_id",
        &["/product_id invalid_value"],
        vec![json!("prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB"), json!("x"), Value::Null],
    );
    invalid("includes_tier_id", &["/includes_tier_id invalid_value"], vec![json!(unknown), json!("x"), json!(5)]);
    invalid("includes_tier_id", &["/includes_tier_id tier_of_other_product"], vec![foreign_tier["id"].clone()]);
    invalid("feature_ids", &["/feature_ids invalid_value"], vec![json!("x"), Value::Null]);
    invalid(
        "feature_ids",
        &["/feature_ids/0 invalid_value"],
        vec![json!(["x"]), json!([unknown_feature]), json!([null])],
    );
    invalid("feature_ids", &["/feature_ids/1 feature_of_other_product"], vec![json!([own["id"], foreign["id"]])]);
    invalid("feature_ids", &["/feature_ids/1 invalid_value"], vec![json!([own["id"], own["id"]])]);
    let two_errors = vec![json!([unknown_feature, own["id"], foreign["id"]])];
    invalid("feature_ids", &["/feature_ids/0 invalid_value", "/feature_ids/2 feature_of_other_product"], two_errors);
    let many = (0..501).map(|_| own["id"].clone()).collect::<Value>();
    invalid("feature_ids", &["/feature_ids invalid_value"], vec![many]);
    invalid("feature_keys", &["/feature_keys unknown_field"], vec![json!([])]);
    cases.push((
        json!({"currency": "x", "max_users": 0, "token_ttl_seconds": 10, "heartbeat_interval_seconds": 11, "renew_after_seconds": 6}),
        &["/currency invalid_value", "/max_users invalid_value", "/heartbeat_interval_seconds invalid_value", "/renew_after_seconds invalid_value"],
    ));
    let both = json!({"includes_tier_id": foreign_tier["id"], "feature_ids": [foreign["id"]]});
    cases.push((both, &["/includes_tier_id tier_of_other_product", "/feature_ids/0 feature_of_other_product"]));
    assert_rejected(operator, "pricing-tiers", &valid, &cases).await;

    operator.post("pricing-tiers", valid.clone()).await.expect_status(201);
    operator.post("pricing-tiers", valid).await.expect_errors(409, &["/code code_taken"]);
}

#[tokio::test]
async fn replace_pricing_tier_returns_200_404_412_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let all = json!({
        "description": "B", "max_users": 5, "max_tenants": 2, "is_claimable": true, "is_active": false, "sort_order": 9,
        "token_ttl_seconds": 60, "heartbeat_interval_seconds": 30, "renew_after_seconds": 30, "offline_grace_seconds": 5,
        "expiry_grace_seconds": 6,
    });
    let created = operator.post("pricing-tiers", merged(minimal_tier(&product), &all)).await.expect_status(201);
    stack.advance(5);
    let path = format!("pricing-tiers/{}", text(&created["id"]));
    let minimal = without(&without(&minimal_tier(&product), "product_id"), "code");
    let put = operator.put(&path, minimal.clone()).await;
    let changed = json!({
        "description": null, "max_users": null, "max_tenants": null, "is_claimable": false, "is_active": true,
        "sort_order": 0, "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900, "renew_after_seconds": null,
        "offline_grace_seconds": 259_200, "expiry_grace_seconds": 0, "updated_at": "2026-01-15T12:00:05Z",
    });
    assert_eq!(put.body, merged(created.clone(), &changed));
    assert_eq!(operator.get(&path).await.text, put.text);
    for field in ["name", "monthly_price", "annual_price", "currency", "billing_period", "max_users"] {
        operator.put(&path, without(&minimal, field)).await.expect_errors(422, &[&format!("/{field} invalid_value")]);
    }
    assert_if_match(operator, "pricing-tiers", &created).await;
    assert_not_found(operator, "pricing-tiers", &created).await;

    let put = async |fields: &Value| operator.replace("pricing-tiers", &created, fields).await;
    put(&json!({"code": "other"})).await.expect_errors(422, &["/code immutable"]);
    put(&json!({"product_id": other["id"]})).await.expect_errors(422, &["/product_id immutable"]);
    put(&json!({"code": "other", "currency": "x"}))
        .await
        .expect_errors(422, &["/code immutable", "/currency invalid_value"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    put(&json!({"includes_tier_id": created["id"]})).await.expect_errors(422, &["/includes_tier_id tier_cycle"]);
    let foreign = operator.create_tier(&other, &json!({})).await;
    put(&json!({"includes_tier_id": foreign["id"]}))
        .await
        .expect_errors(422, &["/includes_tier_id tier_of_other_product"]);
    let second = operator.create_tier(&product, &json!({"includes_tier_id": created["id"]})).await;
    let third = operator.create_tier(&product, &json!({"includes_tier_id": second["id"]})).await;
    for dependent in [&second, &third] {
        put(&json!({"includes_tier_id": dependent["id"]})).await.expect_errors(422, &["/includes_tier_id tier_cycle"]);
    }
    for (change, errors) in invalid_text_cases() {
        put(&change).await.expect_errors(422, errors);
    }
}

#[tokio::test]
async fn feature_keys_are_sorted_and_include_inherited_but_not_display_only() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let mut created = Vec::new();
    for key in ["zoom", "api", "mail", "beta"] {
        created.push(operator.create_feature(&product, key).await);
    }
    let [zoom, api, mail, beta] = &created[..] else { panic!("expected four features") };
    operator.replace("product-features", beta, &json!({"display_only": true})).await.expect_status(200);
    let first = operator.create_tier(&product, &json!({"feature_ids": [zoom["id"], beta["id"]]})).await;
    let second = json!({"includes_tier_id": first["id"], "feature_ids": [mail["id"], zoom["id"]]});
    let second = operator.create_tier(&product, &second).await;
    let third =
        operator.create_tier(&product, &json!({"includes_tier_id": second["id"], "feature_ids": [api["id"]]})).await;
    let keys = async |tier: &Value| {
        let read = operator.get(&format!("pricing-tiers/{}", text(&tier["id"]))).await.expect_status(200);
        let list = operator.get(&format!("pricing-tiers?product_id={}", text(&product["id"]))).await.expect_status(200);
        let row = list["items"].as_array().unwrap().iter().find(|row| row["id"] == tier["id"]).unwrap().clone();
        assert_eq!(listed(&read), row);
        read["feature_keys"].clone()
    };
    assert_eq!(keys(&first).await, json!(["zoom"]));
    assert_eq!(keys(&second).await, json!(["mail", "zoom"]));
    assert_eq!(keys(&third).await, json!(["api", "mail", "zoom"]));
    assert_eq!(third["feature_ids"], json!([api["id"]]));
    // Changes of included tiers are inherited.
    operator.replace("pricing-tiers", &first, &json!({"feature_ids": []})).await.expect_status(200);
    operator.replace("product-features", mail, &json!({"display_only": true})).await.expect_status(200);
    assert_eq!(keys(&third).await, json!(["api", "zoom"]));
    operator
        .replace("pricing-tiers", &second, &json!({"includes_tier_id": null, "feature_ids": []}))
        .await
        .expect_status(200);
    assert_eq!(keys(&third).await, json!(["api"]));
}
