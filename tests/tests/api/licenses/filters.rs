//! Filters of `GET license-keys`: what they find, in which order, and what a page costs.

use signet_tests::{IssuedLicense, Stack, Value, all_cases, json, merged, text};

/// Returns the names of the license keys that a query finds.
async fn names(stack: &Stack, query: &str) -> Vec<String> {
    let found = stack.operator.get(&format!("license-keys?{query}")).await.expect_status(200);
    found["items"].as_array().unwrap().iter().map(|row| text(&row["name"]).to_owned()).collect()
}

/// Issues license keys named `a` to `e` to five customers, with rising expiries of which the last is never. `e` is of
/// another product.
async fn issue(stack: &Stack) -> (IssuedLicense, IssuedLicense, Vec<String>) {
    let operator = &stack.operator;
    let (one, other) = (operator.issue_new_license(3).await, operator.issue_new_license(3).await);
    for license in [&one, &other] {
        operator.patch(&format!("license-keys/{}", license.license_id), json!({"name": "-"})).await.expect_status(200);
        operator.post(&format!("license-keys/{}/revoke", license.license_id), json!({})).await.expect_status(200);
    }
    let mut ids = Vec::new();
    for (index, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        stack.advance(1);
        let tier = if name == "e" { &other.tier } else { &one.tier };
        let expires_at = if name == "d" { Value::Null } else { json!(format!("2026-02-0{}T00:00:00Z", index + 1)) };
        let fields = json!({"name": name, "expires_at": expires_at, "external_id": format!("order {name}")});
        let issued = operator.issue(&operator.create_customer().await, tier, &fields).await;
        ids.push(text(&issued["license"]["id"]).to_owned());
    }
    (one, other, ids)
}

#[tokio::test]
async fn filters_find_license_keys_in_their_order() {
    let stack = Stack::start().await;
    let (one, other, ids) = issue(&stack).await;
    let (product, tier) = (text(&one.product["id"]), text(&one.tier["id"]));
    let (other_product, other_tier) = (text(&other.product["id"]), text(&other.tier["id"]));
    stack.operator.post(&format!("license-keys/{}/suspend", ids[1]), json!({})).await.expect_status(200);
    let check = async |cases: &[(String, &[&str])]| {
        for (query, expected) in cases {
            assert_eq!(names(&stack, query).await, *expected, "{query}");
        }
    };
    check(&[
        (format!("product_id={product}"), &["d", "c", "b", "a", "-"]),
        (format!("tier_id={tier}"), &["d", "c", "b", "a", "-"]),
        (format!("tier_id={other_tier}"), &["e", "-"]),
        // Those that expire last come first.
        ("status=active".to_owned(), &["d", "e", "c", "a"]),
        ("status=suspended".to_owned(), &["b"]),
        ("status=expired".to_owned(), &[]),
        ("expires_before=2026-02-03T00:00:00Z".to_owned(), &["a", "b"]),
        ("expires_after=2026-02-02T00:00:00Z&expires_before=2026-02-05T00:00:00.001Z".to_owned(), &["c", "e"]),
        ("expires_after=2026-02-05T00:00:00Z&expires_before=2026-03-01T00:00:00Z".to_owned(), &[]),
        ("expires_after=2026-03-01T00:00:00Z&expires_before=2026-02-01T00:00:00Z".to_owned(), &[]),
        ("external_id=order%20c".to_owned(), &["c"]),
        ("external_id=order%20x".to_owned(), &[]),
        (format!("external_id=order%20c&product_id={other_product}"), &[]),
        (format!("product_id={other_product}&status=active"), &["e"]),
        (format!("tier_id={tier}&status=active&expires_before=2026-02-03T00:00:00Z"), &["a"]),
        (
            format!("product_id={product}&expires_after=2026-02-01T00:00:00Z&expires_before=2026-03-01T00:00:00Z"),
            &["b", "c"],
        ),
    ])
    .await;
    // The indexes follow every change.
    let post = async |index: usize, action: &str, body: Value| {
        let path = format!("license-keys/{}/{action}", ids[index]);
        stack.operator.post(&path, body).await.expect_status(200);
    };
    post(1, "reinstate", json!({})).await;
    post(0, "renew", json!({"expires_at": "2026-02-09T00:00:00Z"})).await;
    post(2, "renew", json!({"expires_at": null})).await;
    post(3, "renew", json!({"expires_at": "2026-02-04T00:00:00Z"})).await;
    let basic = stack.operator.create_tier(&one.product, &json!({})).await;
    post(0, "change", json!({"tier_id": basic["id"]})).await;
    check(&[
        ("status=suspended".to_owned(), &[]),
        ("status=active".to_owned(), &["c", "a", "e", "d", "b"]),
        ("expires_after=2026-02-02T00:00:00Z&expires_before=2026-03-01T00:00:00Z".to_owned(), &["d", "e", "a"]),
        (format!("tier_id={}", text(&basic["id"])), &["a"]),
        (format!("tier_id={tier}"), &["d", "c", "b", "-"]),
    ])
    .await;
    post(3, "revoke", json!({})).await;
    stack.advance(18 * 24 * 3600);
    check(&[("status=expired".to_owned(), &["b"]), ("status=active".to_owned(), &["c", "a", "e"])]).await;
    assert_eq!(names(&stack, "status=revoked").await.first().map(String::as_str), Some("-"));
}

#[tokio::test]
async fn an_empty_patch_adds_an_item_of_an_earlier_release_to_the_indexes() {
    let stack = Stack::start().await;
    let (one, _, ids) = issue(&stack).await;
    let remove = json!({
        "Key": {"PK": {"S": format!("LICENSE#{}", ids[0])}, "SK": {"S": "LICENSE"}},
        "UpdateExpression": "REMOVE GSI3PK, GSI3SK, GSI4PK, GSI4SK, GSI5PK, GSI5SK, GSI6PK, GSI6SK",
    });
    stack.call_dynamodb("UpdateItem", remove).await;
    let queries = [
        format!("product_id={}", text(&one.product["id"])),
        format!("tier_id={}", text(&one.tier["id"])),
        "status=active".to_owned(),
        "expires_before=2026-03-01T00:00:00Z".to_owned(),
    ];
    for is_indexed in [false, true] {
        for query in &queries {
            assert_eq!(names(&stack, query).await.contains(&"a".to_owned()), is_indexed, "{query}");
        }
        stack.operator.patch(&format!("license-keys/{}", ids[0]), json!({})).await.expect_status(200);
    }
}

#[tokio::test]
async fn a_page_that_ends_after_the_filter_has_moved_on_is_empty() {
    let stack = Stack::start().await;
    issue(&stack).await;
    let page = stack.operator.get("license-keys?status=active&limit=4").await.expect_status(200);
    let next = format!("license-keys?status=active&limit=4&cursor={}", text(&page["next_cursor"]));
    // In the meantime, all that the first page has listed apart from the one without an end have expired.
    stack.advance(90 * 24 * 3600);
    let page = stack.operator.get(&next).await.expect_status(200);
    assert_eq!(page, json!({"items": [], "next_cursor": null}));
    for (query, error) in [
        ("expires_before=soon", "expires_before invalid_value"),
        ("expires_after=2026-02-01", "expires_after invalid_value"),
        ("tier_id=prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "tier_id invalid_value"),
    ] {
        stack.operator.get(&format!("license-keys?{query}")).await.expect_errors(422, &[error]);
    }
    let cursor = text(&stack.operator.get("license-keys?status=expired&limit=1").await.body["next_cursor"]).to_owned();
    for query in ["status=active", "expires_before=2026-03-01T00:00:00Z", ""] {
        let mixed = format!("license-keys?{query}&limit=1&cursor={cursor}");
        stack.operator.get(&mixed).await.expect_errors(422, &["cursor cursor_invalid"]);
    }
}

/// Adds copies of a license item, every fiftieth of which has the given values of its index keys, and the others have
/// none in common with it.
async fn add_copies(stack: &Stack, item: &Value, count: usize) {
    for start in (0..count).step_by(25) {
        let copies = (start..count.min(start + 25)).map(|number| {
            let id = format!("lic_{number:026}");
            let key = json!({"PK": {"S": format!("LICENSE#{id}")}, "id": {"S": id}});
            let other = json!({
                "GSI3PK": {"S": "PRODUCT#other"}, "GSI4PK": {"S": "TIER#other"}, "GSI5PK": {"S": "STATUS#revoked"},
                "GSI6SK": {"S": format!("EXPIRING#2030-01-01T00:00:00.{:03}Z", number % 1000)},
            });
            let copy = merged(item.clone(), &key);
            json!({"PutRequest": {"Item": if number % 50 == 0 { copy } else { merged(copy, &other) }}})
        });
        let requests = json!({stack.local.table.clone(): copies.collect::<Vec<_>>()});
        stack.call_dynamodb("BatchWriteItem", json!({"RequestItems": requests})).await;
    }
}

#[tokio::test]
async fn a_page_with_one_filter_takes_one_query_whatever_the_number_of_license_keys() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let items = stack.items().await;
    let item = items.iter().find(|item| item["SK"]["S"] == "LICENSE").unwrap();
    add_copies(&stack, item, if all_cases() { 100_000 } else { 3_000 }).await;
    let (product, tier) = (text(&license.product["id"]), text(&license.tier["id"]));
    for query in [
        format!("product_id={product}"),
        format!("tier_id={tier}"),
        "status=active".to_owned(),
        "expires_before=2029-01-01T00:00:00Z".to_owned(),
        "expires_after=2026-06-01T00:00:00Z".to_owned(),
        format!("customer_id={}", text(&license.customer["id"])),
        String::new(),
    ] {
        let mut more = String::new();
        for _ in 0..2 {
            stack.faults.reset_calls();
            let page = stack.operator.get(&format!("license-keys?limit=25&{query}{more}")).await.expect_status(200);
            assert_eq!(page["items"].as_array().unwrap().len(), 25, "{query}");
            let calls = stack.faults.calls();
            assert_eq!(calls.iter().filter(|call| *call == "Query").count(), 1, "{query}: {calls:?}");
            more = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
    }
    // A combination reads the index of its most selective filter, and no more than one page of it here.
    stack.faults.reset_calls();
    let query = format!("license-keys?limit=25&status=active&product_id={product}");
    let page = stack.operator.get(&query).await.expect_status(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 25);
    assert_eq!(stack.faults.calls().iter().filter(|call| *call == "Query").count(), 1);
}
