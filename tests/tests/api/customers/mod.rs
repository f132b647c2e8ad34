//! Customers: create, get, replace and list.

mod create;
mod erase;
mod list;
mod replace;
mod search;

use signet_tests::{Value, json, text};

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
