//! Products, product features, pricing tiers and the public catalog.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use signet_local::DataDirectory;
use signet_tests::{Client, Stack, TestResponse, Value, json, merged, random_word, text};

/// Returns a body without one field.
fn without(body: &Value, field: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(field).unwrap();
    body
}

fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|row| text(&row["id"]).to_owned()).collect()
}

/// Asserts that each change of a valid body is rejected with these errors.
async fn assert_rejected(client: &Client, list: &str, valid: &Value, cases: &[(Value, &[&str])]) {
    for (change, errors) in cases {
        let response = client.post(list, merged(valid.clone(), change)).await;
        assert_eq!(response.status, 422, "{list} {change}: {}", response.text);
        response.expect_errors(422, errors);
    }
}

/// Asserts that each of these fields is required.
async fn assert_required(client: &Client, list: &str, valid: &Value, fields: &[&str]) {
    for field in fields {
        client.post(list, without(valid, field)).await.expect_errors(422, &[&format!("/{field} invalid_value")]);
    }
}

/// Asserts that a 201 response has the location of the new resource, and that GET returns the same bytes.
async fn assert_created(client: &Client, list: &str, response: &TestResponse) {
    let path = format!("/api/v1.0/{list}/{}", text(&response.body["id"]));
    assert_eq!((response.status, response.header("location")), (201, &*path));
    let tag = response.header("etag");
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let read = client.get(&path).await;
    assert_eq!((read.status, &read.text, read.header("etag")), (200, &response.text, tag));
    assert_eq!(read.header("cache-control"), "no-store");
    let unchanged = client.with_header("if-none-match", tag).get(&path).await;
    assert_eq!((unchanged.status, &*unchanged.text, unchanged.header("etag")), (304, "", tag));
}

/// Asserts that a PUT with the current `ETag` in `If-Match` succeeds and that any other value returns 412 without a
/// change.
async fn assert_if_match(client: &Client, list: &str, resource: &Value) {
    let path = format!("{list}/{}", text(&resource["id"]));
    let first = client.get(&path).await.header("etag").to_owned();
    let put = async |tag: &str, name: &str| {
        client.with_header("if-match", tag).replace(list, resource, &json!({"name": name})).await
    };
    let second = put(&first, "Second").await;
    assert_eq!((second.status, &second.body["name"]), (200, &json!("Second")), "{}", second.text);
    let current = second.header("etag").to_owned();
    assert_ne!(current, first);
    let weak = format!("W/{current}");
    for stale in [first.as_str(), &weak, "\"x\"", "x", "", &current[1..current.len() - 1]] {
        put(stale, "Third").await.expect_problem(412, "version_conflict");
    }
    // The precondition is checked before the body.
    let response = client.with_header("if-match", &first).replace(list, resource, &json!({"name": ""})).await;
    response.expect_problem(412, "version_conflict");
    let read = client.get(&path).await;
    assert_eq!((&read.body["name"], read.header("etag")), (&json!("Second"), &*current));
    put(&format!("{first}, {current}"), "Third").await.expect_status(200);
    put("*", "Fourth").await.expect_status(200);
    assert_eq!(client.replace(list, resource, &json!({"name": "Fifth"})).await.expect_status(200)["name"], "Fifth");
}

/// Asserts that unknown and malformed ids return 404.
async fn assert_not_found(client: &Client, list: &str, resource: &Value) {
    let id = text(&resource["id"]);
    let (prefix, _) = id.split_once('_').unwrap();
    let unknown = format!("{prefix}_01JD8W0V5XK6Q3R7T2N4M8P9ZB");
    let other_kind = id.replace(prefix, "lic");
    let longer = format!("{id}0");
    let lower = id.to_lowercase();
    let ids = [unknown.as_str(), &other_kind, &longer, &lower, "x", "%00", "..%2f", "%ff"];
    for id in ids {
        client.get(&format!("{list}/{id}")).await.expect_problem(404, "not_found");
        let response = client.replace(list, &merged(resource.clone(), &json!({"id": id})), &json!({})).await;
        response.expect_problem(404, "not_found");
    }
}

const TEXT_FIELDS: [&str; 2] = ["name", "description"];

/// Returns invalid names and descriptions, with their errors.
fn invalid_text_cases() -> Vec<(Value, &'static [&'static str])> {
    let name: &[&str] = &["/name invalid_value"];
    let description: &[&str] = &["/description invalid_value"];
    let mut cases = Vec::new();
    for value in [json!(""), json!(" "), json!("a\nb"), json!("é".repeat(201)), json!(5), Value::Null] {
        cases.push((json!({TEXT_FIELDS[0]: value}), name));
    }
    for value in [json!("é".repeat(2001)), json!("\u{7}"), json!([])] {
        cases.push((json!({TEXT_FIELDS[1]: value}), description));
    }
    cases
}

#[tokio::test]
async fn create_product_returns_201() {
    let stack = Stack::start().await;
    let minimal = stack.operator.post("products", json!({"code": "atlas", "name": "Atlas"})).await;
    assert_created(&stack.operator, "products", &minimal).await;
    let expected = json!({
        "id": minimal.body["id"], "code": "atlas", "name": "Atlas", "description": null, "sort_order": 0,
        "is_active": true, "one_key_per_customer": true,
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

fn minimal_tier(product: &Value) -> Value {
    json!({
        "product_id": product["id"], "code": "pro", "name": "Pro", "monthly_price": 1900, "annual_price": 19000,
        "currency": "EUR", "billing_period": "monthly", "max_users": null,
    })
}

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
        "billing_period": "monthly", "max_users": null, "max_tenants": null, "feature_ids": [], "feature_keys": [],
        "is_claimable": false, "is_active": true, "sort_order": 0, "token_ttl_seconds": 3600,
        "heartbeat_interval_seconds": 900, "renew_after_seconds": null, "grace_period_seconds": 0,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(response.body, expected);
    assert!(text(&response.body["id"]).starts_with("tier_"));

    let feature = operator.create_feature(&product, "api").await;
    let all = json!({
        "code": "max", "name": "Max", "description": "All of it", "includes_tier_id": response.body["id"],
        "monthly_price": 9_007_199_254_740_991_i64, "annual_price": 0, "currency": "JPY", "billing_period": "perpetual",
        "max_users": 100_000, "max_tenants": 4_294_967_295_u32, "feature_ids": [feature["id"]], "is_claimable": true,
        "is_active": false, "sort_order": 9, "token_ttl_seconds": 31_536_000, "heartbeat_interval_seconds": 31_536_000,
        "renew_after_seconds": 15_768_000, "grace_period_seconds": 2_592_000,
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
        "grace_period_seconds",
        &["/grace_period_seconds invalid_value"],
        vec![json!(2_592_001), json!(-1), Value::Null],
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
        "token_ttl_seconds": 60, "heartbeat_interval_seconds": 30, "renew_after_seconds": 30, "grace_period_seconds": 5,
    });
    let created = operator.post("pricing-tiers", merged(minimal_tier(&product), &all)).await.expect_status(201);
    stack.advance(5);
    let path = format!("pricing-tiers/{}", text(&created["id"]));
    let minimal = without(&without(&minimal_tier(&product), "product_id"), "code");
    let put = operator.put(&path, minimal.clone()).await;
    let changed = json!({
        "description": null, "max_users": null, "max_tenants": null, "is_claimable": false, "is_active": true,
        "sort_order": 0, "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900, "renew_after_seconds": null,
        "grace_period_seconds": 0, "updated_at": "2026-01-15T12:00:05Z",
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
        assert_eq!(read, row);
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
    let base = json!({"feature_ids": [support["id"], export["id"]], "is_active": false});
    let base = operator.create_tier(&product, &base).await;
    let api = operator.create_feature(&product, "api").await;
    operator.replace("product-features", &api, &json!({"sort_order": -2})).await.expect_status(200);
    let dependent = json!({"includes_tier_id": base["id"], "feature_ids": [api["id"]], "sort_order": 2});
    let dependent = operator.create_tier(&product, &dependent).await;
    let plain = operator.create_tier(&product, &json!({"sort_order": 1})).await;

    let response = stack.anonymous.get("products/catalog").await;
    assert_eq!(response.header("cache-control"), "public, max-age=60");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    let feature = |key: &str, display_only: bool, from: &Value| {
        let name = if key == "support" { "Support" } else { key };
        json!({"key": key, "name": name, "display_only": display_only, "inherited_from": from})
    };
    let features = json!([
        feature("api", false, &Value::Null),
        feature("support", true, &base["id"]),
        feature("export", false, &base["id"]),
    ]);
    let expected = json!({"products": [
        merged(earlier, &json!({"tiers": []})),
        merged(product, &json!({"tiers": [
            merged(plain, &json!({"features": []})),
            merged(dependent, &json!({"features": features})),
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
    assert_eq!(list, json!({"items": products, "next_cursor": null}), "a list item is the complete resource");

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

/// Sends requests concurrently. Returns their responses in order.
async fn send_concurrently<A: Future<Output = TestResponse> + Send + 'static>(
    requests: impl IntoIterator<Item = A>,
) -> Vec<TestResponse> {
    let running: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    let mut responses = Vec::new();
    for task in running {
        responses.push(task.await.unwrap());
    }
    responses
}

fn statuses(responses: &[TestResponse]) -> Vec<u16> {
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_inclusions_that_form_a_cycle_return_200_and_422() {
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
        let responses = send_concurrently([put(&one, &other), put(&other, &one)]).await;
        assert_eq!(statuses(&responses), [200, 422], "{responses:?}");
        responses
            .iter()
            .find(|response| response.status == 422)
            .unwrap()
            .expect_errors(422, &["/includes_tier_id tier_cycle"]);
        for tier in [&mut one, &mut other] {
            *tier =
                operator.replace("pricing-tiers", tier, &json!({"includes_tier_id": null})).await.expect_status(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_with_one_code_return_one_201_and_otherwise_409() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product().await;
    for round in 0..5 {
        let word = format!("race-{round}");
        let feature = json!({"product_id": product["id"], "key": word, "name": "A"});
        let bodies = [
            ("products", "code_taken", json!({"code": word, "name": "A"})),
            ("product-features", "key_taken", feature),
            ("pricing-tiers", "code_taken", merged(minimal_tier(&product), &json!({"code": word}))),
        ];
        for (list, taken, body) in bodies {
            let post = |_| {
                let (client, body) = (operator.clone(), body.clone());
                async move { client.post(list, body).await }
            };
            let responses = send_concurrently((0..6).map(post)).await;
            assert_eq!(statuses(&responses), [201, 409, 409, 409, 409, 409], "{responses:?}");
            for response in responses.iter().filter(|response| response.status == 409) {
                response.expect_problem(409, taken);
            }
        }
    }
    let products = operator.get("products?limit=100").await.expect_status(200);
    assert_eq!(ids(&products).len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_replacements_with_one_etag_return_one_200_and_otherwise_412() {
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
        let responses = send_concurrently((0..5).map(put)).await;
        assert_eq!(statuses(&responses), [200, 412, 412, 412, 412], "{responses:?}");
        let winner = responses.iter().find(|response| response.status == 200).unwrap();
        assert_eq!(operator.get(&path).await.text, winner.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_all_return_201_and_keep_references_valid() {
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
                _ => client.post("pricing-tiers", merged(minimal_tier(&product), &tier)).await,
            }
        }
    };
    let responses = send_concurrently((0..12).map(post)).await;
    assert_eq!(statuses(&responses), [201; 12]);
    for (list, count) in [("products", 5), ("product-features", 5), ("pricing-tiers", 5)] {
        assert_eq!(ids(&operator.get(list).await.expect_status(200)).len(), count, "{list}");
    }
    let tiers = operator.get("pricing-tiers").await.expect_status(200);
    let keys: Vec<_> =
        tiers["items"].as_array().unwrap().iter().map(|tier| tier["feature_keys"].as_array().unwrap().len()).collect();
    assert_eq!(keys.iter().sum::<usize>(), 4);
}
