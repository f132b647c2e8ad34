//! Compressed responses.

use std::io::Read;

use flate2::read::GzDecoder;
use signet_tests::{Stack, TestResponse, Value, json};

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
