//! Search and list orders of the dashboard, which have no API endpoint.

use licenses::find::{SearchResult, find};
use shared::{
    domain::Secret,
    store::{
        customers::CustomerFilter,
        licenses::{LicenseFilter, LicenseOrder},
        pagination::{ListError, Order, PageRequest},
    },
};
use signet_tests::{Stack, json, text};

/// Searches for a text. Asserts that the search makes at most three reads of single items.
async fn search(stack: &Stack, input: &str) -> SearchResult {
    stack.faults.reset_calls();
    let result = find(&stack.local.app.table, &Secret::new(input.to_owned())).await.unwrap();
    let calls = stack.faults.calls();
    assert!(calls.len() <= 3 && calls.iter().all(|call| call == "GetItem"), "{input}: {calls:?}");
    result
}

fn page_request(stack: &Stack, limit: usize, cursor: Option<&str>) -> PageRequest {
    PageRequest {
        limit,
        cursor: cursor.map(str::to_owned),
        key: stack.local.app.cursor_secret.as_ref().unwrap().cached().cursor_key(),
    }
}

#[tokio::test]
async fn find_returns_a_license_by_id_activation_and_present_or_past_key_string() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let activated = stack.operator.activate(&license.license_key, "a").await.expect_status(201);
    let regenerated = stack
        .operator
        .post(&format!("license-keys/{}/regenerate", license.license_id), json!({}))
        .await
        .expect_status(200);
    let expected = SearchResult::License(license.license_id.parse().unwrap());
    for input in [
        license.license_id.as_str(),
        text(&activated["activation"]["id"]),
        text(&regenerated["license_key"]),
        // Superseded key strings lead to the license too.
        &license.license_key,
        &format!(" {} ", license.license_key.to_lowercase().replace('-', " ")),
    ] {
        assert_eq!(search(&stack, input).await, expected, "{input}");
    }
}

#[tokio::test]
async fn find_returns_a_customer_by_id_or_email_and_nothing_for_unknown_text() {
    let (stack, other) = (Stack::start().await, Stack::start().await);
    let (customer, foreign) = (stack.operator.create_customer().await, other.operator.issue_new_license(1).await);
    let expected = SearchResult::Customer(text(&customer["id"]).parse().unwrap());
    assert_eq!(search(&stack, text(&customer["id"])).await, expected);
    assert_eq!(search(&stack, &text(&customer["email"]).to_uppercase()).await, expected);
    let activated = other.operator.activate(&foreign.license_key, "a").await.expect_status(201);
    let (id, machine) = (text(&foreign.customer["id"]), text(&activated["activation"]["id"]));
    let long = "a".repeat(20_000);
    for input in
        [&foreign.license_id, &foreign.license_key, id, machine, text(&foreign.customer["email"]), "Ada", "", &long]
    {
        assert_eq!(search(&stack, input).await, SearchResult::NotFound, "{input}");
    }
}

/// Lists the names of the customers whose names have this prefix, two per page.
async fn names_with_prefix(stack: &Stack, name: &str, order: Order) -> Vec<String> {
    let filter = CustomerFilter { name: name.to_owned(), order };
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = stack.local.app.table.customers(&filter, &page_request(stack, 2, cursor.as_deref())).await.unwrap();
        names.extend(page.items.into_iter().map(|customer| customer.name.unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return names;
        }
    }
}

#[tokio::test]
async fn customers_are_found_by_name_prefix_in_any_case_and_both_orders() {
    let stack = Stack::start().await;
    let all = ["Ada", "ada b", "ADAM", "Ad", "Bob", "Ὀδυσσεύς", "Κωσταντίνος", "Žofie", "100%", "ada_x"];
    for (number, name) in all.iter().enumerate() {
        let body = json!({ "name": name, "email": format!("a{number}@example.com") });
        stack.operator.post("customers", body).await.expect_status(201);
    }
    for (input, expected) in [
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
        assert_eq!(names_with_prefix(&stack, input, Order::Ascending).await, expected, "{input}");
        let reversed: Vec<_> = expected.iter().rev().copied().collect();
        assert_eq!(names_with_prefix(&stack, input, Order::Descending).await, reversed, "{input}");
    }
    assert_eq!(names_with_prefix(&stack, "", Order::Ascending).await.len(), all.len());
    // A prefix that is too long for a key condition is not sent to DynamoDB.
    stack.faults.reset_calls();
    assert!(names_with_prefix(&stack, &"a".repeat(2000), Order::Ascending).await.is_empty());
    assert!(stack.faults.calls().is_empty());
}

#[tokio::test]
async fn cursor_is_valid_only_for_its_own_filter_and_order() {
    let stack = Stack::start().await;
    for _ in 0..3 {
        stack.operator.issue_new_license(1).await;
    }
    let (table, now) = (&stack.local.app.table, stack.clock.now());
    let filter = |name: &str, order| CustomerFilter { name: name.to_owned(), order };
    let first = table.customers(&filter("ada", Order::Ascending), &page_request(&stack, 1, None)).await.unwrap();
    let next = page_request(&stack, 1, first.next.as_deref());
    table.customers(&filter("ADA", Order::Ascending), &next).await.unwrap();
    for other in [filter("ada", Order::Descending), filter("ad", Order::Ascending)] {
        assert!(matches!(table.customers(&other, &next).await, Err(ListError::Cursor(_))), "{other:?}");
    }
    let newest = LicenseFilter::default();
    let oldest = LicenseFilter { order: LicenseOrder::OldestFirst, ..LicenseFilter::default() };
    for (own, other) in [(&newest, &oldest), (&oldest, &newest)] {
        let page = table.licenses(own, now, &page_request(&stack, 1, None)).await.unwrap();
        let next = page_request(&stack, 1, page.next.as_deref());
        table.licenses(own, now, &next).await.unwrap();
        assert!(matches!(table.licenses(other, now, &next).await, Err(ListError::Cursor(_))), "{other:?}");
    }
}

#[tokio::test]
async fn licenses_are_listed_newest_or_oldest_first_for_all_or_one_customer() {
    let stack = Stack::start().await;
    let mut ids = Vec::new();
    let repeated = stack.operator.create_customer().await;
    for number in 0..5 {
        stack.advance(1);
        let product = stack.operator.create_product().await;
        let tier = stack.operator.create_tier(&product, &json!({})).await;
        let customer = if number % 2 == 0 { repeated.clone() } else { stack.operator.create_customer().await };
        ids.push(text(&stack.operator.issue(&customer, &tier, &json!({})).await["license"]["id"]).to_owned());
    }
    let own: Vec<String> = ids.iter().step_by(2).cloned().collect();
    for (customer_id, expected) in [(None, ids), (Some(text(&repeated["id"]).parse().unwrap()), own)] {
        for oldest_first in [true, false] {
            let order = if oldest_first { LicenseOrder::OldestFirst } else { LicenseOrder::NewestFirst };
            let filter = LicenseFilter { customer_id, order, ..LicenseFilter::default() };
            let mut listed = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let request = page_request(&stack, 2, cursor.as_deref());
                let page = stack.local.app.table.licenses(&filter, stack.clock.now(), &request).await.unwrap();
                listed.extend(page.items.iter().map(|license| license.id.to_string()));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            let reversed = expected.iter().rev().cloned().collect();
            assert_eq!(listed, if oldest_first { expected.clone() } else { reversed });
        }
    }
}
