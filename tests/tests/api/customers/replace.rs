//! `PUT customers/{id}`.

use signet_tests::{Stack, Value, json, listed, merged, text};

use super::{invalid_fields, names};

#[tokio::test]
async fn replace_customer_returns_200_and_frees_the_old_email() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let created = operator.post("customers", json!({"name": "Ada", "email": "ada@example.com", "company": "AE"})).await;
    let (created, path) = (created.body.clone(), created.header("location").to_owned());
    stack.advance(5);
    let put = operator.put(&path, json!({"name": "Bob", "email": "bob@example.com"})).await;
    let changed =
        json!({"name": "Bob", "email": "bob@example.com", "company": null, "updated_at": "2026-01-15T12:00:05Z"});
    assert_eq!(put.clone().expect_status(200), merged(created, &changed));
    let read = operator.get(&path).await;
    assert_eq!((&read.text, read.header("etag")), (&put.text, put.header("etag")));
    assert_eq!(names(&operator.get("customers").await.expect_status(200)), ["Bob"]);
    // The old email address is available again, the new one is taken.
    let body = |email: &str| json!({"name": "Ada", "email": email});
    operator.post("customers", body("BOB@example.com")).await.expect_errors(409, &["/email email_taken"]);
    operator.post("customers", body("ada@example.com")).await.expect_status(201);
    // The customer's own address in another case is not a conflict.
    let put = operator.put(&path, json!({"name": "Bob", "email": "BOB@Example.com"})).await.expect_status(200);
    assert_eq!(put["email"], "BOB@Example.com");
    operator.post("customers", body("bob@example.com")).await.expect_errors(409, &["/email email_taken"]);
    let found = operator.get("customers?email=bob@example.com").await.expect_status(200);
    assert_eq!(found, json!({"items": [listed(&put)], "next_cursor": null}));
    // An address that was given up can be used again, also by its previous owner.
    operator.put(&path, body("x@example.com")).await.expect_status(200);
    operator.put(&path, body("bob@example.com")).await.expect_status(200);
}

#[tokio::test]
async fn replace_customer_returns_404_409_412_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (one, other) = (operator.create_customer().await, operator.create_customer().await);
    let path = format!("customers/{}", text(&one["id"]));
    let put = async |fields: &Value| operator.replace("customers", &one, fields).await;
    put(&json!({"email": other["email"]})).await.expect_errors(409, &["/email email_taken"]);
    put(&json!({"email": text(&other["email"]).to_uppercase()})).await.expect_errors(409, &["/email email_taken"]);
    for (change, errors) in invalid_fields() {
        put(&change).await.expect_errors(422, errors);
    }
    operator.put(&path, json!({"name": "Ada"})).await.expect_errors(422, &["/email invalid_value"]);
    assert_eq!(operator.get(&path).await.expect_status(200), one, "a rejected request changes nothing");

    let tag = operator.get(&path).await.header("etag").to_owned();
    operator
        .with_header("if-match", &tag)
        .replace("customers", &one, &json!({"name": "Second"}))
        .await
        .expect_status(200);
    let stale = operator.with_header("if-match", &tag).replace("customers", &one, &json!({"name": "Third"})).await;
    stale.expect_problem(412, "version_conflict");
    assert_eq!(operator.get(&path).await.expect_status(200)["name"], "Second");
    put(&json!({"name": "Third"})).await.expect_status(200);

    for id in [
        "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
        "x",
        text(&one["id"]).to_lowercase().as_str(),
        "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
    ] {
        operator.get(&format!("customers/{id}")).await.expect_problem(404, "not_found");
        operator
            .replace("customers", &json!({"id": id}), &json!({"name": "A", "email": "a@b.cd"}))
            .await
            .expect_problem(404, "not_found");
    }
    operator.post("customers", json!({"name": "A", "email": "a@b.cd"})).await.expect_status(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_replacements_return_200_or_with_if_match_one_200_and_otherwise_412() {
    let stack = Stack::start().await;
    let created = stack.operator.create_customer().await;
    let path = format!("customers/{}", text(&created["id"]));
    for with_tag in [true, false, true] {
        let tag = stack.operator.get(&path).await.header("etag").to_owned();
        let client = if with_tag { stack.operator.with_header("if-match", &tag) } else { stack.operator.clone() };
        let put = |number: usize| {
            let (client, created, fields) =
                (client.clone(), created.clone(), json!({"name": format!("Ada {number} {tag}")}));
            tokio::spawn(async move { client.replace("customers", &created, &fields).await.status })
        };
        let mut statuses = Vec::new();
        for task in (0..5).map(put).collect::<Vec<_>>() {
            statuses.push(task.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, if with_tag { [200, 412, 412, 412, 412] } else { [200; 5] });
    }
}
