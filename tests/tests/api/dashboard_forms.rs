//! The dashboard's forms: what they do is what the API does, once, and what is refused stays as it was typed.

use signet_tests::{Browser, Fault, Rule, Stack, json, text};

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed_and_says_what_is_wrong_at_its_field() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let fields = [("name", "Ada \"<b>\""), ("email", "no address"), ("company", "Engines")];
    let refused = grace.fill_in("/dashboard/customers/new", &fields).await;
    let page = refused.expect_status(422);
    assert!(page.contains("value=\"Ada &quot;&lt;b&gt;&quot;\"") && page.contains("value=\"Engines\""), "{page}");
    let field = page.split("id=\"f-email\"").nth(1).unwrap();
    assert!(field.contains("aria-invalid=\"true\"") && field.contains("id=\"f-email-error\""), "{field}");
    assert!(!page.split("id=\"f-name\"").nth(1).unwrap().split('>').next().unwrap().contains("aria-invalid"));
    assert_eq!(stack.operator.get("customers").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_key_is_issued_once_however_often_its_form_is_sent() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    // What is issued now is the newest.
    stack.advance(1);
    let mut grace = Browser::operator(&stack).await;
    let asked = grace.get("/dashboard/license-keys/new").await;
    let carried = asked.carried();
    let (email, tier) = (text(&sold.customer["email"]), text(&sold.tier["id"]));
    let mut fields: Vec<(&str, &str)> = carried.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("customer_id", email), ("tier_id", tier), ("ends", "never"), ("seats", "own"), ("max_users", "9")]);
    let first = grace.send("/dashboard/license-keys/new", &fields).await;
    first.expect_status(200);
    let key = first.secret().to_owned();
    // The answer is lost, and the form is sent again: by a person, by a browser that goes back, by two fingers.
    assert_eq!(grace.send("/dashboard/license-keys/new", &fields).await.secret(), key);
    let keys = stack.operator.get("license-keys").await.body;
    assert_eq!(keys["items"].as_array().unwrap().len(), 2, "the one that was sold, and the one that was issued");
    assert_eq!((&keys["items"][0]["max_users"], &keys["items"][0]["expires_at"]), (&json!(9), &json!(null)));
    // Other words in the same form are another question: it is asked anew, and issues nothing yet.
    fields.pop();
    fields.push(("max_users", "8"));
    let other = grace.send("/dashboard/license-keys/new", &fields).await;
    assert!(other.expect_status(422).contains("This form was sent before"));
    assert_ne!(other.carried(), carried, "sent now, it is a form of its own");
}

#[tokio::test]
async fn whoever_saves_second_is_told_and_loses_nothing() {
    let stack = Stack::start().await;
    let made = json!({ "name": "Ada", "email": "ada@example.com" });
    let customer = stack.operator.post("customers", made).await.expect_status(201);
    let path = format!("/dashboard/customers/{}/edit", text(&customer["id"]));
    let (mut grace, mut other) = (Browser::operator(&stack).await, Browser::operator(&stack).await);
    let stale = grace.get(&path).await.carried();
    other.fill_in(&path, &[("name", "Ada King"), ("email", "ada@example.com")]).await.led();
    let mut fields: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("name", "Ada Lovelace"), ("email", "ada@example.com")]);
    let refused = grace.send(&path, &fields).await;
    assert!(refused.expect_status(412).contains("Somebody else changed this") && refused.text.contains("Ada Lovelace"));
    let name = |body: signet_tests::Value| text(&body["name"]).to_owned();
    let at = format!("customers/{}", text(&customer["id"]));
    assert_eq!(name(stack.operator.get(&at).await.body), "Ada King");
    // Sent once more, knowing that, it holds.
    let anew = refused.carried();
    let mut fields: Vec<(&str, &str)> = anew.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("name", "Ada Lovelace"), ("email", "ada@example.com")]);
    grace.send(&path, &fields).await.led();
    assert_eq!(name(stack.operator.get(&at).await.body), "Ada Lovelace");
}

#[tokio::test]
async fn each_action_of_a_license_key_does_what_the_api_does() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let here = format!("/dashboard/license-keys/{}", sold.license_id);
    let at = format!("license-keys/{}", sold.license_id);
    let license = async || stack.operator.get(&at).await.body;
    for (action, fields, attribute, value) in [
        ("suspend", vec![("reason", "unpaid")], "status", json!("suspended")),
        ("reinstate", vec![], "status", json!("active")),
        ("change", vec![("tier_id", text(&sold.tier["id"])), ("seats", "none")], "max_users", json!(null)),
        (
            "renew",
            vec![("ends", "time"), ("expires_at", "2099-01-15T12:30")],
            "expires_at",
            json!("2099-01-15T12:30:00Z"),
        ),
        ("renew", vec![("ends", "never")], "expires_at", json!(null)),
    ] {
        let done = grace.fill_in(&format!("{here}/{action}"), &fields).await.led();
        assert!(done.starts_with(&here), "{done}");
        assert_eq!(license().await[attribute], value, "{action}");
    }
    let new = grace.fill_in(&format!("{here}/regenerate"), &[]).await;
    new.expect_status(200);
    assert_ne!(new.secret(), sold.license_key);
    let audited = grace.fill_in(&format!("{here}/audit"), &[("repair", "on")]).await;
    assert!(audited.expect_status(200).contains("All is as it should be."));
    grace.fill_in(&format!("{here}/revoke"), &[("reason", "<i>refund</i>")]).await.led();
    assert_eq!(license().await["status"], "revoked");
    let page = grace.get(&here).await;
    assert!(page.expect_status(200).contains("“&lt;i&gt;refund&lt;/i&gt;”"), "{}", page.text);
    // What a revoked key can no longer do is refused by the API, and told on the page that asked.
    let refused = grace.fill_in(&format!("{here}/suspend"), &[]).await;
    assert!(refused.expect_status(409).contains("role=\"alert\""));
    grace.get(&format!("{here}/explode")).await.expect_status(404);
}

#[tokio::test]
async fn a_customer_claims_sees_the_key_and_takes_the_file() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({})).await;
    let tier = stack.operator.create_tier(&product, &json!({ "is_claimable": true, "max_users": 2 })).await;
    let claim = format!("/dashboard/catalog/{}/claim", text(&tier["id"]));
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    // Somebody who is no customer yet is asked who they are, and led back.
    let welcome = ada.get(&claim).await.led();
    assert_eq!(ada.fill_in(&welcome, &[("name", "Ada Lovelace")]).await.led(), claim);
    let claimed = ada.fill_in(&claim, &[]).await;
    claimed.expect_status(200);
    let key = claimed.secret().to_owned();
    let own = ada.get("/dashboard/licenses").await;
    let id =
        own.expect_status(200).split("/dashboard/licenses/lic_").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let here = format!("/dashboard/licenses/lic_{id}");
    assert!(!ada.get(&here).await.expect_status(200).contains(&key), "it is shown where it is asked for");
    assert_eq!(ada.send(&format!("{here}/key"), &[]).await.secret(), key);
    let file = ada.send(&format!("{here}/download"), &[]).await;
    let license: signet_tests::Value = serde_json::from_str(file.expect_status(200)).unwrap();
    assert_eq!((&license["license_key"], &license["product"]), (&json!(key), &product["code"]));
    assert_eq!(file.headers["cache-control"], "no-store");
    // An operator who suspends the key does not hide it from its owner.
    stack.operator.post(&format!("license-keys/lic_{id}/suspend"), json!({})).await.expect_status(200);
    assert!(ada.send(&format!("{here}/key"), &[]).await.expect_status(200).contains("not active"));
    let again = ada.fill_in(&claim, &[]).await;
    assert!(again.expect_status(403).contains("You claimed this tier before"), "{}", again.text);
}

#[tokio::test]
async fn whoever_s_address_nobody_checked_is_told_why_they_are_no_customer() {
    let stack = Stack::start().await;
    stack.operator.post("customers", json!({ "name": "Other", "email": "ada@example.com" })).await.expect_status(201);
    let mut eve = Browser::new(&stack);
    let begun = eve.get("/dashboard").await.led();
    let asked = eve.get(&begun).await.led();
    let (authorize, query) = asked.split_once('?').unwrap();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("email", "ada@example.com"), ("unverified", "on")]);
    let back = eve.send(authorize, &fields).await.led();
    eve.get(&back).await.led();
    let refused = eve.fill_in("/dashboard/welcome", &[("name", "Eve")]).await;
    assert!(refused.status >= 400 && refused.text.contains("role=\"alert\""), "{}", refused.text);
    assert!(refused.text.contains("value=\"Eve\""));
}

#[tokio::test]
async fn while_the_table_is_away_pages_say_so_and_a_form_can_be_sent_again() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let form = grace.get("/dashboard/customers/new").await;
    let carried = form.carried();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    let mut fields: Vec<(&str, &str)> = carried.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([("name", "Ada"), ("email", "ada@example.com")]);
    let first = grace.send("/dashboard/customers/new", &fields).await;
    let second = grace.send("/dashboard/customers/new", &fields).await;
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
    let away = grace.get("/dashboard/customers").await;
    assert!(
        away.expect_status(503).contains("can&#39;t answer right now") || away.text.contains("can't answer right now")
    );
    stack.faults.clear();
    grace.get("/dashboard/customers").await.expect_status(200);
}
