//! `POST`, `GET` and `DELETE webhook-endpoints`.

use shared::domain::{Scope, webhooks::AddressPolicy};
use signet_local::{Options, WebhookOptions};
use signet_tests::{Stack, Value, json, merged, text};

fn valid() -> Value {
    json!({"url": "https://example.com/webhooks", "event_types": ["license.*"]})
}

#[tokio::test]
async fn create_returns_201_with_the_secret_only_once() {
    let stack = Stack::start().await;
    let body = json!({
        "url": "https://example.com/webhooks?a=b", "event_types": ["license.*", "activation.created", "license.*"],
        "description": "Billing",
    });
    let response = stack.operator.post("webhook-endpoints", body).await;
    let (location, etag) = (response.header("location").to_owned(), response.header("etag").to_owned());
    assert_eq!((response.header("cache-control"), etag.is_empty()), ("no-store", false));
    let created = response.expect_status(201);
    let secret = text(&created["secret"]);
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let expected = json!({
        "id": created["id"], "url": "https://example.com/webhooks?a=b",
        "event_types": ["license.*", "activation.created"], "description": "Billing", "is_active": true,
        "disabled_reason": null, "disabled_at": null, "failing_since": null, "previous_secret_expires_at": null,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
    });
    assert_eq!(created, merged(expected.clone(), &json!({"secret": secret})));
    assert_eq!(location, format!("/api/v1.0/webhook-endpoints/{}", text(&created["id"])));
    let read = stack.operator.get(&location).await;
    assert!(!read.header("etag").is_empty());
    assert_eq!(read.expect_status(200), expected);
    let list = stack.operator.get("webhook-endpoints").await.expect_status(200);
    assert_eq!(list, json!({"items": [expected], "next_cursor": null}));
}

#[tokio::test]
async fn repeated_creation_with_an_idempotency_key_returns_the_same_secret() {
    let stack = Stack::start().await;
    let once = stack.operator.with_header("idempotency-key", "once");
    let first = once.post("webhook-endpoints", valid()).await;
    let second = once.post("webhook-endpoints", valid()).await;
    assert_eq!((second.header("idempotent-replayed"), &second.text), ("true", &first.text));
    let list = stack.operator.get("webhook-endpoints").await.expect_status(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn create_returns_422_for_invalid_fields() {
    let stack = Stack::start().await;
    let long = format!("https://example.com/{}", "a".repeat(2048));
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({"url": null}), &["/url invalid_value"]),
        (json!({"url": ""}), &["/url invalid_value"]),
        (json!({"url": "example.com"}), &["/url invalid_value"]),
        (json!({"url": long}), &["/url invalid_value"]),
        (json!({"url": "http://example.com"}), &["/url invalid_value"]),
        (json!({"url": "https://user:password@example.com"}), &["/url invalid_value"]),
        (json!({"url": "https://example.com:0"}), &["/url invalid_value"]),
        (json!({"url": "https://example.com:65536"}), &["/url invalid_value"]),
        (json!({"url": "https://example.com/#a"}), &["/url invalid_value"]),
        (json!({"url": "https://10.0.0.1/"}), &["/url invalid_value"]),
        (json!({"url": "https://169.254.169.254/"}), &["/url invalid_value"]),
        (json!({"url": "https://[fd00:ec2::254]/"}), &["/url invalid_value"]),
        (json!({"url": "https://[::ffff:192.168.0.1]/"}), &["/url invalid_value"]),
        (json!({"event_types": []}), &["/event_types invalid_value"]),
        (json!({"event_types": vec!["*"; 51]}), &["/event_types invalid_value"]),
        (json!({"event_types": "*"}), &["/event_types invalid_value"]),
        (json!({"event_types": ["*", 5]}), &["/event_types/1 invalid_value"]),
        (json!({"event_types": ["license.sold"]}), &["/event_types/0 invalid_value"]),
        (json!({"event_types": ["licence.*"]}), &["/event_types/0 invalid_value"]),
        (
            json!({"event_types": ["license", "*", "License.*", "a.b.c"]}),
            &["/event_types/0 invalid_value", "/event_types/2 invalid_value", "/event_types/3 invalid_value"],
        ),
        (json!({"description": "a".repeat(501)}), &["/description invalid_value"]),
        (json!({"description": "a\u{200b}"}), &["/description invalid_value"]),
        (json!({"is_active": "yes"}), &["/is_active invalid_value"]),
        (json!({"secret": "whsec_AAAA"}), &["/secret unknown_field"]),
        (json!({"url": "", "event_types": []}), &["/url invalid_value", "/event_types invalid_value"]),
    ];
    for (change, errors) in cases {
        stack.operator.post("webhook-endpoints", merged(valid(), &change)).await.expect_errors(422, errors);
    }
    stack
        .operator
        .post("webhook-endpoints", json!({"url": "https://example.com"}))
        .await
        .expect_problem(422, "invalid_value");
    assert_eq!(stack.operator.get("webhook-endpoints").await.expect_status(200)["items"], json!([]));
}

#[tokio::test]
async fn urls_of_this_machine_are_accepted_only_on_one_machine() {
    let local = Stack::start().await;
    let addresses = AddressPolicy::Public;
    let webhooks = WebhookOptions { addresses, ..WebhookOptions::default() };
    let deployed = Stack::start_with(Options { webhooks, ..Options::default() }).await;
    for url in ["http://127.0.0.1:8080/", "http://localhost/", "https://[::1]:1/", "https://localhost./"] {
        let body = merged(valid(), &json!({"url": url}));
        local.operator.post("webhook-endpoints", body.clone()).await.expect_status(201);
        deployed.operator.post("webhook-endpoints", body).await.expect_errors(422, &["/url invalid_value"]);
    }
}

#[tokio::test]
async fn list_returns_endpoints_in_pages_oldest_first() {
    let stack = Stack::start().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        stack.advance(1);
        let created = stack.operator.create_webhook_endpoint(&format!("https://example.com/{number}")).await;
        ids.push(created["id"].clone());
    }
    let first = stack.operator.get("webhook-endpoints?limit=2").await.expect_status(200);
    let found: Vec<_> = first["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(found, ids[..2]);
    let path = format!("webhook-endpoints?limit=2&cursor={}", text(&first["next_cursor"]));
    let second = stack.operator.get(&path).await.expect_status(200);
    assert_eq!((&second["items"][0]["id"], &second["next_cursor"]), (&ids[2], &Value::Null));
}

#[tokio::test]
async fn delete_returns_204_and_then_the_endpoint_does_not_exist() {
    let stack = Stack::start().await;
    stack.operator.create_product().await;
    let created = stack.operator.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}", text(&created["id"]));
    let reader = stack.client_with_scopes(&[Scope::WebhooksRead]).await;
    reader.delete(&path).await.expect_problem(403, "forbidden");
    stack.advance(1);
    assert_eq!(stack.operator.delete(&path).await.status, 204);
    for response in [
        stack.operator.get(&path).await,
        stack.operator.delete(&path).await,
        stack.operator.patch(&path, json!({"description": null})).await,
        stack.operator.post(&format!("{path}/rotate-secret"), json!({})).await,
        stack.operator.post(&format!("{path}/test"), json!({})).await,
        stack.operator.get(&format!("{path}/deliveries")).await,
        stack.operator.post(&format!("{path}/replay"), json!({"since": "2026-01-15T12:00:00Z"})).await,
    ] {
        response.expect_problem(404, "not_found");
    }
    assert_eq!(stack.operator.get("webhook-endpoints").await.expect_status(200)["items"], json!([]));
    let events = stack.operator.get("events?limit=1").await.expect_status(200);
    let data = json!({"url": "https://example.com/webhooks", "event_types": ["license.*"], "is_active": true});
    assert_eq!((&events["items"][0]["type"], &events["items"][0]["data"]), (&json!("webhook_endpoint.deleted"), &data));
}

#[tokio::test]
async fn read_scope_does_not_write_and_write_scope_does_not_read() {
    let stack = Stack::start().await;
    let writer = stack.client_with_scopes(&[Scope::WebhooksWrite]).await;
    let created = writer.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}", text(&created["id"]));
    writer.get(&path).await.expect_problem(403, "forbidden");
    writer.get(&format!("{path}/deliveries")).await.expect_problem(403, "forbidden");
    let delivery = writer.post(&format!("{path}/test"), json!({})).await.expect_status(200);
    let retry = format!("webhook-deliveries/{}/retry", text(&delivery["id"]));
    writer.post(&retry, json!({})).await.expect_status(200);
    let reader = stack.client_with_scopes(&[Scope::WebhooksRead]).await;
    reader.get(&format!("{path}/deliveries")).await.expect_status(200);
    reader.post(&retry, json!({})).await.expect_problem(403, "forbidden");
}
