//! The page of the API's health, as it is without a script; what the script makes of it is a browser's to test.

use signet_tests::{Fault, Rule, Stack};

const HERE: &str = "/dashboard/health";

#[tokio::test]
async fn a_page_tells_how_it_goes_and_what_each_part_does() {
    let stack = Stack::start().await;
    let grace = stack.browser("grace@example.com", "operator").await;
    let page = grace.get(HERE).await;
    page.shows("All is well").shows("15 Jan 2026, 12:00 UTC").shows("Load this page again to ask again.");
    for check in ["dynamodb", "signing", "signed_keys", "oidc"] {
        assert!(page.text.contains(&format!("data-check=\"{check}\"")), "{check}: {}", page.text);
    }
    assert_eq!(page.text.matches("badge good").count(), 4, "{}", page.text);
    page.hides("style=").hides("onload");
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_words() {
    let stack = Stack::start().await;
    // Nobody has looked after the signing keys.
    stack.advance(2 * 86_400 + 5);
    let grace = stack.browser("grace@example.com", "operator").await;
    let page = grace.get(HERE).await;
    assert_eq!(page.status, 200);
    page.shows("It answers, but not as it should").shows("Degraded");

    stack.faults.set(Rule::new("GetItem", Fault::Refuse).about("KEYRING").always());
    let page = grace.get(HERE).await;
    assert_eq!(page.status, 200);
    page.shows("Down: what it needs does not answer").hides("says the test").hides("127.0.0.1");
}

#[tokio::test]
async fn the_script_has_the_pages_words_and_asks_where_the_page_says() {
    let stack = Stack::start().await;
    let grace = stack.browser("grace@example.com", "operator").await;
    let page = grace.get(HERE).await;
    let path = page.text.split("src=\"").map(|rest| rest.split('"').next().unwrap_or_default());
    let path = path.into_iter().find(|path| path.contains("/health.")).map(str::to_owned);
    let script = stack.anonymous.get(&path.expect("the page has the script")).await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    for words in [
        "All is well",
        "It answers, but not as it should",
        "Down: what it needs does not answer",
        "The signed set of keys",
    ] {
        script.shows(words);
    }
    script.hides("innerHTML").hides("setAttribute('style'");
    assert!(page.text.contains("data-health=\"/health\""), "{}", page.text);
    stack.anonymous.get("/health").await.expect(200);
}
