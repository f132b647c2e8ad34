//! The filters of the list of events.

use shared::domain::Scope;
use signet_tests::{Stack, Value, json, text};

/// Lists all pages of events with a query, newest first. Asserts that no page is longer than `limit`.
async fn list(stack: &Stack, query: &str, limit: usize) -> Vec<Value> {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    for _ in 0..200 {
        let page = stack.operator.get(&format!("events?limit={limit}{query}{cursor}")).await.expect_status(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        events.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return events,
        }
    }
    panic!("{query}: too many pages");
}

/// Returns the events of a history of several days: those of a product, a customer, license keys and machines.
async fn history(stack: &Stack) -> Vec<Value> {
    for day in 0..3 {
        let license = stack.operator.issue_new_license(1).await;
        stack.advance(60);
        stack.anonymous.activate(&license.license_key, "m1").await.expect_status(201);
        for _ in 0..4 {
            stack.advance(600);
            for verb in ["suspend", "reinstate"] {
                let path = format!("license-keys/{}/{verb}", license.license_id);
                stack.operator.post(&path, json!({})).await.expect_status(200);
                stack.advance(1);
            }
        }
        stack.advance(86_400 * (day + 1));
    }
    list(stack, "", 100).await
}

fn matching(events: &[Value], matches: impl Fn(&Value) -> bool) -> Vec<Value> {
    events.iter().filter(|event| matches(event)).cloned().collect()
}

#[tokio::test]
async fn list_events_filters_by_type_subject_and_time() {
    let stack = Stack::start().await;
    let all = history(&stack).await;
    let license = matching(&all, |event| event["type"] == "license.issued").remove(0)["subject"]["id"].clone();
    let activation = matching(&all, |event| event["type"] == "activation.created").remove(0)["subject"]["id"].clone();
    let (since, until) = (&all[all.len() - 20]["at"], &all[8]["at"]);
    let is_type = |kind: &'static str| move |event: &Value| event["type"] == kind;
    let within = |event: &Value| text(&event["at"]) >= text(since) && text(&event["at"]) <= text(until);
    let about = |id: &Value, event: &Value| event["subject"]["id"] == *id;
    let cases: [(String, Vec<Value>); 8] = [
        ("&type=license.suspended".to_owned(), matching(&all, is_type("license.suspended"))),
        ("&type=license.*".to_owned(), matching(&all, |event| text(&event["type"]).starts_with("license."))),
        ("&type=signing_key.*".to_owned(), matching(&all, |event| text(&event["type"]).starts_with("signing_key."))),
        (format!("&subject_id={}", text(&license)), matching(&all, |event| about(&license, event))),
        (format!("&subject_id={}", text(&activation)), matching(&all, |event| about(&activation, event))),
        (format!("&since={}&until={}", text(since), text(until)), matching(&all, within)),
        (
            format!("&type=license.suspended&since={}&until={}", text(since), text(until)),
            matching(&all, |event| is_type("license.suspended")(event) && within(event)),
        ),
        (
            format!("&type=license.reinstated&subject_id={}&since={}", text(&license), text(until)),
            matching(&all, |event| {
                is_type("license.reinstated")(event) && about(&license, event) && text(&event["at"]) >= text(until)
            }),
        ),
    ];
    for (query, expected) in cases {
        assert!(!expected.is_empty() && expected.len() < all.len(), "{query}");
        for limit in [1, 3, 100] {
            assert_eq!(list(&stack, &query, limit).await, expected, "{query}, {limit} a page");
        }
    }
    let unknown = format!("&subject_id={}", text(&all[0]["id"]).replace("evt_", "cus_"));
    let reversed = format!("&since={}&until={}", text(until), text(since));
    let before_the_epoch = format!("&subject_id={}&since={}&until=1032-10-23T08:03:46Z", text(&license), text(since));
    for none in [unknown, reversed.clone(), format!("{reversed}&subject_id={}", text(&license)), before_the_epoch] {
        assert_eq!(list(&stack, &none, 100).await, [Value::Null; 0], "{none}");
    }
}

#[tokio::test]
async fn the_first_events_of_an_installation_are_listed() {
    let stack = Stack::start().await;
    stack.advance(86_400 * 40);
    let before_any_product = list(&stack, "", 100).await;
    stack.operator.create_product().await;
    let types = list(&stack, "", 100).await;
    assert_eq!(types[1..], before_any_product);
    assert!(types.iter().any(|event| event["type"] == "api_key.created"), "{types:#?}");
    assert!(types.iter().any(|event| event["type"] == "signing_key.created"), "{types:#?}");
}

#[tokio::test]
async fn invalid_filters_of_events_are_rejected() {
    let stack = Stack::start().await;
    stack.operator.create_product().await;
    for (query, parameter) in [
        ("type=license", "type"),
        ("type=license.opened", "type"),
        ("type=*", "type"),
        ("subject_id=lic_1", "subject_id"),
        ("subject_id=", "subject_id"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
    ] {
        let response = stack.operator.get(&format!("events?{query}")).await;
        let problem = response.expect_problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{query}: {problem}");
    }
    let page = stack.operator.get("events?limit=1&type=signing_key.*").await.expect_status(200);
    let other = format!("events?limit=1&type=product.*&cursor={}", text(&page["next_cursor"]));
    stack.operator.get(&other).await.expect_problem(422, "cursor_invalid");
    let customers = stack.client_with_scopes(&[Scope::CustomersRead]).await;
    customers.get("events?type=license.*").await.expect_problem(403, "forbidden");
}
