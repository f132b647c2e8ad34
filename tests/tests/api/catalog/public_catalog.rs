//! `GET products/catalog`, the public catalog.

use signet_local::DataDirectory;
use signet_tests::{Stack, Value, json, listed, merged, text};

use super::ids;

#[tokio::test]
async fn get_products_catalog_returns_200_and_304() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"code": "second", "sort_order": 2})).await;
    operator.create_product_with(&json!({"code": "hidden", "is_active": false})).await;
    let earlier = operator.create_product_with(&json!({"code": "first", "sort_order": 1})).await;
    let export = operator.create_feature(&product, "export").await;
    let support = json!({"product_id": product["id"], "key": "support", "name": "Support", "display_only": true, "sort_order": -1});
    let support = operator.post("product-features", support).await.expect_status(201);
    let rows = operator.create_limit(&product, "rows").await;
    operator.replace("product-features", &rows, &json!({"sort_order": 1})).await.expect_status(200);
    let limits = json!({text(&rows["id"]): 1000});
    let base = json!({"feature_ids": [support["id"], export["id"]], "feature_limits": limits, "is_active": false});
    let base = operator.create_tier(&product, &base).await;
    let api = operator.create_feature(&product, "api").await;
    operator.replace("product-features", &api, &json!({"sort_order": -2})).await.expect_status(200);
    let dependent = json!({"includes_tier_id": base["id"], "feature_ids": [api["id"]], "sort_order": 2});
    let dependent = operator.create_tier(&product, &dependent).await;
    let plain = json!({"sort_order": 1, "feature_limits": {text(&rows["id"]): null}});
    let plain = operator.create_tier(&product, &plain).await;

    let response = stack.anonymous.get("products/catalog").await;
    assert_eq!(response.header("cache-control"), "public, max-age=60");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    let feature = |key: &str, display_only: bool, from: &Value| {
        let name = if key == "support" { "Support" } else { key };
        json!({"key": key, "kind": "flag", "unit": null, "name": name, "display_only": display_only, "inherited_from": from})
    };
    let limit = |limit: Value, from: &Value| {
        json!({
            "key": "rows", "kind": "limit", "limit": limit, "unit": "rows", "name": "rows", "display_only": false,
            "inherited_from": from,
        })
    };
    let features = json!([
        feature("api", false, &Value::Null),
        feature("support", true, &base["id"]),
        feature("export", false, &base["id"]),
        limit(json!(1000), &base["id"]),
    ]);
    let expected = json!({"products": [
        merged(listed(&earlier), &json!({"tiers": []})),
        merged(listed(&product), &json!({"tiers": [
            merged(listed(&plain), &json!({"features": [limit(Value::Null, &Value::Null)]})),
            merged(listed(&dependent), &json!({"features": features})),
        ]})),
    ]});
    assert_eq!(response.body, expected);

    let tag = response.header("etag").to_owned();
    let unchanged = stack.anonymous.with_header("if-none-match", &tag).get("products/catalog").await;
    assert_eq!((unchanged.status, &*unchanged.text, unchanged.header("etag")), (304, "", &*tag));
    assert_eq!(unchanged.header("access-control-allow-origin"), "*");
    operator.create_product().await;
    let changed = stack.anonymous.with_header("if-none-match", &tag).get("products/catalog").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn get_products_catalog_shows_changes_of_other_instances_within_60_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(folder.path()).unwrap();
    let [stack, other] = Stack::start_pair(&folder).await;
    let count =
        async || stack.anonymous.get("products/catalog").await.expect_status(200)["products"].as_array().unwrap().len();
    assert_eq!(count().await, 0);
    let created = other.operator.create_product().await;
    // Reads by operators bypass the cache.
    assert_eq!(ids(&stack.operator.get("products").await.expect_status(200)), [text(&created["id"])]);
    assert_eq!(stack.operator.get(&format!("products/{}", text(&created["id"]))).await.expect_status(200), created);
    stack.faults.reset_calls();
    stack.advance(59);
    assert_eq!((count().await, stack.faults.calls()), (0, vec![]));
    stack.advance(1);
    assert_eq!(count().await, 1);
    // An instance sees its own changes immediately.
    stack.operator.create_product().await;
    assert_eq!(count().await, 2);
}
