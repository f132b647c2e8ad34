//! Error responses of every operation of the access table, so that new ones are covered automatically.

use std::collections::BTreeMap;

use reqwest::{Method, header::CONTENT_TYPE};
use shared::domain::Scopes;
use signet_tests::{Access, Client, Operation, ROWS, Stack, Value, check_each, json};

const JSON: Option<&str> = Some("application/json");

/// Returns the operations below `/api/`.
async fn api_operations(stack: &Stack) -> Vec<Operation> {
    let mut operations = stack.operations().await;
    operations.retain(Operation::is_api);
    operations
}

#[tokio::test]
async fn missing_or_invalid_credentials_return_401_on_every_operation() {
    let stack = Stack::start_without_rate_limits().await;
    let mut operations = api_operations(&stack).await;
    operations.retain(|operation| !operation.is_public());
    let expired = expired_key(&stack).await;
    check_each(&operations, async |operation| {
        for client in [&stack.anonymous, &stack.anonymous.with_api_key("signet_x"), &expired] {
            // Authentication precedes the checks of the body.
            for body in ["{}", "{"] {
                let response = operation.with_caller(client).send_json_text(body).await;
                response.expect_problem(401, "unauthenticated");
                let challenges = response.header("www-authenticate");
                let both = challenges.starts_with("Bearer ") && challenges.ends_with(", ApiKey header=\"X-Api-Key\"");
                assert!(both, "{}: {challenges}", response.request);
                assert_eq!(response.header("cache-control"), "no-store");
            }
        }
    })
    .await;
}

async fn expired_key(stack: &Stack) -> Client {
    let expires_at = Some(stack.clock.now() + jiff::SignedDuration::from_secs(10));
    let client = stack.client_with_key(Scopes::All, expires_at).await;
    stack.advance(9);
    client.get("products").await.expect_status(200);
    stack.advance(1);
    client
}

#[tokio::test]
async fn authorization_precedes_the_checks_of_the_body_and_the_query() {
    let stack = Stack::start().await;
    let none = stack.client_with_scopes(&[]).await;
    let mut operations = api_operations(&stack).await;
    operations.retain(|operation| matches!(operation.access, Access::Scope(_)));
    check_each(&operations, async |operation| {
        let operation = operation.with_caller(&none);
        for body in ["{}", "{", r#"{"x": 1}"#] {
            operation.send_json_text(body).await.expect_problem(403, "forbidden");
        }
        let path = format!("{}?limit=0&x=1", operation.path);
        operation.send_to(&path, JSON, b"{}".to_vec()).await.expect_problem(403, "forbidden");
    })
    .await;
}

#[tokio::test]
async fn invalid_bodies_return_400_413_415_and_422_on_every_operation() {
    let stack = Stack::start().await;
    let mut operations = api_operations(&stack).await;
    operations.retain(|operation| operation.body.is_some() && operation.has_json_body());
    check_each(&operations, async |operation| {
        let send = async |media_type, body: &[u8]| operation.send_bytes(media_type, body.to_vec()).await;
        for broken in [
            &b""[..],
            b"{",
            b"{\"name\": 5",
            b"nul",
            b"{} x",
            b"{'a': 1}",
            b"{\"a\": \"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{\"a\": 1,}",
        ] {
            send(JSON, broken).await.expect_problem(400, "malformed_json");
        }
        for media_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
            Some("multipart/form-data; boundary=x"),
        ] {
            send(media_type, b"{}").await.expect_problem(415, "unsupported_media_type");
        }
        for large in [64 * 1024 + 1, 200_000] {
            send(JSON, &vec![b' '; large]).await.expect_problem(413, "body_too_large");
        }
        let mut largest = vec![b' '; 64 * 1024];
        largest[..2].copy_from_slice(b"[]");
        send(JSON, &largest).await.expect_problem(422, "invalid_value");
        for wrong in ["[]", "5", "\"x\"", "null", "true"] {
            send(JSON, wrong.as_bytes()).await.expect_errors(422, &[" invalid_value"]);
        }
        let unknown = send(JSON, br#"{"no_such_field": {"a": [1]}, "no/such~field": 2}"#).await;
        unknown.expect_problem(422, "invalid_value");
        for pointer in ["/no_such_field", "/no~1such~0field"] {
            let errors = unknown.body["errors"].as_array().unwrap();
            let error = errors.iter().find(|error| error["pointer"] == pointer);
            assert_eq!(error.unwrap_or_else(|| panic!("{}", unknown.text))["code"], "unknown_field");
        }
        let media_type = send(Some("APPLICATION/JSON ; charset=utf-8"), b"[]").await;
        media_type.expect_problem(422, "invalid_value");
    })
    .await;
}

#[tokio::test]
async fn malformed_ids_return_404_on_every_operation() {
    let stack = Stack::start().await;
    let mut operations = api_operations(&stack).await;
    operations.retain(Operation::has_id);
    check_each(&operations, async |operation| {
        for id in ["x", "%00", "%ff", "a%2fb", "lic_", "%F0%9F%A6%80", &"a".repeat(3000)] {
            let body = operation.body.as_ref().map_or_else(String::new, Value::to_string);
            let response = operation.send_to(&operation.path_with_id(id), JSON, body.into_bytes()).await;
            response.expect_problem(404, "not_found");
        }
    })
    .await;
}

#[tokio::test]
async fn other_methods_return_405_with_allow() {
    let stack = Stack::start().await;
    let mut allowed = BTreeMap::<String, Vec<String>>::new();
    for row in ROWS {
        let path = row.template().replace("{id}", "x").replace("{kid}", "x");
        allowed.entry(path).or_default().push(row.method().to_string());
    }
    allowed.retain(|path, _| path.starts_with("/api/"));
    for (path, methods) in allowed {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if methods.contains(&method.to_string()) {
                continue;
            }
            let response = stack.operator.send(method, &path, |request| request).await;
            response.expect_problem(405, "method_not_allowed");
            for method in &methods {
                assert!(response.header("allow").split(',').any(|name| name == method), "{path}: {methods:?}");
            }
        }
    }
}

#[tokio::test]
async fn multiple_credentials_or_other_schemes_return_401() {
    let stack = Stack::start().await;
    let key = stack.local.operator_api_key.expose();
    for client in [
        stack.operator.with_header("authorization", "Bearer a.b.c"),
        stack.anonymous.with_header("authorization", "Basic YTpi"),
        stack.anonymous.with_header("authorization", &format!("Bearer {key}")),
        stack.anonymous.with_header("authorization", key),
        stack.anonymous.with_header("x-api-key", &format!("{key} ,{key}")),
    ] {
        let response = client.get("products").await;
        response.expect_problem(401, "unauthenticated");
        assert!(!response.text.contains(key));
    }
    let twice = |request: reqwest::RequestBuilder| request.header("x-api-key", key).header("x-api-key", key);
    stack.anonymous.send(Method::GET, "products", twice).await.expect_problem(401, "unauthenticated");
    // An invalid credential is rejected also by an endpoint that accepts requests without one.
    let invalid = stack.anonymous.with_api_key("x");
    let activation = "license-activations/act_x/deactivate";
    assert_eq!(invalid.post(activation, json!({})).await.status, 401);
    invalid.get("products/catalog").await.expect_status(200);
}

#[tokio::test]
async fn all_errors_of_a_request_are_reported_together() {
    let stack = Stack::start().await;
    let response = stack.operator.post("products", json!({"code": "A", "name": "", "description": "\u{1}"})).await;
    response.expect_errors(422, &["/code invalid_value", "/name invalid_value", "/description invalid_value"]);
    let response = stack.operator.post("products", json!({"code": 5, "colour": "red", "size": 1})).await;
    assert_eq!(
        response.expect_problem(422, "invalid_value")["errors"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|error| error["code"] == "unknown_field")
            .count()
            + 1,
        response.body["errors"].as_array().unwrap().len()
    );
    let response = stack.operator.get("products?a=1&b=2").await;
    response.expect_errors(422, &["a unknown_field", "b unknown_field"]);
    assert!(response.body["errors"].as_array().unwrap().iter().all(|error| error.get("pointer").is_none()));
}

#[tokio::test]
async fn duplicate_field_returns_422() {
    let stack = Stack::start().await;
    let build = |request: reqwest::RequestBuilder| {
        request.header(CONTENT_TYPE, "application/json").body(r#"{"code": "atlas", "name": "A", "name": "B"}"#)
    };
    stack.operator.send(Method::POST, "products", build).await.expect_errors(422, &["/name invalid_value"]);
}

#[tokio::test]
async fn problem_has_a_trace_id_and_the_url_of_its_page() {
    let stack = Stack::start().await;
    let traced =
        stack.operator.with_header("x-amzn-trace-id", "Self=1-1-1;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    let response = traced.get("products/x").await;
    let expected = json!({
        "type": format!("{}/problems/not_found", stack.local.base_url), "title": "Not found", "status": 404,
        "code": "not_found", "detail": "not found",
        "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
    });
    assert_eq!(response.body, expected);
    assert_eq!(response.header("x-request-id"), "1-5759e988-bd862e3fe1be46a994272793");
    let malformed = stack.operator.with_header("x-amzn-trace-id", "Root=\"><script>");
    let id: Value = malformed.get("products/x").await.body["trace_id"].clone();
    assert!(id.as_str().unwrap().chars().all(|c| c.is_ascii_hexdigit()), "{id}");
}
