//! Public documents, and the errors of the middleware.

use std::collections::BTreeSet;

use reqwest::{Method, header::CONTENT_TYPE};
use signet_tests::{Access, ROWS, Row, Stack, json};

#[tokio::test]
async fn jwks_returns_200_and_304() {
    let stack = Stack::start().await;
    let response = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("content-type"), "application/json");
    let tag = response.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");

    let unchanged = stack.anonymous.with_header("if-none-match", &tag).get("/.well-known/jwks.json").await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), tag);
    assert_eq!(unchanged.header("cache-control"), "public, max-age=300");
    assert_eq!(stack.anonymous.with_header("if-none-match", "\"old\"").get("/.well-known/jwks.json").await.status, 200);

    let body = response.expect_status(200);
    // The current key and the next one.
    assert_eq!(body["keys"].as_array().unwrap().len(), 2, "{body}");
    for key in body["keys"].as_array().unwrap() {
        let fields: BTreeSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(["alg", "e", "kid", "kty", "n", "use"]));
        assert_eq!([&key["kty"], &key["use"], &key["alg"], &key["e"]], ["RSA", "sig", "RS256", "AQAB"]);
    }
}

#[tokio::test]
async fn discovery_makes_no_calls_when_cached() {
    let stack = Stack::start().await;
    stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    stack.faults.reset_calls();
    stack.advance(299);
    stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    stack.anonymous.get("/.well-known/license-configuration").await.expect_status(200);
    stack.anonymous.get("/openapi.json").await.expect_status(200);
    stack.anonymous.get("/openapi-3.0.json").await.expect_status(200);
    assert_eq!(stack.faults.calls(), [""; 0]);
    stack.advance(1);
    stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    assert_eq!(stack.faults.calls(), ["Query"]);
}

#[tokio::test]
async fn license_configuration_returns_200() {
    let stack = Stack::start().await;
    let response = stack.anonymous.get("/.well-known/license-configuration").await;
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    let body = response.expect_status(200);
    let root = &stack.local.base_url;
    assert_eq!(body["issuer"], *root);
    assert_eq!(body["jwks_uri"], format!("{root}/.well-known/jwks.json"));
    assert_eq!(body["signed_jwks_uri"], format!("{root}/.well-known/jwks.jwt"));
    assert_eq!(body["api_version"], "1.0");
    assert_eq!(body["activation_endpoint"], format!("{root}/api/v1.0/license-activations/activate"));
    assert_eq!(body["token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(body["token_encryption_alg_values_supported"], json!(["RSA-OAEP"]));
    assert_eq!(body["token_encryption_enc_values_supported"], json!(["A256CBC-HS512"]));
}

#[tokio::test]
async fn openapi_documents_return_200() {
    let stack = Stack::start().await;
    for (path, version) in [("/openapi.json", "3.1.0"), ("/openapi-3.0.json", "3.0.3")] {
        let response = stack.anonymous.get(path).await;
        assert_eq!(response.header("content-type"), "application/json");
        assert_eq!(response.header("cache-control"), "public, max-age=300");
        assert!(!response.header("etag").is_empty());
        let body = response.expect_status(200);
        assert_eq!(body["openapi"], version);
        assert_eq!(body["info"]["title"], "Signet");
        assert_eq!(body["components"]["securitySchemes"]["api_key"]["name"], "X-Api-Key");
        assert!(body["paths"]["/.well-known/jwks.json"]["get"].is_object());
    }
}

#[tokio::test]
async fn llms_txt_links_to_every_public_document() {
    let stack = Stack::start().await;
    let response = stack.anonymous.get("/llms.txt").await;
    assert_eq!(response.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    assert!(response.text.starts_with("# Signet\n\n> "), "{}", response.text);
    let urls = response.text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let linked: BTreeSet<_> = urls.map(|url| url.strip_prefix(&stack.local.base_url).unwrap()).collect();
    let public = ROWS.iter().filter(|row| row.method() == Method::GET && row.access == Access::Public);
    let mut expected: BTreeSet<_> = public.map(Row::template).filter(|path| !path.contains('{')).collect();
    expected.remove("/llms.txt");
    expected.insert("/docs/integrate.md".to_owned());
    assert_eq!(linked, expected.iter().map(String::as_str).collect());
    for path in linked {
        assert_eq!(stack.anonymous.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn integration_guide_is_markdown_without_includes_and_relative_links() {
    let stack = Stack::start().await;
    let response = stack.anonymous.get("/docs/integrate.md").await;
    assert_eq!(response.header("content-type"), "text/markdown; charset=utf-8");
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    assert!(response.text.starts_with("# Integrate Signet"), "{}", response.text);
    assert!(response.text.contains("| response | what the app does |"), "{}", response.text);
    for unresolved in ["--8<--", "]("] {
        assert!(!response.text.contains(unresolved), "{unresolved}");
    }
}

#[tokio::test]
async fn unknown_paths_return_404() {
    let stack = Stack::start().await;
    for path in ["/nothing", "/.well-known/nothing", "/api", "/api/v1.0/nothing", "/api/v1/nothing", "/api/v1.0/"] {
        stack.operator.get(path).await.expect_problem(404, "not_found");
    }
    for path in ["/api/v2/products", "/api/v1.1/products", "/api/products", "/api/v0"] {
        let response = stack.operator.get(path).await;
        response.expect_problem(404, "version_unknown");
        assert_eq!(response.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn v1_is_an_alias_of_v1_0() {
    let stack = Stack::start().await;
    stack.operator.get("/api/v1/products?limit=1").await.expect_status(200);
    stack.operator.get("/api/v1/products?limit=0").await.expect_problem(422, "invalid_value");
}

#[tokio::test]
async fn other_methods_return_405() {
    let stack = Stack::start().await;
    let response = stack.operator.delete("/.well-known/jwks.json").await;
    response.expect_problem(405, "method_not_allowed");
    assert_eq!(response.header("allow"), "GET,HEAD");
    let response = stack.operator.delete("products").await;
    response.expect_problem(405, "method_not_allowed");
    assert_eq!(response.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn missing_or_invalid_api_key_returns_401() {
    let stack = Stack::start().await;
    let key = stack.local.operator_api_key.expose();
    let mut other = key.to_owned();
    other.replace_range(key.len() - 1.., if key.ends_with('0') { "1" } else { "0" });
    let none = stack.anonymous.get("products").await;
    none.expect_problem(401, "unauthenticated");
    let unknown = "signet_key_01JD8W0V5XK6Q3R7T2N4M8P9ZB_".to_owned() + &"0".repeat(64);
    for wrong in [other.as_str(), "", "x", &key.to_uppercase(), &unknown] {
        let response = stack.anonymous.with_api_key(wrong).get("products").await;
        response.expect_problem(401, "unauthenticated");
        assert!(!response.text.contains(key), "a response never contains an API key");
    }
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let stack = Stack::start().await;
    for path in ["/nothing", "/.well-known/jwks.json", "products"] {
        let response = stack.operator.get(path).await;
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert!(response.header("strict-transport-security").ends_with("preload"));
    }
}

#[tokio::test]
async fn invalid_bodies_return_400_413_and_415() {
    let stack = Stack::start().await;
    let send = async |media_type: &'static str, body: String| {
        let build = |request: reqwest::RequestBuilder| request.header(CONTENT_TYPE, media_type).body(body);
        stack.operator.send(Method::POST, "products", build).await
    };
    send("application/json", "{".to_owned()).await.expect_problem(400, "malformed_json");
    send("text/plain", "{}".to_owned()).await.expect_problem(415, "unsupported_media_type");
    send("application/json", " ".repeat(64 * 1024 + 1)).await.expect_problem(413, "body_too_large");
    send("application/json; charset=utf-8", "{}".to_owned()).await.expect_problem(422, "invalid_value");
}
