//! HTML pages of the API: a page for each problem code, and the interactive API documentation.

use std::collections::BTreeSet;

use shared::http::Code;
use signet_tests::{Stack, TestResponse, text};

/// Returns the text between each occurrence of `before` and the next `"`.
fn quoted<'a>(page: &'a str, before: &str) -> BTreeSet<&'a str> {
    page.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[track_caller]
fn assert_page(response: &TestResponse) {
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, "text/html; charset=utf-8"),
        "{}",
        response.request
    );
    let policy = response.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{}: {policy}", response.request);
    // The page loads and links nothing from other hosts.
    for external in ["http:", "https:", "//"] {
        assert!(!policy.contains(external), "{}: {policy}", response.request);
        for attribute in ["src=\"", "href=\""] {
            let targets = quoted(&response.text, attribute);
            assert!(!targets.iter().any(|target| target.starts_with(external)), "{}: {targets:?}", response.request);
        }
    }
}

#[tokio::test]
async fn every_problem_code_has_a_page_and_every_page_a_code() {
    let stack = Stack::start().await;
    let list = stack.anonymous.get("/problems").await;
    assert_page(&list);
    let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(quoted(&list.text, "href=\"problems/"), codes);
    let mut pages = BTreeSet::new();
    for code in &codes {
        let page = stack.anonymous.get(&format!("/problems/{code}")).await;
        assert_page(&page);
        assert!(page.text.contains(&format!("<code>{code}</code>")), "{}", page.text);
        assert!(page.text.contains(&format!("{}/problems/{code}&quot;", stack.local.base_url)), "{}", page.text);
        assert!(pages.insert(page.text), "{code} has the same page as another code");
    }
    for unknown in ["", "Revoked", "REVOKED", "revoked%20", "%3Cscript%3E", "no_such_code"] {
        stack.anonymous.get(&format!("/problems/{unknown}")).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn problem_type_url_returns_the_page_of_its_code() {
    let stack = Stack::start().await;
    let problem = stack.anonymous.get("customers").await.expect_status(401);
    let path = text(&problem["type"]).strip_prefix(&stack.local.base_url).unwrap();
    let page = stack.anonymous.get(path).await;
    assert_page(&page);
    assert!(page.text.contains(text(&problem["title"])), "{}", page.text);
}

#[tokio::test]
async fn docs_page_and_its_assets_return_200() {
    let stack = Stack::start().await;
    let page = stack.anonymous.get("/docs").await;
    assert_page(&page);
    let (loaded, linked) = (quoted(&page.text, "src=\""), quoted(&page.text, "href=\""));
    let files: BTreeSet<_> = loaded.union(&linked).copied().collect();
    let expected = ["docs/favicon-32x32.png", "docs/start.js", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"];
    assert_eq!(files, BTreeSet::from(expected));
    for file in files {
        let kind = match file.rsplit('.').next().unwrap() {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/png",
        };
        let response = stack.anonymous.get(&format!("/{file}")).await;
        assert_eq!(response.status, 200, "{file}");
        assert_eq!(response.header("content-type").split(';').next(), Some(kind), "{file}");
        let again =
            stack.anonymous.with_header("if-none-match", response.header("etag")).get(&format!("/{file}")).await;
        assert_eq!(again.status, 304, "{file}");
    }
    for other in ["index.html", "swagger-initializer.js", "oauth2-redirect.html", "../start.js", "%2e%2e%2fstart.js"] {
        stack.anonymous.get(&format!("/docs/{other}")).await.expect_problem(404, "not_found");
    }
}
