//! What the API says of itself to people: the page of each problem's code, and the page on which it can be tried.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeSet;

use shared::domain::Code;
use signet_tests::{Stack, TestResponse, text};

/// What stands between `before` and the next `"`, each time.
fn quoted<'a>(page: &'a str, before: &str) -> BTreeSet<&'a str> {
    page.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[track_caller]
fn is_page(answer: &TestResponse) {
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"), "{}", answer.request);
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{}: {policy}", answer.request);
    // Nothing of it comes from anywhere else, whoever may say where that is.
    for elsewhere in ["http:", "https:", "//"] {
        assert!(!policy.contains(elsewhere), "{}: {policy}", answer.request);
        for attribute in ["src=\"", "href=\""] {
            let targets = quoted(&answer.text, attribute);
            assert!(!targets.iter().any(|target| target.starts_with(elsewhere)), "{}: {targets:?}", answer.request);
        }
    }
}

#[tokio::test]
async fn every_code_has_its_page_and_every_page_a_code() {
    let stack = Stack::start().await;
    let list = stack.anonymous.get("/problems").await;
    is_page(&list);
    let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(quoted(&list.text, "href=\"problems/"), codes);
    let mut pages = BTreeSet::new();
    for code in &codes {
        let page = stack.anonymous.get(&format!("/problems/{code}")).await;
        is_page(&page);
        assert!(page.text.contains(&format!("<code>{code}</code>")), "{}", page.text);
        assert!(page.text.contains(&format!("{}/problems/{code}&quot;", stack.local.base_url)), "{}", page.text);
        assert!(pages.insert(page.text), "{code} has the page of another");
    }
    for no_code in ["", "Revoked", "REVOKED", "revoked%20", "..", "%3Cscript%3E", "no_such_code"] {
        stack.anonymous.get(&format!("/problems/{no_code}")).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_problems_type_leads_to_its_page() {
    let stack = Stack::start().await;
    let problem = stack.anonymous.get("customers").await.expect_status(401);
    let path = text(&problem["type"]).strip_prefix(&stack.local.base_url).unwrap();
    let page = stack.anonymous.get(path).await;
    is_page(&page);
    assert!(page.text.contains(text(&problem["title"])), "{}", page.text);
}

#[tokio::test]
async fn docs_200_and_all_that_they_load() {
    let stack = Stack::start().await;
    let page = stack.anonymous.get("/docs").await;
    is_page(&page);
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
        let answer = stack.anonymous.get(&format!("/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.header("content-type").split(';').next(), Some(kind), "{file}");
        let again = stack.anonymous.with_header("if-none-match", answer.header("etag")).get(&format!("/{file}")).await;
        assert_eq!(again.status, 304, "{file}");
    }
    for other in ["index.html", "swagger-initializer.js", "oauth2-redirect.html", "../docs.js", "%2e%2e%2fdocs.js"] {
        stack.anonymous.get(&format!("/docs/{other}")).await.expect_problem(404, "not_found");
    }
}
