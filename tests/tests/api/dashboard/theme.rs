//! The color theme and the density.

use signet_tests::{Browser, Stack};

#[tokio::test]
async fn theme_and_density_are_kept_in_cookies() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let mut look = async |fields: &[(&str, &str)]| {
        if !fields.is_empty() {
            grace.post("/dashboard/theme", fields).await.redirect();
        }
        let page = grace.get("/dashboard/customers").await;
        let attribute = |name: &str| page.text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        (attribute("data-theme").to_owned(), attribute("data-density").to_owned())
    };
    let pair = |theme: &str, density: &str| (theme.to_owned(), density.to_owned());
    assert_eq!(look(&[]).await, pair("system", "comfortable"));
    assert_eq!(look(&[("theme", "dark"), ("density", "compact")]).await, pair("dark", "compact"));
    assert_eq!(look(&[("theme", "light")]).await, pair("light", "compact"), "a field that is not sent changes nothing");
    assert_eq!(look(&[("density", "<b>")]).await, pair("light", "comfortable"), "unknown text is the default");
}
