//! The dashboard's forms.

use signet_tests::{Browser, Fault, Rule, Stack, json, merged, text};

#[tokio::test]
async fn rejected_forms_keep_their_values_and_show_errors_at_the_fields() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let fields = [("name", "Ada \"<b>\""), ("email", "no address"), ("company", "Engines")];
    let rejected = grace.submit_form("/dashboard/customers/new", &fields).await;
    let page = rejected.expect_status(422);
    assert!(page.contains("value=\"Ada &quot;&lt;b&gt;&quot;\"") && page.contains("value=\"Engines\""), "{page}");
    let field = page.split("id=\"f-email\"").nth(1).unwrap();
    assert!(field.contains("aria-invalid=\"true\"") && field.contains("id=\"f-email-error\""), "{field}");
    assert!(!page.split("id=\"f-name\"").nth(1).unwrap().split('>').next().unwrap().contains("aria-invalid"));
    assert_eq!(stack.operator.get("customers").await.body["items"], json!([]));
}

#[tokio::test]
async fn submitting_a_form_twice_issues_one_license() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    // The new license is the newest, and listed first.
    stack.advance(1);
    let mut grace = Browser::operator(&stack).await;
    let page = grace.get("/dashboard/license-keys/new").await;
    let hidden = page.hidden_fields();
    let (email, tier) = (text(&setup.customer["email"]), text(&setup.tier["id"]));
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([
        ("customer_id", email),
        ("tier_id", tier),
        ("expiry", "never"),
        ("seats", "custom"),
        ("max_users", "9"),
    ]);
    let first = grace.post("/dashboard/license-keys/new", &fields).await;
    first.expect_status(200);
    let key = first.secret().to_owned();
    // A second submission, for example after a lost response, returns the same key.
    assert_eq!(grace.post("/dashboard/license-keys/new", &fields).await.secret(), key);
    let keys = stack.operator.get("license-keys").await.body;
    assert_eq!(keys["items"].as_array().unwrap().len(), 2, "one from the setup, one from the form");
    assert_eq!((&keys["items"][0]["max_users"], &keys["items"][0]["expires_at"]), (&json!(9), &json!(null)));
    // Submitting the same form with other values issues nothing and asks for confirmation.
    fields.pop();
    fields.push(("max_users", "8"));
    let other = grace.post("/dashboard/license-keys/new", &fields).await;
    assert!(other.expect_status(422).contains("already submitted with other values"));
    assert_ne!(other.hidden_fields(), hidden, "the page has a new idempotency key");
}

#[tokio::test]
async fn a_new_api_key_is_shown_once_and_has_the_selected_permissions() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let created = grace.submit_form("/dashboard/api-keys/new", &[("name", "ci"), ("scopes", "licenses:read")]).await;
    created.expect_status(200);
    let ci = stack.operator.with_api_key(created.secret());
    ci.get("license-keys").await.expect_status(200);
    ci.get("customers").await.expect_status(403);
    let list = grace.get("/dashboard/api-keys").await;
    assert!(list.expect_status(200).contains("ci") && !list.text.contains(created.secret()));
}

#[tokio::test]
async fn concurrent_edits_are_detected_and_keep_the_submitted_values() {
    let stack = Stack::start().await;
    let labels = json!({ "external_id": "crm-1", "metadata": { "segment": "research" } });
    let body = merged(json!({ "name": "Ada", "email": "ada@example.com" }), &labels);
    let customer = stack.operator.post("customers", body).await.expect_status(201);
    let path = format!("/dashboard/customers/{}/edit", text(&customer["id"]));
    let (mut grace, mut other) = (Browser::operator(&stack).await, Browser::operator(&stack).await);
    let stale = grace.get(&path).await.hidden_fields();
    other.submit_form(&path, &[("name", "Ada King"), ("email", "ada@example.com")]).await.redirect();
    let mut fields: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("name", "Ada Lovelace"), ("email", "ada@example.com")]);
    let rejected = grace.post(&path, &fields).await;
    assert!(
        rejected.expect_status(412).contains("Someone else changed this") && rejected.text.contains("Ada Lovelace")
    );
    let name = |body: signet_tests::Value| text(&body["name"]).to_owned();
    let at = format!("customers/{}", text(&customer["id"]));
    assert_eq!(name(stack.operator.get(&at).await.body), "Ada King");
    // Submitting again overwrites the other change.
    let again = rejected.hidden_fields();
    let mut fields: Vec<(&str, &str)> = again.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("name", "Ada Lovelace"), ("email", "ada@example.com")]);
    grace.post(&path, &fields).await.redirect();
    let read = stack.operator.get(&at).await.body;
    assert_eq!(merged(read.clone(), &labels), read, "what the form does not show stays");
    assert_eq!(name(read), "Ada Lovelace");
    let setup = stack.operator.issue_new_license(2).await;
    for (list, page, resource) in [("products", "products", &setup.product), ("pricing-tiers", "tiers", &setup.tier)] {
        let at = format!("{list}/{}", text(&resource["id"]));
        stack.operator.patch(&at, json!({ "metadata": { "a": "b" } })).await.expect_status(200);
        let prices = [("monthly_price", "1"), ("annual_price", "2"), ("currency", "EUR"), ("billing_period", "annual")];
        let fields =
            [&[("name", "New"), ("is_active", "true")][..], if page == "tiers" { &prices } else { &[] }].concat();
        grace.submit_form(&format!("/dashboard/{page}/{}/edit", text(&resource["id"])), &fields).await.redirect();
        let read = stack.operator.get(&at).await.body;
        assert_eq!((&read["name"], &read["metadata"]), (&json!("New"), &json!({ "a": "b" })));
    }
}

#[tokio::test]
async fn license_actions_have_the_effect_of_the_api() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/license-keys/{}", setup.license_id);
    let at = format!("license-keys/{}", setup.license_id);
    let license = async || stack.operator.get(&at).await.body;
    for (action, fields, attribute, value) in [
        ("suspend", vec![("reason", "unpaid")], "status", json!("suspended")),
        ("reinstate", vec![], "status", json!("active")),
        ("change", vec![("tier_id", text(&setup.tier["id"])), ("seats", "unlimited")], "max_users", json!(null)),
        (
            "renew",
            vec![("expiry", "date"), ("expires_at", "2099-01-15T12:30")],
            "expires_at",
            json!("2099-01-15T12:30:00Z"),
        ),
        ("renew", vec![("expiry", "never")], "expires_at", json!(null)),
    ] {
        let done = grace.submit_form(&format!("{here}/{action}"), &fields).await.redirect();
        assert!(done.starts_with(&here), "{done}");
        assert_eq!(license().await[attribute], value, "{action}");
    }
    let new = grace.submit_form(&format!("{here}/regenerate"), &[]).await;
    new.expect_status(200);
    assert_ne!(new.secret(), setup.license_key);
    let audited = grace.submit_form(&format!("{here}/audit"), &[("repair", "on")]).await;
    assert!(audited.expect_status(200).contains("No issues found."));
    grace.submit_form(&format!("{here}/revoke"), &[("reason", "<i>refund</i>")]).await.redirect();
    assert_eq!(license().await["status"], "revoked");
    let page = grace.get(&here).await;
    assert!(page.expect_status(200).contains("“&lt;i&gt;refund&lt;/i&gt;”"), "{}", page.text);
    // The API rejects actions on a revoked license, and the page shows the error.
    let rejected = grace.submit_form(&format!("{here}/suspend"), &[]).await;
    assert!(rejected.expect_status(409).contains("role=\"alert\""));
    grace.get(&format!("{here}/explode")).await.expect_status(404);
}

#[tokio::test]
async fn customers_claim_licenses_and_download_the_license_file() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    let tier = stack.operator.create_tier(&product, &json!({ "is_claimable": true, "max_users": 2 })).await;
    let claim = format!("/dashboard/catalog/{}/claim", text(&tier["id"]));
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    // Users who have not registered are redirected to the registration and back.
    let welcome = ada.get(&claim).await.redirect();
    assert_eq!(ada.submit_form(&welcome, &[("name", "Ada Lovelace")]).await.redirect(), claim);
    let claimed = ada.submit_form(&claim, &[]).await;
    claimed.expect_status(200);
    let key = claimed.secret().to_owned();
    let own = ada.get("/dashboard/licenses").await;
    let id =
        own.expect_status(200).split("/dashboard/licenses/lic_").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let here = format!("/dashboard/licenses/lic_{id}");
    assert!(!ada.get(&here).await.expect_status(200).contains(&key), "the license page does not contain the key");
    assert_eq!(ada.post(&format!("{here}/key"), &[]).await.secret(), key);
    let file = ada.post(&format!("{here}/download"), &[]).await;
    let license: signet_tests::Value = serde_json::from_str(file.expect_status(200)).unwrap();
    assert_eq!((&license["license_key"], &license["product"]), (&json!(key), &product["code"]));
    assert_eq!(file.headers["cache-control"], "no-store");
    // The key of a suspended license is still shown to its owner.
    stack.operator.post(&format!("license-keys/lic_{id}/suspend"), json!({})).await.expect_status(200);
    assert!(ada.post(&format!("{here}/key"), &[]).await.expect_status(200).contains("not active"));
    let again = ada.submit_form(&claim, &[]).await;
    assert!(again.expect_status(403).contains("You already claimed this license"), "{}", again.text);
}

#[tokio::test]
async fn registering_with_an_unverified_email_is_rejected() {
    let stack = Stack::start().await;
    stack.operator.post("customers", json!({ "name": "Other", "email": "ada@example.com" })).await.expect_status(201);
    let mut eve = Browser::new(&stack);
    let login = eve.get("/dashboard").await.redirect();
    let authorize = eve.get(&login).await.redirect();
    let (authorize, query) = authorize.split_once('?').unwrap();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("email", "ada@example.com"), ("unverified", "on")]);
    let callback = eve.post(authorize, &fields).await.redirect();
    eve.get(&callback).await.redirect();
    let rejected = eve.submit_form("/dashboard/welcome", &[("name", "Eve")]).await;
    assert!(rejected.status >= 400 && rejected.text.contains("role=\"alert\""), "{}", rejected.text);
    assert!(rejected.text.contains("value=\"Eve\""));
}

#[tokio::test]
async fn outages_show_an_error_page_and_forms_can_be_submitted_again() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let form = grace.get("/dashboard/customers/new").await;
    let hidden = form.hidden_fields();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("name", "Ada"), ("email", "ada@example.com")]);
    let first = grace.post("/dashboard/customers/new", &fields).await;
    let second = grace.post("/dashboard/customers/new", &fields).await;
    for page in [first, second] {
        assert!(
            page.status == 303 || page.text.contains("value=\"ada@example.com\""),
            "{}: {}",
            page.status,
            page.text
        );
    }
    stack.faults.clear();
    assert_eq!(stack.operator.get("customers").await.body["items"].as_array().unwrap().len(), 1);
    stack.faults.add(Rule::new("*", Fault::RefuseConnection).always());
    let unavailable = grace.get("/dashboard/customers").await;
    assert!(unavailable.expect_status(503).contains("Signet is temporarily unavailable"));
    stack.faults.clear();
    grace.get("/dashboard/customers").await.expect_status(200);
}
