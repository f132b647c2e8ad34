//! CORS and `OPTIONS`.

use reqwest::{Method, header::HeaderMap};
use signet_local::Options;
use signet_tests::{Client, Stack};

use super::PUBLIC_PATHS;

const ALLOWED_ORIGIN: &str = "https://shop.example.com";

const OTHER_ORIGIN: &str = "https://evil.example.com";

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
        let exposed = sent["access-control-expose-headers"].to_str().unwrap();
        for name in ["etag", "idempotent-replayed", "ratelimit-remaining", "x-request-id"] {
            assert!(exposed.contains(name), "{path}: {exposed}");
        }
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
        (Method::PATCH, "customers/cus_x"),
        (Method::DELETE, "x"),
    ] {
        let (preflight, sent) = send_from_origin(&stack.operator, ALLOWED_ORIGIN, method.clone(), path).await;
        assert_eq!(preflight["access-control-allow-origin"], ALLOWED_ORIGIN, "{path}");
        let allowed = |name: &str| preflight[name].to_str().unwrap().to_lowercase();
        for method in ["get", "head", "post", "put", "patch", "delete"] {
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
