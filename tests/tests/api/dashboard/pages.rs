//! Sign-in, sessions and form protection of the dashboard.

use std::collections::BTreeSet;

use shared::store::statistics::UpdateLimits;
use signet_tests::{Browser, IssuedLicense, Logs, SESSION, Stack, Value, json, text};

#[tokio::test]
async fn unauthenticated_requests_redirect_to_the_sign_in_and_back() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    let path = "/dashboard/license-keys?status=active";
    assert_eq!(
        grace.get(path).await.redirect(),
        "/dashboard/sign-in?return_to=%2Fdashboard%2Flicense-keys%3Fstatus%3Dactive"
    );
    assert_eq!(grace.sign_in("grace@example.com", path).await, path);
    assert!(grace.get(path).await.expect_status(200).contains("Grace Hopper"));
    // The redirect stays within the dashboard.
    let mut other = Browser::new(&stack);
    assert_eq!(
        other.complete_sign_in("grace@example.com", "/dashboard/sign-in?return_to=https://evil.example").await,
        "/dashboard"
    );
}

#[tokio::test]
async fn sessions_expire_after_eight_hours_and_forms_can_be_submitted_again() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    stack.advance(8 * 3600 - 1);
    grace.get("/dashboard/customers").await.expect_status(200);
    let hidden = grace.get("/dashboard/customers/new").await.hidden_fields();
    stack.advance(1);
    assert!(grace.get("/dashboard/customers").await.redirect().starts_with("/dashboard/sign-in?"));
    let fields = [("name", "Ada & \"Co\""), ("email", "ada@example.com"), ("company", "")];
    let mut all: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    all.extend(fields);
    let expired = grace.post("/dashboard/customers/new", &all).await;
    assert!(expired.expect_status(401).contains("Your session has expired"));
    // The page contains all submitted values except the CSRF token of the expired session.
    let saved = expired.hidden_fields();
    for (name, value) in fields {
        assert!(saved.contains(&(name.to_owned(), value.to_owned())), "{name} in {saved:?}");
    }
    assert!(!saved.iter().any(|(name, _)| name == "csrf_token"));
    grace.sign_in("grace@example.com", "/dashboard").await;
    let again: Vec<(&str, &str)> = saved.iter().map(|(name, value)| (&**name, &**value)).collect();
    let created = grace.post("/dashboard/customers/new", &again).await.redirect();
    assert!(grace.get(&created).await.expect_status(200).contains("Ada &amp; &quot;Co&quot;"));
}

#[tokio::test]
async fn signing_out_invalidates_all_copies_of_the_session_cookie() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let mut thief = grace.clone();
    thief.get("/dashboard/customers").await.expect_status(200);
    let token = grace.get("/dashboard").await.hidden_field("csrf_token");
    let out = grace.post("/dashboard/sign-out", &[("csrf_token", &token)]).await;
    assert!(out.expect_status(200).contains("You're signed out"));
    assert!(grace.cookie(SESSION).is_none());
    let refresh = out.headers["refresh"].to_str().unwrap();
    assert!(refresh.starts_with("0; url=http") && refresh.contains("client_id=signet-dashboard"), "{refresh}");
    assert!(thief.get("/dashboard/customers").await.redirect().starts_with("/dashboard/sign-in?"));
    // The table stores when the record expires, but not the user.
    let items = stack.items().await;
    let session = items.iter().find(|item| text(&item["PK"]["S"]).starts_with("SESSION#")).unwrap();
    let attributes: BTreeSet<_> = session.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(attributes, BTreeSet::from(["PK", "SK", "expires_at_epoch"]));
    assert!(!session.to_string().contains("grace"));
}

#[tokio::test]
async fn cookies_of_other_installations_and_modified_cookies_are_rejected() {
    let (stack, other) = (Stack::start().await, Stack::start().await);
    let elsewhere = Browser::operator(&other).await;
    let own = Browser::operator(&stack).await;
    let own = own.cookie(SESSION).unwrap();
    let last = if own.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{last}", &own[..own.len() - 1]);
    for value in [elsewhere.cookie(SESSION).unwrap(), &changed, "", "a", &own[..40]] {
        let mut browser = Browser::new(&stack);
        browser.set_cookie(SESSION, value);
        assert!(browser.get("/dashboard").await.redirect().starts_with("/dashboard/sign-in?"), "{value}");
    }
}

#[tokio::test]
async fn callbacks_are_accepted_only_in_the_browser_that_started_the_sign_in() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    let state = grace.start_sign_in().await;
    let mut eve = Browser::new(&stack);
    let page = eve.get(&format!("/dashboard/callback?code=abc&state={state}")).await;
    assert!(page.expect_status(401).contains("started in another browser"));
    let page = grace.get(&format!("/dashboard/callback?code=invalid&state={state}")).await;
    assert!(page.expect_status(401).contains("the authorization code was rejected"));
    let page = grace.get(&format!("/dashboard/callback?error=access_denied&state={state}")).await;
    assert!(page.expect_status(401).contains("canceled"));
    let page = grace.get(&format!("/dashboard/callback?code=a&state={state}&iss=https://other.example")).await;
    assert!(page.expect_status(401).contains("another identity provider"));
}

#[tokio::test]
async fn the_number_of_pending_sign_ins_is_limited() {
    let stack = Stack::start().await;
    let mut grace = Browser::new(&stack);
    for _ in 0..20 {
        grace.get("/dashboard/sign-in?return_to=/dashboard").await.redirect();
    }
    assert!(grace.cookie_count() <= 6, "{}", grace.cookie_count());
    grace.sign_in("grace@example.com", "/dashboard").await;
    grace.get("/dashboard").await.expect_status(200);
}

#[tokio::test]
async fn unknown_ids_and_paths_return_404() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let license = &setup.license_id;
    for path in [
        "customers/nobody".to_owned(),
        "license-keys/nothing".into(),
        "license-keys/nothing/revoke".into(),
        format!("license-keys/{license}/explode"),
        format!("license-keys/{license}/machines/act_1/deactivate"),
        format!("license-keys/{license}/machines/%00/deactivate"),
        "products/prod_1/tiers/new".into(),
        "tiers/tier_1/edit".into(),
        "signing-keys/a%20b/condemn".into(),
        "licenses/lic_1/machines/act_1/deactivate".into(),
        "catalog/tier_1/claim".into(),
    ] {
        let page = grace.get(&format!("/dashboard/{path}")).await;
        assert!(page.expect_status(404).contains("Page not found"), "{path}");
    }
    let page = grace.get("/dashboard/license-keys?status=odd&colour=red").await;
    assert!(
        page.expect_status(422).starts_with("<!DOCTYPE html>") && page.text.contains("Invalid link"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn addresses_of_forms_are_pages() {
    let stack = Stack::start().await;
    assert_eq!(Browser::new(&stack).get("/").await.redirect(), "/dashboard");
    let mut grace = Browser::operator(&stack).await;
    let setup = stack.operator.issue_new_license(2).await;
    // After a sign-in, a browser opens the address of the form that it has submitted.
    let search = grace.get("/dashboard/search?q=ignored").await;
    let shown = search.expect_status(200);
    assert!(shown.contains("action=\"/dashboard/search\"") && !shown.contains("ignored"), "{shown}");
    let found = grace.submit_form("/dashboard/search", &[("q", &setup.license_key)]).await.redirect();
    assert_eq!(found, format!("/dashboard/license-keys/{}", setup.license_id));

    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    ada.submit_form("/dashboard/welcome", &[("name", "Ada")]).await.redirect();
    let customers = stack.operator.get("customers").await.expect_status(200);
    let customer = customers["items"].as_array().unwrap().iter().find(|one| one["name"] == "Ada").unwrap();
    let issued = stack.operator.issue(customer, &setup.tier, &json!({})).await;
    let key = text(&issued["license_key"]);
    let path = format!("/dashboard/licenses/{}/key", text(&issued["license"]["id"]));
    let page = ada.get(&path).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("Show license key") && !shown.contains(key), "{shown}");
    assert_eq!(ada.submit_form(&path, &[]).await.secret(), key);
    let other = format!("/dashboard/licenses/{}/key", setup.license_id);
    ada.get(&other).await.expect_status(404);

    // The others say what to do.
    for path in ["products/reorder", "sign-out", "theme"] {
        let page = grace.get(&format!("/dashboard/{path}")).await;
        let shown = page.expect_status(405);
        assert!(shown.starts_with("<!DOCTYPE html>") && shown.contains("Go to dashboard"), "{path}: {shown}");
        assert_eq!(page.headers["allow"], "POST", "{path}");
    }
}

/// The title of the browser tab.
fn title(page: &str) -> &str {
    page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap()
}

#[tokio::test]
async fn pages_have_different_titles() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let signing = stack.operator.get("signing-keys").await.body;
    let access = stack.operator.get("api-keys").await.body;
    let kid = text(&signing["items"][0]["kid"]);
    let mut grace = Browser::operator(&stack).await;
    let mut titles = BTreeSet::new();
    for path in operator_paths(&setup, kid, text(&access["items"][0]["id"]), "act_01JD8W0V5XK6Q3R7T2N4M8P9ZB") {
        let page = grace.get(&format!("/dashboard/{path}")).await;
        if page.status == 200 {
            assert!(titles.insert(title(&page.text).to_owned()), "{path}: {}", title(&page.text));
        }
    }
    assert!(titles.iter().any(|title| title.starts_with("History – ")), "{titles:?}");
    assert!(titles.len() > 25, "{titles:?}");
}

#[tokio::test]
async fn cross_site_forms_are_rejected() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let fields = [("name", "Eve"), ("email", "eve@example.com")];
    let origin = stack.local.base_url.clone();
    for headers in [
        vec![("origin", "https://evil.example".to_owned())],
        vec![("sec-fetch-site", "cross-site".to_owned())],
        vec![("sec-fetch-site", "same-site".to_owned()), ("origin", origin.clone())],
        vec![("origin", "null".to_owned())],
        vec![],
    ] {
        grace.form_headers = headers.clone();
        let rejected = grace.post("/dashboard/customers/new", &fields).await;
        assert!(rejected.expect_status(403).contains("not submitted from this dashboard"), "{headers:?}");
    }
    // Browsers without these headers need the CSRF token of the form.
    grace.submit_form("/dashboard/customers/new", &fields).await.redirect();
    grace.form_headers = vec![("origin", origin)];
    grace.post("/dashboard/customers/new", &[("name", "Ada"), ("email", "ada@example.com")]).await.redirect();
}

/// The paths of all pages and actions of operators.
fn operator_paths(setup: &IssuedLicense, signing: &str, access: &str, machine: &str) -> Vec<String> {
    let (product, license) = (text(&setup.product["id"]), &setup.license_id);
    let (tier, feature, customer) = (text(&setup.tier["id"]), text(&setup.feature["id"]), text(&setup.customer["id"]));
    let mut paths = vec![
        "products".to_owned(),
        "products/new".into(),
        "products/reorder".into(),
        format!("products/{product}"),
        format!("products/{product}/edit"),
        format!("products/{product}/hierarchy"),
        format!("products/{product}/tiers/reorder"),
        format!("products/{product}/tiers/new"),
        format!("tiers/{tier}/edit"),
        format!("products/{product}/features"),
        format!("products/{product}/features/reorder"),
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
        format!("license-keys/{license}/entitlements"),
        format!("license-keys/{license}/entitlements/{feature}"),
        format!("license-keys/{license}/audit"),
        format!("license-keys/{license}/machines/{machine}/deactivate"),
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
async fn pages_for_operators_return_403_to_customers() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let activated = json!({ "license_key": setup.license_key, "machine_id": "a" });
    let activated = stack.operator.post("license-activations/activate", activated).await.body;
    let signing = stack.operator.get("signing-keys").await.body;
    let access = stack.operator.get("api-keys").await.body;
    let paths = operator_paths(
        &setup,
        text(&signing["items"][0]["kid"]),
        text(&access["items"][0]["id"]),
        text(&activated["activation"]["id"]),
    );
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    let before = stack.snapshot_items().await;
    for path in &paths {
        let path = format!("/dashboard/{path}");
        let got = ada.get(&path).await;
        let posted = ada.post(&path, &[("reason", "a"), ("q", "a")]).await;
        // Paths with a single method return 405 for the other.
        assert!([got.status, posted.status].contains(&403), "{path}: {} and {}", got.status, posted.status);
        for page in [got, posted] {
            assert!([403, 405].contains(&page.status), "{path}: {}", page.status);
            assert!(!page.text.contains(&setup.license_id) && !page.text.contains("<h1>Customers"), "{path}");
        }
    }
    stack.assert_unchanged_since(&before).await;
    // Unknown paths are not revealed as restricted.
    ada.get("/dashboard/nothing/at/all").await.expect_status(404);
}

#[tokio::test]
async fn licenses_of_other_customers_return_404() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let activated = json!({ "license_key": setup.license_key, "machine_id": "a" });
    let activated = stack.operator.post("license-activations/activate", activated).await.body;
    let machine = text(&activated["activation"]["id"]);
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    ada.submit_form("/dashboard/welcome", &[("name", "Ada")]).await.redirect();
    let here = format!("/dashboard/licenses/{}", setup.license_id);
    for path in [here.clone(), format!("{here}/machines/{machine}/deactivate")] {
        ada.get(&path).await.expect_status(404);
    }
    for path in [format!("{here}/key"), format!("{here}/download"), format!("{here}/machines/{machine}/deactivate")] {
        assert!(!ada.post(&path, &[]).await.expect_status(404).contains(&setup.license_key), "{path}");
    }
    let seats = stack.operator.get(&format!("license-keys/{}", setup.license_id)).await.body;
    assert_eq!(seats["seats_used"], 1);
}

#[tokio::test]
async fn pages_have_security_headers_and_are_not_cached() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    for path in ["/dashboard", "/dashboard/customers", "/dashboard/nothing", "/dashboard/signed-out"] {
        let page = grace.get(path).await;
        let header = |name: &str| page.headers[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store", "same-origin"), "{path}");
        assert!(page.headers.get("content-encoding").is_none(), "{path} must not be compressed");
        for asset in page.text.split("/dashboard/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let asset = grace.get(&format!("/dashboard/assets/{asset}")).await;
            asset.expect_status(200);
            assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        }
    }
    grace.get("/dashboard/assets/style.000000000000.css").await.expect_status(404);
}

#[tokio::test]
async fn search_finds_key_strings_without_logging_them() {
    let logs = Logs::capture();
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let activated = json!({ "license_key": setup.license_key, "machine_id": "a" });
    let activated = stack.operator.post("license-activations/activate", activated).await.body;
    let mut grace = Browser::operator(&stack).await;
    let license = format!("/dashboard/license-keys/{}", setup.license_id);
    let customer = format!("/dashboard/customers/{}", text(&setup.customer["id"]));
    let (name, email) = (text(&setup.customer["name"]), text(&setup.customer["email"]).to_uppercase());
    for (text, result) in [
        (setup.license_key.as_str(), &license),
        (&setup.license_key.to_lowercase().replace('-', " "), &license),
        (&setup.license_id, &license),
        (text(&activated["activation"]["id"]), &license),
        (text(&setup.customer["id"]), &customer),
        (&email, &customer),
        (&name.to_uppercase(), &customer),
        (&name[..name.len() - 1], &customer),
    ] {
        assert_eq!(&grace.post("/dashboard/search", &[("q", text)]).await.redirect(), result, "{text}");
    }
    let none = grace.post("/dashboard/search", &[("q", &setup.license_key.replace('-', "0"))]).await;
    assert!(none.expect_status(200).contains("No results for") && !none.text.contains(&setup.license_key));
    let log = logs.text();
    assert!(!log.contains(&setup.license_key) && !log.contains("grace@example.com"), "{log}");
}

#[tokio::test]
async fn pages_need_few_reads_and_no_scans() {
    let stack = Stack::start().await;
    for _ in 0..3 {
        stack.operator.issue_new_license(2).await;
    }
    stack.local.app.table.update_statistics(stack.clock.now(), UpdateLimits::default()).await.unwrap();
    let mut grace = Browser::operator(&stack).await;
    grace.get("/dashboard").await.expect_status(200);
    for (path, max) in [("/dashboard/license-keys", 6), ("/dashboard/customers", 2), ("/dashboard/products", 3)] {
        stack.faults.reset_calls();
        grace.get(path).await.expect_status(200);
        let calls = stack.faults.calls();
        assert!(calls.len() <= max && calls.iter().all(|call| call != "Scan"), "{path}: {calls:?}");
    }
    stack.faults.reset_calls();
    grace.get("/dashboard").await.expect_status(200);
    let calls: Vec<Value> = stack.faults.calls().into_iter().map(Value::from).collect();
    // The session, the statistics, and the events of two days: today, and tomorrow in case of clock skew.
    assert!(calls.iter().filter(|call| **call == "GetItem").count() <= 2 && calls.len() <= 20, "{calls:?}");
}
