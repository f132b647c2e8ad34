//! The pages of webhook endpoints and their deliveries.

use signet_tests::{Behavior, Browser, Stack, WebhookReceiver, json, text};

const WEBHOOKS: &str = "/dashboard/webhooks";

#[tokio::test]
async fn endpoints_are_created_tested_edited_rotated_and_deleted() {
    let stack = Stack::start().await;
    let receiver = WebhookReceiver::start().await;
    let mut grace = Browser::operator(&stack).await;
    assert!(grace.get(WEBHOOKS).await.expect_status(200).contains("No webhook endpoints"));
    let rejected = grace.submit_form(&format!("{WEBHOOKS}/new"), &[("url", "ftp://x"), ("is_active", "on")]).await;
    assert!(rejected.expect_status(422).contains("Select at least one type of event."), "{}", rejected.text);
    let fields = [
        ("url", &*receiver.url),
        ("event_types", "license.*"),
        ("event_types", "webhook_endpoint.test"),
        ("is_active", "on"),
    ];
    let created = grace.submit_form(&format!("{WEBHOOKS}/new"), &fields).await;
    created.expect_status(200);
    assert!(created.secret().starts_with("whsec_"));
    let endpoints = stack.operator.get("webhook-endpoints").await.expect_status(200);
    let endpoint = &endpoints["items"][0];
    assert_eq!(endpoint["event_types"], json!(["license.*", "webhook_endpoint.test"]));
    let page = format!("{WEBHOOKS}/{}", text(&endpoint["id"]));
    assert!(!grace.get(&page).await.expect_status(200).contains(created.secret()));

    assert!(grace.submit_form(&format!("{page}/test"), &[]).await.redirect().ends_with("notice=sent"));
    stack.local.webhooks.run_once().await.unwrap();
    assert_eq!(receiver.received()[0].event["type"], "webhook_endpoint.test");
    let shown = grace.get(&page).await;
    assert!(
        shown.expect_status(200).contains("webhook_endpoint.test") && shown.text.contains("Delivered"),
        "{}",
        shown.text
    );

    let rotated = grace.submit_form(&format!("{page}/rotate-secret"), &[]).await;
    rotated.expect_status(200);
    assert_ne!(rotated.secret(), created.secret());
    // An unticked box is not sent: the endpoint becomes inactive.
    let fields = [("url", &*receiver.url), ("event_types", "*"), ("description", "Billing <1>")];
    grace.submit_form(&format!("{page}/edit"), &fields).await.redirect();
    let list = grace.get(WEBHOOKS).await;
    let shown = list.expect_status(200);
    assert!(
        shown.contains("Inactive") && shown.contains("All events") && shown.contains("Billing &lt;1&gt;"),
        "{shown}"
    );
    grace.submit_form(&format!("{page}/delete"), &[]).await.redirect();
    grace.get(&page).await.expect_status(404);
}

#[tokio::test]
async fn a_failed_delivery_shows_the_request_and_the_response_and_is_sent_again() {
    let stack = Stack::start().await;
    let receiver = WebhookReceiver::start().await;
    let endpoint = stack.operator.create_webhook_endpoint(&receiver.url).await;
    receiver.set_behavior(Behavior::Status(500));
    stack.advance(1);
    let license = stack.operator.issue_new_license(1).await;
    stack.local.webhooks.run_once().await.unwrap();
    let mut grace = Browser::operator(&stack).await;
    let page = format!("{WEBHOOKS}/{}", text(&endpoint["id"]));
    let list = grace.get(&format!("{page}?status=pending")).await;
    let shown = list.expect_status(200);
    assert!(shown.contains("Failing") && shown.contains("Pending") && shown.contains("500"), "{shown}");
    let delivery = shown.split("/dashboard/webhook-deliveries/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/dashboard/webhook-deliveries/{delivery}");
    let details = grace.get(&path).await;
    let shown = details.expect_status(200);
    for expected in [
        "webhook-id: evt_",
        "webhook-timestamp: ",
        "&quot;type&quot;: &quot;license.issued&quot;",
        &license.license_id,
        "500",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    receiver.set_behavior(Behavior::Status(204));
    let csrf = details.hidden_field("csrf_token");
    let retried = grace.post(&format!("{path}/retry"), &[("csrf_token", &csrf)]).await;
    assert!(retried.redirect().ends_with("notice=retried"));
    stack.local.webhooks.run_once().await.unwrap();
    assert!(grace.get(&path).await.expect_status(200).contains("Delivered"));
    // A replay sends it once more.
    let before = receiver.ids().len();
    let fields = [("since", "2026-01-15T00:00"), ("only_undelivered", "")];
    let replayed = grace.submit_form(&format!("{page}/replay"), &fields).await;
    assert!(replayed.redirect().ends_with("notice=replayed"));
    stack.local.webhooks.run_once().await.unwrap();
    assert!(receiver.ids().len() > before);
    grace.get(&path.replace("whd_", "whd_x")).await.expect_status(404);
}
