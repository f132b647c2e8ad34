//! The activity page.

use signet_tests::{Browser, Stack, json, text};

const ACTIVITY: &str = "/dashboard/activity";

#[tokio::test]
async fn activity_shows_who_changed_what_and_the_values_before_and_after() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({"name": "Atlas"})).await;
    stack.advance(60);
    let mut grace = Browser::operator(&stack).await;
    let id = text(&product["id"]);
    grace
        .submit_form(&format!("/dashboard/products/{id}/edit"), &[("name", "<b>Atlas 2</b>"), ("is_active", "on")])
        .await
        .redirect();
    let page = grace.get(ACTIVITY).await;
    let shown = page.expect_status(200);
    for expected in
        ["Product created", "Product updated", "Before and after", "&lt;b&gt;Atlas 2&lt;/b&gt;", "API key created"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!shown.contains("<b>Atlas"), "{shown}");
    // The link of the product leads to its activity alone.
    let product_page = grace.get(&format!("/dashboard/products/{id}")).await;
    let link = format!("{ACTIVITY}?subject_id={id}");
    assert!(product_page.expect_status(200).contains(&link), "{}", product_page.text);
    let own = grace.get(&link).await;
    let shown = own.expect_status(200);
    assert!(
        shown.contains("Product updated") && !shown.contains("</strong> <span class=\"muted\">· Local operator"),
        "{shown}"
    );
}

#[tokio::test]
async fn activity_is_filtered_by_type_and_day() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    stack.advance(3 * 86_400);
    stack.operator.post(&format!("license-keys/{}/suspend", license.license_id), json!({"reason": "unpaid"})).await;
    let mut grace = Browser::operator(&stack).await;
    let list = async |grace: &mut Browser, query: &str| {
        let page = grace.get(&format!("{ACTIVITY}?{query}")).await;
        let shown = page.expect_status(200);
        let list = shown.split_once("<ul class=\"list\">").map_or("", |(_, rest)| rest);
        (list.contains("License suspended"), list.contains("License issued"), shown.contains("No matching activity"))
    };
    assert_eq!(list(&mut grace, "type=&since=&until=").await, (true, true, false));
    assert_eq!(list(&mut grace, "type=license.suspended").await, (true, false, false));
    assert_eq!(list(&mut grace, "since=2026-01-18&until=2026-01-18").await, (true, false, false));
    assert_eq!(list(&mut grace, "since=2026-01-15&until=2026-01-15").await, (false, true, false));
    assert_eq!(list(&mut grace, "type=webhook_endpoint.*").await, (false, false, true));
    grace.get(&format!("{ACTIVITY}?type=license")).await.expect_status(422);
    grace.get(&format!("{ACTIVITY}?subject_id=x")).await.expect_status(422);
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    assert_ne!(ada.get(ACTIVITY).await.status, 200);
}
