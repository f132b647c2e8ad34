//! Limits and forms of requests.

use std::net::SocketAddr;

use reqwest::{Method, header::CONTENT_TYPE};
use signet_tests::Stack;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
    // Not behind CloudFront, as which the client cannot pose.
    let spoofing =
        spoofing.with_header("cloudfront-viewer-address", "203.0.113.9:46532").with_header("x-signet-origin", "any");
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
