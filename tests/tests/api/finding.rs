//! What operators find by what they have of it, and lists that are turned round. No endpoint asks these; pages do.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use licenses::find::{Found, find};
use shared::{
    domain::Secret,
    store::{
        customers::CustomerFilter,
        licenses::LicenseFilter,
        pagination::{ListError, Order, PageRequest},
    },
};
use signet_tests::{Stack, json, text};

/// What a text names. It takes three reads at most, and never a list.
async fn found(stack: &Stack, typed: &str) -> Found {
    stack.faults.reset_calls();
    let found = find(&stack.local.app.table, &Secret::new(typed.to_owned())).await.unwrap();
    let calls = stack.faults.calls();
    assert!(calls.len() <= 3 && calls.iter().all(|call| call == "GetItem"), "{typed}: {calls:?}");
    found
}

fn paging(stack: &Stack, limit: usize, cursor: Option<&str>) -> PageRequest {
    PageRequest { limit, cursor: cursor.map(str::to_owned), key: stack.local.app.cursor_key() }
}

#[tokio::test]
async fn a_license_key_is_found_by_its_id_its_machines_and_every_key_string_that_it_had() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = stack.operator.activate(&sold.license_key, "a").await.expect_status(201);
    let new = stack
        .operator
        .post(&format!("license-keys/{}/regenerate", sold.license_id), json!({}))
        .await
        .expect_status(200);
    let license = Found::License(sold.license_id.parse().unwrap());
    for typed in [
        sold.license_id.as_str(),
        text(&activated["activation"]["id"]),
        text(&new["license_key"]),
        // Whoever reads out an old one is told what became of it.
        &sold.license_key,
        &format!(" {} ", sold.license_key.to_lowercase().replace('-', " ")),
    ] {
        assert_eq!(found(&stack, typed).await, license, "{typed}");
    }
}

#[tokio::test]
async fn a_customer_is_found_by_id_and_address_and_what_names_nothing_by_nothing() {
    let (stack, other) = (Stack::start().await, Stack::start().await);
    let (ada, stranger) = (stack.operator.create_customer().await, other.operator.issue_new_license(1).await);
    let customer = Found::Customer(text(&ada["id"]).parse().unwrap());
    assert_eq!(found(&stack, text(&ada["id"])).await, customer);
    assert_eq!(found(&stack, &text(&ada["email"]).to_uppercase()).await, customer);
    let activated = other.operator.activate(&stranger.license_key, "a").await.expect_status(201);
    let (id, machine) = (text(&stranger.customer["id"]), text(&activated["activation"]["id"]));
    let long = "a".repeat(20_000);
    for typed in
        [&stranger.license_id, &stranger.license_key, id, machine, text(&stranger.customer["email"]), "Ada", "", &long]
    {
        assert_eq!(found(&stack, typed).await, Found::Nothing, "{typed}");
    }
}

/// The names of those whose names begin so, two a page.
async fn named(stack: &Stack, name: &str, order: Order) -> Vec<String> {
    let filter = CustomerFilter { name: name.to_owned(), order };
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = stack.local.app.table.customers(&filter, &paging(stack, 2, cursor.as_deref())).await.unwrap();
        names.extend(page.items.into_iter().map(|customer| customer.name));
        cursor = page.next;
        if cursor.is_none() {
            return names;
        }
    }
}

#[tokio::test]
async fn customers_are_found_by_how_their_names_begin_whatever_the_case_both_ways_round() {
    let stack = Stack::start().await;
    let all = ["Ada", "ada b", "ADAM", "Ad", "Bob", "Ὀδυσσεύς", "Κωσταντίνος", "Žofie", "100%", "ada_x"];
    for (number, name) in all.iter().enumerate() {
        let body = json!({ "name": name, "email": format!("a{number}@example.com") });
        stack.operator.post("customers", body).await.expect_status(201);
    }
    for (typed, expected) in [
        ("ada", &["Ada", "ada b", "ada_x", "ADAM"][..]),
        ("ADA", &["Ada", "ada b", "ada_x", "ADAM"]),
        ("ada ", &["ada b"]),
        ("ada_", &["ada_x"]),
        ("ΚΩΣ", &["Κωσταντίνος"]),
        ("ὈΔΥΣΣΕΎΣ", &["Ὀδυσσεύς"]),
        ("žO", &["Žofie"]),
        ("%", &[]),
        ("1", &["100%"]),
        ("ada\u{1f}cus", &["Ada"]),
        ("\u{10ffff}", &[]),
    ] {
        assert_eq!(named(&stack, typed, Order::Ascending).await, expected, "{typed}");
        let turned: Vec<_> = expected.iter().rev().copied().collect();
        assert_eq!(named(&stack, typed, Order::Descending).await, turned, "{typed}");
    }
    assert_eq!(named(&stack, "", Order::Ascending).await.len(), all.len());
    // A key condition has no room for it: DynamoDB is not asked.
    stack.faults.reset_calls();
    assert!(named(&stack, &"a".repeat(2000), Order::Ascending).await.is_empty());
    assert!(stack.faults.calls().is_empty());
}

#[tokio::test]
async fn a_cursor_goes_on_in_its_own_order_and_under_its_own_name_alone() {
    let stack = Stack::start().await;
    for _ in 0..3 {
        stack.operator.issue_new_license(1).await;
    }
    let (table, now) = (&stack.local.app.table, stack.clock.now());
    let filter = |name: &str, order| CustomerFilter { name: name.to_owned(), order };
    let first = table.customers(&filter("ada", Order::Ascending), &paging(&stack, 1, None)).await.unwrap();
    let next = paging(&stack, 1, first.next.as_deref());
    table.customers(&filter("ADA", Order::Ascending), &next).await.unwrap();
    for other in [filter("ada", Order::Descending), filter("ad", Order::Ascending)] {
        assert!(matches!(table.customers(&other, &next).await, Err(ListError::Cursor(_))), "{other:?}");
    }
    let newest = LicenseFilter::default();
    let oldest = LicenseFilter { oldest_first: true, ..LicenseFilter::default() };
    for (own, other) in [(&newest, &oldest), (&oldest, &newest)] {
        let page = table.licenses(own, now, &paging(&stack, 1, None)).await.unwrap();
        let next = paging(&stack, 1, page.next.as_deref());
        table.licenses(own, now, &next).await.unwrap();
        assert!(matches!(table.licenses(other, now, &next).await, Err(ListError::Cursor(_))), "{other:?}");
    }
}

#[tokio::test]
async fn license_keys_come_newest_first_or_oldest_first_all_of_them_or_a_customer_s() {
    let stack = Stack::start().await;
    let mut ids = Vec::new();
    let ada = stack.operator.create_customer().await;
    for number in 0..5 {
        stack.advance(1);
        let product = stack.operator.create_product().await;
        let tier = stack.operator.create_tier(&product, &json!({})).await;
        let customer = if number % 2 == 0 { ada.clone() } else { stack.operator.create_customer().await };
        ids.push(text(&stack.operator.issue(&customer, &tier, &json!({})).await["license"]["id"]).to_owned());
    }
    let own: Vec<String> = ids.iter().step_by(2).cloned().collect();
    for (customer_id, expected) in [(None, ids), (Some(text(&ada["id"]).parse().unwrap()), own)] {
        for oldest_first in [true, false] {
            let filter = LicenseFilter { customer_id, oldest_first, ..LicenseFilter::default() };
            let mut shown = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let place = paging(&stack, 2, cursor.as_deref());
                let page = stack.local.app.table.licenses(&filter, stack.clock.now(), &place).await.unwrap();
                shown.extend(page.items.iter().map(|license| license.id.to_string()));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            let turned = expected.iter().rev().cloned().collect();
            assert_eq!(shown, if oldest_first { expected.clone() } else { turned });
        }
    }
}
