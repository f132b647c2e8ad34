//! Error responses of every endpoint. The endpoints are read from the OpenAPI document, so that new ones are covered
//! automatically.

use std::collections::BTreeMap;

use reqwest::{Method, header::CONTENT_TYPE};
use shared::domain::{ApiKey, ApiKeySecret, IdGenerator, Scope, Scopes};
use signet_tests::{Client, Stack, TestResponse, Value, json};

const JSON: Option<&str> = Some("application/json");

/// An endpoint with its path filled in.
#[derive(Debug)]
struct Endpoint {
    method: Method,
    path: String,
    has_id: bool,
    /// Whether the body is required, or `None` if the endpoint has no body.
    body: Option<bool>,
    /// Whether the endpoint accepts requests without a credential.
    is_public: bool,
    /// The scope that an API key needs.
    scope: RequiredScope,
}

#[derive(Debug, Clone, PartialEq)]
enum RequiredScope {
    /// API keys are not accepted.
    NoApiKey,
    /// Any API key is accepted.
    AnyApiKey,
    /// The API key needs this scope.
    Scope(String),
}

impl Endpoint {
    async fn send(&self, client: &Client, media_type: Option<&'static str>, body: Vec<u8>) -> TestResponse {
        let build = |request: reqwest::RequestBuilder| match media_type {
            Some(media_type) => request.header(CONTENT_TYPE, media_type).body(body),
            None => request.body(body),
        };
        client.send(self.method.clone(), &self.path, build).await
    }

    async fn send_json_text(&self, client: &Client, body: &str) -> TestResponse {
        self.send(client, Some("application/json"), body.as_bytes().to_vec()).await
    }

    fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), method: self.method.clone(), scope: self.scope.clone(), ..*self }
    }

    /// Returns whether an operator can call the endpoint with an API key.
    fn accepts_api_keys(&self) -> bool {
        self.is_public || self.scope != RequiredScope::NoApiKey
    }
}

/// Returns all endpoints under /api with existing resources. If `id` is given, it replaces their ids.
async fn endpoints(stack: &Stack, id: Option<&str>) -> Vec<Endpoint> {
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let ids = BTreeMap::from([
        ("products", &license.product["id"]),
        ("product-features", &license.feature["id"]),
        ("pricing-tiers", &license.tier["id"]),
        ("customers", &license.customer["id"]),
        ("license-keys", &license.issued["license"]["id"]),
        ("license-activations", &activated["activation"]["id"]),
    ]);
    let document = stack.anonymous.get("/openapi.json").await.expect_status(200);
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(relative_path) = path.strip_prefix("/api/v1.0/") else { continue };
        let list = relative_path.split('/').next().unwrap();
        let existing_id = ids.get(list).map_or("key_01JD8W0V5XK6Q3R7T2N4M8P9ZB", |id| id.as_str().unwrap());
        for (method, operation) in operations.as_object().unwrap() {
            if !["get", "post", "put", "delete"].contains(&method.as_str()) {
                continue;
            }
            let security = operation["security"].as_array();
            let scope = security.into_iter().flatten().find_map(|requirement| requirement.get("api_key"));
            let has_parameter = relative_path.contains('{');
            let before = relative_path.split('{').next().unwrap();
            let after = relative_path.split('}').nth(1).unwrap_or_default();
            let path = if has_parameter {
                format!("{before}{}{after}", id.unwrap_or(existing_id))
            } else {
                relative_path.to_owned()
            };
            found.push(Endpoint {
                method: method.to_uppercase().parse().unwrap(),
                path,
                has_id: has_parameter,
                body: operation.get("requestBody").map(|body| body["required"] == true),
                is_public: security.is_none_or(|all| all.iter().any(|requirement| *requirement == json!({}))),
                scope: match scope.map(|scopes| scopes[0].as_str()) {
                    None => RequiredScope::NoApiKey,
                    Some(None) => RequiredScope::AnyApiKey,
                    Some(Some(scope)) => RequiredScope::Scope(scope.to_owned()),
                },
            });
        }
    }
    assert!(found.len() >= 26, "{found:#?}");
    found
}

#[tokio::test]
async fn missing_or_invalid_credentials_return_401_on_every_endpoint() {
    let stack = Stack::start_without_rate_limits().await;
    let expired = expired_key(&stack).await;
    let (mut public, mut protected) = (Vec::new(), 0);
    for endpoint in endpoints(&stack, None).await {
        if endpoint.is_public {
            public.push(format!("{} {}", endpoint.method, endpoint.path.split('/').next_back().unwrap()));
            continue;
        }
        protected += 1;
        for client in [&stack.anonymous, &stack.anonymous.with_api_key("signet_x"), &expired] {
            // Authentication precedes the checks of the body.
            for body in ["{}", "{"] {
                let response = endpoint.send_json_text(client, body).await;
                response.expect_problem(401, "unauthenticated");
                let challenges = response.header("www-authenticate");
                let both = challenges.starts_with("Bearer ") && challenges.ends_with(", ApiKey header=\"X-Api-Key\"");
                assert!(both, "{endpoint:?}: {challenges}");
                assert_eq!(response.header("cache-control"), "no-store");
            }
        }
    }
    public.sort_unstable();
    // No other endpoints accept requests without a credential.
    assert_eq!(public, ["GET catalog", "POST activate", "POST deactivate", "POST heartbeat", "POST validate"]);
    assert!(protected >= 21);
}

async fn expired_key(stack: &Stack) -> Client {
    let now = stack.clock.now();
    let id = IdGenerator::new(now).generate();
    let secret = ApiKeySecret::generate(id, &mut rand::rng());
    let expires_at = Some(now + jiff::SignedDuration::from_secs(10));
    let key =
        ApiKey { id, name: "test".to_owned(), scopes: Scopes::All, created_at: now, expires_at, last_used_at: None };
    stack.local.app.table.add_api_key(&key, &secret, None).await.unwrap();
    let client = stack.anonymous.with_api_key(secret.expose());
    stack.advance(9);
    client.get("products").await.expect_status(200);
    stack.advance(1);
    client
}

#[tokio::test]
async fn missing_scope_returns_403_on_every_endpoint() {
    let stack = Stack::start().await;
    let none = stack.client_with_scopes(&[]).await;
    for endpoint in endpoints(&stack, None).await {
        let scope = match &endpoint.scope {
            RequiredScope::NoApiKey if endpoint.is_public => continue,
            RequiredScope::NoApiKey => {
                endpoint.send_json_text(&stack.operator, "{}").await.expect_problem(403, "forbidden");
                continue;
            }
            RequiredScope::AnyApiKey => {
                endpoint.send_json_text(&none, "{}").await.expect_status(200);
                continue;
            }
            RequiredScope::Scope(scope) => scope,
        };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| other.as_str() != scope).collect();
        assert_eq!(others.len(), Scope::ALL.len() - 1, "{endpoint:?}");
        for client in [&none, &stack.client_with_scopes(&others).await] {
            // Authorization precedes the checks of the body.
            for body in ["{}", "{", r#"{"x": 1}"#] {
                if endpoint.path.ends_with("/deactivate") && body != "{}" {
                    continue;
                }
                endpoint.send_json_text(client, body).await.expect_problem(403, "forbidden");
            }
            let wrong = endpoint.with_path(&format!("{}?limit=0&x=1", endpoint.path));
            wrong.send_json_text(client, "{}").await.expect_problem(403, "forbidden");
        }
        let only: Vec<Scope> = Scope::ALL.into_iter().filter(|own| own.as_str() == scope).collect();
        let response = endpoint.send_json_text(&stack.client_with_scopes(&only).await, "{}").await;
        assert!(![401, 403, 500].contains(&response.status), "{endpoint:?}: {}", response.text);
    }
}

#[tokio::test]
async fn invalid_bodies_return_400_413_415_and_422_on_every_endpoint() {
    let stack = Stack::start().await;
    let mut seen = 0;
    for endpoint in endpoints(&stack, None).await {
        let Some(is_required) = endpoint.body else { continue };
        if !endpoint.accepts_api_keys() {
            continue;
        }
        seen += 1;
        let client = &stack.operator;
        let send = async |media_type, body: &[u8]| endpoint.send(client, media_type, body.to_vec()).await;
        for broken in [
            &b"{"[..],
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
        if is_required {
            send(JSON, b"").await.expect_problem(400, "malformed_json");
            for media_type in [
                None,
                Some("text/plain"),
                Some("application/x-www-form-urlencoded"),
                Some("application/jsonp"),
                Some("multipart/form-data; boundary=x"),
            ] {
                send(media_type, b"{}").await.expect_problem(415, "unsupported_media_type");
            }
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
            assert_eq!(error.unwrap_or_else(|| panic!("{endpoint:?}: {}", unknown.text))["code"], "unknown_field");
        }
        let media_type = send(Some("APPLICATION/JSON ; charset=utf-8"), b"[]").await;
        media_type.expect_problem(422, "invalid_value");
    }
    assert!(seen >= 14, "{seen}");
}

#[tokio::test]
async fn malformed_ids_return_404_on_every_endpoint() {
    let stack = Stack::start().await;
    for id in ["x", "%00", "%ff", "a%2fb", "lic_", "%F0%9F%A6%80", &"a".repeat(3000)] {
        let mut seen = 0;
        for endpoint in endpoints(&stack, Some(id)).await {
            if !endpoint.has_id || !endpoint.accepts_api_keys() {
                continue;
            }
            seen += 1;
            endpoint.send_json_text(&stack.operator, "{}").await.expect_problem(404, "not_found");
        }
        assert!(seen >= 13, "{seen}");
    }
}

#[tokio::test]
async fn other_methods_return_405_with_allow() {
    let stack = Stack::start().await;
    let mut allowed = BTreeMap::<String, Vec<String>>::new();
    for endpoint in endpoints(&stack, None).await {
        allowed.entry(endpoint.path).or_default().push(endpoint.method.to_string());
    }
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
    let malformed = stack.operator.with_header("x-amzn-trace-id", "Root=\"><script>");
    let id: Value = malformed.get("products/x").await.body["trace_id"].clone();
    assert!(id.as_str().unwrap().chars().all(|c| c.is_ascii_hexdigit()), "{id}");
}
