//! Who is let into the dashboard, for how long, and from which forms.

use std::collections::BTreeSet;

use signet_tests::{Browser, IssuedLicense, Logs, SESSION, Stack, Value, json, text};

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_there_and_to_the_page_that_was_wanted() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    let wanted = "/dashboard/license-keys?status=active";
    assert_eq!(grace.get(wanted).await.led(), "/dashboard/sign-in?to=%2Fdashboard%2Flicense-keys%3Fstatus%3Dactive");
    assert_eq!(grace.sign_in("grace@example.com", wanted).await, wanted);
    assert!(grace.get(wanted).await.expect_status(200).contains("Grace Hopper"));
    // Nobody is sent to another site from here.
    let mut other = Browser::new(&stack);
    assert_eq!(other.go_through("grace@example.com", "/dashboard/sign-in?to=https://evil.example").await, "/dashboard");
}

#[tokio::test]
async fn a_session_lasts_eight_hours_and_a_form_outlives_it() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    stack.advance(8 * 3600 - 1);
    grace.get("/dashboard/customers").await.expect_status(200);
    let carried = grace.get("/dashboard/customers/new").await.carried();
    stack.advance(1);
    assert!(grace.get("/dashboard/customers").await.led().starts_with("/dashboard/sign-in?"));
    let fields = [("name", "Ada & \"Co\""), ("email", "ada@example.com"), ("company", "")];
    let mut all: Vec<(&str, &str)> = carried.iter().map(|(name, value)| (&**name, &**value)).collect();
    all.extend(fields);
    let over = grace.send("/dashboard/customers/new", &all).await;
    assert!(over.expect_status(401).contains("Your session is over"));
    // Everything that was typed is there to be sent again, but what was of the session that is over.
    let kept = over.carried();
    for (name, value) in fields {
        assert!(kept.contains(&(name.to_owned(), value.to_owned())), "{name} of {kept:?}");
    }
    assert!(!kept.iter().any(|(name, _)| name == "form_token"));
    grace.sign_in("grace@example.com", "/dashboard").await;
    let again: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (&**name, &**value)).collect();
    let made = grace.send("/dashboard/customers/new", &again).await.led();
    assert!(grace.get(&made).await.expect_status(200).contains("Ada &amp; &quot;Co&quot;"));
}

#[tokio::test]
async fn a_session_that_was_signed_out_of_is_over_for_every_copy_of_its_cookie() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let mut thief = grace.clone();
    thief.get("/dashboard/customers").await.expect_status(200);
    let token = grace.get("/dashboard").await.field("form_token");
    let out = grace.send("/dashboard/sign-out", &[("form_token", &token)]).await;
    assert!(out.expect_status(200).contains("You are signed out"));
    assert!(grace.cookie(SESSION).is_none());
    let way = out.headers["refresh"].to_str().unwrap();
    assert!(way.starts_with("0; url=http") && way.contains("client_id=signet-dashboard"), "{way}");
    assert!(thief.get("/dashboard/customers").await.led().starts_with("/dashboard/sign-in?"));
    // All that is kept of it says when it may be forgotten, and not whose it was.
    let items = stack.items().await;
    let session = items.iter().find(|item| text(&item["PK"]["S"]).starts_with("SESSION#")).unwrap();
    let attributes: BTreeSet<_> = session.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(attributes, BTreeSet::from(["PK", "SK", "expires_at_epoch"]));
    assert!(!session.to_string().contains("grace"));
}

#[tokio::test]
async fn a_cookie_of_another_installation_or_changed_by_a_letter_is_none() {
    let (stack, other) = (Stack::start().await, Stack::start().await);
    let elsewhere = Browser::operator(&other).await;
    let own = Browser::operator(&stack).await;
    let own = own.cookie(SESSION).unwrap();
    let last = if own.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{last}", &own[..own.len() - 1]);
    for value in [elsewhere.cookie(SESSION).unwrap(), &changed, "", "a", &own[..40]] {
        let mut browser = Browser::new(&stack);
        browser.keep(SESSION, value);
        assert!(browser.get("/dashboard").await.led().starts_with("/dashboard/sign-in?"), "{value}");
    }
}

#[tokio::test]
async fn an_answer_of_the_issuer_is_taken_by_the_browser_that_asked_and_once() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    let asked = grace.get("/dashboard/sign-in?to=/dashboard").await.led();
    let state = asked.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let mut eve = Browser::new(&stack);
    let page = eve.get(&format!("/dashboard/callback?code=abc&state={state}")).await;
    assert!(page.expect_status(401).contains("begun elsewhere"));
    let page = grace.get(&format!("/dashboard/callback?code=made-up&state={state}")).await;
    assert!(page.expect_status(401).contains("the code is not taken"));
    let page = grace.get(&format!("/dashboard/callback?error=access_denied&state={state}")).await;
    assert!(page.expect_status(401).contains("called off"));
    let page = grace.get(&format!("/dashboard/callback?code=a&state={state}&iss=https://other.example")).await;
    assert!(page.expect_status(401).contains("Another issuer"));
}

#[tokio::test]
async fn sign_ins_that_were_given_up_are_forgotten_before_a_browser_sends_too_many_cookies() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    for _ in 0..20 {
        grace.get("/dashboard/sign-in?to=/dashboard").await.led();
    }
    assert!(grace.cookies() <= 6, "{}", grace.cookies());
    grace.sign_in("grace@example.com", "/dashboard").await;
    grace.get("/dashboard").await.expect_status(200);
}

#[tokio::test]
async fn what_an_address_names_that_is_nothing_is_not_there() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let license = &sold.license_id;
    for path in [
        "customers/nobody".to_owned(),
        "license-keys/nothing".into(),
        "license-keys/nothing/revoke".into(),
        format!("license-keys/{license}/explode"),
        format!("license-keys/{license}/machines/act_1/free"),
        format!("license-keys/{license}/machines/%00/free"),
        "products/prod_1/tiers/new".into(),
        "tiers/tier_1/edit".into(),
        "signing-keys/a%20b/condemn".into(),
        "licenses/lic_1/machines/act_1/free".into(),
        "catalog/tier_1/claim".into(),
    ] {
        let page = grace.get(&format!("/dashboard/{path}")).await;
        assert!(page.expect_status(404).contains("There is nothing here"), "{path}");
    }
    let page = grace.get("/dashboard/license-keys?status=odd&colour=red").await;
    assert!(page.expect_status(422).starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn a_form_is_taken_only_from_a_page_of_ours() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let fields = [("name", "Eve"), ("email", "eve@example.com")];
    let origin = stack.local.base_url.clone();
    for said in [
        vec![("origin", "https://evil.example".to_owned())],
        vec![("sec-fetch-site", "cross-site".to_owned())],
        vec![("sec-fetch-site", "same-site".to_owned()), ("origin", origin.clone())],
        vec![("origin", "null".to_owned())],
        vec![],
    ] {
        grace.said = said.clone();
        let refused = grace.send("/dashboard/customers/new", &fields).await;
        assert!(refused.expect_status(403).contains("not sent from a page"), "{said:?}");
    }
    // An old browser says nothing: then the form has to know what only our page could tell it.
    grace.fill_in("/dashboard/customers/new", &fields).await.led();
    grace.said = vec![("origin", origin)];
    grace.send("/dashboard/customers/new", &[("name", "Ada"), ("email", "ada@example.com")]).await.led();
}

/// Every page and action of operators, on what was sold.
fn operators(sold: &IssuedLicense, signing: &str, access: &str, machine: &str) -> Vec<String> {
    let (product, license) = (text(&sold.product["id"]), &sold.license_id);
    let (tier, feature, customer) = (text(&sold.tier["id"]), text(&sold.feature["id"]), text(&sold.customer["id"]));
    let mut paths = vec![
        "products".to_owned(),
        "products/new".into(),
        "products/move".into(),
        format!("products/{product}"),
        format!("products/{product}/edit"),
        format!("products/{product}/picture"),
        format!("products/{product}/tiers/move"),
        format!("products/{product}/tiers/new"),
        format!("tiers/{tier}/edit"),
        format!("products/{product}/features"),
        format!("products/{product}/features/move"),
        format!("products/{product}/features/new"),
        format!("features/{feature}/edit"),
        "customers".into(),
        "customers/new".into(),
        format!("customers/{customer}"),
        format!("customers/{customer}/edit"),
        "license-keys".into(),
        "license-keys/new".into(),
        format!("license-keys/{license}"),
        format!("license-keys/{license}/history"),
        format!("license-keys/{license}/audit"),
        format!("license-keys/{license}/machines/{machine}/free"),
        "search".into(),
        "api-keys".into(),
        "api-keys/new".into(),
        format!("api-keys/{access}/delete"),
        "signing-keys".into(),
        "signing-keys/rotate".into(),
        format!("signing-keys/{signing}/condemn"),
        "health".into(),
    ];
    for action in ["renew", "change", "suspend", "reinstate", "regenerate", "revoke"] {
        paths.push(format!("license-keys/{license}/{action}"));
    }
    paths
}

#[tokio::test]
async fn what_is_for_operators_is_refused_to_anybody_else_whatever_the_method() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = json!({ "license_key": sold.license_key, "machine_id": "a" });
    let activated = stack.operator.post("license-activations/activate", activated).await.body;
    let signing = stack.operator.get("signing-keys").await.body;
    let access = stack.operator.get("api-keys").await.body;
    let paths = operators(
        &sold,
        text(&signing["items"][0]["kid"]),
        text(&access["items"][0]["id"]),
        text(&activated["activation"]["id"]),
    );
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    let before = stack.snapshot_items().await;
    for path in &paths {
        let path = format!("/dashboard/{path}");
        let got = ada.get(&path).await;
        let sent = ada.send(&path, &[("reason", "a"), ("q", "a")]).await;
        // Where a path takes one method alone, the other is not there for anybody.
        assert!([got.status, sent.status].contains(&403), "{path}: {} and {}", got.status, sent.status);
        for page in [got, sent] {
            assert!([403, 405].contains(&page.status), "{path}: {}", page.status);
            assert!(!page.text.contains(&sold.license_id) && !page.text.contains("<h1>Customers"), "{path}");
        }
    }
    stack.assert_unchanged_since(&before).await;
    // Nor does a page that nobody has tell more than that.
    ada.get("/dashboard/nothing/at/all").await.expect_status(404);
}

#[tokio::test]
async fn somebody_else_s_license_is_not_there() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = json!({ "license_key": sold.license_key, "machine_id": "a" });
    let activated = stack.operator.post("license-activations/activate", activated).await.body;
    let machine = text(&activated["activation"]["id"]);
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    ada.fill_in("/dashboard/welcome", &[("name", "Ada")]).await.led();
    let here = format!("/dashboard/licenses/{}", sold.license_id);
    for path in [here.clone(), format!("{here}/machines/{machine}/free")] {
        ada.get(&path).await.expect_status(404);
    }
    for path in [format!("{here}/key"), format!("{here}/download"), format!("{here}/machines/{machine}/free")] {
        assert!(!ada.send(&path, &[]).await.expect_status(404).contains(&sold.license_key), "{path}");
    }
    let seats = stack.operator.get(&format!("license-keys/{}", sold.license_id)).await.body;
    assert_eq!(seats["seats_used"], 1);
}

#[tokio::test]
async fn every_page_says_what_it_may_load_and_is_kept_by_nobody() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    for path in ["/dashboard", "/dashboard/customers", "/dashboard/nothing", "/dashboard/signed-out"] {
        let page = grace.get(path).await;
        let header = |name: &str| page.headers[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store", "same-origin"), "{path}");
        assert!(page.headers.get("content-encoding").is_none(), "{path} shows what is somebody's");
        for asset in page.text.split("/dashboard/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let asset = grace.get(&format!("/dashboard/assets/{asset}")).await;
            asset.expect_status(200);
            assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        }
    }
    grace.get("/dashboard/assets/style.000000000000.css").await.expect_status(404);
}

#[tokio::test]
async fn a_key_string_is_found_and_stands_in_no_address_and_no_log() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let activated = json!({ "license_key": sold.license_key, "machine_id": "a" });
    let activated = stack.operator.post("license-activations/activate", activated).await.body;
    let mut grace = Browser::operator(&stack).await;
    let license = format!("/dashboard/license-keys/{}", sold.license_id);
    let customer = format!("/dashboard/customers/{}", text(&sold.customer["id"]));
    let (name, email) = (text(&sold.customer["name"]), text(&sold.customer["email"]).to_uppercase());
    for (typed, found) in [
        (sold.license_key.as_str(), &license),
        (&sold.license_key.to_lowercase().replace('-', " "), &license),
        (&sold.license_id, &license),
        (text(&activated["activation"]["id"]), &license),
        (text(&sold.customer["id"]), &customer),
        (&email, &customer),
        (&name.to_uppercase(), &customer),
        (&name[..name.len() - 1], &customer),
    ] {
        assert_eq!(&grace.send("/dashboard/search", &[("q", typed)]).await.led(), found, "{typed}");
    }
    let none = grace.send("/dashboard/search", &[("q", &sold.license_key.replace('-', "0"))]).await;
    assert!(none.expect_status(200).contains("Nothing found") && !none.text.contains(&sold.license_key));
    let told = logs.text();
    assert!(!told.contains(&sold.license_key) && !told.contains("grace@example.com"), "{told}");
}

#[tokio::test]
async fn a_page_costs_a_handful_of_reads_and_reads_no_table_through() {
    let stack = Stack::start().await;
    for _ in 0..3 {
        stack.operator.issue_new_license(2).await;
    }
    stack.local.app.table.make_statistics(stack.clock.now()).await.unwrap();
    let mut grace = Browser::operator(&stack).await;
    grace.get("/dashboard").await.expect_status(200);
    for (path, most) in [("/dashboard/license-keys", 6), ("/dashboard/customers", 2), ("/dashboard/products", 3)] {
        stack.faults.reset_calls();
        grace.get(path).await.expect_status(200);
        let calls = stack.faults.calls();
        assert!(calls.len() <= most && calls.iter().all(|call| call != "Scan"), "{path}: {calls:?}");
    }
    stack.faults.reset_calls();
    grace.get("/dashboard").await.expect_status(200);
    let calls: Vec<Value> = stack.faults.calls().into_iter().map(Value::from).collect();
    // The session, the figures, and the events of two days: tomorrow's, where a clock runs ahead, and today's.
    assert!(calls.iter().filter(|call| **call == "GetItem").count() <= 2 && calls.len() <= 20, "{calls:?}");
}
