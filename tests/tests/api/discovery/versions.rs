//! The API version and its alias.

use signet_tests::{Stack, json};

#[tokio::test]
async fn v1_behaves_like_v1_0() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let activated = stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
    let activation = activated["activation"]["id"].as_str().unwrap_or_default();
    let (customer, license_id) = (license.customer["id"].as_str().unwrap_or_default(), &license.license_id);
    // Valid and invalid query strings behave the same as well.
    for path in [
        "products".to_owned(),
        "products?limit=1".to_owned(),
        "products/catalog".to_owned(),
        "pricing-tiers".to_owned(),
        "product-features".to_owned(),
        format!("customers/{customer}"),
        "customers?email=ada%40example.com".to_owned(),
        format!("license-keys?customer_id={customer}&status=active"),
        format!("license-keys/{license_id}"),
        format!("license-keys/{license_id}/events"),
        format!("license-activations?license_id={license_id}"),
        format!("license-activations/{activation}"),
        "events".to_owned(),
        "api-keys".to_owned(),
    ] {
        let [one, other] = ["v1.0", "v1"].map(|version| format!("/api/{version}/{path}"));
        let (one, other) = (stack.operator.get(&one).await, stack.operator.get(&other).await);
        assert_eq!((one.status, other.status), (200, 200), "{path}: {} {}", one.text, other.text);
        assert_eq!(one.body, other.body, "{path}");
        for name in ["etag", "cache-control", "content-type"] {
            assert_eq!(one.header(name), other.header(name), "{path}: {name}");
        }
    }
    for path in ["products?limit=0", "products?x=1", "customers/x", "nothing", "license-keys/x/events", ""] {
        let [one, other] = ["v1.0", "v1"].map(|version| format!("/api/{version}/{path}"));
        let (mut one, other) = (stack.operator.get(&one).await, stack.operator.get(&other).await);
        one.body["trace_id"] = other.body["trace_id"].clone();
        assert_eq!((one.status, one.body), (other.status, other.body), "{path}");
    }
    // Writes work with both; `Location` always has the full version.
    let created = stack.operator.post("/api/v1/api-keys", json!({"name": "ci", "scopes": ["*"]})).await;
    assert_eq!(created.status, 201);
    let location = created.header("location").to_owned();
    assert!(location.starts_with("/api/v1.0/api-keys/key_"), "{location}");
    assert_eq!(stack.operator.delete(&location.replace("/v1.0/", "/v1/")).await.status, 204);
    let heartbeat = json!({"token": activated["token"], "machine_id": "m1"});
    stack.anonymous.post("/api/v1/license-keys/heartbeat", heartbeat).await.expect_status(200);
    let body = json!({"name": "Ada", "email": license.customer["email"]});
    assert_eq!(
        stack.operator.put(&format!("/api/v1/customers/{customer}"), body).await.expect_status(200)["name"],
        "Ada"
    );
    let response = stack.operator.delete("/api/v1/products").await;
    response.expect_problem(405, "method_not_allowed");
    assert_eq!(response.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn an_unknown_version_returns_404_with_the_known_versions() {
    let stack = Stack::start().await;
    for path in [
        "/api/v2/products",
        "/api/v1.1/products",
        "/api/v1.00/products",
        "/api/v1.0.0/products",
        "/api/V1/products",
        "/api/v0",
        "/api/v10/license-keys/validate",
        "/api/products",
        "/api/1/products",
        "/api/v2/",
        "/api/",
    ] {
        for response in [stack.operator.get(path).await, stack.anonymous.post(path, json!({})).await] {
            let detail = response.expect_problem(404, "version_unknown")["detail"].to_string();
            assert!(detail.contains("v1.0 or v1"), "{detail}");
            assert_eq!(response.header("cache-control"), "no-store", "{path}");
        }
    }
    // Unknown paths of a known version or outside the API are `not_found`.
    for path in ["/api/v1.0/nothing", "/api/v1/nothing", "/api/v1", "/api/v1.0", "/api", "/apiv2/products", "/v2"] {
        stack.operator.get(path).await.expect_problem(404, "not_found");
    }
}
