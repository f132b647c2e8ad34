//! API keys and signing keys at the dashboard: no secret is shown twice, and what a turn does is said before it is done.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{Browser, Stack, Value, json, text};

const SCRIPT: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;";
const API_KEYS: &str = "/dashboard/api-keys";
const SIGNING_KEYS: &str = "/dashboard/signing-keys";

#[tokio::test]
async fn an_api_key_is_made_its_secret_shown_once_and_deleted() {
    let stack = Stack::start().await;
    // Later than the operator's own key, so that it stands before it.
    stack.advance(1);
    let mut grace = Browser::operator(&stack).await;
    let new = format!("{API_KEYS}/new");
    let carried = grace.get(&new).await.carried();
    let mut fields: Vec<(&str, &str)> = carried.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.extend([
        ("name", SCRIPT),
        ("scopes", "licenses:read"),
        ("scopes", "customers:read"),
        ("expires_at", "2027-01-31T12:00"),
    ]);
    let made = grace.send(&new, &fields).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    made.expect_status(200);
    let secret = made.secret().to_owned();
    let api = stack.anonymous.with_api_key(&secret);
    api.get("license-keys").await.expect_status(200);
    api.post("products", json!({})).await.expect_problem(403, "forbidden");
    // Sent again, by a finger that was too quick, it is the same key.
    assert_eq!(grace.send(&new, &fields).await.secret(), secret);

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
    grace.fill_in(&delete, &[]).await.led();
    api.get("license-keys").await.expect_problem(401, "unauthenticated");
    grace.get(&delete).await.expect_status(404);
}

#[tokio::test]
async fn the_form_of_an_api_key_keeps_what_was_typed_and_the_last_key_stays() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let typed = [("name", "a \"name\""), ("expires_at", "2020-01-01T00:00")];
    let refused = grace.fill_in(&format!("{API_KEYS}/new"), &typed).await;
    let page = refused.expect_status(422);
    for part in ["value=\"a &quot;name&quot;\"", "value=\"2020-01-01T00:00\"", "f-scopes-error", "f-expires_at-error"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let refused = grace.fill_in(&format!("{API_KEYS}/new"), &[("name", ""), ("scopes", "keys:write")]).await;
    assert!(refused.expect_status(422).contains("value=\"keys:write\" checked"), "{}", refused.text);

    let keys = stack.operator.get("api-keys").await.expect_status(200);
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(1));
    let delete = format!("{API_KEYS}/{}/delete", text(&keys["items"][0]["id"]));
    let refused = grace.fill_in(&delete, &[]).await;
    assert!(refused.expect_status(409).contains("has access:write: make one first"), "{}", refused.text);
    stack.operator.get("api-keys").await.expect_status(200);
}

/// The `kid` of the key in a state.
async fn kid(stack: &Stack, state: &str) -> String {
    let ring = stack.operator.get("signing-keys").await.expect_status(200);
    let mut keys = ring["items"].as_array().into_iter().flatten();
    keys.find(|key| key["state"] == state).map(|key: &Value| text(&key["kid"]).to_owned()).unwrap()
}

#[tokio::test]
async fn the_ring_is_shown_and_turned() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let (next, current) = (kid(&stack, "next").await, kid(&stack, "current").await);
    let roots = stack.operator.get("signing-keys").await.expect_status(200)["root_keys"].clone();
    let page = grace.get(SIGNING_KEYS).await;
    let shown = page.expect_status(200);
    for words in [&next, &current, "in 90 days", text(&roots[0]["kid"]), text(&roots[0]["n"])] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // Too early: it is said until when, and refused unless it is to be at once.
    let rotate = format!("{SIGNING_KEYS}/rotate");
    assert!(grace.get(&rotate).await.expect_status(200).contains("15 Jan 2026, 12:10 UTC"));
    grace.fill_in(&rotate, &[]).await.expect_status(409);
    assert_eq!(kid(&stack, "current").await, current);
    stack.advance(600);
    assert!(grace.get(&rotate).await.expect_status(200).contains("No app notices"));
    let done = grace.fill_in(&rotate, &[]).await.led();
    assert!(grace.get(&done).await.expect_status(200).contains("Rotated."));
    assert_eq!([kid(&stack, "current").await, kid(&stack, "previous").await], [next, current]);
    // The key after that was made a moment ago.
    let newest = kid(&stack, "next").await;
    grace.fill_in(&rotate, &[("force", "on")]).await.led();
    assert_eq!(kid(&stack, "current").await, newest);
}

#[tokio::test]
async fn condemning_says_what_happens_to_the_machines_and_does_it() {
    let stack = Stack::start().await;
    let mut grace = Browser::operator(&stack).await;
    let sold = stack.operator.issue_new_license(1).await;
    let machine = stack.anonymous.activate(&sold.license_key, "m-1").await.expect_status(201);
    let (next, current) = (kid(&stack, "next").await, kid(&stack, "current").await);
    let condemn = |kid: &str| format!("{SIGNING_KEYS}/{kid}/condemn");
    assert!(grace.get(&condemn(&next)).await.expect_status(200).contains("no machine notices"));
    let question = grace.get(&condemn(&current)).await;
    let asked = question.expect_status(200);
    assert!(asked.contains("must activate again with its license key"), "{asked}");
    assert!(asked.contains("The next key signs in its place at once") && asked.contains("within 5 minutes"), "{asked}");

    let long = "x".repeat(501);
    let refused = grace.fill_in(&condemn(&current), &[("reason", &long)]).await;
    assert!(refused.expect_status(422).contains(&long) && refused.text.contains("f-reason-error"), "{}", refused.text);
    let done = grace.fill_in(&condemn(&current), &[("reason", SCRIPT)]).await.led();
    let page = grace.get(&done).await;
    assert!(page.expect_status(200).contains(ESCAPED) && !page.text.contains(SCRIPT), "{}", page.text);
    stack.anonymous.heartbeat(text(&machine["token"]), "m-1").await.expect_problem(401, "token_invalid");
    // Its seat is still its own.
    stack.anonymous.activate(&sold.license_key, "m-1").await.expect_status(200);
    grace.get(&condemn("nobody")).await.expect_status(404);
}
