//! The routes behind the Lambda adapter: an API Gateway event in, an API Gateway response out.

use std::io::Read;

use data_encoding::BASE64;
use flate2::read::GzDecoder;
use lambda_http::{Adapter, Context, LambdaEvent, Service, request::LambdaRequest};
use shared::{app::with_middleware, domain::Secret, secrets::OriginSecret};
use signet_local::all_routes;
use signet_tests::{Stack, Value, json};

/// Invokes the routes with an API Gateway event and returns the response that API Gateway receives.
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
    let router = all_routes();
    let mut function = Adapter::from(with_middleware(router, &stack.local.app));
    let response = function.call(LambdaEvent { payload, context: Context::default() }).await.unwrap();
    serde_json::to_value(response).unwrap()
}

fn body(response: &Value) -> Value {
    serde_json::from_str(response["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn text_bodies_are_plain_and_compressed_bodies_are_base64() {
    let stack = Stack::start().await;
    let document = stack.anonymous.get("/openapi.json").await;
    let plain = invoke(&stack, "GET", "/openapi.json", json!({}), None).await;
    assert_eq!((&plain["isBase64Encoded"], body(&plain)), (&json!(false), document.body.clone()));
    let rejected = invoke(&stack, "GET", "/api/v1.0/products", json!({}), None).await;
    assert_eq!((&rejected["isBase64Encoded"], &body(&rejected)["code"]), (&json!(false), &json!("unauthenticated")));

    let compressed = invoke(&stack, "GET", "/openapi.json", json!({"accept-encoding": "gzip"}), None).await;
    assert_eq!(
        (&compressed["isBase64Encoded"], &compressed["headers"]["content-encoding"]),
        (&json!(true), &json!("gzip"))
    );
    let bytes = BASE64.decode(compressed["body"].as_str().unwrap().as_bytes()).unwrap();
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document.body);
}

#[tokio::test]
async fn repeated_headers_are_joined() {
    let stack = Stack::start().await;
    let rejected = invoke(&stack, "GET", "/api/v1.0/products", json!({"authorization": "Bearer x"}), None).await;
    let challenge = rejected["headers"]["www-authenticate"].as_str().unwrap();
    assert!(challenge.contains("invalid_token") && challenge.ends_with("ApiKey header=\"X-Api-Key\""), "{challenge}");
    assert_eq!(rejected["headers"]["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn the_client_address_comes_from_the_event_and_not_from_headers() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let request = json!({"license_key": license.license_key, "machine_id": "one"}).to_string();
    let headers = json!({
        "content-type": "application/json", "x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9",
        "cloudfront-viewer-address": "203.0.113.9:46532", "x-signet-origin": "any",
    });
    let activated = invoke(&stack, "POST", "/api/v1.0/license-activations/activate", headers, Some(&request)).await;
    assert_eq!((&activated["statusCode"], &body(&activated)["activation"]["ip"]), (&json!(201), &json!("192.0.2.7")));
}

#[tokio::test]
async fn behind_cloudfront_the_client_address_is_the_one_that_it_reports_with_the_secret() {
    let mut stack = Stack::start().await;
    stack.local.app.origin_secret = Some(OriginSecret::fixed(Secret::new("7".repeat(64))));
    let license = stack.operator.issue_new_license(1).await;
    let request = json!({"license_key": license.license_key, "machine_id": "one"}).to_string();
    let activate = async |secret: &str| {
        let headers = json!({
            "content-type": "application/json", "cloudfront-viewer-address": "203.0.113.9:46532",
            "x-signet-origin": secret,
        });
        invoke(&stack, "POST", "/api/v1.0/license-activations/activate", headers, Some(&request)).await
    };
    let refused = activate(&"8".repeat(64)).await;
    assert_eq!((&refused["statusCode"], &body(&refused)["code"]), (&json!(403), &json!("direct_access_denied")));
    let activated = activate(&"7".repeat(64)).await;
    assert_eq!((&activated["statusCode"], &body(&activated)["activation"]["ip"]), (&json!(201), &json!("203.0.113.9")));
}

#[tokio::test]
async fn head_requests_and_large_bodies_behave_as_over_http() {
    let stack = Stack::start().await;
    let head = invoke(&stack, "HEAD", "/.well-known/jwks.json", json!({}), None).await;
    let get = stack.anonymous.get("/.well-known/jwks.json").await;
    assert_eq!(head["headers"]["content-length"], get.header("content-length"));
    assert!(head["body"].as_str().unwrap_or_default().is_empty());
    let large = " ".repeat(64 * 1024 + 1);
    let response = invoke(&stack, "POST", "/api/v1.0/license-keys/validate", json!({}), Some(&large)).await;
    assert_eq!((&response["statusCode"], &body(&response)["code"]), (&json!(413), &json!("body_too_large")));
}
