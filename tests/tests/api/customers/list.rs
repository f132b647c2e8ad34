//! `GET customers`.

use signet_tests::{Stack, json, listed, text};

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
