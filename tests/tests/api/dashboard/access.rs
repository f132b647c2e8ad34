//! The dashboard's pages of API keys and signing keys.

use signet_tests::{Browser, Stack, Value, json, text};

const SCRIPT: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;";
const API_KEYS: &str = "/dashboard/api-keys";
const SIGNING_KEYS: &str = "/dashboard/signing-keys";

#[tokio::test]
async fn api_keys_are_created_shown_once_and_deleted() {
    let stack = Stack::start().await;
    // Newer than the stack's own key, so that it is listed first.
    stack.advance(1);
    let mut grace = Browser::operator(&stack).await;
    let new = format!("{API_KEYS}/new");
    let hidden = grace.get(&new).await.hidden_fields();
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([
        ("name", SCRIPT),
        ("scopes", "licenses:read"),
        ("scopes", "customers:read"),
        ("expires_at", "2027-01-31T12:00"),
    ]);
    let created = grace.post(&new, &fields).await;
    assert_eq!(created.headers["cache-control"], "no-store");
    created.expect_status(200);
    let secret = created.secret().to_owned();
    let api = stack.anonymous.with_api_key(&secret);
    api.get("license-keys").await.expect_status(200);
    api.post("products", json!({})).await.expect_problem(403, "forbidden");
    // Submitting the form twice creates one key.
    assert_eq!(grace.post(&new, &fields).await.secret(), secret);

    let keys = stack.operator.get("api-keys").await.expect_status(200);
    let key = &keys["items"][0];
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        [&key["expires_at"], &key["scopes"]],
        [&json!("2027-01-31T12:00:00Z"), &json!(["customers:read", "licenses:read"])]
    );
    let list = grace.get(API_KEYS).await;
    let shown = list.expect_status(200);
    assert!(shown.contains(ESCAPED) && shown.contains("31 Jan 2027") && shown.contains("0 seconds"), "{shown}");
    assert!(!shown.contains(&secret) && !shown.contains(SCRIPT), "{shown}");

    let delete = format!("{API_KEYS}/{}/delete", text(&key["id"]));
    assert!(grace.get(&delete).await.expect_status(200).contains(ESCAPED));
    grace.submit_form(&delete, &[]).await.redirect();
    api.get("license-keys").await.expect_problem(401, "unauthenticated");
    grace.get(&delete).await.expect_status(404);
}

#[tokio::test]
async fn api_key_form_keeps_its_values_and_the_last_access_key_can_not_be_deleted() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let values = [("name", "a \"name\""), ("expires_at", "2020-01-01T00:00")];
    let rejected = grace.submit_form(&format!("{API_KEYS}/new"), &values).await;
    let page = rejected.expect_status(422);
    for part in ["value=\"a &quot;name&quot;\"", "value=\"2020-01-01T00:00\"", "f-scopes-error", "f-expires_at-error"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let rejected = grace.submit_form(&format!("{API_KEYS}/new"), &[("name", ""), ("scopes", "keys:write")]).await;
    assert!(rejected.expect_status(422).contains("value=\"keys:write\" checked"), "{}", rejected.text);

    let keys = stack.operator.get("api-keys").await.expect_status(200);
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(1));
    let delete = format!("{API_KEYS}/{}/delete", text(&keys["items"][0]["id"]));
    let rejected = grace.submit_form(&delete, &[]).await;
    assert!(rejected.expect_status(409).contains("Create another one first"), "{}", rejected.text);
    stack.operator.get("api-keys").await.expect_status(200);
}

/// The `kid` of the key in a state.
async fn kid(stack: &Stack, state: &str) -> String {
    let ring = stack.operator.get("signing-keys").await.expect_status(200);
    let mut keys = ring["items"].as_array().into_iter().flatten();
    keys.find(|key| key["state"] == state).map(|key: &Value| text(&key["kid"]).to_owned()).unwrap()
}

#[tokio::test]
async fn signing_keys_are_shown_and_rotated() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let (next, current) = (kid(&stack, "next").await, kid(&stack, "current").await);
    let roots = stack.operator.get("signing-keys").await.expect_status(200)["root_keys"].clone();
    let page = grace.get(SIGNING_KEYS).await;
    let shown = page.expect_status(200);
    for words in [&next, &current, "in 90 days", text(&roots[0]["kid"]), text(&roots[0]["n"])] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // Too early: the page shows when the rotation is possible, and it is rejected unless it is forced.
    let rotate = format!("{SIGNING_KEYS}/rotate");
    assert!(grace.get(&rotate).await.expect_status(200).contains("15 Jan 2026, 12:10 UTC"));
    grace.submit_form(&rotate, &[]).await.expect_status(409);
    assert_eq!(kid(&stack, "current").await, current);
    stack.advance(600);
    assert!(grace.get(&rotate).await.expect_status(200).contains("Safe to rotate"));
    let done = grace.submit_form(&rotate, &[]).await.redirect();
    assert!(grace.get(&done).await.expect_status(200).contains("Signing keys rotated."));
    assert_eq!([kid(&stack, "current").await, kid(&stack, "previous").await], [next, current]);
    // The new next key has just been created.
    let newest = kid(&stack, "next").await;
    grace.submit_form(&rotate, &[("force", "on")]).await.redirect();
    assert_eq!(kid(&stack, "current").await, newest);
}

#[tokio::test]
async fn signing_keys_are_marked_as_compromised_after_a_confirmation() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let setup = stack.operator.issue_new_license(1).await;
    let machine = stack.anonymous.activate(&setup.license_key, "m-1").await.expect_status(201);
    let (next, current) = (kid(&stack, "next").await, kid(&stack, "current").await);
    let condemn = |kid: &str| format!("{SIGNING_KEYS}/{kid}/condemn");
    assert!(grace.get(&condemn(&next)).await.expect_status(200).contains("machines are not affected"));
    let page = grace.get(&condemn(&current)).await;
    let shown = page.expect_status(200);
    assert!(shown.contains("must activate again with their license key"), "{shown}");
    assert!(shown.contains("The next key becomes active immediately") && shown.contains("within 5 minutes"), "{shown}");

    let long = "x".repeat(501);
    let rejected = grace.submit_form(&condemn(&current), &[("reason", &long)]).await;
    assert!(
        rejected.expect_status(422).contains(&long) && rejected.text.contains("f-reason-error"),
        "{}",
        rejected.text
    );
    let done = grace.submit_form(&condemn(&current), &[("reason", SCRIPT)]).await.redirect();
    let page = grace.get(&done).await;
    assert!(page.expect_status(200).contains(ESCAPED) && !page.text.contains(SCRIPT), "{}", page.text);
    stack.anonymous.heartbeat(text(&machine["token"]), "m-1").await.expect_problem(401, "token_invalid");
    // The machine keeps its seat.
    stack.anonymous.activate(&setup.license_key, "m-1").await.expect_status(200);
    grace.get(&condemn("unknown")).await.expect_status(404);
}
