//! Customers: create, get, replace and list.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use signet_tests::{Stack, Value, json, merged, text};

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|row| text(&row["name"])).collect()
}

/// Returns invalid fields, with their errors.
fn invalid_fields() -> Vec<(Value, &'static [&'static str])> {
    let mut cases: Vec<(Value, &'static [&'static str])> = Vec::new();
    for name in [json!(""), json!("  "), json!("a\tb"), json!("a".repeat(201)), json!(5), Value::Null] {
        cases.push((json!({"name": name}), &["/name invalid_value"]));
    }
    let long = format!("{}@example.com", "a".repeat(65));
    for email in
        ["", "ada", "ada@", "@example.com", "ada@localhost", "a b@example.com", "а@example.com", "a@b@c.de", &long]
    {
        cases.push((json!({"email": email}), &["/email invalid_value"]));
    }
    for company in [json!(""), json!(" "), json!("a".repeat(201)), json!({})] {
        cases.push((json!({"company": company}), &["/company invalid_value"]));
    }
    cases.push((json!({"subject": "1234"}), &["/subject unknown_field"]));
    cases.push((json!({"e-mail": "x"}), &["/e-mail unknown_field"]));
    let all: &[&str] = &["/name invalid_value", "/email invalid_value", "/company invalid_value"];
    cases.push((json!({"name": "", "email": "", "company": ""}), all));
    cases
}

#[tokio::test]
async fn create_customer_returns_201() {
    let stack = Stack::start().await;
    let minimal = stack.operator.post("customers", json!({"name": "Ada Lovelace", "email": "Ada@Example.com"})).await;
    let path = format!("/api/v1.0/customers/{}", text(&minimal.body["id"]));
    assert_eq!((minimal.status, minimal.header("location")), (201, &*path));
    let expected = json!({
        "id": minimal.body["id"], "name": "Ada Lovelace", "email": "Ada@Example.com", "company": null, "subject": null,
        "created_at": "2026-01-15T12:00:00Z", "updated_at": "2026-01-15T12:00:00Z",
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
    assert_eq!(found, json!({"items": [put], "next_cursor": null}));
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

#[tokio::test]
async fn list_customers_returns_pages_sorted_by_name() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let create = async |name: &str, number: usize| {
        operator
            .post("customers", json!({"name": name, "email": format!("c{number}@example.com")}))
            .await
            .expect_status(201);
    };
    for (number, name) in ["dora", "Bob", "ada", "Émile", "Carl", "bob", "Ada B"].into_iter().enumerate() {
        create(name, number).await;
    }
    let list = operator.get("customers").await.expect_status(200);
    let found = names(&list);
    assert_eq!((found[0], found[1], found[4], found[5], found[6]), ("ada", "Ada B", "Carl", "dora", "Émile"));
    let first = operator.get("customers?limit=3").await.expect_status(200);
    let mut listed: Vec<String> = names(&first).into_iter().map(str::to_owned).collect();
    create("Aaron", 10).await;
    create("Bobby", 11).await;
    let mut cursor = text(&first["next_cursor"]).to_owned();
    loop {
        let page = operator.get(&format!("customers?limit=2&cursor={cursor}")).await.expect_status(200);
        listed.extend(names(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    listed[2..4].sort_unstable();
    assert_eq!(listed, ["ada", "Ada B", "Bob", "bob", "Bobby", "Carl", "dora", "Émile"]);
}

#[tokio::test]
async fn list_customers_by_email_returns_200_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (one, _) = (operator.create_customer().await, operator.create_customer().await);
    let email = text(&one["email"]);
    for spelling in [email, &email.to_uppercase()] {
        let found = operator.get(&format!("customers?email={spelling}")).await.expect_status(200);
        assert_eq!(found, json!({"items": [one], "next_cursor": null}));
    }
    for unknown in ["nobody@example.com", "x", "%00"] {
        let found = operator.get(&format!("customers?email={unknown}")).await.expect_status(200);
        assert_eq!(found, json!({"items": [], "next_cursor": null}));
    }
    let cursor = operator.get("customers?limit=1").await.expect_status(200)["next_cursor"].clone();
    let mixed = format!("customers?email={email}&cursor={}", text(&cursor));
    operator.get(&mixed).await.expect_errors(422, &["cursor cursor_invalid"]);
    operator.get("customers?cursor=x").await.expect_errors(422, &["cursor cursor_invalid"]);
    operator.get("customers?name=Ada").await.expect_errors(422, &["name unknown_field"]);
    for limit in ["0", "101", "x"] {
        operator.get(&format!("customers?limit={limit}")).await.expect_errors(422, &["limit invalid_value"]);
    }
}
