//! What the dashboard says before an action that can cost customers their licenses, and after it.

use signet_tests::{Browser, HtmlPage, Stack, json, merged, text};

/// Submits the first form in the main part of a page, with other fields.
async fn submit_shown(browser: &mut Browser, page: &HtmlPage, path: &str, fields: &[(&str, &str)]) -> HtmlPage {
    let hidden = page.hidden_fields();
    let mut all: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    all.extend_from_slice(fields);
    browser.post(path, &all).await
}

#[tokio::test]
async fn deactivating_a_product_asks_first_and_says_what_stops() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    stack.anonymous.activate(&setup.license_key, "one").await.expect_status(201);
    let suspended = stack.operator.issue(&stack.operator.create_customer().await, &setup.tier, &json!({})).await;
    let suspended = format!("license-keys/{}", text(&suspended["license"]["id"]));
    stack.operator.post(&format!("{suspended}/suspend"), json!({})).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    let product = format!("products/{}", text(&setup.product["id"]));
    let edit = format!("/dashboard/{product}/edit");
    let is_active = async || stack.operator.get(&product).await.body["is_active"].clone();

    let question = grace.submit_form(&edit, &[("name", "Atlas \"2\""), ("one_key_per_customer", "on")]).await;
    let page = question.expect_status(200);
    assert!(page.contains("Deactivate this product?") && page.contains("1 active license with 1 machine"), "{page}");
    assert_eq!(is_active().await, true, "nothing is changed yet");
    let done = submit_shown(&mut grace, &question, &edit, &[]).await.redirect();
    assert!(grace.get(&done).await.expect_status(200).contains("Product deactivated."));
    let read = stack.operator.get(&product).await.body;
    assert_eq!(
        (&read["is_active"], &read["name"], &read["one_key_per_customer"]),
        (&json!(false), &json!("Atlas \"2\""), &json!(true))
    );

    // Other changes of an inactive product, and its activation, need no confirmation.
    grace.submit_form(&edit, &[("name", "Atlas")]).await.redirect();
    let done = grace.submit_form(&edit, &[("name", "Atlas"), ("is_active", "on")]).await.redirect();
    assert!(grace.get(&done).await.expect_status(200).contains("Product activated."));
    assert_eq!(is_active().await, true);
}

#[tokio::test]
async fn licenses_of_an_inactive_product_are_not_shown_as_active() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    let tier = stack.operator.create_tier(&product, &json!({ "is_claimable": true })).await;
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    ada.get("/dashboard").await.redirect();
    ada.submit_form("/dashboard/welcome", &[("name", "Ada Lovelace")]).await.redirect();
    ada.submit_form(&format!("/dashboard/catalog/{}/claim", text(&tier["id"])), &[]).await.expect_status(200);
    let id = text(&stack.operator.get("license-keys").await.body["items"][0]["id"]).to_owned();
    stack.operator.replace("products", &product, &json!({ "is_active": false })).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    let own = ["/dashboard/licenses".to_owned(), format!("/dashboard/licenses/{id}")];
    let all = ["/dashboard/license-keys".to_owned(), format!("/dashboard/license-keys/{id}")];
    for (browser, pages) in [(&mut ada, own), (&mut grace, all)] {
        for path in pages {
            let page = browser.get(&path).await;
            let shown = page.expect_status(200);
            assert!(shown.contains("<span class=\"badge warning\">Product inactive</span>"), "{path}: {shown}");
            assert!(!shown.contains("<span class=\"badge success\">Active</span>"), "{path}: {shown}");
        }
    }
    let page = grace.get(&format!("/dashboard/license-keys/{id}")).await;
    assert!(page.text.contains("is inactive: its licenses can't be used"), "{}", page.text);
}

#[tokio::test]
async fn a_change_to_another_tier_takes_the_seats_of_that_tier_by_default() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license_with(&json!({ "name": "Basic", "max_users": 3 })).await;
    let team = stack.operator.create_tier(&setup.product, &json!({ "name": "Team", "max_users": 50 })).await;
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/license-keys/{}", setup.license_id);
    let change = format!("{here}/change");
    let form = grace.get(&change).await;
    let shown = form.expect_status(200);
    assert!(shown.contains("<option value=\"default\" selected>Tier default</option>"), "{shown}");
    assert!(!shown.contains("value=\"kept\""), "{shown}");
    // What a browser submits if only the tier is selected.
    let preview = grace.submit_form(&change, &[("tier_id", text(&team["id"])), ("seats", "default")]).await;
    let shown = preview.expect_status(200);
    assert!(shown.contains("3 seats → <strong>50 seats</strong>"), "{shown}");
    // The form is shown again with the submitted values.
    let back = submit_shown(&mut grace, &preview, &change, &[("back", "yes")]).await;
    let tier = format!("<option value=\"{}\" selected>", text(&team["id"]));
    assert!(back.expect_status(200).contains(&tier) && back.text.contains("id=\"f-max_users\""), "{}", back.text);
    let done = submit_shown(&mut grace, &preview, &change, &[]).await.redirect();
    let page = grace.get(&done).await;
    assert!(page.expect_status(200).contains("License changed. It has the tier Team and 50 seats."), "{}", page.text);
    let license = stack.operator.get(&format!("license-keys/{}", setup.license_id)).await.body;
    assert_eq!((&license["tier_id"], &license["max_users"]), (&team["id"], &json!(50)));
    for list in [&format!("{here}/history"), "/dashboard/activity"] {
        let page = grace.get(list).await;
        assert!(page.expect_status(200).contains("Basic → Team, 3 seats → 50 seats"), "{}", page.text);
    }
}

#[tokio::test]
async fn seats_that_differ_from_those_of_the_tier_can_be_kept() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license_with(&json!({ "name": "Basic", "max_users": 3 })).await;
    let team = stack.operator.create_tier(&setup.product, &json!({ "name": "Team", "max_users": 50 })).await;
    let at = format!("license-keys/{}", setup.license_id);
    stack.operator.post(&format!("{at}/change"), json!({ "max_users": 7 })).await.expect_status(200);
    let mut grace = Browser::operator(&stack).await;
    let change = format!("/dashboard/{at}/change");
    let form = grace.get(&change).await;
    let shown = form.expect_status(200);
    assert!(shown.contains("Keep 7 seats") && shown.contains("Tier default: 3 seats"), "{shown}");
    for (tier, seats, expected, max_users) in [
        (&setup.tier, "default", "7 seats → <strong>3 seats</strong>", 3),
        (&team, "kept", "7 seats (unchanged)<span class=\"subtext\">Tier default: 50 seats</span>", 7),
    ] {
        let preview = grace.submit_form(&change, &[("tier_id", text(&tier["id"])), ("seats", seats)]).await;
        assert!(preview.expect_status(200).contains(expected), "{}", preview.text);
        submit_shown(&mut grace, &preview, &change, &[]).await.redirect();
        assert_eq!(stack.operator.get(&at).await.body["max_users"], max_users);
        stack.operator.post(&format!("{at}/change"), json!({ "max_users": 7 })).await.expect_status(200);
    }
}

#[tokio::test]
async fn issuing_a_license_previews_it_and_names_the_license_that_it_replaces() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license_with(&json!({ "name": "Basic", "max_users": 3 })).await;
    for machine in ["one", "two"] {
        stack.anonymous.activate(&setup.license_key, machine).await.expect_status(201);
    }
    let mut grace = Browser::operator(&stack).await;
    let new = "/dashboard/license-keys/new";
    let fields = [
        ("customer_id", text(&setup.customer["email"])),
        ("tier_id", text(&setup.tier["id"])),
        ("expiry", "term"),
        ("seats", "default"),
    ];
    let preview = grace.submit_form(new, &fields).await;
    let shown = preview.expect_status(200);
    let hint = text(&setup.issued["license"]["key_hint"]);
    let link = format!("<a href=\"/dashboard/license-keys/{}\">{hint}</a>", setup.license_id);
    for part in ["Basic", "€190 / year", "3 seats", "1 year", "15 Jan 2027", &format!("Replaces {link}, 2 machines")]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let count = async || stack.operator.get("license-keys").await.body["items"].as_array().unwrap().len();
    assert_eq!(count().await, 1, "nothing is issued yet");
    let issued = submit_shown(&mut grace, &preview, new, &[]).await;
    assert!(issued.expect_status(200).contains(&format!("Replaced {link}")), "{}", issued.text);
    assert_eq!(count().await, 2);
    let status = stack.operator.get(&format!("license-keys/{}", setup.license_id)).await.body["status"].clone();
    assert_eq!(status, "superseded");
}

#[tokio::test]
async fn a_previewed_license_expires_at_the_time_that_the_preview_shows() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let new = "/dashboard/license-keys/new";
    let fields = [
        ("customer_id", text(&setup.customer["email"])),
        ("tier_id", text(&setup.tier["id"])),
        ("expiry", "date"),
        ("expires_at", "2027-06-01T00:30"),
        ("expires_at_offset", "+02:00"),
        ("seats", "default"),
    ];
    let preview = grace.post(new, &fields).await;
    assert!(preview.expect_status(200).contains("2027-05-31T22:30:00Z"), "{}", preview.text);
    let edited = submit_shown(&mut grace, &preview, new, &[("back", "yes")]).await;
    assert!(edited.expect_status(200).contains("value=\"2027-05-31T22:30\""), "{}", edited.text);
    submit_shown(&mut grace, &preview, new, &[]).await.expect_status(200);
    let expiries = async |status: &str| {
        let list = stack.operator.get(&format!("license-keys?status={status}")).await;
        list.body["items"].as_array().unwrap().iter().map(|one| one["expires_at"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(expiries("active").await, [json!("2027-05-31T22:30:00Z")], "the other one was replaced");
}

#[tokio::test]
async fn the_preview_of_a_license_checks_the_form() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({ "one_key_per_customer": false })).await;
    let tier = stack.operator.create_tier(&product, &json!({ "billing_period": "monthly" })).await;
    let customer = stack.operator.create_customer().await;
    stack.operator.issue(&customer, &tier, &json!({})).await;
    let mut grace = Browser::operator(&stack).await;
    let new = "/dashboard/license-keys/new";
    let base = json!({
        "customer_id": customer["email"], "tier_id": tier["id"], "expiry": "term", "seats": "default",
    });
    let mut preview = async |changes| {
        let fields = merged(base.clone(), &changes);
        let fields: Vec<(&str, &str)> =
            fields.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        grace.submit_form(new, &fields).await
    };
    let several = preview(json!({ "seats": "custom", "max_users": "9" })).await;
    let shown = several.expect_status(200);
    assert!(!shown.contains("Replaces "), "the product allows several licenses: {shown}");
    for part in ["€19 / month", "9 seats<span class=\"subtext\">Tier default: 5 seats</span>", "1 month"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(preview(json!({ "expiry": "never" })).await.expect_status(200).contains("<dd>Never</dd>"));
    for (field, changes) in [
        ("customer_id", json!({ "customer_id": "unknown@example.com" })),
        ("max_users", json!({ "seats": "custom", "max_users": "many" })),
        ("max_users", json!({ "seats": "custom", "max_users": "0" })),
        ("expires_at", json!({ "expiry": "date", "expires_at": "2020-01-01T00:00" })),
        ("expires_at", json!({ "expiry": "date" })),
        ("tier_id", json!({ "tier_id": "tier_01KF0RDQG0QFK4QQ5GWP3TJ2HJ" })),
    ] {
        let refused = preview(changes).await;
        assert!(refused.expect_status(422).contains(&format!("id=\"f-{field}-error\"")), "{field}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_renewal_shows_the_old_and_the_new_end() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(1).await;
    let mut grace = Browser::operator(&stack).await;
    let renew = format!("/dashboard/license-keys/{}/renew", setup.license_id);
    let page = grace.get(&renew).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("15 Jan 2027") && shown.contains("Extend by 1 year, to 15 Jan 2028"), "{shown}");
    let done = grace.submit_form(&renew, &[("expiry", "term")]).await.redirect();
    let page = grace.get(&done).await;
    assert!(
        page.expect_status(200).contains("License renewed. It expires <time datetime=\"2028-01-15"),
        "{}",
        page.text
    );
    grace.submit_form(&renew, &[("expiry", "never")]).await.redirect();
    assert!(grace.get(&renew).await.expect_status(200).contains("Never (unchanged)"));
}

#[tokio::test]
async fn a_suspension_can_be_undone_from_its_confirmation() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(1).await;
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/license-keys/{}", setup.license_id);
    let status =
        async || stack.operator.get(&format!("license-keys/{}", setup.license_id)).await.body["status"].clone();
    let mut done = grace.submit_form(&format!("{here}/suspend"), &[("reason", "unpaid")]).await.redirect();
    for (words, undo, before, after) in [
        ("License suspended.", "reinstate", "suspended", "active"),
        ("License reinstated.", "suspend", "active", "suspended"),
    ] {
        assert_eq!(status().await, before);
        let page = grace.get(&done).await;
        let action = format!("action=\"{here}/{undo}\"");
        assert!(page.expect_status(200).contains(words) && page.text.contains(&action), "{}", page.text);
        done = submit_shown(&mut grace, &page, &format!("{here}/{undo}"), &[("reason", "")]).await.redirect();
        assert_eq!(status().await, after);
    }
    // The confirmation of an action that was undone elsewhere has nothing to undo.
    let stale = grace.get(&format!("{here}?notice=reinstated")).await;
    assert!(!stale.expect_status(200).contains(">Undo<"), "{}", stale.text);
}

#[tokio::test]
async fn a_move_can_be_undone_from_its_confirmation() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    for (order, name) in ["One", "Two", "Three"].into_iter().enumerate() {
        stack.operator.create_tier(&product, &json!({ "name": name, "sort_order": order })).await;
    }
    let tiers = stack.operator.get("pricing-tiers").await.body;
    let id = |name: &str| {
        let found = tiers["items"].as_array().unwrap().iter().find(|tier| tier["name"] == name);
        text(&found.unwrap()["id"]).to_owned()
    };
    let mut grace = Browser::operator(&stack).await;
    let list = format!("/dashboard/products/{}", text(&product["id"]));
    let reorder = format!("{list}/tiers/reorder");
    let order = |page: &HtmlPage| -> Vec<String> {
        let names = page.text.split("data-name=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        names.collect()
    };
    let mut done = grace.post(&reorder, &[("move", &format!("{}:up", id("Three")))]).await.redirect();
    for (words, undo, expected) in
        [("Moved up.", "down", ["One", "Three", "Two"]), ("Moved down.", "up", ["One", "Two", "Three"])]
    {
        let page = grace.get(&done).await;
        let undo = format!("{}:{undo}", id("Three"));
        let button = format!("<button class=\"button\" name=\"move\" value=\"{undo}\">Undo</button>");
        let link = format!("<a href=\"/dashboard/tiers/{}/edit\">Three</a>", id("Three"));
        for part in [words, &button, &link] {
            assert!(page.expect_status(200).contains(part), "{part}: {}", page.text);
        }
        assert_eq!(order(&page), expected);
        done = submit_shown(&mut grace, &page, &reorder, &[("move", &undo)]).await.redirect();
    }
    // A move without an effect is not confirmed.
    let first = grace.post(&reorder, &[("move", &format!("{}:up", id("One")))]).await;
    assert_eq!(first.redirect(), list);
}

#[tokio::test]
async fn confirmations_name_and_link_what_was_changed() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    let mut grace = Browser::operator(&stack).await;
    let new = format!("/dashboard/products/{}/features/new", text(&product["id"]));
    let fields = [("key", "export.pdf"), ("kind", "flag"), ("name", "<b>PDF</b>")];
    let done = grace.submit_form(&new, &fields).await.redirect();
    let id = text(&stack.operator.get("product-features").await.body["items"][0]["id"]).to_owned();
    let page = grace.get(&done).await;
    let expected = format!("Feature created. <a href=\"/dashboard/features/{id}/edit\">&lt;b&gt;PDF&lt;/b&gt;</a>");
    assert!(page.expect_status(200).contains(&expected), "{}", page.text);
    let done = grace.submit_form("/dashboard/customers/new", &[("name", "Ada"), ("email", "a@example.com")]).await;
    assert!(grace.get(&done.redirect()).await.expect_status(200).contains("Customer created."));
}
