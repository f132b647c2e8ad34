//! The export of events: a range of time as a chain of lines.

use data_encoding::HEXLOWER;
use shared::domain::secret::sha256;
use signet_tests::{Stack, json, text};

/// Reads all pages of an export, as text.
async fn export(stack: &Stack, query: &str) -> String {
    let (mut path, mut file) = (Some(format!("exports?type=events{query}")), String::new());
    while let Some(current) = path {
        let response = stack.operator.get(&current).await;
        assert_eq!(response.status, 200, "{}", response.text);
        file.push_str(&response.text);
        path = response
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(str::to_owned);
    }
    file
}

/// Verifies a file as the documentation describes. Returns the number of its lines, or else the first line that is wrong.
fn verify(file: &str) -> Result<usize, usize> {
    let mut chain = "0".repeat(64);
    for (index, line) in file.lines().enumerate() {
        let (text, own) = line.rsplit_once(",\"chain\":\"").ok_or(index)?;
        chain = HEXLOWER.encode(&sha256(format!("{chain}\n{text}}}").as_bytes()));
        if own.strip_suffix("\"}") != Some(&chain) {
            return Err(index);
        }
    }
    Ok(file.lines().count())
}

#[tokio::test]
async fn exported_events_are_a_chain_that_an_erasure_does_not_break() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let body = json!({"license_key": license.license_key, "machine_id": "m1", "machine_name": "Ada's laptop"});
    stack.anonymous.post("license-activations/activate", body).await.expect_status(201);
    for _ in 0..6 {
        stack.advance(86_400);
        for verb in ["suspend", "reinstate"] {
            let path = format!("license-keys/{}/{verb}", license.license_id);
            stack.operator.post(&path, json!({})).await.expect_status(200);
            stack.advance(1);
        }
    }
    let until = format!("&until={}", stack.clock.now());
    let file = export(&stack, &until).await;
    let stored = stack.event_items().await;
    assert_eq!(verify(&file), Ok(stored.len()));
    assert!(stored.len() > 15 && !file.contains("Ada's") && !file.contains("127.0.0.1"), "{file}");
    // Pages of any size make the same file.
    assert_eq!(export(&stack, &format!("{until}&limit=4")).await, file);
    // A part begins a chain of its own.
    let line: signet_tests::Value = serde_json::from_str(file.lines().nth_back(3).unwrap()).unwrap();
    let part = export(&stack, &format!("{until}&since={}", text(&line["event"]["at"]))).await;
    assert_eq!(verify(&part), Ok(4));
    // A changed, missing, added or moved line is noticed.
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(verify(&file.replacen("m1", "m2", 1)), Err(lines.iter().position(|line| line.contains("m1")).unwrap()));
    let mut missing = lines.clone();
    missing.remove(5);
    assert_eq!(verify(&missing.join("\n")), Err(5));
    let mut swapped = lines;
    swapped.swap(7, 8);
    assert_eq!(verify(&swapped.join("\n")), Err(7));
    // The erasure of the customer is an event after the range, and changes nothing in it.
    stack.advance(3_600);
    stack.operator.delete(&format!("customers/{}", text(&license.customer["id"]))).await;
    while stack.local.app.table.continue_erasures(stack.clock.now(), 100).await.unwrap() > 0 {
        stack.advance(60);
    }
    assert_eq!(export(&stack, &until).await, file);
}

#[tokio::test]
async fn an_export_ends_at_the_time_of_its_first_page() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let first = stack.operator.get("exports?type=events&limit=2").await;
    stack.advance(5);
    stack
        .operator
        .patch(&format!("products/{}", text(&product["id"])), json!({"name": "New"}))
        .await
        .expect_status(200);
    let link = first.header("link").to_owned();
    let mut path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").map(str::to_owned);
    let mut file = first.text;
    while let Some(current) = path {
        let response = stack.operator.get(&current).await;
        file.push_str(&response.text);
        path = response
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(str::to_owned);
    }
    assert!(file.contains("product.created") && !file.contains("product.updated"), "{file}");
    assert_eq!(verify(&file), Ok(stack.event_items().await.len() - 1));
}

#[tokio::test]
async fn a_range_of_time_is_only_for_events() {
    let stack = Stack::start().await;
    for name in ["since", "until"] {
        let path = format!("exports?type=customers&{name}=2026-01-15T00:00:00Z");
        let response = stack.operator.get(&path).await;
        let problem = response.expect_problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["parameter"], name);
    }
}

#[tokio::test]
async fn a_range_that_ends_before_it_begins_has_no_lines() {
    let stack = Stack::start().await;
    stack.operator.create_product().await;
    for until in ["2026-01-15T11:59:59Z", "1032-10-23T08:03:46Z"] {
        assert_eq!(export(&stack, &format!("&until={until}&since={}", stack.clock.now())).await, "");
    }
}
