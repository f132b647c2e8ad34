//! What customers find at the dashboard: what each tier has, their machines page by page, a seat freed after a question, and
//! why a license is not good any more.

use signet_tests::{Browser, Stack, Value, json, text};

const SCRIPT: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;";

/// Ada, who has registered, and her customer.
async fn ada(stack: &Stack) -> (Browser, Value) {
    let mut ada = Browser::signed_in(stack, "ada@example.com").await;
    ada.fill_in("/dashboard/welcome", &[("name", "Ada Lovelace")]).await.led();
    (ada, stack.operator.get("customers").await.expect_status(200)["items"][0].clone())
}

fn license_path(issued: &Value) -> String {
    format!("/dashboard/licenses/{}", text(&issued["license"]["id"]))
}

#[tokio::test]
async fn the_catalog_shows_tiers_side_by_side_with_what_each_adds() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({ "name": "Atlas", "description": SCRIPT })).await;
    let feature = async |key: &str, display_only: bool| {
        let body = json!({ "product_id": product["id"], "key": key, "name": format!("{key} by name"), "display_only": display_only });
        operator.post("product-features", body).await.expect_status(201)["id"].clone()
    };
    let (pdf, support) = (feature("pdf", false).await, feature("support", true).await);
    let free = json!({ "name": "Free", "is_claimable": true, "max_users": 2, "monthly_price": 0, "annual_price": 0,
        "feature_ids": [pdf], "sort_order": 1 });
    let free = operator.create_tier(&product, &free).await;
    let pro = json!({ "name": "Pro", "includes_tier_id": free["id"], "feature_ids": [support], "sort_order": 2 });
    let pro = operator.create_tier(&product, &pro).await;
    let claim = |tier: &Value| format!("/dashboard/catalog/{}/claim", text(&tier["id"]));

    let (mut ada, _) = ada(&stack).await;
    let monthly = ada.get("/dashboard/catalog").await;
    let page = monthly.expect_status(200);
    for words in [
        "EUR 19.00",
        "a month",
        "Everything in Free",
        "support by name",
        "2 seats",
        ESCAPED,
        &claim(&free),
        "Ask the vendor",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(page.matches("pdf by name").count(), 1, "what a tier inherits is said in one line: {page}");
    assert!(!page.contains(&claim(&pro)) && !page.contains(SCRIPT), "{page}");
    let annual = ada.get("/dashboard/catalog?billing=annual").await;
    let page = annual.expect_status(200);
    assert!(page.contains("EUR 190.00") && page.contains("a year") && !page.contains("EUR 19.00"), "{page}");
}

#[tokio::test]
async fn a_seat_is_freed_after_a_question_and_what_a_machine_is_called_is_text() {
    let stack = Stack::start().await;
    let (mut ada, customer) = ada(&stack).await;
    let sold = stack.operator.issue_new_license(2).await;
    let issued = stack.operator.issue(&customer, &sold.tier, &json!({})).await;
    let (here, key) = (license_path(&issued), text(&issued["license_key"]));
    let body = json!({ "license_key": key, "machine_id": "m-1", "machine_name": SCRIPT });
    let first = stack.anonymous.post("license-activations/activate", body).await.expect_status(201);
    stack.anonymous.activate(key, "m-2").await.expect_status(201);
    stack.anonymous.activate(key, "m-3").await.expect_problem(409, "seat_limit_reached");

    let page = ada.get(&here).await;
    let shown = page.expect_status(200);
    for words in ["2 of 2", ESCAPED, "m-2", "127.0.0.1"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains(SCRIPT), "{shown}");
    let free = format!("{here}/machines/{}/free", text(&first["activation"]["id"]));
    let question = ada.get(&free).await;
    let asked = question.expect_status(200);
    assert!(asked.contains("must activate again with the license key") && asked.contains(ESCAPED), "{asked}");
    assert!(asked.contains("15 Jan 2026, 13:00 UTC"), "until when it may work without a connection: {asked}");
    let done = ada.fill_in(&free, &[]).await.led();
    let page = ada.get(&done).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("The seat is free.") && shown.contains("1 of 2") && !shown.contains("m-1"), "{shown}");
    stack.anonymous.activate(key, "m-3").await.expect_status(201);
    // Sent again, it frees nobody else's.
    ada.send(&free, &[]).await.led();
    assert!(ada.get(&here).await.expect_status(200).contains("2 of 2"));
    for odd in [format!("{here}/machines/nothing/free"), "/dashboard/licenses/a/machines/b/free".to_owned()] {
        assert!(ada.get(&odd).await.expect_status(404).contains("There is nothing here"), "{odd}");
    }
}

#[tokio::test]
async fn machines_are_paged() {
    let stack = Stack::start_without_rate_limits().await;
    let (mut ada, customer) = ada(&stack).await;
    let sold = stack.operator.issue_new_license(60).await;
    let issued = stack.operator.issue(&customer, &sold.tier, &json!({})).await;
    for number in 0..30 {
        stack.anonymous.activate(text(&issued["license_key"]), &format!("machine-{number}")).await.expect_status(201);
    }
    let here = license_path(&issued);
    let first = ada.get(&here).await;
    let page = first.expect_status(200);
    assert!(page.contains("30 of 60"), "{page}");
    let next = page.split(&format!("href=\"{here}?cursor=")).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let second = ada.get(&format!("{here}?cursor={next}")).await;
    let machines = |page: &str| page.matches("/free\"").count();
    assert_eq!([machines(page), machines(second.expect_status(200))], [25, 5]);
}

#[tokio::test]
async fn a_license_that_is_not_good_any_more_says_why() {
    let stack = Stack::start().await;
    let (mut ada, customer) = ada(&stack).await;
    let sold = stack.operator.issue_new_license(2).await;
    let end = json!({ "expires_at": "2026-02-01T00:00:00Z" });
    let first = stack.operator.issue(&customer, &sold.tier, &end).await;
    let second = stack.operator.issue(&customer, &sold.tier, &json!({})).await;
    let page = ada.get(&license_path(&first)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("has taken the place of this one") && shown.contains(&license_path(&second)), "{shown}");

    let at = format!("license-keys/{}", text(&second["license"]["id"]));
    stack.operator.post(&format!("{at}/suspend"), json!({})).await.expect_status(200);
    assert!(
        ada.get(&license_path(&second)).await.expect_status(200).contains("The vendor has suspended this license.")
    );
    stack.operator.post(&format!("{at}/revoke"), json!({ "reason": SCRIPT })).await.expect_status(200);
    let page = ada.get(&license_path(&second)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("for good. The reason: “") && shown.contains(ESCAPED) && !shown.contains(SCRIPT), "{shown}");
}

#[tokio::test]
async fn an_address_that_another_customer_signs_in_for_is_explained() {
    let stack = Stack::start().await;
    let customer = json!({ "name": "Ada", "email": "other@example.com" });
    let customer = stack.operator.post("customers", customer).await.expect_status(201);
    stack.sign_in("other@example.com", "openid email").await.post("register", json!({})).await.expect_status(200);
    stack.operator.replace("customers", &customer, &json!({ "email": "ada@example.com" })).await.expect_status(200);
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    let refused = ada.fill_in("/dashboard/welcome", &[("name", "Ada \"<b>\"")]).await;
    let page = refused.expect_status(409);
    assert!(page.contains("belongs to a customer who signs in otherwise"), "{page}");
    assert!(page.contains("value=\"Ada &quot;&lt;b&gt;&quot;\""), "{page}");
}
