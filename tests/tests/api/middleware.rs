//! Middleware: security headers, caching, CORS, compression and request limits, on every endpoint.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use std::{io::Read, net::SocketAddr};

use flate2::read::GzDecoder;
use reqwest::{
    Method,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap},
};
use signet_local::Options;
use signet_tests::{Client, Stack, TestResponse, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PUBLIC_PATHS: [&str; 4] = [
    "/.well-known/jwks.json",
    "/.well-known/jwks.jwt",
    "/.well-known/license-configuration",
    "/api/v1.0/products/catalog",
];
const ALLOWED_ORIGIN: &str = "https://shop.example.com";
const OTHER_ORIGIN: &str = "https://evil.example.com";

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

/// Sends a preflight request and the request itself from a page of this origin. Returns the headers of both responses.
async fn send_from_origin(client: &Client, origin: &str, method: Method, path: &str) -> (HeaderMap, HeaderMap) {
    let build = |request: reqwest::RequestBuilder| {
        let request = request.header("origin", origin).header("access-control-request-method", method.as_str());
        request.header("access-control-request-headers", "content-type,x-api-key")
    };
    let preflight = client.send(Method::OPTIONS, path, build).await;
    assert!([200, 204].contains(&preflight.status), "{}", preflight.text);
    assert_eq!(preflight.text, "");
    let sent = client.send(method, path, |request| request.header("origin", origin)).await;
    (preflight.headers, sent.headers)
}

fn cors(headers: &HeaderMap) -> Vec<String> {
    let names = headers.keys().filter(|name| name.as_str().starts_with("access-control"));
    names.map(|name| format!("{name}: {}", headers[name].to_str().unwrap())).collect()
}

#[tokio::test]
async fn cors_allows_any_origin_only_for_public_documents() {
    let stack = Stack::start().await;
    for path in PUBLIC_PATHS {
        let (preflight, sent) = send_from_origin(&stack.anonymous, OTHER_ORIGIN, Method::GET, path).await;
        for headers in [&preflight, &sent] {
            assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
            assert!(!headers.contains_key("access-control-allow-credentials"), "{path}");
        }
        assert!(sent["access-control-expose-headers"].to_str().unwrap().contains("etag"), "{path}");
    }
    let refused = stack.anonymous.delete("products/catalog").await;
    assert_eq!(refused.header("access-control-allow-origin"), "*", "a page can read the error");
    for (method, path) in [
        (Method::GET, "products"),
        (Method::POST, "license-keys/validate"),
        (Method::GET, "/openapi.json"),
        (Method::GET, "/nothing"),
        (Method::GET, "/.well-known"),
    ] {
        let build = |request: reqwest::RequestBuilder| {
            request.header("origin", OTHER_ORIGIN).header("access-control-request-method", method.as_str())
        };
        let preflight = stack.operator.send(Method::OPTIONS, path, build).await;
        assert_eq!(cors(&preflight.headers), [""; 0], "{path}");
        let sent = stack.operator.send(method, path, |request| request.header("origin", OTHER_ORIGIN)).await;
        assert_eq!(cors(&sent.headers), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn cors_allows_configured_origins_to_call_the_api() {
    let origins = vec![ALLOWED_ORIGIN.parse().unwrap(), "http://localhost:5173".parse().unwrap()];
    let stack = Stack::start_with(Options { cors_origins: origins, ..Options::default() }).await;
    for (method, path) in [
        (Method::GET, "products"),
        (Method::POST, "customers"),
        (Method::PUT, "customers/cus_x"),
        (Method::DELETE, "x"),
    ] {
        let (preflight, sent) = send_from_origin(&stack.operator, ALLOWED_ORIGIN, method.clone(), path).await;
        assert_eq!(preflight["access-control-allow-origin"], ALLOWED_ORIGIN, "{path}");
        let allowed = |name: &str| preflight[name].to_str().unwrap().to_lowercase();
        for method in ["get", "head", "post", "put", "delete"] {
            assert!(allowed("access-control-allow-methods").split(',').any(|value| value.trim() == method), "{method}");
        }
        for name in ["x-api-key", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match"] {
            assert!(allowed("access-control-allow-headers").split(',').any(|value| value.trim() == name), "{name}");
        }
        assert_eq!(preflight["access-control-max-age"], "7200");
        assert_eq!(preflight["vary"], "origin");
        // Error responses too, so that the page can read them.
        assert_eq!(sent["access-control-allow-origin"], ALLOWED_ORIGIN, "{path}");
        for name in ["etag", "location", "retry-after"] {
            assert!(sent["access-control-expose-headers"].to_str().unwrap().contains(name), "{name}");
        }
        assert!(sent["vary"].to_str().unwrap().contains("origin"));
        assert!(!sent.contains_key("access-control-allow-credentials"));

        for other in [OTHER_ORIGIN, "https://shop.example.com.evil.example", "http://shop.example.com", "null"] {
            let (preflight, sent) = send_from_origin(&stack.operator, other, method.clone(), path).await;
            for headers in [&preflight, &sent] {
                assert!(!headers.contains_key("access-control-allow-origin"), "{other}");
                assert!(headers["vary"].to_str().unwrap().contains("origin"), "a cache must keep the responses apart");
            }
        }
    }
    let (_, sent) = send_from_origin(&stack.anonymous, ALLOWED_ORIGIN, Method::GET, "/.well-known/jwks.json").await;
    assert_eq!(sent["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn options_returns_204_with_allow() {
    let stack = Stack::start().await;
    let options = async |path: &str| stack.anonymous.send(Method::OPTIONS, path, |request| request).await;
    for (path, allow) in [
        ("products", "GET,HEAD,POST"),
        ("license-keys/validate", "POST"),
        ("products/catalog", "GET,HEAD"),
        ("api-keys/key_x", "GET,HEAD,DELETE"),
        ("/.well-known/jwks.json", "GET,HEAD"),
    ] {
        let response = options(path).await;
        assert_eq!((response.status, response.text.as_str(), response.header("allow")), (204, "", allow), "{path}");
    }
    assert_eq!(options("nothing").await.status, 404);
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
    for path in PUBLIC_PATHS.into_iter().chain(["/openapi.json"]) {
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

fn decompress(response: &TestResponse) -> Value {
    let mut text = String::new();
    GzDecoder::new(&response.bytes[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn compressed_documents_have_a_weak_etag() {
    let stack = Stack::start().await;
    let path = "/openapi.json";
    let plain = stack.anonymous.get(path).await;
    assert_eq!(plain.header("vary"), "accept-encoding");
    let gzip_client = stack.anonymous.with_header("accept-encoding", "br, gzip;q=0.5");
    let compressed = gzip_client.get(path).await;
    assert_eq!((compressed.status, compressed.header("content-encoding")), (200, "gzip"));
    assert!(compressed.bytes.len() < plain.bytes.len() / 4, "{} of {}", compressed.bytes.len(), plain.bytes.len());
    assert_eq!(decompress(&compressed), plain.body);
    assert_eq!(compressed.header("vary"), "accept-encoding");
    assert_eq!(compressed.header("etag"), format!("W/{}", plain.header("etag")));
    for known in [compressed.header("etag"), plain.header("etag")] {
        let again = gzip_client.with_header("if-none-match", known).get(path).await;
        assert_eq!((again.status, again.header("etag"), again.bytes.len()), (304, compressed.header("etag"), 0));
        assert_eq!((again.header("content-encoding"), again.header("vary")), ("", "accept-encoding"));
    }
    for coding in ["br", "identity", "gzip;q=0", "", "identity;q=0", "*;q=0", "gzip;q=0, identity;q=0, *;q=0"] {
        let response = stack.anonymous.with_header("accept-encoding", coding).get(path).await;
        assert_eq!((response.status, response.header("content-encoding")), (200, ""), "{coding}");
        assert_eq!(response.bytes, plain.bytes, "{coding}");
    }
}

#[tokio::test]
async fn resources_with_etags_and_responses_with_secrets_are_not_compressed() {
    let stack = Stack::start().await;
    let gzip_client = stack.operator.with_header("accept-encoding", "gzip");
    let long = "a".repeat(2000);
    let product = stack.operator.create_product_with(&json!({"description": long})).await;
    let path = format!("products/{}", product["id"].as_str().unwrap());
    let read = gzip_client.get(&path).await;
    assert_eq!((read.header("content-encoding"), &read.header("etag")[..1]), ("", "\""));
    let change = json!({"code": product["code"], "name": "B", "description": long});
    gzip_client.with_header("if-match", read.header("etag")).put(&path, change.clone()).await.expect_status(200);
    gzip_client
        .with_header("if-match", read.header("etag"))
        .put(&path, change)
        .await
        .expect_problem(412, "version_conflict");

    let list = gzip_client.get("products").await;
    assert_eq!(list.header("content-encoding"), "gzip");
    assert_eq!(decompress(&list)["items"][0]["description"], long);
    let short = gzip_client.get("customers").await;
    assert_eq!((short.header("content-encoding"), short.body["items"].as_array().unwrap().len()), ("", 0));

    let license = gzip_client.issue_new_license(1).await;
    let activated = gzip_client.activate(&license.license_key, "one").await;
    assert!(activated.bytes.len() > 1024);
    assert_eq!(activated.header("content-encoding"), "");
}

/// Sends raw bytes and reads until the connection is closed. Returns the status and the complete response.
async fn send_raw(stack: &Stack, parts: &[&[u8]]) -> (u16, String) {
    let address: SocketAddr = stack.local.base_url.trim_start_matches("http://").parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in parts {
        // The server may respond and close the connection before it has read everything.
        let _ = stream.write_all(part).await;
    }
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no response: {response}")), response)
}

#[tokio::test]
async fn body_over_64_kib_returns_413_on_every_path_and_encoding() {
    let stack = Stack::start().await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let chunked = async |request: &str, chunks: usize, last: &str| {
        let head = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
        send_raw(&stack, &[head.as_bytes(), chunk.repeat(chunks).as_bytes(), last.as_bytes()]).await
    };
    for request in [
        "POST /api/v1.0/license-keys/validate",
        "GET /.well-known/jwks.json",
        "GET /api/v1.0/products/catalog",
        "GET /nothing",
        "DELETE /api/v1.0/products",
    ] {
        let (status, response) = chunked(request, 16, "1\r\n \r\n0\r\n\r\n").await;
        assert_eq!(status, 413, "{request}: {response}");
        assert!(response.contains("application/problem+json") && response.contains("\"body_too_large\""), "{response}");
        assert!(response.contains("x-content-type-options: nosniff"), "{response}");
        let (status, response) = chunked(request, 16, "0\r\n\r\n").await;
        assert_ne!(status, 413, "{request}: {response}");
        let head = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n");
        let (status, response) = send_raw(&stack, &[head.as_bytes(), " ".repeat(65_537).as_bytes()]).await;
        assert_eq!(status, 413, "{request}: {response}");
    }
}

#[tokio::test]
async fn non_canonical_paths_return_404() {
    let stack = Stack::start().await;
    for path in [
        "/api/v1.0/products/",
        "/api/v1.0//products",
        "//api/v1.0/products",
        "/api/v1/",
        "/api/v1",
        "/api/v1.0/products//",
        "/.well-known/jwks.json/",
        "/.well-known//jwks.json",
        "/openapi.json/",
        "/api/v1.0/./products",
        "/api/v1.0/customers/../products",
        "*",
    ] {
        let key = stack.local.operator_api_key.expose();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Api-Key: {key}\r\n\r\n");
        let (status, response) = send_raw(&stack, &[request.as_bytes()]).await;
        assert!(status == 404 && response.contains("\"not_found\""), "{path}: {response}");
    }
}

#[tokio::test]
async fn unknown_methods_return_405() {
    let stack = Stack::start().await;
    for method in ["TRACE", "PATCH", "PROPFIND", "get", "SIGNET"] {
        let request = format!("{method} /api/v1.0/products HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (status, response) = send_raw(&stack, &[request.as_bytes()]).await;
        assert!(status == 405 && response.contains("allow: GET,HEAD,POST\r\n"), "{method}: {response}");
        assert!(response.contains("\"method_not_allowed\""), "{method}: {response}");
    }
}

#[tokio::test]
async fn source_ip_ignores_forwarding_headers() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let forwarding_headers =
        ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip", "via"];
    let spoofing =
        forwarding_headers.iter().fold(stack.anonymous.clone(), |client, name| client.with_header(name, "203.0.113.9"));
    let activated = spoofing.activate(&license.license_key, "one").await.expect_status(201);
    assert_eq!(activated["activation"]["ip"], "127.0.0.1");
    for event in stack.license_events(&license.license_id).await {
        assert_eq!(event["ip"], "127.0.0.1");
    }
}

#[tokio::test]
async fn post_with_another_media_type_returns_415() {
    let stack = Stack::start().await;
    let build = |request: reqwest::RequestBuilder| request.header(CONTENT_TYPE, "text/plain").body("{}");
    let response = stack.operator.send(Method::POST, "products", build).await;
    response.expect_problem(415, "unsupported_media_type");
}
