//! `GET license-keys`.

use signet_tests::{Stack, Value, json, listed, text};

use super::ids;

#[tokio::test]
async fn list_returns_pages_with_the_newest_first() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    let mut expected = vec![license.issued["license"]["id"].clone()];
    for _ in 0..6 {
        stack.advance(1);
        expected.insert(
            0,
            operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await["license"]["id"].clone(),
        );
    }
    let all = operator.get("license-keys").await.expect_status(200);
    assert_eq!((ids(&all), &all["next_cursor"]), (expected.clone(), &Value::Null));
    assert_eq!(all["items"][6], listed(&license.issued["license"]), "rows omit the number of used seats");
    let first = operator.get("license-keys?limit=3").await.expect_status(200);
    let mut seen = ids(&first);
    let mut cursor = text(&first["next_cursor"]).to_owned();
    stack.advance(1);
    operator.issue(&operator.create_customer().await, &license.tier, &json!({})).await;
    loop {
        let page = operator.get(&format!("license-keys?limit=2&cursor={cursor}")).await.expect_status(200);
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn list_returns_each_key_of_the_same_millisecond_once() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let mut issued = vec![license.license_id.clone()];
    for _ in 0..10 {
        let next = stack.operator.issue(&stack.operator.create_customer().await, &license.tier, &json!({})).await;
        issued.push(text(&next["license"]["id"]).to_owned());
    }
    let (mut seen, mut more) = (Vec::new(), String::new());
    loop {
        let page = stack.operator.get(&format!("license-keys?limit=3{more}")).await.expect_status(200);
        seen.extend(ids(&page).iter().map(|id| text(id).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => more = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort_unstable();
    issued.sort_unstable();
    assert_eq!(seen, issued);
}

#[tokio::test]
async fn list_filters_by_customer_product_and_status() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    let other = operator.issue_new_license(1).await;
    let mut issued = vec![license.issued["license"]["id"].clone()];
    // One customer and product: superseded, revoked and active; two other customers: expired and suspended.
    for _ in 0..2 {
        stack.advance(1);
        issued.push(operator.issue(&license.customer, &license.tier, &json!({})).await["license"]["id"].clone());
    }
    operator.post(&format!("license-keys/{}/revoke", text(&issued[1])), json!({})).await.expect_status(200);
    let second_customer = operator.create_customer().await;
    let short = json!({"expires_at": "2026-01-15T12:00:05Z"});
    issued.push(operator.issue(&second_customer, &license.tier, &short).await["license"]["id"].clone());
    let third_customer = operator.create_customer().await;
    issued.push(
        operator.issue(&third_customer, &license.tier, &json!({"expires_at": null})).await["license"]["id"].clone(),
    );
    operator.post(&format!("license-keys/{}/suspend", text(&issued[4])), json!({})).await.expect_status(200);
    stack.advance(60);

    let list = async |query: &str| ids(&operator.get(&format!("license-keys?{query}")).await.expect_status(200));
    let (product, customer) = (text(&license.product["id"]), text(&license.customer["id"]));
    for (status, index) in [("active", 2), ("superseded", 0), ("revoked", 1), ("expired", 3), ("suspended", 4)] {
        let found = list(&format!("product_id={product}&status={status}")).await;
        assert_eq!(found, [issued[index].clone()], "{status}");
    }
    assert_eq!(list(&format!("customer_id={customer}")).await, [2, 1, 0].map(|index| issued[index].clone()));
    assert_eq!(list(&format!("customer_id={customer}&status=revoked")).await, [issued[1].clone()]);
    assert_eq!(list(&format!("customer_id={customer}&product_id={product}")).await.len(), 3);
    let other_product = text(&other.product["id"]);
    assert_eq!(list(&format!("customer_id={customer}&product_id={other_product}")).await, [Value::Null; 0]);
    assert_eq!(list(&format!("product_id={other_product}")).await, [other.issued["license"]["id"].clone()]);
    assert_eq!(list("status=active").await.len(), 2);
    // A program that has lost the value of a filter does not get other license keys.
    let empty = operator.get("license-keys?status=&external_id=&limit=1").await;
    empty.expect_errors(422, &["external_id invalid_value", "status invalid_value"]);
    assert_eq!(list("customer_id=cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB").await, [Value::Null; 0]);
    // Every page of a filtered list except the last is full.
    let page = operator.get(&format!("license-keys?product_id={product}&limit=2")).await.expect_status(200);
    assert_eq!(ids(&page).len(), 2);
    let next = format!("product_id={product}&limit=2&cursor={}", text(&page["next_cursor"]));
    assert_eq!(list(&next).await.len(), 2);
}

#[tokio::test]
async fn list_returns_422_for_invalid_parameters_and_cursors() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    operator.issue(&license.customer, &license.tier, &json!({})).await;
    for (query, error) in [
        ("status=gone", "status invalid_value"),
        ("status=Active", "status invalid_value"),
        ("customer_id=x", "customer_id invalid_value"),
        ("product_id=cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "product_id invalid_value"),
        ("state=active", "state unknown_field"),
        ("limit=0", "limit invalid_value"),
        ("limit=101", "limit invalid_value"),
        ("limit=x", "limit invalid_value"),
        ("status=active&status=active", "status invalid_value"),
        ("cursor=x", "cursor cursor_invalid"),
    ] {
        operator.get(&format!("license-keys?{query}")).await.expect_errors(422, &[error]);
    }
    let cursor = async |query: &str| {
        let page = operator.get(&format!("license-keys?limit=1&{query}")).await.expect_status(200);
        text(&page["next_cursor"]).to_owned()
    };
    let (customer, product) = (text(&license.customer["id"]), text(&license.product["id"]));
    let of_all = cursor("").await;
    let of_customer = cursor(&format!("customer_id={customer}")).await;
    let of_product = cursor(&format!("product_id={product}")).await;
    for query in [
        format!("customer_id={customer}&cursor={of_all}"),
        format!("status=active&cursor={of_all}"),
        format!("product_id={product}&cursor={of_all}"),
        format!("cursor={of_customer}"),
        format!("customer_id={customer}&status=superseded&cursor={of_customer}"),
        format!("customer_id={customer}&cursor={of_product}"),
    ] {
        operator.get(&format!("license-keys?{query}")).await.expect_errors(422, &["cursor cursor_invalid"]);
    }
    operator.get(&format!("products?cursor={of_all}")).await.expect_errors(422, &["cursor cursor_invalid"]);
    operator.get(&format!("license-keys?cursor={of_all}")).await.expect_status(200);
}
