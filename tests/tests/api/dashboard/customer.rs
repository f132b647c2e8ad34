//! The customer portal: catalog, licenses and machines.

use signet_tests::{Browser, Stack, Value, json, text};

const SCRIPT: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;";

/// A browser in which a registered customer is signed in, and the customer.
async fn ada(stack: &Stack) -> (Browser, Value) {
    let mut ada = Browser::signed_in(stack, "ada@example.com").await;
    ada.submit_form("/dashboard/welcome", &[("name", "Ada Lovelace")]).await.redirect();
    (ada, stack.operator.get("customers").await.expect_status(200)["items"][0].clone())
}

fn license_path(issued: &Value) -> String {
    format!("/dashboard/licenses/{}", text(&issued["license"]["id"]))
}

#[tokio::test]
async fn catalog_shows_tiers_with_prices_and_features() {
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
    for words in
        ["€19<", "/ month", "Everything in Free", "support by name", "2 seats", ESCAPED, &claim(&free), "Contact sales"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(page.matches("pdf by name").count(), 1, "inherited features are summarized: {page}");
    assert!(!page.contains(&claim(&pro)) && !page.contains(SCRIPT), "{page}");
    let annual = ada.get("/dashboard/catalog?billing=annual").await;
    let page = annual.expect_status(200);
    assert!(page.contains("€190<") && page.contains("/ year") && !page.contains("€19<"), "{page}");
}

#[tokio::test]
async fn machines_are_deactivated_after_a_confirmation() {
    let stack = Stack::start().await;
    let (mut ada, customer) = ada(&stack).await;
    let setup = stack.operator.issue_new_license(2).await;
    let issued = stack.operator.issue(&customer, &setup.tier, &json!({})).await;
    let (here, key) = (license_path(&issued), text(&issued["license_key"]));
    let body = json!({
        "license_key": key, "machine_id": "m-1", "machine_name": SCRIPT, "app_version": "4.2.1", "os": "Windows 11",
        "hostname": "host-of-ada",
    });
    let first = stack.anonymous.post("license-activations/activate", body).await.expect_status(201);
    stack.anonymous.activate(key, "m-2").await.expect_status(201);
    stack.anonymous.activate(key, "m-3").await.expect_problem(409, "seat_limit_reached");

    let page = ada.get(&here).await;
    let shown = page.expect_status(200);
    for words in ["2 of 2", ESCAPED, "m-2", "127.0.0.1", "Version 4.2.1 · Windows 11"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains(SCRIPT) && !shown.contains("host-of-ada"), "{shown}");
    let mut operator = Browser::operator(&stack).await;
    let page = operator.get(&here.replace("/licenses/", "/license-keys/")).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("Version 4.2.1 · Windows 11") && shown.contains("host-of-ada"), "{shown}");
    let deactivate = format!("{here}/machines/{}/deactivate", text(&first["activation"]["id"]));
    let page = ada.get(&deactivate).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("activate it with the license key") && shown.contains(ESCAPED), "{shown}");
    assert!(shown.contains("keeps working until <time"), "{shown}");
    assert!(shown.contains("15 Jan 2026, 13:00 UTC"), "{shown}");
    let done = ada.submit_form(&deactivate, &[]).await.redirect();
    let page = ada.get(&done).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("Machine deactivated.") && shown.contains("1 of 2") && !shown.contains("m-1"), "{shown}");
    stack.anonymous.activate(key, "m-3").await.expect_status(201);
    // Submitting the form again does not free another machine's seat.
    ada.post(&deactivate, &[]).await.redirect();
    assert!(ada.get(&here).await.expect_status(200).contains("2 of 2"));
    for path in
        [format!("{here}/machines/nothing/deactivate"), "/dashboard/licenses/a/machines/b/deactivate".to_owned()]
    {
        assert!(ada.get(&path).await.expect_status(404).contains("Page not found"), "{path}");
    }
}

#[tokio::test]
async fn a_license_shows_its_features_without_the_notes_of_operators() {
    let stack = Stack::start().await;
    let (mut ada, customer) = ada(&stack).await;
    let setup = stack.operator.issue_new_license(2).await;
    let rows = stack.operator.create_limit(&setup.product, "rows").await;
    let limits = json!({ "feature_limits": { text(&rows["id"]): 1000 } });
    stack.operator.replace("pricing-tiers", &setup.tier, &limits).await.expect_status(200);
    let issued = stack.operator.issue(&customer, &setup.tier, &json!({})).await;
    let page = ada.get(&license_path(&issued)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("export.pdf") && shown.contains("1,000 rows"), "{shown}");
    let overrides = json!({ "overrides": [
        { "feature_id": rows["id"], "limit": null, "expires_at": "2026-02-01T00:00:00Z", "note": "Only for us" },
        { "feature_id": setup.feature["id"], "enabled": false },
    ] });
    let path = format!("license-keys/{}/overrides", text(&issued["license"]["id"]));
    stack.operator.put(&path, overrides).await.expect_status(200);
    let page = ada.get(&license_path(&issued)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("Unlimited") && shown.contains("1 Feb 2026"), "{shown}");
    assert!(!shown.contains("Only for us") && !shown.contains("export.pdf"), "{shown}");
    // The catalog shows the limit of the tier.
    assert!(ada.get("/dashboard/catalog").await.expect_status(200).contains("rows: 1,000 rows"));
}

#[tokio::test]
async fn machines_are_paginated() {
    let stack = Stack::start_without_rate_limits().await;
    let (mut ada, customer) = ada(&stack).await;
    let setup = stack.operator.issue_new_license(60).await;
    let issued = stack.operator.issue(&customer, &setup.tier, &json!({})).await;
    for number in 0..30 {
        stack.anonymous.activate(text(&issued["license_key"]), &format!("machine-{number}")).await.expect_status(201);
    }
    let here = license_path(&issued);
    let first = ada.get(&here).await;
    let page = first.expect_status(200);
    assert!(page.contains("30 of 60"), "{page}");
    let next = page.split(&format!("href=\"{here}?cursor=")).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let second = ada.get(&format!("{here}?cursor={next}")).await;
    let machines = |page: &str| page.matches("/deactivate\"").count();
    assert_eq!([machines(page), machines(second.expect_status(200))], [25, 5]);
}

#[tokio::test]
async fn inactive_licenses_show_the_reason() {
    let stack = Stack::start().await;
    let (mut ada, customer) = ada(&stack).await;
    let setup = stack.operator.issue_new_license(2).await;
    let end = json!({ "expires_at": "2026-02-01T00:00:00Z" });
    let first = stack.operator.issue(&customer, &setup.tier, &end).await;
    let second = stack.operator.issue(&customer, &setup.tier, &json!({})).await;
    let page = ada.get(&license_path(&first)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("was replaced by a newer one") && shown.contains(&license_path(&second)), "{shown}");

    let at = format!("license-keys/{}", text(&second["license"]["id"]));
    stack.operator.post(&format!("{at}/suspend"), json!({ "reason": SCRIPT })).await.expect_status(200);
    let page = ada.get(&license_path(&second)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("The vendor has suspended this license.") && shown.contains(ESCAPED), "{shown}");
    let mut grace = Browser::operator(&stack).await;
    let path = format!("/dashboard/{at}");
    for tab in ["", "/entitlements", "/history"] {
        let page = grace.get(&format!("{path}{tab}")).await;
        let banner = page.expect_status(200).split("banner warning").nth(1).unwrap().split("</div>").next().unwrap();
        assert!(banner.contains(&format!("Reason: “{ESCAPED}”")), "{tab}: {banner}");
    }
    // The reason of an earlier suspension is not that of the present one.
    stack.operator.post(&format!("{at}/reinstate"), json!({})).await.expect_status(200);
    stack.advance(1);
    stack.operator.post(&format!("{at}/suspend"), json!({})).await.expect_status(200);
    let page = ada.get(&license_path(&second)).await;
    assert!(!page.expect_status(200).contains(ESCAPED), "{}", page.text);
    stack.operator.post(&format!("{at}/revoke"), json!({ "reason": SCRIPT })).await.expect_status(200);
    let page = ada.get(&license_path(&second)).await;
    let shown = page.expect_status(200);
    assert!(
        shown.contains("permanently revoked this license. Reason: “")
            && shown.contains(ESCAPED)
            && !shown.contains(SCRIPT),
        "{shown}"
    );
}

#[tokio::test]
async fn registering_with_the_email_of_another_customer_is_explained() {
    let stack = Stack::start().await;
    let customer = json!({ "name": "Ada", "email": "other@example.com" });
    let customer = stack.operator.post("customers", customer).await.expect_status(201);
    stack.sign_in("other@example.com", "openid email").await.post("register", json!({})).await.expect_status(200);
    stack.operator.replace("customers", &customer, &json!({ "email": "ada@example.com" })).await.expect_status(200);
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    let rejected = ada.submit_form("/dashboard/welcome", &[("name", "Ada \"<b>\"")]).await;
    let page = rejected.expect_status(409);
    assert!(page.contains("belongs to a customer with a different sign-in"), "{page}");
    assert!(page.contains("value=\"Ada &quot;&lt;b&gt;&quot;\""), "{page}");
}

#[tokio::test]
async fn a_license_is_added_by_its_key() {
    let stack = Stack::start().await;
    let (mut ada, _) = ada(&stack).await;
    let add = "/dashboard/licenses/add";
    assert!(ada.get("/dashboard/licenses").await.expect_status(200).contains(add), "the empty list links to it");
    let tier = stack.operator.issue_new_license(2).await.tier;
    let batch = json!({ "tier_id": tier["id"], "count": 1, "tag": "reseller" });
    let batch = stack.operator.post("license-keys/batch", batch).await.expect_status(201);
    let key = text(&batch["items"][0]["license_key"]);
    let rejected = ada.submit_form(add, &[("license_key", "ATLAS-1")]).await;
    let page = rejected.expect_status(404);
    assert!(page.contains("does not exist or belongs to someone else"), "{page}");
    let done = ada.submit_form(add, &[("license_key", key)]).await.redirect();
    let page = ada.get(&done).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("License added.") && done.contains(text(&batch["items"][0]["license"]["id"])), "{shown}");
    assert!(ada.get("/dashboard/licenses").await.expect_status(200).contains(add), "so does the list of licenses");
    // A user who has not registered is asked to.
    let mut grace = Browser::signed_in(&stack, "grace@example.com").await;
    assert_eq!(grace.get(add).await.redirect(), "/dashboard/welcome");
}

#[tokio::test]
async fn the_catalog_offers_only_what_the_customer_can_claim() {
    let stack = Stack::start().await;
    let (mut ada, customer) = ada(&stack).await;
    let operator = &stack.operator;
    let product = operator.create_product_with(&json!({ "name": "Atlas" })).await;
    let claimable = |name: &str| json!({ "name": name, "is_claimable": true });
    let free = operator.create_tier(&product, &claimable("Free")).await;
    let trial = operator.create_tier(&product, &claimable("Trial")).await;
    let pro = operator.create_tier(&product, &json!({ "name": "Pro" })).await;
    let claim = |tier: &Value| format!("/dashboard/catalog/{}/claim", text(&tier["id"]));
    let card = async |ada: &mut Browser, tier: &Value| {
        let page = ada.get("/dashboard/catalog").await;
        let start = format!("aria-labelledby=\"tier-{}\"", text(&tier["id"]));
        page.expect_status(200).split(&start).last().unwrap().split("</article>").next().unwrap().to_owned()
    };
    assert!(card(&mut ada, &free).await.contains(&claim(&free)));
    assert!(card(&mut ada, &pro).await.contains("Contact sales"));

    ada.submit_form(&claim(&free), &[]).await.expect_status(200);
    let own =
        operator.get(&format!("license-keys?customer_id={}", text(&customer["id"]))).await.body["items"][0].clone();
    let license = format!("/dashboard/licenses/{}", text(&own["id"]));
    let shown = card(&mut ada, &free).await;
    assert!(shown.contains("You have this") && shown.contains(&license) && !shown.contains("Get license"), "{shown}");
    let shown = card(&mut ada, &trial).await;
    assert!(shown.contains("You have another tier") && !shown.contains(&claim(&trial)), "{shown}");
    assert!(card(&mut ada, &pro).await.contains("Contact sales"));
    for tier in [&free, &trial] {
        let page = ada.get(&claim(tier)).await;
        let shown = page.expect_status(200);
        assert!(
            shown.contains("You already have a license for this product.") && !shown.contains("Get license<"),
            "{shown}"
        );
    }

    operator.post(&format!("license-keys/{}/revoke", text(&own["id"])), json!({})).await.expect_status(200);
    assert!(card(&mut ada, &free).await.contains("You already claimed this"));
    assert!(card(&mut ada, &trial).await.contains(&claim(&trial)));
    let page = ada.get(&claim(&free)).await;
    assert!(page.expect_status(200).contains("You already claimed this license."), "{}", page.text);

    // A tier that is sold is also marked.
    operator.issue(&customer, &pro, &json!({})).await;
    assert!(card(&mut ada, &pro).await.contains("You have this"));
}
