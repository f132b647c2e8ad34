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
        "description": null, "kind": "flag", "unit": null, "display_only": false, "sort_order": 0,
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
    let limit =
        json!({"product_id": product["id"], "key": "export.rows", "name": "Rows", "kind": "limit", "unit": "rows"});
    let created = stack.operator.post("product-features", limit.clone()).await.expect_status(201);
    assert_eq!(merged(created.clone(), &limit), created);
    let without_unit = json!({"product_id": product["id"], "key": "seats", "name": "Seats", "kind": "limit"});
    let created = stack.operator.post("product-features", without_unit).await.expect_status(201);
    assert_eq!(created["unit"], Value::Null);
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
    for kind in [json!("number"), json!("Flag"), json!(1), Value::Null] {
        cases.push((json!({"kind": kind}), &["/kind invalid_value"]));
    }
    for unit in [json!(""), json!(" "), json!("a\n"), json!("\u{200b}a"), json!("é".repeat(21)), json!(1)] {
        cases.push((json!({"kind": "limit", "unit": unit}), &["/unit invalid_value"]));
    }
    cases.push((json!({"unit": "rows"}), &["/unit invalid_value"]));
    cases.push((json!({"kind": "flag", "unit": "rows"}), &["/unit invalid_value"]));
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
    put(&json!({"kind": "limit"})).await.expect_errors(422, &["/kind immutable"]);
    put(&json!({"kind": "x"})).await.expect_errors(422, &["/kind immutable"]);
    put(&json!({"unit": "rows"})).await.expect_errors(422, &["/unit invalid_value"]);
    put(&json!({"product_id": "x", "key": "y"})).await.expect_errors(422, &["/product_id immutable", "/key immutable"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    for (change, errors) in invalid_text_cases() {
        put(&change).await.expect_errors(422, errors);
    }
}

#[tokio::test]
async fn the_kind_of_a_limit_stays_and_its_unit_can_be_changed() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let limit = operator.create_limit(&product, "export.rows").await;
    let path = format!("product-features/{}", text(&limit["id"]));
    // An omitted kind is kept, and an omitted unit is reset, as for every optional field.
    let put = operator.put(&path, json!({"name": "Rows"})).await.expect_status(200);
    assert_eq!((&put["kind"], &put["unit"]), (&json!("limit"), &Value::Null));
    let patched = operator.patch(&path, json!({"unit": "lines", "kind": "limit"})).await.expect_status(200);
    assert_eq!((&patched["kind"], &patched["unit"]), (&json!("limit"), &json!("lines")));
    for kind in [json!("flag"), Value::Null] {
        operator.patch(&path, json!({"kind": kind})).await.expect_errors(422, &["/kind immutable"]);
    }
    operator.patch(&path, json!({"unit": "x".repeat(41)})).await.expect_errors(422, &["/unit invalid_value"]);
}
