//! The dashboard's forms.

use signet_tests::{Browser, Fault, Rule, Stack, Value, json, merged, text};

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
    let (email, tier) = (text(&setup.customer["email"]), text(&setup.tier["id"]));
    let fields =
        [("customer_id", email), ("tier_id", tier), ("expiry", "never"), ("seats", "custom"), ("max_users", "9")];
    let preview = grace.submit_form("/dashboard/license-keys/new", &fields).await;
    let hidden = preview.hidden_fields();
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    let first = grace.post("/dashboard/license-keys/new", &fields).await;
    first.expect_status(200);
    let key = first.secret().to_owned();
    // A second submission, for example after a lost response, returns the same key.
    assert_eq!(grace.post("/dashboard/license-keys/new", &fields).await.secret(), key);
    let keys = stack.operator.get("license-keys").await.body;
    assert_eq!(keys["items"].as_array().unwrap().len(), 2, "one from the setup, one from the form");
    assert_eq!((&keys["items"][0]["max_users"], &keys["items"][0]["expires_at"]), (&json!(9), &json!(null)));
    // Submitting the same form with other values issues nothing and asks for confirmation.
    fields.retain(|(name, _)| *name != "max_users");
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
        (
            "change",
            vec![("tier_id", text(&setup.tier["id"])), ("seats", "unlimited"), ("previewed", "yes")],
            "max_users",
            json!(null),
        ),
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
async fn a_change_of_a_license_is_previewed() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license_with(&json!({"max_users": null})).await;
    let small = stack.operator.create_tier(&setup.product, &json!({"name": "Small", "max_users": 1})).await;
    stack.anonymous.activate(&setup.license_key, "one").await.expect_status(201);
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/license-keys/{}", setup.license_id);
    let fields = [("tier_id", text(&small["id"])), ("seats", "custom"), ("max_users", "1")];
    let preview = grace.submit_form(&format!("{here}/change"), &fields).await;
    let page = preview.expect_status(200);
    for part in ["Small", "1 seat", "Features removed", "export.pdf", "1 machine will lose the seat"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let read = async || stack.operator.get(&format!("license-keys/{}", setup.license_id)).await.body["tier_id"].clone();
    assert_eq!(read().await, setup.tier["id"], "nothing is changed");
    let confirmed = [&fields[..], &[("previewed", "yes")]].concat();
    grace.submit_form(&format!("{here}/change"), &confirmed).await.redirect();
    assert_eq!(read().await, small["id"]);
}

/// The error below an input.
fn field_error<'a>(page: &'a str, name: &str) -> &'a str {
    let found = page.split(&format!("id=\"f-{name}-error\"")).nth(1).and_then(|rest| rest.split("<span>").nth(1));
    found.and_then(|rest| rest.split("</span>").next()).unwrap_or_default()
}

#[tokio::test]
async fn all_errors_of_a_tier_are_shown_at_once() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let new = format!("/dashboard/products/{}/tiers/new", text(&setup.product["id"]));
    let fields = [
        ("code", text(&setup.tier["code"])),
        ("name", ""),
        ("currency", "eur"),
        ("monthly_price", "19.999"),
        ("annual_price", "abc"),
        ("billing_period", "annual"),
        ("max_users", "many"),
        ("max_tenants", "-1"),
        ("token_ttl_seconds", "x"),
        ("heartbeat_interval_seconds", "7200"),
        ("feature_ids", "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB"),
    ];
    let rejected = grace.submit_form(&new, &fields).await;
    let page = rejected.expect_status(422);
    for (name, expected) in [
        ("code", "Already used by another tier of this product."),
        ("name", "This field is required."),
        ("monthly_price", "Enter an amount in EUR with at most 2 decimals, such as 19.90."),
        ("annual_price", "Enter an amount in EUR with at most 2 decimals, such as 19.90."),
        ("max_users", "Enter a whole number from 1 to 100,000, or leave blank."),
        ("max_tenants", "Enter a whole number from 1 to 4,294,967,295, or leave blank."),
        ("token_ttl_seconds", "Enter a whole number from 1 to 31,536,000, or leave blank."),
        ("feature_ids", "Feature not found."),
    ] {
        assert_eq!(field_error(page, name), expected, "{name}: {page}");
        assert!(page.contains(&format!("<a href=\"#f-{name}\">")), "the summary links to {name}: {page}");
    }
    // Compared with no valid token lifetime, no heartbeat interval is too long.
    assert_eq!(field_error(page, "heartbeat_interval_seconds"), "");
    assert!(page.contains("value=\"19.999\"") && page.contains("value=\"many\""), "{page}");

    // The hint follows the currency, and the code has the words of the page.
    let mut fields = fields.to_vec();
    fields[0].1 = "No Code";
    fields[2].1 = "JPY";
    let rejected = grace.submit_form(&new, &fields).await;
    let page = rejected.expect_status(422);
    assert_eq!(field_error(page, "monthly_price"), "Enter an amount in JPY without decimals, such as 1990.");
    assert!(field_error(page, "code").starts_with("Use 2–40 lowercase letters"), "{page}");

    let edit = format!("/dashboard/tiers/{}/edit", text(&setup.tier["id"]));
    let rejected = grace.submit_form(&edit, &fields).await;
    let page = rejected.expect_status(422);
    for name in ["name", "monthly_price", "annual_price", "max_users", "max_tenants", "feature_ids"] {
        assert_ne!(field_error(page, name), "", "{name}: {page}");
    }
    assert_eq!(
        stack.operator.get("pricing-tiers").await.body["items"].as_array().unwrap().len(),
        1,
        "nothing is saved"
    );

    // The API names its errors at once, too.
    let body = json!({ "code": setup.product["code"], "name": "" });
    stack.operator.post("products", body).await.expect_errors(422, &["/code code_taken", "/name invalid_value"]);
}

#[tokio::test]
async fn a_rotation_is_forced_only_while_it_is_not_safe() {
    let stack = Stack::start().await;
    let mut shown = Vec::new();
    for days in [0, 30] {
        stack.advance(days * 86_400);
        let page = Browser::operator(&stack).await.get("/dashboard/signing-keys/rotate").await;
        let page = page.expect_status(200);
        let (is_safe, is_forced) = (page.contains("Safe to rotate"), page.contains("name=\"force\""));
        assert_eq!((is_safe, page.contains("You can rotate after")), (!is_forced, is_forced), "{page}");
        shown.push(is_safe);
    }
    assert_eq!(shown, [false, true]);
}

#[tokio::test]
async fn customers_claim_licenses_and_download_the_key_file() {
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
    let license: Value = serde_json::from_str(file.expect_status(200)).unwrap();
    assert_eq!((&license["license_key"], &license["product"]), (&json!(key), &product["code"]));
    assert_eq!(file.headers["cache-control"], "no-store");
    // The key of a suspended license is still shown to its owner.
    stack.operator.post(&format!("license-keys/lic_{id}/suspend"), json!({})).await.expect_status(200);
    assert!(ada.post(&format!("{here}/key"), &[]).await.expect_status(200).contains("not active"));
    let again = ada.submit_form(&claim, &[]).await;
    assert!(again.expect_status(403).contains("You already claimed this license"), "{}", again.text);
}

#[tokio::test]
async fn the_app_file_of_a_product_is_what_an_app_has_built_in() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/products/{}", text(&license.product["id"]));
    assert!(grace.get(&here).await.expect_status(200).contains(&format!("href=\"{here}/app-file\"")));
    let file = grace.get(&format!("{here}/app-file")).await;
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"signet-app.json\"");
    let roots = stack.operator.get("signing-keys").await.expect_status(200)["root_keys"].clone();
    let base = &stack.local.base_url;
    let expected = json!({"api_url": base, "issuer": base, "product": license.product["code"], "root_keys": roots});
    assert_eq!(serde_json::from_str::<Value>(file.expect_status(200)).unwrap(), expected);
    grace.get("/dashboard/products/prod_01KF0RDQG0QFK4QQ5GWP3TJ2HJ/app-file").await.expect_status(404);
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
    let explanation = "Your email address is not verified yet. Verify it where you manage your sign-in";
    assert!(rejected.text.contains(explanation), "{}", rejected.text);
    assert!(!rejected.text.contains("identity provider, then"), "{}", rejected.text);
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

#[tokio::test]
async fn limits_of_a_tier_are_numbers_unlimited_or_not_set() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let product = text(&setup.product["id"]);
    let new = format!("/dashboard/products/{product}/features/new");
    let mut created = Vec::new();
    for key in ["rows", "projects", "teams"] {
        let fields = [("key", key), ("kind", "limit"), ("name", key), ("unit", "<units>")];
        let done = grace.submit_form(&new, &fields).await.redirect();
        assert!(grace.get(&done).await.expect_status(200).contains("In &lt;units&gt;"));
        let list = stack.operator.get("product-features").await.body;
        let found = list["items"].as_array().unwrap().iter().find(|feature| feature["key"] == key).unwrap();
        created.push(text(&found["id"]).to_owned());
    }
    let rejected = grace.submit_form(&new, &[("key", "a"), ("kind", "flag"), ("name", "A"), ("unit", "rows")]).await;
    assert!(rejected.expect_status(422).contains("id=\"f-unit-error\""), "{}", rejected.text);

    let edit = format!("/dashboard/tiers/{}/edit", text(&setup.tier["id"]));
    let page = grace.get(&edit).await;
    assert!(page.expect_status(200).contains("name=\"limit-") && page.text.contains("rows, in &lt;units&gt;"));
    let [rows, projects, teams] = &created[..] else { panic!("expected three limits") };
    let names = [format!("limit-{rows}"), format!("unlimited-{projects}"), format!("limit-{teams}")];
    let tier = [
        ("name", "Pro"),
        ("currency", "EUR"),
        ("monthly_price", "1"),
        ("annual_price", "2"),
        ("billing_period", "annual"),
        ("is_active", "true"),
        ("feature_ids", text(&setup.feature["id"])),
    ];
    let with = |values: [&'static str; 3]| {
        [&tier[..], &[(&*names[0], values[0]), (&*names[1], values[1]), (&*names[2], values[2])]].concat()
    };
    let rejected = grace.submit_form(&edit, &with(["many", "on", ""])).await;
    let shown = rejected.expect_status(422);
    assert!(shown.contains("Enter whole numbers from 0") && shown.contains("value=\"many\""), "{shown}");
    grace.submit_form(&edit, &with(["1000", "on", ""])).await.redirect();
    let read = stack.operator.get(&format!("pricing-tiers/{}", text(&setup.tier["id"]))).await.body;
    assert_eq!(read["feature_limits"], json!({rows: 1000, projects: null}));
    let page = grace.get(&edit).await;
    let shown = page.expect_status(200);
    assert!(
        shown.contains("value=\"1000\"")
            && shown.contains(&format!("name=\"unlimited-{projects}\" value=\"on\" checked")),
        "{shown}"
    );
    let hierarchy = grace.get(&format!("/dashboard/products/{product}/hierarchy")).await;
    assert!(hierarchy.expect_status(200).contains("rows: 1,000 &lt;units&gt;"), "{}", hierarchy.text);
    // A number removes unlimited, and a blank row removes the limit.
    let number = format!("limit-{projects}");
    let fields = [&tier[..], &[(&*number, "5"), (&*names[0], "")]].concat();
    grace.submit_form(&edit, &fields).await.redirect();
    let read = stack.operator.get(&format!("pricing-tiers/{}", text(&setup.tier["id"]))).await.body;
    assert_eq!(read["feature_limits"], json!({projects: 5}));
}

#[tokio::test]
async fn overrides_are_set_changed_and_removed_one_by_one() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let rows = stack.operator.create_limit(&setup.product, "rows").await;
    let limits = json!({"feature_limits": {text(&rows["id"]): 1000}});
    stack.operator.replace("pricing-tiers", &setup.tier, &limits).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/license-keys/{}/entitlements", setup.license_id);
    let page = grace.get(&here).await;
    let shown = page.expect_status(200);
    for words in ["export.pdf", "On", "1,000 rows", "Tier"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let of_rows = format!("{here}/{}", text(&rows["id"]));
    let of_pdf = format!("{here}/{}", text(&setup.feature["id"]));
    let overrides = async || {
        stack.operator.get(&format!("license-keys/{}", setup.license_id)).await.expect_status(200)["overrides"].clone()
    };
    let shown = grace.get(&of_rows).await;
    assert!(shown.expect_status(200).contains("As the tier (1,000 rows)"), "{}", shown.text);
    let fields = [("value", "number"), ("limit", "5000"), ("expires_at", "2026-02-01T00:00"), ("note", "<b>Ada</b>")];
    let done = grace.submit_form(&of_rows, &fields).await.redirect();
    let page = grace.get(&done).await;
    let shown = page.expect_status(200);
    for words in ["Override saved.", "5,000 rows", "Override until", "1 Feb 2026", "&lt;b&gt;Ada&lt;/b&gt;"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let expected =
        json!({"feature_id": rows["id"], "limit": 5000, "expires_at": "2026-02-01T00:00:00Z", "note": "<b>Ada</b>"});
    assert_eq!(overrides().await, json!([expected]));
    grace.submit_form(&of_pdf, &[("value", "off")]).await.redirect();
    let off = json!({"feature_id": setup.feature["id"], "enabled": false, "expires_at": null, "note": null});
    assert_eq!(overrides().await, json!([expected, off]));

    // Errors of the API are shown at the inputs.
    for (fields, input) in [
        (&[("value", "number"), ("limit", "")][..], "limit"),
        (&[("value", "number"), ("limit", "many")], "limit"),
        (&[("value", "unlimited"), ("expires_at", "2025-01-01T00:00")], "expires_at"),
        (&[("value", "unlimited"), ("note", "\u{7}")], "note"),
    ] {
        let rejected = grace.submit_form(&of_rows, fields).await;
        assert!(
            rejected.expect_status(422).contains(&format!("id=\"f-{input}-error\"")),
            "{fields:?} {}",
            rejected.text
        );
    }
    // A form that was rendered before another change is not applied.
    let stale = grace.get(&of_rows).await.hidden_fields();
    grace.submit_form(&of_pdf, &[("value", "on")]).await.redirect();
    let mut fields: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.push(("value", "unlimited"));
    assert!(grace.post(&of_rows, &fields).await.expect_status(412).contains("Someone else changed this"));
    // An activation of a machine is no change of the overrides.
    let form = grace.get(&of_rows).await.hidden_fields();
    stack.anonymous.activate(&setup.license_key, "one").await.expect_status(201);
    let mut fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.push(("value", "tier"));
    grace.post(&of_rows, &fields).await.redirect();
    assert_eq!(overrides().await[0]["enabled"], true);
    let history = grace.get(&format!("/dashboard/license-keys/{}/history", setup.license_id)).await;
    let shown = history.expect_status(200);
    assert!(shown.contains("Entitlements overridden") && shown.contains("2 overrides"), "{shown}");
    let unknown = format!("{here}/feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB");
    assert!(grace.get(&unknown).await.expect_status(404).contains("Page not found"));
}
