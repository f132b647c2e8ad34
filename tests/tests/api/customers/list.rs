//! `GET customers`.

use signet_tests::{Stack, Value, json, listed, text};

use super::names;

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
async fn list_customers_by_external_id_or_prefix_returns_200_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    for (name, email, external_id) in [
        ("Ada", "one@example.com", json!("crm 1")),
        ("Bob", "ADA.b@example.com", json!("crm 2")),
        ("Adam", "adam@example.com", Value::Null),
        ("Carl", "adele@example.com", Value::Null),
        ("Dora", "dora@example.com", Value::Null),
    ] {
        let body = json!({"name": name, "email": email, "external_id": external_id});
        operator.post("customers", body).await.expect_status(201);
    }
    let list = async |query: &str| operator.get(&format!("customers?{query}")).await.expect_status(200);
    for (query, expected) in [
        ("external_id=crm%202", &["Bob"][..]),
        ("external_id=CRM%202", &[]),
        ("q=ad", &["Ada", "Adam", "Bob", "Carl"]),
        ("q=ADA", &["Ada", "Adam", "Bob"]),
        ("q=ada.b%40", &["Bob"]),
        ("q=x", &[]),
        ("q=ada&external_id=crm%202", &["Bob"]),
        ("q=dora&external_id=crm%202", &[]),
        ("q=ada&email=ada.b@example.com", &["Bob"]),
        ("external_id=crm%201&email=ada.b@example.com", &[]),
    ] {
        assert_eq!(names(&list(query).await), expected, "{query}");
    }
    assert_eq!(names(&list(&format!("q={}", "a".repeat(255))).await), [""; 0]);
    for limit in 1..5 {
        let (mut found, mut more) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("q=ad&limit={limit}{more}")).await;
            assert!(names(&page).len() <= limit);
            found.extend(names(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => more = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, ["Ada", "Adam", "Bob", "Carl"], "{limit}");
    }
    let page = list("q=ad&limit=1").await;
    let mixed = format!("customers?q=a&limit=1&cursor={}", text(&page["next_cursor"]));
    operator.get(&mixed).await.expect_errors(422, &["cursor cursor_invalid"]);
    // A change of the email address moves the customer.
    let bob = list("q=ada.b").await["items"][0].clone();
    operator
        .patch(&format!("customers/{}", text(&bob["id"])), json!({"email": "b@example.com"}))
        .await
        .expect_status(200);
    assert_eq!(names(&list("q=ad").await), ["Ada", "Adam", "Carl"]);
}

#[tokio::test]
async fn list_customers_by_email_returns_200_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let (one, _) = (operator.create_customer().await, operator.create_customer().await);
    let email = text(&one["email"]);
    for spelling in [email, &email.to_uppercase()] {
        let found = operator.get(&format!("customers?email={spelling}")).await.expect_status(200);
        assert_eq!(found, json!({"items": [listed(&one)], "next_cursor": null}));
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
