//! API keys and signing keys at the dashboard: for operators alone, and no secret is shown twice.

use reqwest::Method;
use signet_tests::{Answer, Browser, Client, Stack, json, text};

const SCRIPT: &str = "<script>alert(1)</script>";
const API_KEYS: &str = "/dashboard/api-keys";
const NEW_API_KEY: &str = "/dashboard/api-keys/new";
const SIGNING_KEYS: &str = "/dashboard/signing-keys";

async fn grace(stack: &Stack) -> Browser {
    stack.browser("grace@example.com", "operator").await
}

/// The secret on a page.
fn secret_of(page: &Answer) -> String {
    let secret = page.text.split("data-copy=\"").nth(1).and_then(|rest| rest.split('"').next());
    secret.unwrap_or_else(|| panic!("{} shows no secret: {}", page.asked, page.text)).to_owned()
}

fn delete_path(id: &str) -> String {
    format!("{API_KEYS}/{id}/delete")
}

fn condemn_path(kid: &str) -> String {
    format!("{SIGNING_KEYS}/{kid}/condemn")
}

fn with_key(stack: &Stack, secret: &str) -> Client {
    stack.anonymous.with_api_key(secret)
}

#[tokio::test]
async fn an_api_key_is_made_its_secret_shown_once_and_deleted() {
    let stack = Stack::start().await;
    let grace = grace(&stack).await;
    // Later than the operator's own, so that it stands before it.
    stack.advance(1);
    let form = grace.get(NEW_API_KEY).await;
    let typed = [
        ("name", SCRIPT),
        ("scopes", "licenses:read"),
        ("scopes", "customers:read"),
        ("expires_at", "2027-01-31T12:00"),
    ];
    let made = grace.fill_in(&form, NEW_API_KEY, &typed).await;
    assert_eq!((made.status, made.header("cache-control")), (200, "no-store"), "{}", made.text);
    let secret = secret_of(made.shows(SCRIPT).shows("the only time"));
    let api = with_key(&stack, &secret);
    api.get("license-keys").await.expect(200);
    api.post("products", json!({})).await.problem(403, "forbidden");

    // Sent again, by a finger that was too quick, it is the same key.
    assert_eq!(secret_of(&grace.fill_in(&form, NEW_API_KEY, &typed).await), secret);
    let keys = stack.operator.get("api-keys").await.expect(200);
    let keys = keys["items"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(
        [&keys[0]["expires_at"], &keys[0]["scopes"]],
        [&json!("2027-01-31T12:00:00Z"), &json!(["customers:read", "licenses:read"])]
    );

    let list = grace.get(API_KEYS).await;
    list.shows(SCRIPT).shows("licenses:read").shows("31 Jan 2027").shows("0 seconds").hides(&secret);
    let delete = delete_path(text(&keys[0]["id"]));
    list.shows(&delete);
    let question = grace.get(&delete).await;
    question.shows("is refused from its next request on").shows(SCRIPT);
    grace.fill_in(&question, &delete, &[]).await.leads_to(&format!("{API_KEYS}?done=deleted"));
    api.get("license-keys").await.problem(401, "unauthenticated");
    assert_eq!(grace.get(&delete).await.status, 404);
}

#[tokio::test]
async fn everything_is_one_choice() {
    let stack = Stack::start().await;
    let grace = grace(&stack).await;
    let made = grace.answer(NEW_API_KEY, &[("name", "all"), ("scopes", "*")]).await;
    with_key(&stack, &secret_of(&made)).product().await;
    grace.get(API_KEYS).await.shows("Everything");
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed() {
    let stack = Stack::start().await;
    let grace = grace(&stack).await;
    let typed = [("name", "a \"name\""), ("expires_at", "2020-01-01T00:00")];
    let refused = grace.answer(NEW_API_KEY, &typed).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    for part in [
        "value=\"a &quot;name&quot;\"",
        "value=\"2020-01-01T00:00\"",
        "id=\"f-scopes-error\"",
        "id=\"f-expires_at-error\"",
    ] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    let ticked = [("name", ""), ("scopes", "keys:write")];
    let refused = grace.fill_in(&refused, NEW_API_KEY, &ticked).await;
    assert!(refused.text.contains("value=\"keys:write\" checked"), "{}", refused.text);
    assert_eq!(stack.operator.get("api-keys").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_key_that_makes_keys_stays_and_why_is_told() {
    let stack = Stack::start().await;
    let grace = grace(&stack).await;
    let id = stack.operator.get("api-keys").await.expect(200)["items"][0]["id"].clone();
    let refused = grace.answer(&delete_path(text(&id)), &[]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    refused.shows("This is the last key without an end that may make other keys.");
    stack.operator.get("api-keys").await.expect(200);
}

#[tokio::test]
async fn the_ring_is_shown_and_turned() {
    let stack = Stack::start().await;
    let grace = grace(&stack).await;
    let before = stack.operator.get("signing-keys").await.expect(200);
    let kid = |state: &str| {
        let key = before["items"].as_array().unwrap().iter().find(|key| key["state"] == state).unwrap();
        text(&key["kid"]).to_owned()
    };
    let (next, current) = (kid("next"), kid("current"));
    let page = grace.get(SIGNING_KEYS).await;
    page.shows("Signs now").shows("Next").shows(&next).shows(&current).shows("in 90 days");
    page.shows(text(&before["root_keys"][0]["kid"])).shows(text(&before["root_keys"][0]["n"]));

    // Too early: it is said until when, and a tick makes it happen all the same.
    let rotate = format!("{SIGNING_KEYS}/rotate");
    let question = grace.get(&rotate).await;
    question.shows("has not been published for long enough").shows("At once, all the same");
    let refused = grace.fill_in(&question, &rotate, &[]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    stack.advance(3600);
    let question = grace.get(&rotate).await;
    question.shows("No machine notices").hides("At once, all the same");
    grace.fill_in(&question, &rotate, &[]).await.leads_to(&format!("{SIGNING_KEYS}?done=rotated"));
    grace.get(&format!("{SIGNING_KEYS}?done=rotated")).await.shows("Rotated.").shows("Previous");
    let after = stack.operator.get("signing-keys").await.expect(200);
    let signs = after["items"].as_array().unwrap().iter().find(|key| key["state"] == "current").unwrap();
    assert_eq!(text(&signs["kid"]), next);
}

#[tokio::test]
async fn condemning_says_what_happens_to_the_machines_and_does_it() {
    let stack = Stack::start().await;
    let grace = grace(&stack).await;
    let sold = stack.operator.sell(1).await;
    let machine = stack.anonymous.activate(&sold.license_key, "m-1").await.expect(201);
    let ring = stack.operator.get("signing-keys").await.expect(200);
    let current = ring["items"].as_array().unwrap().iter().find(|key| key["state"] == "current").unwrap().clone();
    let condemn = condemn_path(text(&current["kid"]));
    let question = grace.get(&condemn).await;
    question.shows("must activate again with its license key").shows("The next key signs in its place at once");

    // A reason that is too long is kept, and its fault stands at the field.
    let long = "x".repeat(501);
    let refused = grace.fill_in(&question, &condemn, &[("reason", &long)]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.shows(&long).text.contains("id=\"f-reason-error\""), "{}", refused.text);

    let done = format!("{SIGNING_KEYS}?done=condemned");
    grace.fill_in(&refused, &condemn, &[("reason", SCRIPT)]).await.leads_to(&done);
    grace.get(&done).await.shows("Its tokens are refused from now on").shows("Condemned").shows(SCRIPT);
    stack.anonymous.heartbeat(text(&machine["token"]), "m-1").await.problem(401, "token_invalid");
    stack.anonymous.activate(&sold.license_key, "m-1").await.expect(200);
    assert_eq!(grace.get(&condemn_path("nobody")).await.status, 404);
}

#[tokio::test]
async fn no_page_of_operators_is_a_customers() {
    let stack = Stack::start().await;
    let ada = stack.browser("ada@example.com", "").await;
    let key = stack.operator.get("api-keys").await.expect(200)["items"][0]["id"].clone();
    let kid = stack.operator.get("signing-keys").await.expect(200)["items"][0]["kid"].clone();
    let (delete, condemn) = (delete_path(text(&key)), condemn_path(text(&kid)));
    let rotate = format!("{SIGNING_KEYS}/rotate");
    for path in [API_KEYS, NEW_API_KEY, &delete, SIGNING_KEYS, &rotate, &condemn, "/dashboard/health"] {
        let refused = ada.get(path).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        refused.shows("This page is for operators.").hides(text(&key)).hides(text(&kid));
    }
    let forms = [
        (NEW_API_KEY, vec![("name", "mine"), ("scopes", "*")]),
        (&*delete, vec![]),
        (&*rotate, vec![("force", "on")]),
        (&*condemn, vec![]),
    ];
    for (path, fields) in forms {
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let refused = ada.send(Method::POST, path, &fields).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        // Before anything is read, let alone asked of the API.
        refused.shows("This page is for operators.");
    }
    let keys = stack.operator.get("api-keys").await.expect(200);
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    assert_eq!(stack.operator.get("signing-keys").await.expect(200)["items"][0]["kid"], kid);
}
