//! The same routes as a function on Lambda has them: an event of API Gateway in, its answer out.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::io::Read;

use data_encoding::BASE64;
use flate2::read::GzDecoder;
use lambda_http::{Adapter, Context, LambdaEvent, Service, request::LambdaRequest};
use shared::http::middleware::with_middleware;
use signet_local::all_routes;
use signet_tests::{Stack, Value, json};

/// What API Gateway would be told.
async fn invoke(stack: &Stack, method: &str, path: &str, headers: Value, body: Option<&str>) -> Value {
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
        "body": body, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "licenses.example.com", "domainPrefix": "licenses",
            "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "15/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1_768_478_400_000_u64,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "t"},
        },
    });
    let payload: LambdaRequest = serde_json::from_value(event).unwrap();
    let (router, _) = all_routes().split_for_parts();
    let mut function = Adapter::from(with_middleware(router, &stack.local.app));
    let answer = function.call(LambdaEvent { payload, context: Context::default() }).await.unwrap();
    serde_json::to_value(answer).unwrap()
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn text_is_text_and_what_is_compressed_is_base64() {
    let stack = Stack::start().await;
    let document = stack.anonymous.get("/openapi.json").await;
    let plain = invoke(&stack, "GET", "/openapi.json", json!({}), None).await;
    assert_eq!((&plain["isBase64Encoded"], body(&plain)), (&json!(false), document.body.clone()));
    let refused = invoke(&stack, "GET", "/api/v1.0/products", json!({}), None).await;
    assert_eq!((&refused["isBase64Encoded"], &body(&refused)["code"]), (&json!(false), &json!("unauthenticated")));

    let zipped = invoke(&stack, "GET", "/openapi.json", json!({"accept-encoding": "gzip"}), None).await;
    assert_eq!((&zipped["isBase64Encoded"], &zipped["headers"]["content-encoding"]), (&json!(true), &json!("gzip")));
    let bytes = BASE64.decode(zipped["body"].as_str().unwrap().as_bytes()).unwrap();
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document.body);
}

#[tokio::test]
async fn no_header_is_lost_for_standing_twice() {
    let stack = Stack::start().await;
    let refused = invoke(&stack, "GET", "/api/v1.0/products", json!({"authorization": "Bearer x"}), None).await;
    let challenge = refused["headers"]["www-authenticate"].as_str().unwrap();
    assert!(challenge.contains("invalid_token") && challenge.ends_with("ApiKey header=\"X-Api-Key\""), "{challenge}");
    assert_eq!(refused["headers"]["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn the_source_ip_is_the_gateway_s_whatever_the_headers_say() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let asked = json!({"license_key": sold.license_key, "machine_id": "one"}).to_string();
    let headers =
        json!({"content-type": "application/json", "x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9"});
    let activated = invoke(&stack, "POST", "/api/v1.0/license-activations/activate", headers, Some(&asked)).await;
    assert_eq!((&activated["statusCode"], &body(&activated)["activation"]["ip"]), (&json!(201), &json!("192.0.2.7")));
}

#[tokio::test]
async fn head_and_too_much_are_answered_as_over_a_socket() {
    let stack = Stack::start().await;
    let head = invoke(&stack, "HEAD", "/.well-known/jwks.json", json!({}), None).await;
    let get = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!(head["headers"]["content-length"], get.header("content-length"));
    assert!(head["body"].as_str().unwrap_or_default().is_empty());
    let large = " ".repeat(64 * 1024 + 1);
    let answer = invoke(&stack, "POST", "/api/v1.0/license-keys/validate", json!({}), Some(&large)).await;
    assert_eq!((&answer["statusCode"], &body(&answer)["code"]), (&json!(413), &json!("body_too_large")));
}
