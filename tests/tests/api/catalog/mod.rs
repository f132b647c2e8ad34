//! Products, product features, pricing tiers and the public catalog.

mod concurrent_changes;
mod feature_limits;
mod large_tiers;
mod lists;
mod pricing_tiers;
mod product_features;
mod products;
mod public_catalog;
mod reorder;

use signet_tests::{Client, TestResponse, Value, json, merged, text};

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

fn minimal_tier(product: &Value) -> Value {
    json!({
        "product_id": product["id"], "code": "pro", "name": "Pro", "monthly_price": 1900, "annual_price": 19000,
        "currency": "EUR", "billing_period": "monthly", "max_users": null,
    })
}
