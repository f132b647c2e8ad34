//! Order, filters and pages of the catalog's lists.

use signet_tests::{Stack, Value, json, listed, random_word, text};

use super::ids;

#[tokio::test]
async fn lists_are_sorted_by_sort_order_and_filtered_by_product() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let mut products = Vec::new();
    for sort_order in [3, -2_147_483_648_i64, 10, 0, 2_147_483_647, -1] {
        products.push(operator.create_product_with(&json!({"sort_order": sort_order})).await);
    }
    let order = |list: &Value| {
        list["items"].as_array().unwrap().iter().map(|row| row["sort_order"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let list = operator.get("products").await.expect_status(200);
    assert_eq!(order(&list), [-2_147_483_648, -1, 0, 3, 10, 2_147_483_647]);
    assert_eq!(list["next_cursor"], Value::Null);
    products.sort_by_key(|product| product["sort_order"].as_i64());
    let rows: Vec<_> = products.iter().map(listed).collect();
    assert_eq!(list, json!({"items": rows, "next_cursor": null}), "a list item is the resource without its metadata");

    let [one, other] = &products[..2] else { panic!("expected two products") };
    for sort_order in [2, 1] {
        for product in [one, other] {
            let fields =
                json!({"product_id": product["id"], "key": random_word("f"), "name": "A", "sort_order": sort_order});
            operator.post("product-features", fields).await.expect_status(201);
            operator.create_tier(product, &json!({"sort_order": sort_order})).await;
        }
    }
    for list in ["product-features", "pricing-tiers"] {
        assert_eq!(order(&operator.get(list).await.expect_status(200)), [1, 1, 2, 2]);
        let of_one = operator.get(&format!("{list}?product_id={}", text(&one["id"]))).await.expect_status(200);
        assert_eq!(order(&of_one), [1, 2]);
        assert!(of_one["items"].as_array().unwrap().iter().all(|row| row["product_id"] == one["id"]));
        let none = operator.get(&format!("{list}?product_id=prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB")).await.expect_status(200);
        assert_eq!(none, json!({"items": [], "next_cursor": null}));
        operator.get(&format!("{list}?product_id=x")).await.expect_errors(422, &["product_id invalid_value"]);
    }
}

#[tokio::test]
async fn pages_list_every_item_once_while_items_are_added() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let mut expected = Vec::new();
    for sort_order in 0..7 {
        let product = operator.create_product_with(&json!({"sort_order": sort_order * 10})).await;
        expected.push(text(&product["id"]).to_owned());
    }
    let first = operator.get("products?limit=3").await.expect_status(200);
    let mut listed = ids(&first);
    let mut cursor = text(&first["next_cursor"]).to_owned();
    operator.create_product_with(&json!({"sort_order": -5})).await;
    operator.create_product_with(&json!({"sort_order": 15})).await;
    let late = operator.create_product_with(&json!({"sort_order": 45})).await;
    expected.insert(5, text(&late["id"]).to_owned());
    loop {
        // A cursor is valid with another limit.
        let page = operator.get(&format!("products?limit=2&cursor={cursor}")).await.expect_status(200);
        assert!(ids(&page).len() <= 2);
        listed.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(listed, expected);
    let whole = operator.get("products?limit=100").await.expect_status(200);
    assert_eq!((ids(&whole).len(), &whole["next_cursor"]), (10, &Value::Null));
    let even = operator.get("products?limit=10").await.expect_status(200);
    assert_eq!(even["next_cursor"], Value::Null, "a page that ends with the last item has no cursor");
}

#[tokio::test]
async fn lists_return_25_items_by_default() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    for number in 0..26 {
        stack.operator.create_feature(&product, &format!("f{number}")).await;
    }
    let list = stack.operator.get("product-features").await.expect_status(200);
    assert_eq!(ids(&list).len(), 25);
    let rest = format!("product-features?cursor={}", text(&list["next_cursor"]));
    assert_eq!(ids(&stack.operator.get(&rest).await.expect_status(200)).len(), 1);
}

#[tokio::test]
async fn lists_return_422_for_invalid_cursors_limits_and_parameters() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (one, other) = (operator.create_product().await, operator.create_product().await);
    for product in [&one, &other] {
        for key in ["a", "b"] {
            operator.create_feature(product, key).await;
            operator.create_tier(product, &json!({})).await;
        }
    }
    let cursor = async |list: &str| {
        let page = operator.get(list).await.expect_status(200);
        text(&page["next_cursor"]).to_owned()
    };
    let (first, second) = (text(&one["id"]), text(&other["id"]));
    let valid = cursor("products?limit=1").await;
    operator.get(&format!("products?cursor={valid}")).await.expect_status(200);
    let mut forged = valid.clone();
    forged.replace_range(30..31, if valid[30..31] == *"A" { "B" } else { "A" });
    let features = cursor(&format!("product-features?limit=1&product_id={first}")).await;
    let tiers = cursor(&format!("pricing-tiers?limit=1&product_id={first}")).await;
    let any_feature = cursor("product-features?limit=1").await;
    for path in [
        format!("products?cursor={forged}"),
        format!("products?cursor={}", &valid[..valid.len() - 1]),
        format!("products?cursor={valid}A"),
        "products?cursor=x".to_owned(),
        "products?cursor=%00".to_owned(),
        "products?cursor=eyJsaXN0IjoicHJvZHVjdHMiLCJhdCI6WyIwIiwiMCJdfQ".to_owned(),
        format!("products?cursor={any_feature}"),
        format!("product-features?cursor={valid}"),
        format!("product-features?cursor={features}"),
        format!("product-features?product_id={second}&cursor={features}"),
        format!("product-features?product_id={first}&cursor={any_feature}"),
        format!("pricing-tiers?product_id={first}&cursor={features}"),
        format!("pricing-tiers?product_id={second}&cursor={tiers}"),
        format!("product-features?product_id={first}&cursor={tiers}"),
    ] {
        operator.get(&path).await.expect_errors(422, &["cursor cursor_invalid"]);
    }
    for list in ["products", "product-features", "pricing-tiers"] {
        for limit in ["0", "101", "x", "-1", "1.5", "99999999999999999999", "1%20"] {
            operator.get(&format!("{list}?limit={limit}")).await.expect_errors(422, &["limit invalid_value"]);
        }
        operator.get(&format!("{list}?limit=1")).await.expect_status(200);
        operator.get(&format!("{list}?limit=100&cursor=")).await.expect_status(200);
        operator.get(&format!("{list}?limit=1&limit=2")).await.expect_errors(422, &["limit invalid_value"]);
        operator.get(&format!("{list}?page=2")).await.expect_errors(422, &["page unknown_field"]);
        operator.get(&format!("{list}?a=1&b=2")).await.expect_errors(422, &["a unknown_field", "b unknown_field"]);
    }
    operator.get(&format!("products?product_id={first}")).await.expect_errors(422, &["product_id unknown_field"]);
}
