//! `POST customers`.

use signet_tests::{Stack, json, merged, text};

use super::{invalid_fields, names};

#[tokio::test]
async fn create_customer_returns_201() {
    let stack = Stack::start().await;
    let minimal = stack.operator.post("customers", json!({"name": "Ada Lovelace", "email": "Ada@Example.com"})).await;
    let path = format!("/api/v1.0/customers/{}", text(&minimal.body["id"]));
    assert_eq!((minimal.status, minimal.header("location")), (201, &*path));
    let expected = json!({
        "id": minimal.body["id"], "name": "Ada Lovelace", "email": "Ada@Example.com", "company": null, "subject": null,
        "external_id": null, "metadata": {},
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z", "erased_at": null,
    });
    assert_eq!(minimal.body, expected);
    assert!(text(&minimal.body["id"]).starts_with("cus_"));
    let read = stack.operator.get(&path).await;
    assert_eq!((read.status, &read.text, read.header("etag")), (200, &minimal.text, minimal.header("etag")));
    assert_eq!(read.header("cache-control"), "no-store");
    assert!(read.header("access-control-allow-origin").is_empty());
    let all = json!({"name": "é".repeat(200), "email": "a.b+c@x-y.co.uk", "company": "é".repeat(200)});
    let created = stack.operator.post("customers", all.clone()).await.expect_status(201);
    assert_eq!(merged(created.clone(), &all), created);
}

#[tokio::test]
async fn create_customer_returns_409_and_422() {
    let stack = Stack::start().await;
    let valid = json!({"name": "Ada", "email": "ada@example.com"});
    for (change, errors) in invalid_fields() {
        stack.operator.post("customers", merged(valid.clone(), &change)).await.expect_errors(422, errors);
    }
    stack.operator.post("customers", json!({"name": "Ada"})).await.expect_errors(422, &["/email invalid_value"]);
    stack.operator.post("customers", json!({"email": "a@b.cd"})).await.expect_errors(422, &["/name invalid_value"]);
    assert_eq!(names(&stack.operator.get("customers").await.expect_status(200)), [""; 0]);
    stack.operator.post("customers", valid).await.expect_status(201);
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@example.Com"] {
        let response = stack.operator.post("customers", json!({"name": "Other", "email": email})).await;
        response.expect_errors(409, &["/email email_taken"]);
    }
    assert_eq!(names(&stack.operator.get("customers").await.expect_status(200)), ["Ada"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_with_one_email_return_one_201_and_otherwise_409() {
    let stack = Stack::start().await;
    for round in 0..5 {
        let post = |number: usize| {
            let email = if number.is_multiple_of(2) {
                format!("ada{round}@example.com")
            } else {
                format!("ADA{round}@Example.com")
            };
            let (client, body) = (stack.operator.clone(), json!({"name": "Ada", "email": email}));
            tokio::spawn(async move { client.post("customers", body).await })
        };
        let mut created = 0;
        for response in (0..6).map(post).collect::<Vec<_>>() {
            let response = response.await.unwrap();
            if response.status == 201 {
                created += 1;
            } else {
                response.expect_problem(409, "email_taken");
            }
        }
        assert_eq!(created, 1);
    }
    assert_eq!(names(&stack.operator.get("customers").await.expect_status(200)).len(), 5);
}
