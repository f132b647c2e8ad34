//! The parameters of the sign-in and of its callback.

use signet_tests::{Browser, Stack};

#[tokio::test]
async fn callback_returns_the_error_page_for_repeated_missing_and_malformed_parameters() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    let state = grace.start_sign_in().await;
    let queries = [
        format!("state={state}&state={state}&code=a"),
        format!("state={state}&code=a&code=b"),
        format!("state={state}&error=access_denied&error=server_error"),
        format!("state={state}&code=a&iss=https://a.example&iss=https://b.example"),
        format!("state={state}"),
        format!("state={state}&code="),
        "code=a".to_owned(),
        "state=&code=a".to_owned(),
        "error=access_denied".to_owned(),
        String::new(),
        format!("state={state}%00&code=a"),
        format!("state={state}&code=%ff"),
        format!("state={state}&error=%C3%A9"),
    ];
    for query in queries {
        let page = grace.get(&format!("/dashboard/callback?{query}")).await;
        let text = page.expect_status(400);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "{query}");
        assert!(text.contains("Sign-in failed") && text.contains("link of this sign-in is invalid"), "{query}: {text}");
    }
    // Neither ended the pending sign-in, and parameters that are not known are ignored (RFC 6749 §4.1.2).
    let page = grace.get(&format!("/dashboard/callback?state={state}&error=access_denied&x=1&x=2")).await;
    assert!(page.expect_status(401).contains("canceled"));
}

#[tokio::test]
async fn a_repeated_return_path_is_ignored() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    let target = grace.get("/dashboard/sign-in?return_to=/dashboard&return_to=/dashboard/customers").await.redirect();
    assert!(target.contains("state="), "{target}");
}
