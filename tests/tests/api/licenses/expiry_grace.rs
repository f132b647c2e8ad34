//! License keys that have expired and are still honoured.

use jiff::{SignedDuration, Timestamp};
use signet_tests::{IssuedLicense, START, Stack, Value, json, text};

use super::get_license;

const DAY: i64 = 86_400;
/// When the license keys of the tests expire, in seconds after the start.
const EXPIRY: i64 = 5 * DAY;

fn at(seconds: i64) -> String {
    (START + SignedDuration::from_secs(seconds)).to_string()
}

/// Issues a license key that expires five days later, with a grace of two days.
async fn issue(stack: &Stack) -> IssuedLicense {
    let tier = json!({"max_users": 2, "billing_period": "monthly", "offline_grace_seconds": 3 * DAY, "expiry_grace_seconds": 2 * DAY});
    let license = stack.operator.issue_new_license_with(&tier).await;
    let end = json!({"expires_at": stack.clock.now() + SignedDuration::from_secs(EXPIRY)});
    stack.operator.post(&format!("license-keys/{}/renew", license.license_id), end).await.expect_status(200);
    license
}

async fn license(stack: &Stack, license: &IssuedLicense) -> Value {
    get_license(stack, &json!(license.license_id)).await
}

async fn change(stack: &Stack, license: &IssuedLicense, operation: &str, body: Value) -> Value {
    let path = format!("license-keys/{}/{operation}", license.license_id);
    stack.operator.post(&path, body).await.expect_status(200)
}

#[tokio::test]
async fn an_expired_license_key_is_honoured_until_its_grace_ends() {
    let stack = Stack::start().await;
    let key = issue(&stack).await;
    let app = &stack.anonymous;
    let activated = app.activate(&key.license_key, "one").await.expect_status(201);
    assert_eq!((&activated["in_grace"], &activated["grace_ends_at"]), (&json!(false), &Value::Null));

    stack.advance(EXPIRY);
    let in_grace = (json!(true), json!(at(EXPIRY + 2 * DAY)));
    let grace = |body: &Value| (body["in_grace"].clone(), body["grace_ends_at"].clone());
    let heartbeat = app.heartbeat(text(&activated["token"]), "one").await.expect_status(200);
    let second = app.activate(&key.license_key, "two").await.expect_status(201);
    let validated = json!({"license_key": key.license_key});
    let validated = app.post("license-keys/validate", validated).await.expect_status(200);
    let read = license(&stack, &key).await;
    for body in [&heartbeat, &second, &validated, &validated["license"], &read] {
        assert_eq!(grace(body), in_grace, "{body}");
    }
    assert_eq!((&validated["code"], &read["status"]), (&json!("valid"), &json!("active")));
    assert_eq!((&read["expires_at"], &read["expiry_grace_seconds"]), (&json!(at(EXPIRY)), &json!(2 * DAY)));
    let claims = stack.claims(&heartbeat["token"]).await;
    assert_eq!(claims["enforcement"]["license_expires_at"], at(EXPIRY));
    assert_eq!(claims["enforcement"]["offline_until"], START.as_second() + EXPIRY + 2 * DAY);
    assert_eq!(listed(&stack, "status=active").await, 1);
    assert_eq!(listed(&stack, "status=expired").await, 0);
    assert_eq!(listed(&stack, &format!("expires_before={}", at(EXPIRY + 1))).await, 1);

    stack.advance(2 * DAY - 1);
    let last = app.heartbeat(text(&heartbeat["token"]), "one").await.expect_status(200);
    assert_eq!(last["token_expires_at"], at(EXPIRY + 2 * DAY), "the token ends with the grace");
    stack.advance(1);
    app.heartbeat(text(&last["token"]), "one").await.expect_problem(403, "expired");
    app.activate(&key.license_key, "two").await.expect_problem(403, "expired");
    let read = license(&stack, &key).await;
    assert_eq!((&read["status"], grace(&read)), (&json!("expired"), (json!(false), Value::Null)));
    assert_eq!(listed(&stack, "status=active").await, 0);
    assert_eq!(listed(&stack, "status=expired").await, 1);
    let path = format!("license-keys/{}/regenerate", key.license_id);
    stack.operator.post(&path, json!({})).await.expect_problem(409, "state_conflict");
}

async fn listed(stack: &Stack, filter: &str) -> usize {
    let list = stack.operator.get(&format!("license-keys?{filter}")).await.expect_status(200);
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_renewal_within_the_grace_continues_from_the_expiry() {
    let stack = Stack::start().await;
    let key = issue(&stack).await;
    stack.advance(EXPIRY + 2 * DAY - 1);
    let renewed = change(&stack, &key, "renew", json!({})).await;
    assert_eq!((text(&renewed["expires_at"]), &renewed["in_grace"]), ("2026-02-20T12:00:00Z", &json!(false)));

    let late = issue(&stack).await;
    stack.advance(EXPIRY + 2 * DAY);
    let now = stack.clock.now();
    let renewed = change(&stack, &late, "renew", json!({})).await;
    let end: Timestamp = text(&renewed["expires_at"]).parse().unwrap();
    assert!(
        end.duration_since(now) >= SignedDuration::from_hours(28 * 24),
        "a period starts at the renewal: {renewed}"
    );
}

#[tokio::test]
async fn a_license_key_keeps_its_grace_until_it_is_changed_to_a_tier() {
    let stack = Stack::start().await;
    let key = issue(&stack).await;
    stack.operator.replace("pricing-tiers", &key.tier, &json!({"expiry_grace_seconds": DAY})).await.expect_status(200);
    let grace = async || license(&stack, &key).await["expiry_grace_seconds"].clone();
    assert_eq!(grace().await, 2 * DAY);
    change(&stack, &key, "change", json!({"max_users": 3})).await;
    assert_eq!(grace().await, 2 * DAY);
    change(&stack, &key, "change", json!({"tier_id": key.tier["id"]})).await;
    assert_eq!(grace().await, DAY);
    stack.advance(EXPIRY + DAY - 1);
    assert_eq!(license(&stack, &key).await["status"], "active");
    stack.advance(1);
    assert_eq!(license(&stack, &key).await["status"], "expired");
}

#[tokio::test]
async fn a_renewal_and_a_change_of_the_grace_at_the_same_time_both_take_effect() {
    let stack = Stack::start().await;
    for delayed in ["renew", "change"] {
        let key = issue(&stack).await;
        stack
            .operator
            .replace("pricing-tiers", &key.tier, &json!({"expiry_grace_seconds": DAY}))
            .await
            .expect_status(200);
        let body = |operation| match operation {
            "renew" => json!({"expires_at": at(10 * DAY)}),
            _ => json!({"tier_id": key.tier["id"]}),
        };
        let send = |operation: &'static str| {
            let (operator, id) = (stack.operator.clone(), key.license_id.clone());
            let body = body(operation);
            async move { operator.post(&format!("license-keys/{id}/{operation}"), body).await.expect_status(200) }
        };
        let other = if delayed == "renew" { "change" } else { "renew" };
        let concurrent = async { drop(send(other).await) };
        stack.faults.interleave(("TransactWriteItems", "EVENT#"), send(delayed), concurrent).await;
        stack.advance(10 * DAY);
        let read = license(&stack, &key).await;
        assert_eq!((&read["in_grace"], &read["grace_ends_at"]), (&json!(true), &json!(at(11 * DAY))), "{delayed}");
        stack.clock.advance(SignedDuration::from_secs(-10 * DAY));
    }
}

#[tokio::test]
async fn a_claim_does_not_supersede_a_license_key_in_grace() {
    let stack = Stack::start().await;
    let tier = json!({"is_claimable": true, "expiry_grace_seconds": 2 * DAY});
    let product = stack.operator.create_product().await;
    let [first, second] = [
        stack.operator.create_tier(&product, &tier).await,
        stack.operator.create_tier(&product, &json!({"is_claimable": true})).await,
    ];
    let sign_in = async || stack.sign_in("ada@example.com", "openid email profile").await;
    let ada = sign_in().await;
    ada.post("register", json!({"name": "Ada"})).await.expect_status(201);
    let claimed = ada.post("user/claim-license", json!({"tier_id": first["id"]})).await.expect_status(201);
    let end: Timestamp = text(&claimed["license"]["expires_at"]).parse().unwrap();
    let until_end = end.duration_since(stack.clock.now()).as_secs();
    stack.advance(until_end + 2 * DAY - 1);
    let ada = sign_in().await;
    ada.post("user/claim-license", json!({"tier_id": second["id"]})).await.expect_problem(409, "already_licensed");
    stack.advance(1);
    ada.post("user/claim-license", json!({"tier_id": second["id"]})).await.expect_status(201);
    assert_eq!(get_license(&stack, &claimed["license"]["id"]).await["status"], "superseded");
}

#[tokio::test]
async fn apps_may_run_offline_for_three_days_by_default() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    let tier = json!({"product_id": product["id"], "code": "default", "name": "Default", "monthly_price": 0,
        "annual_price": 0, "currency": "EUR", "billing_period": "annual", "max_users": 1});
    let tier = stack.operator.post("pricing-tiers", tier).await.expect_status(201);
    let customer = stack.operator.create_customer().await;
    let issued = stack.operator.issue(&customer, &tier, &json!({})).await;
    let key = text(&issued["license_key"]);
    let activated = stack.anonymous.activate(key, "one").await.expect_status(201);
    let claims = stack.claims(&activated["token"]).await;
    assert_eq!(claims["enforcement"]["offline_until"], claims["exp"].as_i64().unwrap() + 3 * DAY);
    assert_eq!(activated["activation"]["lease_expires_at"], at(3600 + 3 * DAY), "the lease covers the time offline");
    stack.advance(3600 + 3 * DAY - 1);
    stack.anonymous.activate(key, "two").await.expect_problem(409, "seat_limit_reached");
    stack.advance(1);
    stack.anonymous.activate(key, "two").await.expect_status(201);
}
