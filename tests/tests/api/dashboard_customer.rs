//! The customer's day at the dashboard: register, claim, see the key, look after machines, download what an app needs.

use reqwest::Method;
use signet_tests::{Browser, Stack, Value, json, text};

const SCRIPT: &str = "<script>alert(1)</script>";

/// A product with a tier that may be claimed and one that is sold, which includes it.
async fn shop(stack: &Stack) -> (Value, Value, Value) {
    let operator = &stack.operator;
    let product = operator.product_with(&json!({ "name": "Atlas" })).await;
    let feature = |key: &str, display_only: bool| {
        let body = json!({ "product_id": product["id"], "key": key, "name": format!("{key} by name"), "display_only": display_only });
        async move { operator.post("product-features", body).await.expect(201) }
    };
    let (pdf, support) = (feature("pdf", false).await, feature("support", true).await);
    let free = json!({ "name": "Free", "is_claimable": true, "max_users": 2, "monthly_price": 0, "annual_price": 0,
        "billing_period": "monthly", "feature_ids": [pdf["id"]], "sort_order": 1 });
    let free = operator.tier_with(&product, &free).await;
    let pro = json!({ "name": "Pro", "monthly_price": 1900, "annual_price": 19000, "includes_tier_id": free["id"],
        "feature_ids": [support["id"]], "sort_order": 2 });
    let pro = operator.tier_with(&product, &pro).await;
    (product, free, pro)
}

fn claim_path(tier: &Value) -> String {
    format!("/dashboard/catalog/{}/claim", text(&tier["id"]))
}

fn license_path(license_id: &str) -> String {
    format!("/dashboard/licenses/{license_id}")
}

/// Ada, who has registered.
async fn ada(stack: &Stack) -> Browser {
    let ada = stack.browser("ada@example.com", "").await;
    ada.answer("/dashboard/welcome", &[("name", "Ada Lovelace")]).await.leads_to("/dashboard");
    ada
}

/// Ada, and the license key that she has claimed: its id and its key string.
async fn claimed(stack: &Stack) -> (Browser, String, String) {
    let (_, free, _) = shop(stack).await;
    let ada = ada(stack).await;
    let page = ada.answer(&claim_path(&free), &[]).await;
    let issued = &stack.operator.get("license-keys").await.expect(200)["items"][0];
    let again = stack.signed_in("ada@example.com", "openid email").await;
    let key = again.post("user/claim-license", json!({ "tier_id": free["id"] })).await.expect(200);
    let key = text(&key["license_key"]).to_owned();
    page.shows(&key);
    (ada, text(&issued["id"]).to_owned(), key)
}

#[tokio::test]
async fn who_is_no_customer_is_asked_who_they_are_and_goes_on_where_they_were() {
    let stack = Stack::start().await;
    let (_, free, _) = shop(&stack).await;
    let ada = stack.browser("ada@example.com", "").await;
    ada.get("/dashboard/licenses").await.shows("Tell the vendor who you are").shows("ada@example.com");

    // Whoever claims first is asked first, and comes back.
    let claim = claim_path(&free);
    let asked = ada.get(&claim).await;
    let welcome = format!("/dashboard/welcome?to={}", claim.replace('/', "%2F"));
    asked.leads_to(&welcome);
    let page = ada.get(&welcome).await;

    // What was typed is kept, and the fault stands at its field.
    let refused = ada.fill_in(&page, "/dashboard/welcome", &[("name", ""), ("company", "Engines & Sons")]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    refused.shows("Engines & Sons").shows("aria-invalid").hides("?done");
    assert!(refused.text.contains("id=\"f-name-error\""), "{}", refused.text);

    let fields = [("name", "Ada Lovelace"), ("company", "Engines & Sons")];
    ada.fill_in(&refused, "/dashboard/welcome", &fields).await.leads_to(&claim);
    let customer = &stack.operator.get("customers").await.expect(200)["items"][0];
    assert_eq!([&customer["name"], &customer["company"]], ["Ada Lovelace", "Engines & Sons"]);
    assert_eq!(ada.get(&claim).await.status, 200);
    ada.get("/dashboard/licenses").await.shows("No licenses yet").shows("/dashboard/catalog");
}

#[tokio::test]
async fn the_welcome_leads_nowhere_else() {
    let stack = Stack::start().await;
    let ada = stack.browser("ada@example.com", "").await;
    for odd in ["to=%FF", "to=a&to=b", "to=%2F%2Fevil.example", "to=https%3A%2F%2Fevil.example%2F"] {
        let page = ada.get(&format!("/dashboard/welcome?{odd}")).await;
        assert_eq!(page.status, 200, "{odd}: {}", page.text);
        page.shows("Tell the vendor who you are").hides("evil.example");
    }
    let page = ada.get("/dashboard/welcome?to=https%3A%2F%2Fevil.example%2F").await;
    ada.fill_in(&page, "/dashboard/welcome", &[("name", "Ada")]).await.leads_to("/dashboard");
}

#[tokio::test]
async fn an_address_that_is_not_verified_or_is_taken_is_explained() {
    let stack = Stack::start().await;
    let eve = stack.browser("ada@example.com", "unverified").await;
    eve.get("/dashboard/licenses").await.shows("Verify it there, then sign out and in again here.").hides("Your name");
    let named = [("name".to_owned(), "Eve".to_owned())];
    let refused = eve.send(Method::POST, "/dashboard/welcome", &named).await;
    assert_eq!(refused.status, 403, "{}", refused.text);

    // A customer with Ada's address who signs in as somebody else.
    let customer = json!({ "name": "Ada", "email": "grace@example.com" });
    let customer = stack.operator.post("customers", customer).await.expect(201);
    stack.signed_in("grace@example.com", "openid email").await.post("register", json!({})).await.expect(200);
    let moved = json!({ "email": "ada@example.com" });
    stack.operator.replace("customers", &customer, &moved).await.expect(200);
    let ada = stack.browser("ada@example.com", "").await;
    let taken = ada.answer("/dashboard/welcome", &[("name", "Ada")]).await;
    assert_eq!(taken.status, 409, "{}", taken.text);
    taken.shows("Somebody who signs in differently is the customer with your e-mail address already.");
    assert!(taken.text.contains("value=\"Ada\""), "{}", taken.text);
}

#[tokio::test]
async fn the_catalog_shows_tiers_side_by_side_with_what_each_adds() {
    let stack = Stack::start().await;
    let (_, free, pro) = shop(&stack).await;
    let ada = ada(&stack).await;
    let monthly = ada.get("/dashboard/catalog").await;
    monthly.shows("Atlas").shows("EUR 19.00").shows("a month").shows("Everything in Free, and").shows("pdf by name");
    monthly.shows("support by name").shows("2 seats").shows(&claim_path(&free)).hides(&claim_path(&pro));
    monthly.shows("Ask the vendor for this one.");
    let annual = ada.get("/dashboard/catalog?billing=annual").await;
    annual.shows("EUR 190.00").shows("a year").shows("EUR 38.00 less than twelve months").hides("EUR 19.00");
}

#[tokio::test]
async fn a_claim_shows_the_key_once_asked_and_again_leads_to_it() {
    let stack = Stack::start().await;
    let (_, free, pro) = shop(&stack).await;
    let ada = ada(&stack).await;
    let path = claim_path(&free);
    let question = ada.get(&path).await;
    question.shows("Atlas Free").shows("2 seats");
    let page = ada.fill_in(&question, &path, &[]).await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{}", page.text);
    let licenses = stack.operator.get("license-keys").await.expect(200);
    let id = text(&licenses["items"][0]["id"]);
    page.shows(&license_path(id)).shows("data-copy");

    // The same form once more, and a new one: one license key.
    ada.fill_in(&question, &path, &[]).await.shows(&license_path(id));
    ada.get(&path).await.leads_to(&format!("{}?done=claimed-before", license_path(id)));
    ada.get(&format!("{}?done=claimed-before", license_path(id))).await.shows("You have claimed this before");
    ada.get("/dashboard/catalog").await.shows("Yours").shows(&license_path(id)).hides(&path);
    assert_eq!(stack.operator.get("license-keys").await.expect(200)["items"].as_array().unwrap().len(), 1);

    // What can't be claimed is told, whatever form it comes by.
    let refused = ada.send(Method::POST, &claim_path(&pro), &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    refused.shows("This can't be claimed any more");
}

#[tokio::test]
async fn a_second_claim_and_one_beside_another_key_are_explained() {
    let stack = Stack::start().await;
    let (product, free, pro) = shop(&stack).await;
    let ada = ada(&stack).await;
    let question = ada.get(&claim_path(&free)).await;
    let customers = stack.operator.get("customers").await.expect(200);
    stack.operator.issue(&customers["items"][0], &pro, &json!({})).await;
    let refused = ada.fill_in(&question, &claim_path(&free), &[]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    refused.shows(&format!("You hold another license key of {}", text(&product["name"]))).shows("/dashboard/licenses");

    let stack = Stack::start().await;
    let (ada, id, _) = claimed(&stack).await;
    let tier = stack.operator.get(&format!("license-keys/{id}")).await.expect(200)["tier_id"].clone();
    stack.operator.post(&format!("license-keys/{id}/revoke"), json!({ "reason": SCRIPT })).await.expect(200);
    let path = claim_path(&json!({ "id": tier }));
    let refused = ada.send(Method::POST, &path, &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    refused.shows("it can be claimed once").shows(&license_path(&id));
    ada.get(&license_path(&id)).await.shows("revoked this license key").shows(SCRIPT);
}

#[tokio::test]
async fn a_key_is_shown_when_asked_and_on_no_page_else() {
    let stack = Stack::start().await;
    let (ada, id, key) = claimed(&stack).await;
    let path = license_path(&id);
    let page = ada.get(&path).await;
    page.hides(&key).shows("Show key");
    ada.get("/dashboard/licenses").await.hides(&key).shows(&path).shows("Atlas Free").shows("Active");
    let shown = ada.fill_in(&page, &format!("{path}/key"), &[]).await;
    assert_eq!((shown.status, shown.header("cache-control")), (200, "no-store"), "{}", shown.text);
    assert!(shown.text.contains(&format!("data-copy=\"{key}\"")), "{}", shown.text);
    assert_eq!(ada.get(&format!("{path}/key")).await.status, 405);
}

#[tokio::test]
async fn an_app_gets_all_that_it_needs_in_one_file() {
    let stack = Stack::start().await;
    let (ada, id, key) = claimed(&stack).await;
    let path = license_path(&id);
    let file = ada.fill_in(&ada.get(&path).await, &format!("{path}/app-file"), &[]).await;
    assert_eq!((file.status, file.header("cache-control")), (200, "no-store"));
    assert_eq!(file.header("content-type"), "application/json");
    let body = file.body.clone();
    let code = text(&body["product"]);
    assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{code}-license.json\""));
    assert_eq!([&body["license_key"], &body["license_id"]], [&json!(key), &json!(id)]);
    let configuration = stack.anonymous.get("/.well-known/license-configuration").await.expect(200);
    for name in ["issuer", "activation_endpoint", "heartbeat_endpoint", "jwks_uri", "signed_jwks_uri"] {
        assert_eq!(body[name], configuration[name], "{name}");
    }
    let ring = stack.operator.get("signing-keys").await.expect(200);
    assert_eq!(body["root_keys"], ring["root_keys"]);

    // The file alone is enough to activate with.
    let place = text(&body["activation_endpoint"]).strip_prefix(&stack.local.base_url).unwrap().to_owned();
    let machine = json!({ "license_key": body["license_key"], "machine_id": "machine-1" });
    stack.anonymous.post(&place, machine).await.expect(201);
    let place = text(&body["license_configuration_uri"]).strip_prefix(&stack.local.base_url).unwrap().to_owned();
    assert_eq!(stack.anonymous.get(&place).await.expect(200), configuration);
}

#[tokio::test]
async fn a_seat_is_freed_after_a_question() {
    let stack = Stack::start().await;
    let (ada, id, key) = claimed(&stack).await;
    let path = license_path(&id);
    ada.get(&path).await.shows("No machine holds a seat");
    let body = json!({ "license_key": key, "machine_id": "m-1", "machine_name": SCRIPT });
    let first = stack.anonymous.post("license-activations/activate", body).await.expect(201);
    stack.anonymous.activate(&key, "m-2").await.expect(201);
    stack.anonymous.activate(&key, "m-3").await.problem(409, "seat_limit_reached");

    let free = format!("/dashboard/licenses/machines/{}/free", text(&first["activation"]["id"]));
    let page = ada.get(&path).await;
    page.shows("2 of 2").shows(SCRIPT).shows("m-2").shows("127.0.0.1").shows(&free);
    ada.get("/dashboard/licenses").await.shows("2 of 2").shows("0 seconds");
    let question = ada.get(&free).await;
    question.shows("must activate again with the license key").shows(SCRIPT);
    ada.fill_in(&question, &free, &[]).await.leads_to(&format!("{path}?done=freed"));
    ada.get(&format!("{path}?done=freed")).await.shows("The seat is free.").shows("1 of 2").hides("m-1");
    stack.anonymous.activate(&key, "m-3").await.expect(201);
    // Sent again, it says the same and frees nobody else's.
    ada.fill_in(&question, &free, &[]).await.leads_to(&format!("{path}?done=freed"));
    ada.get(&path).await.shows("2 of 2");
}

#[tokio::test]
async fn machines_are_paged() {
    let stack = Stack::without_limits().await;
    let (product, ..) = shop(&stack).await;
    let large = stack.operator.tier_with(&product, &json!({ "name": "Large", "max_users": 60 })).await;
    let ada = ada(&stack).await;
    let customers = stack.operator.get("customers").await.expect(200);
    let issued = stack.operator.issue(&customers["items"][0], &large, &json!({})).await;
    for number in 0..30 {
        stack.anonymous.activate(text(&issued["license_key"]), &format!("machine-{number:02}")).await.expect(201);
    }
    let path = license_path(text(&issued["license"]["id"]));
    let first = ada.get(&path).await;
    first.shows("30 of 60");
    let machines = |text: &str| text.matches("/free\"").count();
    let next = first.text.split(&format!("href=\"{path}?cursor=")).nth(1).and_then(|rest| rest.split('"').next());
    let second = ada.get(&format!("{path}?cursor={}", next.unwrap())).await;
    assert_eq!([machines(&first.text), machines(&second.text)], [25, 5]);
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there_on_any_path() {
    let stack = Stack::start().await;
    let (ada, id, key) = claimed(&stack).await;
    let machine = stack.anonymous.activate(&key, "m-1").await.expect(201);
    let free = format!("/dashboard/licenses/machines/{}/free", text(&machine["activation"]["id"]));
    let path = license_path(&id);
    let bob = stack.browser("bob@example.com", "").await;
    bob.answer("/dashboard/welcome", &[("name", "Bob")]).await.leads_to("/dashboard");
    // Nor for an operator, who has pages of their own, nor for who is no customer.
    let grace = stack.browser("grace@example.com", "operator").await;
    let eve = stack.browser("eve@example.com", "").await;
    for other in [&bob, &grace, &eve] {
        for place in [&path, &free] {
            let answer = other.get(place).await;
            assert_eq!(answer.status, 404, "{place}: {}", answer.text);
            answer.hides("Atlas").hides("m-1");
        }
        for place in [format!("{path}/key"), format!("{path}/app-file"), free.clone()] {
            let answer = other.send(Method::POST, &place, &[]).await;
            assert_eq!(answer.status, 404, "{place}: {}", answer.text);
            answer.hides(&key);
        }
    }
    ada.get(&path).await.shows("m-1");
}

#[tokio::test]
async fn what_operators_and_people_wrote_is_text_on_customers_pages() {
    let stack = Stack::start().await;
    let product = stack.operator.product_with(&json!({ "name": SCRIPT, "description": SCRIPT })).await;
    let feature = json!({ "product_id": product["id"], "key": "pdf", "name": SCRIPT });
    let feature = stack.operator.post("product-features", feature).await.expect(201);
    let tier = json!({ "name": SCRIPT, "description": SCRIPT, "is_claimable": true, "feature_ids": [feature["id"]] });
    let tier = stack.operator.tier_with(&product, &tier).await;
    let ada = stack.browser("ada@example.com", "").await;
    ada.answer("/dashboard/welcome", &[("name", SCRIPT), ("company", SCRIPT)]).await.leads_to("/dashboard");
    let path = claim_path(&tier);
    let pages = [ada.get("/dashboard/catalog").await, ada.get(&path).await, ada.answer(&path, &[]).await];
    let id = stack.operator.get("license-keys").await.expect(200)["items"][0]["id"].clone();
    let more = [ada.get("/dashboard/licenses").await, ada.get(&license_path(text(&id))).await];
    for page in pages.iter().chain(&more) {
        assert_eq!(page.status, 200, "{}", page.asked);
        page.shows(SCRIPT).hides("style=");
    }
}
