//! `POST products` and `PUT products/{id}`.

use signet_tests::{Stack, Value, json, merged, text};

use super::{
    assert_created, assert_if_match, assert_not_found, assert_rejected, assert_required, ids, invalid_text_cases,
};

#[tokio::test]
async fn create_product_returns_201() {
    let stack = Stack::start().await;
    let minimal = stack.operator.post("products", json!({"code": "atlas", "name": "Atlas"})).await;
    assert_created(&stack.operator, "products", &minimal).await;
    let expected = json!({
        "id": minimal.body["id"], "code": "atlas", "name": "Atlas", "description": null, "sort_order": 0,
        "is_active": true, "one_key_per_customer": true, "metadata": {},
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(minimal.body, expected);
    assert!(text(&minimal.body["id"]).starts_with("prod_"));
    let all = json!({
        "code": "0-", "name": "é".repeat(200), "description": format!("{}\r\n\t", "é".repeat(1997)),
        "sort_order": i32::MIN, "is_active": false, "one_key_per_customer": false,
    });
    let response = stack.operator.post("products", all.clone()).await;
    assert_created(&stack.operator, "products", &response).await;
    assert_eq!(merged(response.body.clone(), &all), response.body);
    stack
        .operator
        .post("products", json!({"code": "a".repeat(40), "name": "A", "sort_order": i32::MAX}))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn create_product_returns_409_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let valid = json!({"code": "atlas", "name": "Atlas"});
    assert_required(operator, "products", &valid, &["code", "name"]).await;
    let mut cases = invalid_text_cases();
    for code in ["", "a", "-a", "Atlas", "at_las", "at las", "atlás", "atlas\n"] {
        cases.push((json!({"code": code}), &["/code invalid_value"]));
    }
    cases.push((json!({"code": "a".repeat(41)}), &["/code invalid_value"]));
    for sort_order in [json!(2_147_483_648_i64), json!(-2_147_483_649_i64), json!(1.5), json!("1"), Value::Null] {
        cases.push((json!({"sort_order": sort_order}), &["/sort_order invalid_value"]));
    }
    for flag in [json!("true"), json!(1), Value::Null] {
        cases.push((json!({"is_active": flag}), &["/is_active invalid_value"]));
        cases.push((json!({"one_key_per_customer": flag}), &["/one_key_per_customer invalid_value"]));
    }
    cases.push((json!({"isactive": true}), &["/isactive unknown_field"]));
    cases.push((json!({"id": "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}), &["/id unknown_field"]));
    cases.push((json!({"a": 1, "b/~": 2}), &["/a unknown_field", "/b~1~0 unknown_field"]));
    cases.push((json!({"code": "A", "name": ""}), &["/code invalid_value", "/name invalid_value"]));
    assert_rejected(operator, "products", &valid, &cases).await;
    assert_eq!(ids(&operator.get("products").await.expect_status(200)), [""; 0], "a rejected request creates nothing");
    operator.post("products", valid.clone()).await.expect_status(201);
    operator.post("products", valid).await.expect_errors(409, &["/code code_taken"]);
}

#[tokio::test]
async fn replace_product_returns_200_and_resets_omitted_fields() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let fields = json!({
        "description": "Maps", "sort_order": 7, "is_active": false, "one_key_per_customer": false,
    });
    let created = operator.create_product_with(&fields).await;
    stack.advance(5);
    let path = format!("products/{}", text(&created["id"]));
    let put = operator.put(&path, json!({"name": "Bold"})).await;
    let mut expected = created.clone();
    for (name, value) in [
        ("name", json!("Bold")),
        ("description", Value::Null),
        ("sort_order", json!(0)),
        ("is_active", json!(true)),
        ("one_key_per_customer", json!(true)),
        ("updated_at", json!("2026-01-15T12:00:05Z")),
    ] {
        expected[name] = value;
    }
    assert_eq!(put.body, expected, "omitted fields are reset to their defaults");
    let read = operator.get(&path).await;
    assert_eq!((&read.text, read.header("etag")), (&put.text, put.header("etag")));
    assert_eq!(operator.replace("products", &created, &fields).await.expect_status(200)["sort_order"], 7);
    assert_if_match(operator, "products", &created).await;
}

#[tokio::test]
async fn replace_product_returns_404_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let created = operator.create_product().await;
    assert_not_found(operator, "products", &created).await;
    let put = async |fields: &Value| operator.replace("products", &created, fields).await;
    put(&json!({"code": "other"})).await.expect_errors(422, &["/code immutable"]);
    put(&json!({"code": "other", "name": ""})).await.expect_errors(422, &["/code immutable", "/name invalid_value"]);
    put(&json!({"code": 5})).await.expect_errors(422, &["/code invalid_value"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    for (change, errors) in invalid_text_cases() {
        put(&change).await.expect_errors(422, errors);
    }
    let path = format!("products/{}", text(&created["id"]));
    operator.put(&path, json!({})).await.expect_errors(422, &["/name invalid_value"]);
    assert_eq!(operator.get(&path).await.expect_status(200), created);
}
