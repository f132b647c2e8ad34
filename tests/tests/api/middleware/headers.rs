//! Security headers, caching and entity tags.

use reqwest::{Method, header::ACCEPT_ENCODING};
use signet_tests::{Stack, TestResponse, json};

use super::PUBLIC_PATHS;

/// Returns responses of every status.
async fn sample_responses(stack: &Stack) -> Vec<TestResponse> {
    let operator = &stack.operator;
    let tag = operator.get("/.well-known/jwks.json").await.header("etag").to_owned();
    let large = |request: reqwest::RequestBuilder| request.body(vec![b' '; 64 * 1024 + 1]);
    let product = operator.post("products", json!({"code": "atlas", "name": "Atlas"})).await;
    let key = operator.post("api-keys", json!({"name": "a", "scopes": ["*"]})).await.expect_status(201);
    vec![
        operator.get("products").await,
        product,
        operator.delete(&format!("api-keys/{}", key["id"].as_str().unwrap())).await,
        operator.get("products/x").await,
        operator.get("products?limit=0").await,
        operator.get("/api/v9/products").await,
        operator.get("/nothing").await,
        operator.delete("products").await,
        operator.send(Method::POST, "products", large).await,
        operator.send(Method::POST, "products", |request| request.body("{}")).await,
        operator.send(Method::HEAD, "products", |request| request).await,
        operator.send(Method::OPTIONS, "products", |request| request).await,
        stack.anonymous.get("products").await,
        stack.anonymous.get("products/catalog").await,
        stack.anonymous.get("/.well-known/jwks.json").await,
        stack.anonymous.with_header("if-none-match", &tag).get("/.well-known/jwks.json").await,
        stack.anonymous.get("/openapi.json").await,
    ]
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let stack = Stack::start().await;
    let responses = sample_responses(&stack).await;
    let mut statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    for response in &responses {
        let expect = |name: &str, value: &str| assert_eq!(response.header(name), value, "{} {name}", response.request);
        expect("x-content-type-options", "nosniff");
        expect("strict-transport-security", "max-age=63072000; includeSubDomains; preload");
        expect("referrer-policy", "no-referrer");
        expect("x-frame-options", "DENY");
        expect("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
        expect("permissions-policy", "camera=(), geolocation=(), microphone=()");
        let is_public = PUBLIC_PATHS.iter().any(|path| path.ends_with(response.request.trim_start_matches("GET ")));
        expect("cross-origin-resource-policy", if is_public { "cross-origin" } else { "same-origin" });
        for name in response.headers.keys() {
            let count = response.headers.get_all(name).iter().count();
            assert_eq!(count, 1, "{}: API Gateway would drop all but the first {name}", response.request);
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 201, 204, 304, 401, 404, 405, 413, 415, 422]);
}

#[tokio::test]
async fn only_public_documents_and_the_catalog_are_cacheable() {
    let stack = Stack::start().await;
    for response in sample_responses(&stack).await {
        let is_cached = response.header("cache-control").starts_with("public, max-age=");
        let is_cacheable = ["/.well-known/jwks.json", "/openapi.json", "products/catalog"]
            .iter()
            .any(|path| response.request == format!("GET {path}"));
        assert_eq!(is_cached, is_cacheable, "{}: {}", response.request, response.header("cache-control"));
        assert!(is_cached || response.header("cache-control") == "no-store", "{}", response.request);
    }
    // Error responses of the catalog are not cacheable.
    assert_eq!(stack.anonymous.delete("products/catalog").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn development_issuer_responses_have_security_headers() {
    let stack = Stack::start().await;
    let authorize = "/dev/oidc/authorize?client_id=signet-dashboard&response_type=code&redirect_uri=http://localhost/&scope=openid\
               &code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let rebound = |request: reqwest::RequestBuilder| request.header("host", "rebound.example.com");
    for response in [
        stack.anonymous.get(authorize).await,
        stack.anonymous.get("/dev/oidc/jwks.json").await,
        stack.anonymous.send(Method::GET, authorize, rebound).await,
    ] {
        for name in ["x-content-type-options", "referrer-policy", "x-frame-options", "content-security-policy"] {
            assert!(!response.header(name).is_empty(), "{} {name}", response.request);
        }
    }
    // The sign-in page has its own policy.
    let policy = stack.anonymous.get(authorize).await.header("content-security-policy").to_owned();
    assert!(policy.contains("style-src") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn panic_in_a_handler_returns_500_without_details() {
    async fn panicking() -> &'static str {
        panic!("panic in a test handler")
    }
    let stack = Stack::start().await;
    let routes = axum::Router::new().route("/broken", axum::routing::get(panicking));
    let response = stack.serve_routes(routes, &stack.local.app).await.get("/broken").await;
    let body = response.expect_problem(500, "internal_error");
    assert!(!body.to_string().contains("panic in"), "{body}");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn head_returns_the_headers_of_get_without_a_body() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let one = format!("products/{}", product["id"].as_str().unwrap());
    let paths = [one.as_str(), "products", "products/x", "products?limit=0", "/nothing", "/openapi.json"];
    for path in paths.into_iter().chain(PUBLIC_PATHS) {
        for coding in ["identity", "gzip"] {
            let build = |request: reqwest::RequestBuilder| request.header(ACCEPT_ENCODING, coding);
            let head = stack.operator.send(Method::HEAD, path, build).await;
            assert_eq!(head.bytes.len(), 0, "{path}");
            let get = stack.operator.get(path).await;
            let status_and_headers = |response: &TestResponse| {
                let mut headers = response.headers.clone();
                headers.remove("date");
                // Trace ids differ, but have the same length.
                headers.remove("x-request-id");
                (response.status, headers)
            };
            assert_eq!(status_and_headers(&head), status_and_headers(&get), "{path}");
            assert_eq!(head.header("content-length"), get.bytes.len().to_string(), "{path}");
        }
    }
    let head = stack.operator.send(Method::HEAD, "license-keys/validate", |request| request).await;
    assert_eq!((head.status, head.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn documents_return_304_for_a_matching_etag() {
    let stack = Stack::start().await;
    stack.operator.create_product().await;
    for path in PUBLIC_PATHS.into_iter().chain(["/openapi.json", "/llms.txt", "/docs/integrate.md"]) {
        let response = stack.anonymous.get(path).await;
        let tag = response.header("etag").to_owned();
        assert!(tag.len() > 2 && tag.starts_with('"'), "{path}: {tag}");
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let again = stack.anonymous.with_header("if-none-match", &known).get(path).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path} {known}");
            assert_eq!(again.header("etag"), tag, "{path}");
            assert_eq!(again.header("cache-control"), response.header("cache-control"), "{path}");
            assert_eq!(again.header("content-type"), "", "{path}");
        }
        for other in ["\"x\"", "", tag.trim_matches('"')] {
            assert_eq!(stack.anonymous.with_header("if-none-match", other).get(path).await.status, 200, "{path}");
        }
    }
}
