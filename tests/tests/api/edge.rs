//! What holds for every answer, whichever endpoint gives it.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

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

const PUBLIC: [&str; 4] = [
    "/.well-known/jwks.json",
    "/.well-known/jwks.jwt",
    "/.well-known/license-configuration",
    "/api/v1.0/products/catalog",
];
const SHOP: &str = "https://shop.example.com";
const OTHER: &str = "https://evil.example.com";

/// Answers of every kind.
async fn all_kinds(stack: &Stack) -> Vec<TestResponse> {
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
async fn every_answer_has_the_headers_that_protect_it() {
    let stack = Stack::start().await;
    let answers = all_kinds(&stack).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    for answer in &answers {
        let expect = |name: &str, value: &str| assert_eq!(answer.header(name), value, "{} {name}", answer.request);
        expect("x-content-type-options", "nosniff");
        expect("strict-transport-security", "max-age=63072000; includeSubDomains; preload");
        expect("referrer-policy", "no-referrer");
        expect("x-frame-options", "DENY");
        expect("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
        expect("permissions-policy", "camera=(), geolocation=(), microphone=()");
        let is_public = PUBLIC.iter().any(|path| path.ends_with(answer.request.trim_start_matches("GET ")));
        expect("cross-origin-resource-policy", if is_public { "cross-origin" } else { "same-origin" });
        for name in answer.headers.keys() {
            let lines = answer.headers.get_all(name).iter().count();
            assert_eq!(lines, 1, "{}: API Gateway would lose all but the first {name}", answer.request);
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 201, 204, 304, 401, 404, 405, 413, 415, 422]);
}

#[tokio::test]
async fn nothing_under_api_is_kept_but_the_catalog() {
    let stack = Stack::start().await;
    for answer in all_kinds(&stack).await {
        let kept = answer.header("cache-control").starts_with("public, max-age=");
        let may_be = ["/.well-known/jwks.json", "/openapi.json", "products/catalog"]
            .iter()
            .any(|path| answer.request == format!("GET {path}"));
        assert_eq!(kept, may_be, "{}: {}", answer.request, answer.header("cache-control"));
        assert!(kept || answer.header("cache-control") == "no-store", "{}", answer.request);
    }
    // Not even where it is refused.
    assert_eq!(stack.anonymous.delete("products/catalog").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_development_issuer_has_them_too() {
    let stack = Stack::start().await;
    let ask = "/dev/oidc/authorize?client_id=signet-dashboard&response_type=code&redirect_uri=http://localhost/&scope=openid\
               &code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let named = |request: reqwest::RequestBuilder| request.header("host", "rebound.example.com");
    for answer in [
        stack.anonymous.get(ask).await,
        stack.anonymous.get("/dev/oidc/jwks.json").await,
        stack.anonymous.send(Method::GET, ask, named).await,
    ] {
        for name in ["x-content-type-options", "referrer-policy", "x-frame-options", "content-security-policy"] {
            assert!(!answer.header(name).is_empty(), "{} {name}", answer.request);
        }
    }
    // Its page is one.
    let policy = stack.anonymous.get(ask).await.header("content-security-policy").to_owned();
    assert!(policy.contains("style-src") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn a_handler_that_panics_500() {
    async fn panics() -> &'static str {
        panic!("this is how it breaks")
    }
    let stack = Stack::start().await;
    let routes = axum::Router::new().route("/broken", axum::routing::get(panics));
    let answer = stack.serve_routes(routes, &stack.local.app).await.get("/broken").await;
    let body = answer.expect_problem(500, "internal_error");
    assert!(!body.to_string().contains("this is how"), "{body}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

/// What a page of this origin is told, before it sends and when it has sent.
async fn from_page(client: &Client, origin: &str, method: Method, path: &str) -> (HeaderMap, HeaderMap) {
    let ask = |request: reqwest::RequestBuilder| {
        let request = request.header("origin", origin).header("access-control-request-method", method.as_str());
        request.header("access-control-request-headers", "content-type,x-api-key")
    };
    let preflight = client.send(Method::OPTIONS, path, ask).await;
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
async fn pages_of_any_origin_read_what_is_public_and_no_more() {
    let stack = Stack::start().await;
    for path in PUBLIC {
        let (preflight, sent) = from_page(&stack.anonymous, OTHER, Method::GET, path).await;
        for headers in [&preflight, &sent] {
            assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
            assert!(!headers.contains_key("access-control-allow-credentials"), "{path}");
        }
        assert!(sent["access-control-expose-headers"].to_str().unwrap().contains("etag"), "{path}");
    }
    let refused = stack.anonymous.delete("products/catalog").await;
    assert_eq!(refused.header("access-control-allow-origin"), "*", "a page may read why not");
    for (method, path) in [
        (Method::GET, "products"),
        (Method::POST, "license-keys/validate"),
        (Method::GET, "/openapi.json"),
        (Method::GET, "/nothing"),
        (Method::GET, "/.well-known"),
    ] {
        let ask = |request: reqwest::RequestBuilder| {
            request.header("origin", OTHER).header("access-control-request-method", method.as_str())
        };
        let preflight = stack.operator.send(Method::OPTIONS, path, ask).await;
        assert_eq!(cors(&preflight.headers), [""; 0], "{path}");
        let sent = stack.operator.send(method, path, |request| request.header("origin", OTHER)).await;
        assert_eq!(cors(&sent.headers), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn pages_of_a_configured_origin_call_the_api() {
    let origins = vec![SHOP.parse().unwrap(), "http://localhost:5173".parse().unwrap()];
    let stack = Stack::start_with(Options { cors_origins: origins, ..Options::default() }).await;
    for (method, path) in [
        (Method::GET, "products"),
        (Method::POST, "customers"),
        (Method::PUT, "customers/cus_x"),
        (Method::DELETE, "x"),
    ] {
        let (preflight, sent) = from_page(&stack.operator, SHOP, method.clone(), path).await;
        assert_eq!(preflight["access-control-allow-origin"], SHOP, "{path}");
        let allowed = |name: &str| preflight[name].to_str().unwrap().to_lowercase();
        for word in ["get", "head", "post", "put", "delete"] {
            assert!(allowed("access-control-allow-methods").split(',').any(|own| own.trim() == word), "{word}");
        }
        for word in ["x-api-key", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match"] {
            assert!(allowed("access-control-allow-headers").split(',').any(|own| own.trim() == word), "{word}");
        }
        assert_eq!(preflight["access-control-max-age"], "7200");
        assert_eq!(preflight["vary"], "origin");
        // Also on a refusal, so that the page can tell it.
        assert_eq!(sent["access-control-allow-origin"], SHOP, "{path}");
        for word in ["etag", "location", "retry-after"] {
            assert!(sent["access-control-expose-headers"].to_str().unwrap().contains(word), "{word}");
        }
        assert!(sent["vary"].to_str().unwrap().contains("origin"));
        assert!(!sent.contains_key("access-control-allow-credentials"));

        for other in [OTHER, "https://shop.example.com.evil.example", "http://shop.example.com", "null"] {
            let (preflight, sent) = from_page(&stack.operator, other, method.clone(), path).await;
            for headers in [&preflight, &sent] {
                assert!(!headers.contains_key("access-control-allow-origin"), "{other}");
                assert!(headers["vary"].to_str().unwrap().contains("origin"), "a cache must not mix them up");
            }
        }
    }
    let (_, sent) = from_page(&stack.anonymous, SHOP, Method::GET, "/.well-known/jwks.json").await;
    assert_eq!(sent["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn options_204_with_allow() {
    let stack = Stack::start().await;
    let options = async |path: &str| stack.anonymous.send(Method::OPTIONS, path, |request| request).await;
    for (path, allow) in [
        ("products", "GET,HEAD,POST"),
        ("license-keys/validate", "POST"),
        ("products/catalog", "GET,HEAD"),
        ("api-keys/key_x", "GET,HEAD,DELETE"),
        ("/.well-known/jwks.json", "GET,HEAD"),
    ] {
        let answer = options(path).await;
        assert_eq!((answer.status, answer.text.as_str(), answer.header("allow")), (204, "", allow), "{path}");
    }
    assert_eq!(options("nothing").await.status, 404);
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let one = format!("products/{}", product["id"].as_str().unwrap());
    let paths = [one.as_str(), "products", "products/x", "products?limit=0", "/nothing", "/openapi.json"];
    for path in paths.into_iter().chain(PUBLIC) {
        for coding in ["identity", "gzip"] {
            let ask = |request: reqwest::RequestBuilder| request.header(ACCEPT_ENCODING, coding);
            let head = stack.operator.send(Method::HEAD, path, ask).await;
            assert_eq!(head.bytes.len(), 0, "{path}");
            let get = stack.operator.get(path).await;
            let told = |answer: &TestResponse| {
                let mut headers = answer.headers.clone();
                headers.remove("date");
                // Each request has a trace of its own, of one length.
                (answer.status, headers)
            };
            assert_eq!(told(&head), told(&get), "{path}");
            assert_eq!(head.header("content-length"), get.bytes.len().to_string(), "{path}");
        }
    }
    let head = stack.operator.send(Method::HEAD, "license-keys/validate", |request| request).await;
    assert_eq!((head.status, head.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn documents_304_by_etag() {
    let stack = Stack::start().await;
    stack.operator.create_product().await;
    for path in PUBLIC.into_iter().chain(["/openapi.json"]) {
        let answer = stack.anonymous.get(path).await;
        let tag = answer.header("etag").to_owned();
        assert!(tag.len() > 2 && tag.starts_with('"'), "{path}: {tag}");
        for seen in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let again = stack.anonymous.with_header("if-none-match", &seen).get(path).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path} {seen}");
            assert_eq!(again.header("etag"), tag, "{path}");
            assert_eq!(again.header("cache-control"), answer.header("cache-control"), "{path}");
            assert_eq!(again.header("content-type"), "", "{path}");
        }
        for other in ["\"x\"", "", tag.trim_matches('"')] {
            assert_eq!(stack.anonymous.with_header("if-none-match", other).get(path).await.status, 200, "{path}");
        }
    }
}

fn unzipped(answer: &TestResponse) -> Value {
    let mut text = String::new();
    GzDecoder::new(&answer.bytes[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_compressed_document_is_the_same_under_a_weak_etag() {
    let stack = Stack::start().await;
    let path = "/openapi.json";
    let plain = stack.anonymous.get(path).await;
    assert_eq!(plain.header("vary"), "accept-encoding");
    let zipping = stack.anonymous.with_header("accept-encoding", "br, gzip;q=0.5");
    let zipped = zipping.get(path).await;
    assert_eq!((zipped.status, zipped.header("content-encoding")), (200, "gzip"));
    assert!(zipped.bytes.len() < plain.bytes.len() / 4, "{} of {}", zipped.bytes.len(), plain.bytes.len());
    assert_eq!(unzipped(&zipped), plain.body);
    assert_eq!(zipped.header("vary"), "accept-encoding");
    assert_eq!(zipped.header("etag"), format!("W/{}", plain.header("etag")));
    for seen in [zipped.header("etag"), plain.header("etag")] {
        let again = zipping.with_header("if-none-match", seen).get(path).await;
        assert_eq!((again.status, again.header("etag"), again.bytes.len()), (304, zipped.header("etag"), 0));
        assert_eq!((again.header("content-encoding"), again.header("vary")), ("", "accept-encoding"));
    }
    for coding in ["br", "identity", "gzip;q=0", "", "identity;q=0", "*;q=0", "gzip;q=0, identity;q=0, *;q=0"] {
        let answer = stack.anonymous.with_header("accept-encoding", coding).get(path).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{coding}");
        assert_eq!(answer.bytes, plain.bytes, "{coding}");
    }
}

#[tokio::test]
async fn what_if_match_names_and_what_shows_a_secret_is_not_compressed() {
    let stack = Stack::start().await;
    let zipping = stack.operator.with_header("accept-encoding", "gzip");
    let long = "a".repeat(2000);
    let product = stack.operator.create_product_with(&json!({"description": long})).await;
    let path = format!("products/{}", product["id"].as_str().unwrap());
    let read = zipping.get(&path).await;
    assert_eq!((read.header("content-encoding"), &read.header("etag")[..1]), ("", "\""));
    let change = json!({"code": product["code"], "name": "B", "description": long});
    zipping.with_header("if-match", read.header("etag")).put(&path, change.clone()).await.expect_status(200);
    zipping
        .with_header("if-match", read.header("etag"))
        .put(&path, change)
        .await
        .expect_problem(412, "version_conflict");

    let list = zipping.get("products").await;
    assert_eq!(list.header("content-encoding"), "gzip");
    assert_eq!(unzipped(&list)["items"][0]["description"], long);
    let few = zipping.get("customers").await;
    assert_eq!((few.header("content-encoding"), few.body["items"].as_array().unwrap().len()), ("", 0));

    let sold = zipping.issue_new_license(1).await;
    let activated = zipping.activate(&sold.license_key, "one").await;
    assert!(activated.bytes.len() > 1024);
    assert_eq!(activated.header("content-encoding"), "");
}

/// Sends what no client would, and reads what comes back: the status, and the whole.
async fn raw(stack: &Stack, parts: &[&[u8]]) -> (u16, String) {
    let address: SocketAddr = stack.local.base_url.trim_start_matches("http://").parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in parts {
        // It may be answered, and closed, before all is sent.
        let _ = stream.write_all(part).await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer}")), answer)
}

#[tokio::test]
async fn a_body_over_64_kib_413_wherever_it_is_sent_and_however() {
    let stack = Stack::start().await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let chunked = async |request: &str, chunks: usize, last: &str| {
        let head = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
        raw(&stack, &[head.as_bytes(), chunk.repeat(chunks).as_bytes(), last.as_bytes()]).await
    };
    for request in [
        "POST /api/v1.0/license-keys/validate",
        "GET /.well-known/jwks.json",
        "GET /api/v1.0/products/catalog",
        "GET /nothing",
        "DELETE /api/v1.0/products",
    ] {
        let (status, answer) = chunked(request, 16, "1\r\n \r\n0\r\n\r\n").await;
        assert_eq!(status, 413, "{request}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("\"body_too_large\""), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
        let (status, answer) = chunked(request, 16, "0\r\n\r\n").await;
        assert_ne!(status, 413, "{request}: {answer}");
        let told = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n");
        let (status, answer) = raw(&stack, &[told.as_bytes(), " ".repeat(65_537).as_bytes()]).await;
        assert_eq!(status, 413, "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_path_with_a_slash_too_many_404() {
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
        let (status, answer) = raw(&stack, &[request.as_bytes()]).await;
        assert!(status == 404 && answer.contains("\"not_found\""), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_405() {
    let stack = Stack::start().await;
    for method in ["TRACE", "PATCH", "PROPFIND", "get", "SIGNET"] {
        let request = format!("{method} /api/v1.0/products HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (status, answer) = raw(&stack, &[request.as_bytes()]).await;
        assert!(status == 405 && answer.contains("allow: GET,HEAD,POST\r\n"), "{method}: {answer}");
        assert!(answer.contains("\"method_not_allowed\""), "{method}: {answer}");
    }
}

#[tokio::test]
async fn the_source_ip_is_the_socket_s_whatever_the_headers_say() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let lies =
        ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip", "via"];
    let liar = lies.iter().fold(stack.anonymous.clone(), |client, name| client.with_header(name, "203.0.113.9"));
    let activated = liar.activate(&sold.license_key, "one").await.expect_status(201);
    assert_eq!(activated["activation"]["ip"], "127.0.0.1");
    for event in stack.license_events(&sold.license_id).await {
        assert_eq!(event["ip"], "127.0.0.1");
    }
}

#[tokio::test]
async fn a_post_that_is_not_json_415() {
    let stack = Stack::start().await;
    let send = |request: reqwest::RequestBuilder| request.header(CONTENT_TYPE, "text/plain").body("{}");
    let answer = stack.operator.send(Method::POST, "products", send).await;
    answer.expect_problem(415, "unsupported_media_type");
}
