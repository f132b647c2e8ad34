//! `POST product-features` and `PUT product-features/{id}`.

use signet_tests::{Stack, Value, json, merged, text};

use super::{assert_created, assert_if_match, assert_not_found, assert_rejected, assert_required, invalid_text_cases};

#[tokio::test]
async fn create_product_feature_returns_201() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let minimal = json!({"product_id": product["id"], "key": "export.pdf", "name": "PDF export"});
    let response = stack.operator.post("product-features", minimal).await;
    assert_created(&stack.operator, "product-features", &response).await;
    let expected = json!({
        "id": response.body["id"], "product_id": product["id"], "key": "export.pdf", "name": "PDF export",
        "description": null, "display_only": false, "sort_order": 0,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(response.body, expected);
    assert!(text(&response.body["id"]).starts_with("feat_"));
    for key in ["a", "0", "a_b-c.d", &"a".repeat(64)] {
        let all = json!({"product_id": product["id"], "key": key, "name": "A", "description": "B", "display_only": true,
            "sort_order": -3});
        let created = stack.operator.post("product-features", all.clone()).await.expect_status(201);
        assert_eq!(merged(created.clone(), &all), created);
    }
    // A feature key is unique only within its product.
    let other = stack.operator.create_product().await;
    stack.operator.create_feature(&other, "export.pdf").await;
}

#[tokio::test]
async fn create_product_feature_returns_409_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let valid = json!({"product_id": product["id"], "key": "export", "name": "Export"});
    assert_required(operator, "product-features", &valid, &["product_id", "key", "name"]).await;
    let mut cases = invalid_text_cases();
    for key in ["", ".a", "-a", "_a", "A", "a b", "é"] {
        cases.push((json!({"key": key}), &["/key invalid_value"]));
    }
    cases.push((json!({"key": "a".repeat(65)}), &["/key invalid_value"]));
    for id in
        [json!("prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB"), json!("x"), json!("tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB"), Value::Null]
    {
        cases.push((json!({"product_id": id}), &["/product_id invalid_value"]));
    }
    cases.push((json!({"display_only": "no"}), &["/display_only invalid_value"]));
    cases.push((json!({"is_active": true}), &["/is_active unknown_field"]));
    cases.push((json!({"key": "A", "name": ""}), &["/key invalid_value", "/name invalid_value"]));
    assert_rejected(operator, "product-features", &valid, &cases).await;
    operator.post("product-features", valid.clone()).await.expect_status(201);
    operator.post("product-features", valid).await.expect_errors(409, &["/key key_taken"]);
}

#[tokio::test]
async fn replace_product_feature_returns_200_404_412_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let created = json!({"product_id": product["id"], "key": "api", "name": "API", "description": "B", "display_only": true,
        "sort_order": 4});
    let created = operator.post("product-features", created).await.expect_status(201);
    stack.advance(5);
    let put = operator
        .put(&format!("product-features/{}", text(&created["id"])), json!({"name": "Bold"}))
        .await
        .expect_status(200);
    let changed = json!({"name": "Bold", "description": null, "display_only": false, "sort_order": 0,
        "updated_at": "2026-01-15T12:00:05Z"});
    assert_eq!(put, merged(created.clone(), &changed));
    assert_if_match(operator, "product-features", &created).await;
    assert_not_found(operator, "product-features", &created).await;
    let put = async |fields: &Value| operator.replace("product-features", &created, fields).await;
    put(&json!({"key": "other"})).await.expect_errors(422, &["/key immutable"]);
    put(&json!({"product_id": other["id"]})).await.expect_errors(422, &["/product_id immutable"]);
    put(&json!({"product_id": "x", "key": "y"})).await.expect_errors(422, &["/product_id immutable", "/key immutable"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    for (change, errors) in invalid_text_cases() {
        put(&change).await.expect_errors(422, errors);
    }
}
