//! How every endpoint says no. The endpoints are those of the OpenAPI document, so that a new one is in here from its
//! first day.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeMap;

use reqwest::{Method, header::CONTENT_TYPE};
use shared::domain::{ApiKey, ApiKeySecret, IdGenerator, Scope, Scopes};
use signet_tests::{Client, Stack, TestResponse, Value, json};

const JSON: Option<&str> = Some("application/json");

/// One endpoint, its path filled in.
#[derive(Debug)]
struct Endpoint {
    method: Method,
    path: String,
    has_id: bool,
    /// Whether it reads a body, and whether it must have one.
    body: Option<bool>,
    /// Whether whoever shows nothing may ask.
    open: bool,
    /// What scope an API key must have.
    scope: Needed,
}

#[derive(Debug, Clone, PartialEq)]
enum Needed {
    /// No API key may ask.
    NoKey,
    /// Any may.
    AnyKey,
    /// One with this scope.
    Scope(String),
}

impl Endpoint {
    async fn send(&self, client: &Client, media_type: Option<&'static str>, body: Vec<u8>) -> TestResponse {
        let with = |request: reqwest::RequestBuilder| match media_type {
            Some(media_type) => request.header(CONTENT_TYPE, media_type).body(body),
            None => request.body(body),
        };
        client.send(self.method.clone(), &self.path, with).await
    }

    async fn send_json_text(&self, client: &Client, body: &str) -> TestResponse {
        self.send(client, Some("application/json"), body.as_bytes().to_vec()).await
    }

    fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), method: self.method.clone(), scope: self.scope.clone(), ..*self }
    }

    /// What an operator with an API key may ask.
    fn is_for_keys(&self) -> bool {
        self.open || self.scope != Needed::NoKey
    }
}

/// All endpoints under /api, on things that are there; `{id}` is replaced by `id` where one is given.
async fn endpoints(stack: &Stack, id: Option<&str>) -> Vec<Endpoint> {
    let sold = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    let ids = BTreeMap::from([
        ("products", &sold.product["id"]),
        ("product-features", &sold.feature["id"]),
        ("pricing-tiers", &sold.tier["id"]),
        ("customers", &sold.customer["id"]),
        ("license-keys", &sold.issued["license"]["id"]),
        ("license-activations", &activated["activation"]["id"]),
    ]);
    let document = stack.anonymous.get("/openapi.json").await.expect_status(200);
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(below) = path.strip_prefix("/api/v1.0/") else { continue };
        let list = below.split('/').next().unwrap();
        let own = ids.get(list).map_or("key_01JD8W0V5XK6Q3R7T2N4M8P9ZB", |id| id.as_str().unwrap());
        for (method, operation) in operations.as_object().unwrap() {
            if !["get", "post", "put", "delete"].contains(&method.as_str()) {
                continue;
            }
            let security = operation["security"].as_array();
            let scope = security.into_iter().flatten().find_map(|way| way.get("api_key"));
            let has_parameter = below.contains('{');
            let before = below.split('{').next().unwrap();
            let after = below.split('}').nth(1).unwrap_or_default();
            let path = if has_parameter { format!("{before}{}{after}", id.unwrap_or(own)) } else { below.to_owned() };
            found.push(Endpoint {
                method: method.to_uppercase().parse().unwrap(),
                path,
                has_id: has_parameter,
                body: operation.get("requestBody").map(|body| body["required"] == true),
                open: security.is_none_or(|ways| ways.iter().any(|way| *way == json!({}))),
                scope: match scope.map(|scopes| scopes[0].as_str()) {
                    None => Needed::NoKey,
                    Some(None) => Needed::AnyKey,
                    Some(Some(scope)) => Needed::Scope(scope.to_owned()),
                },
            });
        }
    }
    assert!(found.len() >= 26, "{found:#?}");
    found
}

#[tokio::test]
async fn without_a_credential_401() {
    let stack = Stack::start_without_rate_limits().await;
    let expired = expired_key(&stack).await;
    let (mut open, mut closed) = (Vec::new(), 0);
    for endpoint in endpoints(&stack, None).await {
        if endpoint.open {
            open.push(format!("{} {}", endpoint.method, endpoint.path.split('/').next_back().unwrap()));
            continue;
        }
        closed += 1;
        for client in [&stack.anonymous, &stack.anonymous.with_api_key("signet_x"), &expired] {
            // Nothing of what is asked is looked at before it is known who asks.
            for body in ["{}", "{"] {
                let answer = endpoint.send_json_text(client, body).await;
                answer.expect_problem(401, "unauthenticated");
                let challenges = answer.header("www-authenticate");
                let both = challenges.starts_with("Bearer ") && challenges.ends_with(", ApiKey header=\"X-Api-Key\"");
                assert!(both, "{endpoint:?}: {challenges}");
                assert_eq!(answer.header("cache-control"), "no-store");
            }
        }
    }
    open.sort_unstable();
    // Whoever shows nothing may ask these and no others.
    assert_eq!(open, ["GET catalog", "POST activate", "POST deactivate", "POST heartbeat", "POST validate"]);
    assert!(closed >= 21);
}

async fn expired_key(stack: &Stack) -> Client {
    let now = stack.clock.now();
    let id = IdGenerator::new(now).make();
    let secret = ApiKeySecret::generate(id, &mut rand::rng());
    let end = Some(now + jiff::SignedDuration::from_secs(10));
    let key = ApiKey {
        id,
        name: "test".to_owned(),
        scopes: Scopes::All,
        created_at: now,
        expires_at: end,
        last_used_at: None,
    };
    stack.local.app.table.add_api_key(&key, &secret, None).await.unwrap();
    let client = stack.anonymous.with_api_key(secret.expose());
    stack.advance(9);
    client.get("products").await.expect_status(200);
    stack.advance(1);
    client
}

#[tokio::test]
async fn without_the_scope_403() {
    let stack = Stack::start().await;
    let none = stack.client_with_scopes(&[]).await;
    for endpoint in endpoints(&stack, None).await {
        let scope = match &endpoint.scope {
            Needed::NoKey if endpoint.open => continue,
            Needed::NoKey => {
                endpoint.send_json_text(&stack.operator, "{}").await.expect_problem(403, "forbidden");
                continue;
            }
            Needed::AnyKey => {
                endpoint.send_json_text(&none, "{}").await.expect_status(200);
                continue;
            }
            Needed::Scope(scope) => scope,
        };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| other.as_str() != scope).collect();
        assert_eq!(others.len(), Scope::ALL.len() - 1, "{endpoint:?}");
        for client in [&none, &stack.client_with_scopes(&others).await] {
            // What is wrong with the question is told only to who may ask it.
            for body in ["{}", "{", r#"{"x": 1}"#] {
                if endpoint.path.ends_with("/deactivate") && body != "{}" {
                    continue;
                }
                endpoint.send_json_text(client, body).await.expect_problem(403, "forbidden");
            }
            let wrong = endpoint.at(&format!("{}?limit=0&x=1", endpoint.path));
            wrong.send_json_text(client, "{}").await.expect_problem(403, "forbidden");
        }
        let only: Vec<Scope> = Scope::ALL.into_iter().filter(|own| own.as_str() == scope).collect();
        let answer = endpoint.send_json_text(&stack.client_with_scopes(&only).await, "{}").await;
        assert!(![401, 403, 500].contains(&answer.status), "{endpoint:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_body_that_is_none_400_413_415_and_422() {
    let stack = Stack::start().await;
    let mut seen = 0;
    for endpoint in endpoints(&stack, None).await {
        let Some(is_required) = endpoint.body else { continue };
        if !endpoint.is_for_keys() {
            continue;
        }
        seen += 1;
        let client = &stack.operator;
        let ask = async |media_type, body: &[u8]| endpoint.send(client, media_type, body.to_vec()).await;
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
            ask(JSON, broken).await.expect_problem(400, "malformed_json");
        }
        if is_required {
            ask(JSON, b"").await.expect_problem(400, "malformed_json");
            for media_type in [
                None,
                Some("text/plain"),
                Some("application/x-www-form-urlencoded"),
                Some("application/jsonp"),
                Some("multipart/form-data; boundary=x"),
            ] {
                ask(media_type, b"{}").await.expect_problem(415, "unsupported_media_type");
            }
        }
        for large in [64 * 1024 + 1, 200_000] {
            ask(JSON, &vec![b' '; large]).await.expect_problem(413, "body_too_large");
        }
        let mut largest = vec![b' '; 64 * 1024];
        largest[..2].copy_from_slice(b"[]");
        ask(JSON, &largest).await.expect_problem(422, "invalid_value");
        for wrong in ["[]", "5", "\"x\"", "null", "true"] {
            ask(JSON, wrong.as_bytes()).await.expect_errors(422, &[" invalid_value"]);
        }
        let unknown = ask(JSON, br#"{"no_such_field": {"a": [1]}, "no/such~field": 2}"#).await;
        unknown.expect_problem(422, "invalid_value");
        for pointer in ["/no_such_field", "/no~1such~0field"] {
            let errors = unknown.body["errors"].as_array().unwrap();
            let fault = errors.iter().find(|fault| fault["pointer"] == pointer);
            assert_eq!(fault.unwrap_or_else(|| panic!("{endpoint:?}: {}", unknown.text))["code"], "unknown_field");
        }
        let kind = ask(Some("APPLICATION/JSON ; charset=utf-8"), b"[]").await;
        kind.expect_problem(422, "invalid_value");
    }
    assert!(seen >= 14, "{seen}");
}

#[tokio::test]
async fn an_id_that_is_none_404() {
    let stack = Stack::start().await;
    for id in ["x", "%00", "%ff", "a%2fb", "lic_", "%F0%9F%A6%80", &"a".repeat(3000)] {
        let mut seen = 0;
        for endpoint in endpoints(&stack, Some(id)).await {
            if !endpoint.has_id || !endpoint.is_for_keys() {
                continue;
            }
            seen += 1;
            endpoint.send_json_text(&stack.operator, "{}").await.expect_problem(404, "not_found");
        }
        assert!(seen >= 13, "{seen}");
    }
}

#[tokio::test]
async fn another_method_405() {
    let stack = Stack::start().await;
    let mut allowed = BTreeMap::<String, Vec<String>>::new();
    for endpoint in endpoints(&stack, None).await {
        allowed.entry(endpoint.path).or_default().push(endpoint.method.to_string());
    }
    // A path of its own below one that takes any id.
    for (path, own) in allowed {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if own.contains(&method.to_string()) {
                continue;
            }
            let answer = stack.operator.send(method, &path, |request| request).await;
            answer.expect_problem(405, "method_not_allowed");
            for method in &own {
                assert!(answer.header("allow").split(',').any(|word| word == method), "{path}: {own:?}");
            }
        }
    }
}

#[tokio::test]
async fn two_credentials_or_another_scheme_401() {
    let stack = Stack::start().await;
    let key = stack.local.operator_api_key.expose();
    for client in [
        stack.operator.with_header("authorization", "Bearer a.b.c"),
        stack.anonymous.with_header("authorization", "Basic YTpi"),
        stack.anonymous.with_header("authorization", &format!("Bearer {key}")),
        stack.anonymous.with_header("authorization", key),
        stack.anonymous.with_header("x-api-key", &format!("{key} ,{key}")),
    ] {
        let answer = client.get("products").await;
        answer.expect_problem(401, "unauthenticated");
        assert!(!answer.text.contains(key));
    }
    let twice = |request: reqwest::RequestBuilder| request.header("x-api-key", key).header("x-api-key", key);
    stack.anonymous.send(Method::GET, "products", twice).await.expect_problem(401, "unauthenticated");
    // A bad credential is refused also where none is needed.
    let bad = stack.anonymous.with_api_key("x");
    let activation = "license-activations/act_x/deactivate";
    assert_eq!(bad.post(activation, json!({})).await.status, 401);
    bad.get("products/catalog").await.expect_status(200);
}

#[tokio::test]
async fn several_faults_are_told_at_once() {
    let stack = Stack::start().await;
    let answer = stack.operator.post("products", json!({"code": "A", "name": "", "description": "\u{1}"})).await;
    answer.expect_errors(422, &["/code invalid_value", "/name invalid_value", "/description invalid_value"]);
    let answer = stack.operator.post("products", json!({"code": 5, "colour": "red", "size": 1})).await;
    assert_eq!(
        answer.expect_problem(422, "invalid_value")["errors"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|fault| fault["code"] == "unknown_field")
            .count()
            + 1,
        answer.body["errors"].as_array().unwrap().len()
    );
    let answer = stack.operator.get("products?a=1&b=2").await;
    answer.expect_errors(422, &["a unknown_field", "b unknown_field"]);
    assert!(answer.body["errors"].as_array().unwrap().iter().all(|fault| fault.get("pointer").is_none()));
}

#[tokio::test]
async fn a_field_that_stands_twice_422() {
    let stack = Stack::start().await;
    let with = |request: reqwest::RequestBuilder| {
        request.header(CONTENT_TYPE, "application/json").body(r#"{"code": "atlas", "name": "A", "name": "B"}"#)
    };
    stack.operator.send(Method::POST, "products", with).await.expect_errors(422, &["/name invalid_value"]);
}

#[tokio::test]
async fn a_problem_names_its_trace_and_its_page() {
    let stack = Stack::start().await;
    let traced =
        stack.operator.with_header("x-amzn-trace-id", "Self=1-1-1;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    let answer = traced.get("products/x").await;
    let expected = json!({
        "type": format!("{}/problems/not_found", stack.local.base_url), "title": "Not found", "status": 404,
        "code": "not_found", "detail": "there is no such thing here",
        "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
    });
    assert_eq!(answer.body, expected);
    let wild = stack.operator.with_header("x-amzn-trace-id", "Root=\"><script>");
    let id: Value = wild.get("products/x").await.body["trace_id"].clone();
    assert!(id.as_str().unwrap().chars().all(|letter| letter.is_ascii_hexdigit()), "{id}");
}
