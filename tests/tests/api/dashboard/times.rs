//! Times on pages and in forms.

use signet_tests::{Browser, Stack, json, text};

#[tokio::test]
async fn times_are_rendered_in_utc_and_say_so() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let renewed = json!({ "expires_at": "2027-07-01T12:30:15Z" });
    let at = format!("license-keys/{}/renew", setup.license_id);
    stack.operator.post(&at, renewed).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    let page = grace.get(&format!("/dashboard/license-keys/{}", setup.license_id)).await;
    let exact = "<time datetime=\"2027-07-01T12:30:15Z\" title=\"2027-07-01 12:30:15 UTC\" data-format=\"exact\">\
                 1 Jul 2027, 12:30:15 UTC</time>";
    assert!(page.expect_status(200).contains(exact), "{}", page.text);
    for (path, time) in [
        ("/dashboard/license-keys".to_owned(), "data-format=\"date\">1 Jul 2027 UTC</time>"),
        (
            format!("/dashboard/license-keys/{}/history", setup.license_id),
            "expires <time datetime=\"2027-07-01T12:30:15Z\" title=\"2027-07-01 12:30:15 UTC\" data-format=\"date\">\
             1 Jul 2027 UTC</time>",
        ),
        (
            format!("/dashboard/license-keys/{}/renew", setup.license_id),
            "data-time=\"2028-07-01T12:30:15Z\">Extend by 1 year, to 1 Jul 2028 UTC</option>",
        ),
    ] {
        let page = grace.get(&path).await;
        assert!(page.expect_status(200).contains(time), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn submitted_times_are_at_their_utc_offset() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let path = format!("/dashboard/license-keys/{}/renew", setup.license_id);
    let at = format!("license-keys/{}", setup.license_id);
    // Without JavaScript, the form says that times are in UTC, and has this offset.
    let form = grace.get(&path).await;
    assert!(form.text.contains("Expires at <span class=\"zone\" data-zone>(UTC)</span>"), "{}", form.text);
    assert_eq!(form.hidden_field("expires_at_offset"), "Z");
    for (offset, expected) in [
        (Some("Z"), "2099-07-01T08:30:00Z"),
        (Some("-04:00"), "2099-07-01T12:30:00Z"),
        (Some("+05:45"), "2099-07-01T02:45:00Z"),
        (None, "2099-07-01T08:30:00Z"),
    ] {
        let mut fields = vec![("expiry", "date"), ("expires_at", "2099-07-01T08:30")];
        fields.extend(offset.map(|offset| ("expires_at_offset", offset)));
        grace.post(&path, &fields).await.redirect();
        assert_eq!(stack.operator.get(&at).await.body["expires_at"], json!(expected), "{offset:?}");
    }
    let fields = |offset| [("expiry", "date"), ("expires_at", "2099-01-01T00:00"), ("expires_at_offset", offset)];
    for offset in ["Europe/Berlin", "+1", "+99:00"] {
        grace.post(&path, &fields(offset)).await.expect_status(422);
    }
    let kept = stack.operator.get(&at).await.body;
    assert_eq!(text(&kept["expires_at"]), "2099-07-01T08:30:00Z", "an unknown offset changes nothing");
}

#[tokio::test]
async fn rejected_forms_show_the_submitted_time_in_utc() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let path = format!("/dashboard/license-keys/{}/renew", setup.license_id);
    let fields = [("expiry", "date"), ("expires_at", "2001-07-01T00:30"), ("expires_at_offset", "+02:00")];
    let rejected = grace.post(&path, &fields).await;
    assert!(rejected.expect_status(422).contains("value=\"2001-06-30T22:30\""), "{}", rejected.text);
    assert_eq!(rejected.hidden_field("expires_at_offset"), "Z");
}

#[tokio::test]
async fn days_of_the_activity_filter_are_at_their_utc_offset() {
    let stack = Stack::start().await;
    // The clock of a stack starts on 15 January 2026 at 12:00 UTC.
    stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let mut is_found = async |query: &str| {
        let page = grace.get(&format!("/dashboard/activity?type=license.issued&{query}")).await;
        page.expect_status(200).contains("License issued</strong>")
    };
    assert!(is_found("since=2026-01-15&until=2026-01-15").await);
    // At this offset, it is already the next day.
    assert!(!is_found("until=2026-01-15&until_offset=%2B13:00").await);
    assert!(is_found("since=2026-01-16&since_offset=%2B13:00").await);
    let page = grace.get("/dashboard/activity?since=2026-01-16&since_offset=%2B13:00").await;
    assert!(page.text.contains("From <span class=\"zone\" data-zone>(UTC+13:00)</span>"), "{}", page.text);
    assert_eq!(page.hidden_field("since_offset"), "+13:00");
    grace.get("/dashboard/activity?since=2026-01-16&since_offset=Berlin").await.expect_status(422);
}
