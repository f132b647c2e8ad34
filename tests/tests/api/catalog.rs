//! Products, product features and pricing tiers; what everyone sees of them.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_local::Folder;
use signet_tests::{Client, Stack, TestResponse, Value, json, merged, random_word, text};

/// A body without a field.
fn without(body: &Value, field: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(field).unwrap();
    body
}

fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|row| text(&row["id"]).to_owned()).collect()
}

/// Each change of a good body is refused with these faults.
async fn refuses(client: &Client, list: &str, good: &Value, cases: &[(Value, &[&str])]) {
    for (change, places) in cases {
        let answer = client.post(list, merged(good.clone(), change)).await;
        assert_eq!(answer.status, 422, "{list} {change}: {}", answer.text);
        answer.expect_errors(422, places);
    }
}

/// Each of these fields has to be there.
async fn requires(client: &Client, list: &str, good: &Value, fields: &[&str]) {
    for field in fields {
        client.post(list, without(good, field)).await.expect_errors(422, &[&format!("/{field} invalid_value")]);
    }
}

/// What a 201 says of where the new thing lies is so, and the first GET is the same to the byte.
async fn lies_where_it_says(client: &Client, list: &str, answer: &TestResponse) {
    let path = format!("/api/v1.0/{list}/{}", text(&answer.body["id"]));
    assert_eq!((answer.status, answer.header("location")), (201, &*path));
    let tag = answer.header("etag");
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let read = client.get(&path).await;
    assert_eq!((read.status, &read.text, read.header("etag")), (200, &answer.text, tag));
    assert_eq!(read.header("cache-control"), "no-store");
    let seen = client.with_header("if-none-match", tag).get(&path).await;
    assert_eq!((seen.status, &*seen.text, seen.header("etag")), (304, "", tag));
}

/// `If-Match`: what is right passes, what is not is 412, and what is refused changes nothing.
async fn honours_if_match(client: &Client, list: &str, resource: &Value) {
    let path = format!("{list}/{}", text(&resource["id"]));
    let first = client.get(&path).await.header("etag").to_owned();
    let put = async |tag: &str, name: &str| {
        client.with_header("if-match", tag).replace(list, resource, &json!({"name": name})).await
    };
    let second = put(&first, "Second").await;
    assert_eq!((second.status, &second.body["name"]), (200, &json!("Second")), "{}", second.text);
    let now = second.header("etag").to_owned();
    assert_ne!(now, first);
    let weak = format!("W/{now}");
    for stale in [first.as_str(), &weak, "\"x\"", "x", "", &now[1..now.len() - 1]] {
        put(stale, "Third").await.expect_problem(412, "version_conflict");
    }
    // What does not hold is told before what is wrong with the body.
    let answer = client.with_header("if-match", &first).replace(list, resource, &json!({"name": ""})).await;
    answer.expect_problem(412, "version_conflict");
    let read = client.get(&path).await;
    assert_eq!((&read.body["name"], read.header("etag")), (&json!("Second"), &*now));
    put(&format!("{first}, {now}"), "Third").await.expect_status(200);
    put("*", "Fourth").await.expect_status(200);
    assert_eq!(client.replace(list, resource, &json!({"name": "Fifth"})).await.expect_status(200)["name"], "Fifth");
}

/// There is no such thing, or the id is not even one.
async fn knows_what_is_not_there(client: &Client, list: &str, resource: &Value) {
    let id = text(&resource["id"]);
    let (prefix, _) = id.split_once('_').unwrap();
    let unknown = format!("{prefix}_01JD8W0V5XK6Q3R7T2N4M8P9ZB");
    let other_kind = id.replace(prefix, "lic");
    let longer = format!("{id}0");
    let lower = id.to_lowercase();
    let ids = [unknown.as_str(), &other_kind, &longer, &lower, "x", "%00", "..%2f", "%ff"];
    for id in ids {
        client.get(&format!("{list}/{id}")).await.expect_problem(404, "not_found");
        let answer = client.replace(list, &merged(resource.clone(), &json!({"id": id})), &json!({})).await;
        answer.expect_problem(404, "not_found");
    }
}

const TEXTS: [&str; 2] = ["name", "description"];

/// What is said of names and descriptions everywhere.
fn text_cases() -> Vec<(Value, &'static [&'static str])> {
    let name: &[&str] = &["/name invalid_value"];
    let description: &[&str] = &["/description invalid_value"];
    let mut cases = Vec::new();
    for bad in [json!(""), json!(" "), json!("a\nb"), json!("é".repeat(201)), json!(5), Value::Null] {
        cases.push((json!({TEXTS[0]: bad}), name));
    }
    for bad in [json!("é".repeat(2001)), json!("\u{7}"), json!([])] {
        cases.push((json!({TEXTS[1]: bad}), description));
    }
    cases
}

#[tokio::test]
async fn post_products_201() {
    let stack = Stack::start().await;
    let least = stack.operator.post("products", json!({"code": "atlas", "name": "Atlas"})).await;
    lies_where_it_says(&stack.operator, "products", &least).await;
    let expected = json!({
        "id": least.body["id"], "code": "atlas", "name": "Atlas", "description": null, "sort_order": 0,
        "is_active": true, "one_key_per_customer": true,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(least.body, expected);
    assert!(text(&least.body["id"]).starts_with("prod_"));
    let all = json!({
        "code": "0-", "name": "é".repeat(200), "description": format!("{}\r\n\t", "é".repeat(1997)),
        "sort_order": i32::MIN, "is_active": false, "one_key_per_customer": false,
    });
    let answer = stack.operator.post("products", all.clone()).await;
    lies_where_it_says(&stack.operator, "products", &answer).await;
    assert_eq!(merged(answer.body.clone(), &all), answer.body);
    stack
        .operator
        .post("products", json!({"code": "a".repeat(40), "name": "A", "sort_order": i32::MAX}))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn post_products_409_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let good = json!({"code": "atlas", "name": "Atlas"});
    requires(operator, "products", &good, &["code", "name"]).await;
    let mut cases = text_cases();
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
    refuses(operator, "products", &good, &cases).await;
    assert_eq!(ids(&operator.get("products").await.expect_status(200)), [""; 0], "what is refused leaves nothing");
    operator.post("products", good.clone()).await.expect_status(201);
    operator.post("products", good).await.expect_errors(409, &["/code code_taken"]);
}

#[tokio::test]
async fn put_products_200() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let fields = json!({
        "description": "Maps", "sort_order": 7, "is_active": false, "one_key_per_customer": false,
    });
    let made = operator.create_product_with(&fields).await;
    stack.advance(5);
    let path = format!("products/{}", text(&made["id"]));
    let put = operator.put(&path, json!({"name": "Bold"})).await;
    let mut expected = made.clone();
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
    assert_eq!(put.body, expected, "what is left out takes its default");
    let read = operator.get(&path).await;
    assert_eq!((&read.text, read.header("etag")), (&put.text, put.header("etag")));
    assert_eq!(operator.replace("products", &made, &fields).await.expect_status(200)["sort_order"], 7);
    honours_if_match(operator, "products", &made).await;
}

#[tokio::test]
async fn put_products_404_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let made = operator.create_product().await;
    knows_what_is_not_there(operator, "products", &made).await;
    let put = async |fields: &Value| operator.replace("products", &made, fields).await;
    put(&json!({"code": "other"})).await.expect_errors(422, &["/code immutable"]);
    put(&json!({"code": "other", "name": ""})).await.expect_errors(422, &["/code immutable", "/name invalid_value"]);
    put(&json!({"code": 5})).await.expect_errors(422, &["/code invalid_value"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    for (change, places) in text_cases() {
        put(&change).await.expect_errors(422, places);
    }
    let path = format!("products/{}", text(&made["id"]));
    operator.put(&path, json!({})).await.expect_errors(422, &["/name invalid_value"]);
    assert_eq!(operator.get(&path).await.expect_status(200), made);
}

#[tokio::test]
async fn post_product_features_201() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let least = json!({"product_id": product["id"], "key": "export.pdf", "name": "PDF export"});
    let answer = stack.operator.post("product-features", least).await;
    lies_where_it_says(&stack.operator, "product-features", &answer).await;
    let expected = json!({
        "id": answer.body["id"], "product_id": product["id"], "key": "export.pdf", "name": "PDF export",
        "description": null, "display_only": false, "sort_order": 0,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(answer.body, expected);
    assert!(text(&answer.body["id"]).starts_with("feat_"));
    for key in ["a", "0", "a_b-c.d", &"a".repeat(64)] {
        let all = json!({"product_id": product["id"], "key": key, "name": "A", "description": "B", "display_only": true,
            "sort_order": -3});
        let made = stack.operator.post("product-features", all.clone()).await.expect_status(201);
        assert_eq!(merged(made.clone(), &all), made);
    }
    // A key is taken within its product alone.
    let other = stack.operator.create_product().await;
    stack.operator.create_feature(&other, "export.pdf").await;
}

#[tokio::test]
async fn post_product_features_409_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let good = json!({"product_id": product["id"], "key": "export", "name": "Export"});
    requires(operator, "product-features", &good, &["product_id", "key", "name"]).await;
    let mut cases = text_cases();
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
    refuses(operator, "product-features", &good, &cases).await;
    operator.post("product-features", good.clone()).await.expect_status(201);
    operator.post("product-features", good).await.expect_errors(409, &["/key key_taken"]);
}

#[tokio::test]
async fn put_product_features_200_404_412_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let made = json!({"product_id": product["id"], "key": "api", "name": "API", "description": "B", "display_only": true,
        "sort_order": 4});
    let made = operator.post("product-features", made).await.expect_status(201);
    stack.advance(5);
    let put = operator
        .put(&format!("product-features/{}", text(&made["id"])), json!({"name": "Bold"}))
        .await
        .expect_status(200);
    let changed = json!({"name": "Bold", "description": null, "display_only": false, "sort_order": 0,
        "updated_at": "2026-01-15T12:00:05Z"});
    assert_eq!(put, merged(made.clone(), &changed));
    honours_if_match(operator, "product-features", &made).await;
    knows_what_is_not_there(operator, "product-features", &made).await;
    let put = async |fields: &Value| operator.replace("product-features", &made, fields).await;
    put(&json!({"key": "other"})).await.expect_errors(422, &["/key immutable"]);
    put(&json!({"product_id": other["id"]})).await.expect_errors(422, &["/product_id immutable"]);
    put(&json!({"product_id": "x", "key": "y"})).await.expect_errors(422, &["/product_id immutable", "/key immutable"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    for (change, places) in text_cases() {
        put(&change).await.expect_errors(422, places);
    }
}

fn least_tier(product: &Value) -> Value {
    json!({
        "product_id": product["id"], "code": "pro", "name": "Pro", "monthly_price": 1900, "annual_price": 19000,
        "currency": "EUR", "billing_period": "monthly", "max_users": null,
    })
}

#[tokio::test]
async fn post_pricing_tiers_201() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let answer = operator.post("pricing-tiers", least_tier(&product)).await;
    lies_where_it_says(operator, "pricing-tiers", &answer).await;
    let expected = json!({
        "id": answer.body["id"], "product_id": product["id"], "code": "pro", "name": "Pro", "description": null,
        "includes_tier_id": null, "monthly_price": 1900, "annual_price": 19000, "currency": "EUR",
        "billing_period": "monthly", "max_users": null, "max_tenants": null, "feature_ids": [], "feature_keys": [],
        "is_claimable": false, "is_active": true, "sort_order": 0, "token_ttl_seconds": 3600,
        "heartbeat_interval_seconds": 900, "renew_after_seconds": null, "grace_period_seconds": 0,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(answer.body, expected);
    assert!(text(&answer.body["id"]).starts_with("tier_"));

    let feature = operator.create_feature(&product, "api").await;
    let all = json!({
        "code": "max", "name": "Max", "description": "All of it", "includes_tier_id": answer.body["id"],
        "monthly_price": 9_007_199_254_740_991_i64, "annual_price": 0, "currency": "JPY", "billing_period": "perpetual",
        "max_users": 100_000, "max_tenants": 4_294_967_295_u32, "feature_ids": [feature["id"]], "is_claimable": true,
        "is_active": false, "sort_order": 9, "token_ttl_seconds": 31_536_000, "heartbeat_interval_seconds": 31_536_000,
        "renew_after_seconds": 15_768_000, "grace_period_seconds": 2_592_000,
    });
    let made = operator.post("pricing-tiers", merged(least_tier(&product), &all)).await;
    lies_where_it_says(operator, "pricing-tiers", &made).await;
    assert_eq!(merged(made.body.clone(), &all), made.body);
    assert_eq!(made.body["feature_keys"], json!(["api"]));
    let least = json!({"code": "least", "billing_period": "annual", "max_users": 1, "max_tenants": 1,
        "token_ttl_seconds": 1, "renew_after_seconds": 0});
    let made = operator.post("pricing-tiers", merged(least_tier(&product), &least)).await.expect_status(201);
    assert_eq!(made["heartbeat_interval_seconds"], 1, "the life of a token where that is less");
    // A code is taken within its product alone.
    let other = operator.create_product().await;
    operator.post("pricing-tiers", least_tier(&other)).await.expect_status(201);
}

#[tokio::test]
async fn post_pricing_tiers_409_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let good = least_tier(&product);
    let required =
        ["product_id", "code", "name", "monthly_price", "annual_price", "currency", "billing_period", "max_users"];
    requires(operator, "pricing-tiers", &good, &required).await;
    let (own, foreign) = (operator.create_feature(&product, "a").await, operator.create_feature(&other, "a").await);
    let foreign_tier = operator.create_tier(&other, &json!({})).await;
    let (unknown, unknown_feature) = ("tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB");

    let mut cases = text_cases();
    let mut bad = |field: &'static str, place: &'static [&'static str], values: Vec<Value>| {
        cases.extend(values.into_iter().map(|value| (json!({field: value}), place)));
    };
    bad("code", &["/code invalid_value"], vec![json!("P"), json!("p"), json!("a".repeat(41)), json!(5)]);
    let prices = || vec![json!(-1), json!(1.5), json!("1"), json!(9_007_199_254_740_992_i64), Value::Null];
    bad("monthly_price", &["/monthly_price invalid_value"], prices());
    bad("annual_price", &["/annual_price invalid_value"], prices());
    bad(
        "currency",
        &["/currency invalid_value"],
        vec![json!("eur"), json!("EURO"), json!("€€€"), json!(""), Value::Null],
    );
    bad("billing_period", &["/billing_period invalid_value"], vec![json!("weekly"), json!("Monthly"), Value::Null]);
    let counts = vec![json!(0), json!(100_001), json!(-1), json!("5"), json!(1.5)];
    bad("max_users", &["/max_users invalid_value"], counts);
    bad("max_tenants", &["/max_tenants invalid_value"], vec![json!(0), json!(-1), json!(4_294_967_296_i64)]);
    bad(
        "token_ttl_seconds",
        &["/token_ttl_seconds invalid_value"],
        vec![json!(0), json!(31_536_001), json!(-1), Value::Null],
    );
    let intervals = vec![json!(0), json!(3601), json!("900")];
    bad("heartbeat_interval_seconds", &["/heartbeat_interval_seconds invalid_value"], intervals);
    bad("renew_after_seconds", &["/renew_after_seconds invalid_value"], vec![json!(1801), json!(-1)]);
    bad(
        "grace_period_seconds",
        &["/grace_period_seconds invalid_value"],
        vec![json!(2_592_001), json!(-1), Value::Null],
    );
    bad("is_claimable", &["/is_claimable invalid_value"], vec![json!("yes")]);
    bad("is_active", &["/is_active invalid_value"], vec![Value::Null]);
    bad(
        "product_id",
        &["/product_id invalid_value"],
        vec![json!("prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB"), json!("x"), Value::Null],
    );
    bad("includes_tier_id", &["/includes_tier_id invalid_value"], vec![json!(unknown), json!("x"), json!(5)]);
    bad("includes_tier_id", &["/includes_tier_id tier_of_other_product"], vec![foreign_tier["id"].clone()]);
    bad("feature_ids", &["/feature_ids invalid_value"], vec![json!("x"), Value::Null]);
    bad("feature_ids", &["/feature_ids/0 invalid_value"], vec![json!(["x"]), json!([unknown_feature]), json!([null])]);
    bad("feature_ids", &["/feature_ids/1 feature_of_other_product"], vec![json!([own["id"], foreign["id"]])]);
    bad("feature_ids", &["/feature_ids/1 invalid_value"], vec![json!([own["id"], own["id"]])]);
    let twice = vec![json!([unknown_feature, own["id"], foreign["id"]])];
    bad("feature_ids", &["/feature_ids/0 invalid_value", "/feature_ids/2 feature_of_other_product"], twice);
    let many = (0..501).map(|_| own["id"].clone()).collect::<Value>();
    bad("feature_ids", &["/feature_ids invalid_value"], vec![many]);
    bad("feature_keys", &["/feature_keys unknown_field"], vec![json!([])]);
    cases.push((
        json!({"currency": "x", "max_users": 0, "token_ttl_seconds": 10, "heartbeat_interval_seconds": 11, "renew_after_seconds": 6}),
        &["/currency invalid_value", "/max_users invalid_value", "/heartbeat_interval_seconds invalid_value", "/renew_after_seconds invalid_value"],
    ));
    let both = json!({"includes_tier_id": foreign_tier["id"], "feature_ids": [foreign["id"]]});
    cases.push((both, &["/includes_tier_id tier_of_other_product", "/feature_ids/0 feature_of_other_product"]));
    refuses(operator, "pricing-tiers", &good, &cases).await;

    operator.post("pricing-tiers", good.clone()).await.expect_status(201);
    operator.post("pricing-tiers", good).await.expect_errors(409, &["/code code_taken"]);
}

#[tokio::test]
async fn put_pricing_tiers_200_404_412_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (product, other) = (operator.create_product().await, operator.create_product().await);
    let all = json!({
        "description": "B", "max_users": 5, "max_tenants": 2, "is_claimable": true, "is_active": false, "sort_order": 9,
        "token_ttl_seconds": 60, "heartbeat_interval_seconds": 30, "renew_after_seconds": 30, "grace_period_seconds": 5,
    });
    let made = operator.post("pricing-tiers", merged(least_tier(&product), &all)).await.expect_status(201);
    stack.advance(5);
    let path = format!("pricing-tiers/{}", text(&made["id"]));
    let least = without(&without(&least_tier(&product), "product_id"), "code");
    let put = operator.put(&path, least.clone()).await;
    let changed = json!({
        "description": null, "max_users": null, "max_tenants": null, "is_claimable": false, "is_active": true,
        "sort_order": 0, "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900, "renew_after_seconds": null,
        "grace_period_seconds": 0, "updated_at": "2026-01-15T12:00:05Z",
    });
    assert_eq!(put.body, merged(made.clone(), &changed));
    assert_eq!(operator.get(&path).await.text, put.text);
    for field in ["name", "monthly_price", "annual_price", "currency", "billing_period", "max_users"] {
        operator.put(&path, without(&least, field)).await.expect_errors(422, &[&format!("/{field} invalid_value")]);
    }
    honours_if_match(operator, "pricing-tiers", &made).await;
    knows_what_is_not_there(operator, "pricing-tiers", &made).await;

    let put = async |fields: &Value| operator.replace("pricing-tiers", &made, fields).await;
    put(&json!({"code": "other"})).await.expect_errors(422, &["/code immutable"]);
    put(&json!({"product_id": other["id"]})).await.expect_errors(422, &["/product_id immutable"]);
    put(&json!({"code": "other", "currency": "x"}))
        .await
        .expect_errors(422, &["/code immutable", "/currency invalid_value"]);
    put(&json!({"colour": "red"})).await.expect_errors(422, &["/colour unknown_field"]);
    put(&json!({"includes_tier_id": made["id"]})).await.expect_errors(422, &["/includes_tier_id tier_cycle"]);
    let foreign = operator.create_tier(&other, &json!({})).await;
    put(&json!({"includes_tier_id": foreign["id"]}))
        .await
        .expect_errors(422, &["/includes_tier_id tier_of_other_product"]);
    let second = operator.create_tier(&product, &json!({"includes_tier_id": made["id"]})).await;
    let third = operator.create_tier(&product, &json!({"includes_tier_id": second["id"]})).await;
    for heir in [&second, &third] {
        put(&json!({"includes_tier_id": heir["id"]})).await.expect_errors(422, &["/includes_tier_id tier_cycle"]);
    }
    for (change, places) in text_cases() {
        put(&change).await.expect_errors(422, places);
    }
}

#[tokio::test]
async fn feature_keys_are_own_and_inherited_sorted_and_without_display_only() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let mut made = Vec::new();
    for key in ["zoom", "api", "mail", "beta"] {
        made.push(operator.create_feature(&product, key).await);
    }
    let [zoom, api, mail, beta] = &made[..] else { panic!("four") };
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
        assert_eq!(read, row);
        read["feature_keys"].clone()
    };
    assert_eq!(keys(&first).await, json!(["zoom"]));
    assert_eq!(keys(&second).await, json!(["mail", "zoom"]));
    assert_eq!(keys(&third).await, json!(["api", "mail", "zoom"]));
    assert_eq!(third["feature_ids"], json!([api["id"]]));
    // What changes below shows above.
    operator.replace("pricing-tiers", &first, &json!({"feature_ids": []})).await.expect_status(200);
    operator.replace("product-features", mail, &json!({"display_only": true})).await.expect_status(200);
    assert_eq!(keys(&third).await, json!(["api", "zoom"]));
    operator
        .replace("pricing-tiers", &second, &json!({"includes_tier_id": null, "feature_ids": []}))
        .await
        .expect_status(200);
    assert_eq!(keys(&third).await, json!(["api"]));
}

#[tokio::test]
async fn get_products_catalog_200_and_304() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({"code": "second", "sort_order": 2})).await;
    operator.create_product_with(&json!({"code": "hidden", "is_active": false})).await;
    let earlier = operator.create_product_with(&json!({"code": "first", "sort_order": 1})).await;
    let export = operator.create_feature(&product, "export").await;
    let support = json!({"product_id": product["id"], "key": "support", "name": "Support", "display_only": true, "sort_order": -1});
    let support = operator.post("product-features", support).await.expect_status(201);
    let base = json!({"feature_ids": [support["id"], export["id"]], "is_active": false});
    let base = operator.create_tier(&product, &base).await;
    let api = operator.create_feature(&product, "api").await;
    operator.replace("product-features", &api, &json!({"sort_order": -2})).await.expect_status(200);
    let heir = json!({"includes_tier_id": base["id"], "feature_ids": [api["id"]], "sort_order": 2});
    let heir = operator.create_tier(&product, &heir).await;
    let plain = operator.create_tier(&product, &json!({"sort_order": 1})).await;

    let answer = stack.anonymous.get("products/catalog").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let shown = |key: &str, display_only: bool, from: &Value| {
        let name = if key == "support" { "Support" } else { key };
        json!({"key": key, "name": name, "display_only": display_only, "inherited_from": from})
    };
    let features = json!([
        shown("api", false, &Value::Null),
        shown("support", true, &base["id"]),
        shown("export", false, &base["id"]),
    ]);
    let expected = json!({"products": [
        merged(earlier, &json!({"tiers": []})),
        merged(product, &json!({"tiers": [
            merged(plain, &json!({"features": []})),
            merged(heir, &json!({"features": features})),
        ]})),
    ]});
    assert_eq!(answer.body, expected);

    let tag = answer.header("etag").to_owned();
    let seen = stack.anonymous.with_header("if-none-match", &tag).get("products/catalog").await;
    assert_eq!((seen.status, &*seen.text, seen.header("etag")), (304, "", &*tag));
    assert_eq!(seen.header("access-control-allow-origin"), "*");
    operator.create_product().await;
    let changed = stack.anonymous.with_header("if-none-match", &tag).get("products/catalog").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn get_products_catalog_shows_the_change_of_another_instance_within_60_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::take(folder.path()).unwrap();
    let [stack, other] = Stack::start_pair(&folder).await;
    let count =
        async || stack.anonymous.get("products/catalog").await.expect_status(200)["products"].as_array().unwrap().len();
    assert_eq!(count().await, 0);
    let made = other.operator.create_product().await;
    // Operators' reads bypass the copy.
    assert_eq!(ids(&stack.operator.get("products").await.expect_status(200)), [text(&made["id"])]);
    assert_eq!(stack.operator.get(&format!("products/{}", text(&made["id"]))).await.expect_status(200), made);
    stack.faults.reset_calls();
    stack.advance(59);
    assert_eq!((count().await, stack.faults.calls()), (0, vec![]));
    stack.advance(1);
    assert_eq!(count().await, 1);
    // Its own change an instance sees at once.
    stack.operator.create_product().await;
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn lists_are_in_sort_order_and_filtered() {
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
    assert_eq!(list, json!({"items": products, "next_cursor": null}), "a row is the resource");

    let [one, other] = &products[..2] else { panic!("two") };
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
async fn pages_show_every_row_once_while_rows_are_added() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let mut expected = Vec::new();
    for sort_order in 0..7 {
        let product = operator.create_product_with(&json!({"sort_order": sort_order * 10})).await;
        expected.push(text(&product["id"]).to_owned());
    }
    let first = operator.get("products?limit=3").await.expect_status(200);
    let mut seen = ids(&first);
    let mut cursor = text(&first["next_cursor"]).to_owned();
    operator.create_product_with(&json!({"sort_order": -5})).await;
    operator.create_product_with(&json!({"sort_order": 15})).await;
    let late = operator.create_product_with(&json!({"sort_order": 45})).await;
    expected.insert(5, text(&late["id"]).to_owned());
    loop {
        // Another limit makes no other list of it.
        let page = operator.get(&format!("products?limit=2&cursor={cursor}")).await.expect_status(200);
        assert!(ids(&page).len() <= 2);
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    let whole = operator.get("products?limit=100").await.expect_status(200);
    assert_eq!((ids(&whole).len(), &whole["next_cursor"]), (10, &Value::Null));
    let even = operator.get("products?limit=10").await.expect_status(200);
    assert_eq!(even["next_cursor"], Value::Null, "a page that is just full is the last");
}

#[tokio::test]
async fn lists_have_25_rows_if_nothing_is_said() {
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
async fn lists_422() {
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
    let good = cursor("products?limit=1").await;
    operator.get(&format!("products?cursor={good}")).await.expect_status(200);
    let mut forged = good.clone();
    forged.replace_range(30..31, if good[30..31] == *"A" { "B" } else { "A" });
    let features = cursor(&format!("product-features?limit=1&product_id={first}")).await;
    let tiers = cursor(&format!("pricing-tiers?limit=1&product_id={first}")).await;
    let any_feature = cursor("product-features?limit=1").await;
    for bad in [
        format!("products?cursor={forged}"),
        format!("products?cursor={}", &good[..good.len() - 1]),
        format!("products?cursor={good}A"),
        "products?cursor=x".to_owned(),
        "products?cursor=%00".to_owned(),
        "products?cursor=eyJsaXN0IjoicHJvZHVjdHMiLCJhdCI6WyIwIiwiMCJdfQ".to_owned(),
        format!("products?cursor={any_feature}"),
        format!("product-features?cursor={good}"),
        format!("product-features?cursor={features}"),
        format!("product-features?product_id={second}&cursor={features}"),
        format!("product-features?product_id={first}&cursor={any_feature}"),
        format!("pricing-tiers?product_id={first}&cursor={features}"),
        format!("pricing-tiers?product_id={second}&cursor={tiers}"),
        format!("product-features?product_id={first}&cursor={tiers}"),
    ] {
        operator.get(&bad).await.expect_errors(422, &["cursor cursor_invalid"]);
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

/// Does all of these at once; their answers, in order.
async fn at_once<A: Future<Output = TestResponse> + Send + 'static>(
    asked: impl IntoIterator<Item = A>,
) -> Vec<TestResponse> {
    let running: Vec<_> = asked.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for one in running {
        answers.push(one.await.unwrap());
    }
    answers
}

fn statuses(answers: &[TestResponse]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tiers_that_would_include_each_other_at_once_200_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let (mut one, mut other) =
        (operator.create_tier(&product, &json!({})).await, operator.create_tier(&product, &json!({})).await);
    for _ in 0..20 {
        let put = |tier: &Value, included: &Value| {
            let (client, tier, fields) = (operator.clone(), tier.clone(), json!({"includes_tier_id": included["id"]}));
            async move { client.replace("pricing-tiers", &tier, &fields).await }
        };
        let answers = at_once([put(&one, &other), put(&other, &one)]).await;
        assert_eq!(statuses(&answers), [200, 422], "{answers:?}");
        answers
            .iter()
            .find(|answer| answer.status == 422)
            .unwrap()
            .expect_errors(422, &["/includes_tier_id tier_cycle"]);
        for tier in [&mut one, &mut other] {
            *tier =
                operator.replace("pricing-tiers", tier, &json!({"includes_tier_id": null})).await.expect_status(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_or_key_for_many_at_once_201_and_409() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    for round in 0..5 {
        let word = format!("race-{round}");
        let feature = json!({"product_id": product["id"], "key": word, "name": "A"});
        let bodies = [
            ("products", "code_taken", json!({"code": word, "name": "A"})),
            ("product-features", "key_taken", feature),
            ("pricing-tiers", "code_taken", merged(least_tier(&product), &json!({"code": word}))),
        ];
        for (list, taken, body) in bodies {
            let post = |_| {
                let (client, body) = (operator.clone(), body.clone());
                async move { client.post(list, body).await }
            };
            let answers = at_once((0..6).map(post)).await;
            assert_eq!(statuses(&answers), [201, 409, 409, 409, 409, 409], "{answers:?}");
            for answer in answers.iter().filter(|answer| answer.status == 409) {
                answer.expect_problem(409, taken);
            }
        }
    }
    let doubled = operator.get("products?limit=100").await.expect_status(200);
    assert_eq!(ids(&doubled).len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_if_match_for_many_at_once_200_and_412() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let path = format!("products/{}", text(&product["id"]));
    for round in 0..8 {
        let client = operator.with_header("if-match", operator.get(&path).await.header("etag"));
        let put = |number| {
            let (client, product, fields) =
                (client.clone(), product.clone(), json!({"name": format!("{round} {number}")}));
            async move { client.replace("products", &product, &fields).await }
        };
        let answers = at_once((0..5).map(put)).await;
        assert_eq!(statuses(&answers), [200, 412, 412, 412, 412], "{answers:?}");
        let won = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(operator.get(&path).await.text, won.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writes_at_once_are_all_done_and_refer_to_what_is_there() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    let feature = operator.create_feature(&product, "api").await;
    let base = operator.create_tier(&product, &json!({})).await;
    let post = |number: usize| {
        let (client, product, word) = (operator.clone(), product.clone(), format!("w{number}"));
        let tier = json!({"code": word, "includes_tier_id": base["id"], "feature_ids": [feature["id"]]});
        async move {
            match number % 3 {
                0 => client.post("products", json!({"code": word, "name": "A"})).await,
                1 => {
                    client
                        .post("product-features", json!({"product_id": product["id"], "key": word, "name": "A"}))
                        .await
                }
                _ => client.post("pricing-tiers", merged(least_tier(&product), &tier)).await,
            }
        }
    };
    let answers = at_once((0..12).map(post)).await;
    assert_eq!(statuses(&answers), [201; 12]);
    for (list, count) in [("products", 5), ("product-features", 5), ("pricing-tiers", 5)] {
        assert_eq!(ids(&operator.get(list).await.expect_status(200)).len(), count, "{list}");
    }
    let tiers = operator.get("pricing-tiers").await.expect_status(200);
    let keys: Vec<_> =
        tiers["items"].as_array().unwrap().iter().map(|tier| tier["feature_keys"].as_array().unwrap().len()).collect();
    assert_eq!(keys.iter().sum::<usize>(), 4);
}
