//! The signing key ring: rotation, condemned keys, the signed key set, and apps that verify tokens offline throughout.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use std::{collections::BTreeMap, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use shared::domain::{
    key_ring::RotationPolicy,
    rate_limit::{Limit, RateLimits},
};
use signet_local::{DataDirectory, Options};
use signet_tests::{
    AppKey, Client, Fault, Gate, Logs, Rule, START, Stack, TestResponse, Value, VerifiedToken, json, text, thumbprint,
};

const KEYS: &str = "signing-keys";
const ROTATE: &str = "signing-keys/rotate";

/// Returns the states of all keys, newest first.
fn states(ring: &Value) -> Vec<&str> {
    ring["items"].as_array().unwrap().iter().map(|key| text(&key["state"])).collect()
}

/// Returns the `kid` of the first key in a state.
fn kid<'a>(ring: &'a Value, state: &str) -> &'a str {
    text(&ring["items"].as_array().unwrap().iter().find(|key| key["state"] == state).unwrap()["kid"])
}

async fn get_ring(stack: &Stack) -> Value {
    stack.operator.get(KEYS).await.expect_status(200)
}

/// Returns the kids in the published JWK Set.
async fn published_kids(stack: &Stack) -> Vec<String> {
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    jwks["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect()
}

async fn condemn(stack: &Stack, kid: &str) -> TestResponse {
    stack.operator.post(&format!("{KEYS}/{kid}/condemn"), json!({"reason": "leaked"})).await
}

/// Maintains the ring, as the schedule does every few minutes.
async fn maintain(stack: &Stack) {
    stack.local.app.maintain_key_ring().await.unwrap();
}

/// Returns the `kid` in a token's header.
fn kid_of(token: &Value) -> String {
    let header = BASE64URL_NOPAD.decode(text(token).split('.').next().unwrap().as_bytes()).unwrap();
    text(&serde_json::from_slice::<Value>(&header).unwrap()["kid"]).to_owned()
}

#[tokio::test]
async fn the_ring_has_a_current_and_a_next_key_after_the_first_start() {
    let stack = Stack::start().await;
    let ring = get_ring(&stack).await;
    assert_eq!(states(&ring), ["next", "current"]);
    let start = "2026-01-15T12:00:00Z";
    let (next, current) = (&ring["items"][0], &ring["items"][1]);
    let expected = |kid: &Value, state: &str, signs_since: Value| {
        json!({
            "kid": kid, "state": state, "created_at": start, "published_at": start, "signs_since": signs_since,
            "retires_at": null, "condemned_at": null, "condemned_reason": null,
        })
    };
    assert_eq!(*next, expected(&next["kid"], "next", Value::Null));
    assert_eq!(*current, expected(&current["kid"], "current", start.into()));
    assert_eq!(ring["next_rotation_at"], (START + SignedDuration::from_hours(90 * 24)).to_string());
    let [root] = ring["root_keys"].as_array().unwrap().as_slice() else { panic!("one root key: {ring}") };
    assert_eq!(root["kid"], thumbprint(root));
    let kids = published_kids(&stack).await;
    assert!(kids.contains(&kid(&ring, "next").to_owned()) && kids.contains(&kid(&ring, "current").to_owned()));
    assert!(!kids.contains(&text(&root["kid"]).to_owned()), "a root key signs no token");
}

#[tokio::test]
async fn rotate_returns_409_until_the_next_key_was_published_long_enough() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let first = get_ring(&stack).await;
    stack.advance(599);
    stack.operator.post(ROTATE, json!({})).await.expect_problem(409, "state_conflict");
    assert_eq!(get_ring(&stack).await, first);
    stack.advance(1);
    let rotated = stack.operator.post(ROTATE, json!({})).await.expect_status(200);
    assert_eq!(states(&rotated), ["current", "previous"]);
    assert_eq!((kid(&rotated, "current"), kid(&rotated, "previous")), (kid(&first, "next"), kid(&first, "current")));
    // This process also maintains the ring, so the new `next` key exists immediately.
    assert_eq!(states(&get_ring(&stack).await), ["next", "current", "previous"]);

    let activated = stack.anonymous.activate(&license.license_key, "m").await.expect_status(201);
    assert_eq!(kid_of(&activated["token"]), kid(&rotated, "current"));
    stack.claims(&activated["token"]).await;
    stack.claims(&license.issued["token"]).await;
    stack.operator.post(ROTATE, json!({})).await.expect_problem(409, "state_conflict");
    stack.operator.post(ROTATE, json!({"force": "yes"})).await.expect_errors(422, &["/force invalid_value"]);
}

#[tokio::test]
async fn concurrent_forced_rotations_rotate_once() {
    let stack = Stack::start().await;
    let before = get_ring(&stack).await;
    let rotate = || async { stack.operator.post(ROTATE, json!({"force": true})).await.expect_status(200) };
    let responses = tokio::join!(rotate(), rotate(), rotate(), rotate());
    for rotated in [responses.0, responses.1, responses.2, responses.3] {
        assert_eq!(kid(&rotated, "current"), kid(&before, "next"));
    }
    assert_eq!(states(&get_ring(&stack).await), ["next", "current", "previous"]);
}

#[tokio::test]
async fn rotate_is_idempotent_with_an_idempotency_key() {
    let stack = Stack::start().await;
    let idempotent = stack.operator.with_header("idempotency-key", "rotate");
    let first = idempotent.post(ROTATE, json!({"force": true})).await.expect_status(200);
    assert_eq!(idempotent.post(ROTATE, json!({"force": true})).await.expect_status(200), first);
    assert_eq!(states(&get_ring(&stack).await), ["next", "current", "previous"]);
}

#[tokio::test]
async fn a_key_stays_published_until_its_longest_lived_token_has_expired() {
    let stack = Stack::start().await;
    let tier = json!({"max_users": 1, "token_ttl_seconds": 86_400, "grace_period_seconds": 600});
    let license = stack.operator.issue_new_license_with(&tier).await;
    let activated = stack.anonymous.activate(&license.license_key, "m").await.expect_status(201);
    // The key has signed a token with this lifetime; a later change of the tier does not shorten it.
    stack
        .operator
        .replace("pricing-tiers", &license.tier, &json!({"token_ttl_seconds": 60, "heartbeat_interval_seconds": 60}))
        .await
        .expect_status(200);
    stack.advance(600);
    let rotated = stack.operator.post(ROTATE, json!({})).await.expect_status(200);
    let old = kid(&rotated, "previous").to_owned();
    let lifetime = 600 + 300 + 86_400 + 600;
    assert_eq!(rotated["items"][1]["retires_at"], (START + SignedDuration::from_secs(lifetime)).to_string());

    stack.advance(lifetime - 600 - 1);
    maintain(&stack).await;
    assert!(published_kids(&stack).await.contains(&old));
    stack.advance(1);
    maintain(&stack).await;
    assert!(!published_kids(&stack).await.contains(&old));
    assert_eq!(states(&get_ring(&stack).await), ["next", "current", "retired"]);
    // A heartbeat still accepts the token of an app that was offline until now.
    let renewed = stack.anonymous.heartbeat(text(&activated["token"]), "m").await.expect_status(200);
    assert_ne!(kid_of(&renewed["token"]), old);
}

#[tokio::test]
async fn tokens_of_a_condemned_key_are_rejected_and_machines_can_activate_again() {
    let rate_limits = RateLimits { failed_auth: Some(Limit { max: 2, seconds: 60 }), activations: None };
    let stack = Stack::start_with(Options { rate_limits, ..Options::default() }).await;
    let license = stack.operator.issue_new_license(2).await;
    let app = &stack.anonymous;
    let activated = app.activate(&license.license_key, "m").await.expect_status(201);
    let token = text(&activated["token"]);
    let before = get_ring(&stack).await;
    let old = kid(&before, "current");
    let condemned = condemn(&stack, old).await.expect_status(200);
    assert_eq!(states(&condemned), ["current", "condemned"]);
    assert_eq!(kid(&condemned, "current"), kid(&before, "next"));
    assert_eq!(condemned["items"][1]["condemned_reason"], "leaked");
    assert_eq!(
        states(&condemn(&stack, old).await.expect_status(200)),
        ["next", "current", "condemned"],
        "a repeat changes nothing"
    );
    assert!(!published_kids(&stack).await.contains(&old.to_owned()));
    assert!(!signed_set(&stack, &get_ring(&stack).await).await.0.contains(&old.to_owned()));

    // The signature is valid, so these requests do not count as failed attempts of the client's address.
    for _ in 0..4 {
        app.heartbeat(token, "m").await.expect_problem(401, "token_invalid");
    }
    let validation = app.post("license-keys/validate", json!({"token": token})).await.expect_status(200);
    assert_eq!(validation["code"], "token_invalid");
    let body = json!({"token": token, "machine_id": "m"});
    app.post("license-activations/activate", body).await.expect_problem(401, "token_invalid");
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&path, json!({"token": token})).await.expect_problem(401, "token_invalid");
    let audit =
        stack.operator.post(&format!("license-keys/{}/audit", license.license_id), json!({})).await.expect_status(200);
    let finding =
        audit["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "signing_key").unwrap();
    assert_eq!(finding["ok"], false);

    let reactivated = app.activate(&license.license_key, "m").await.expect_status(200);
    assert_eq!(kid_of(&reactivated["token"]), kid(&condemned, "current"));
    app.heartbeat(text(&reactivated["token"]), "m").await.expect_status(200);
    stack.operator.post(&format!("{KEYS}/none/condemn"), json!({})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn condemn_accepts_next_and_previous_keys() {
    let stack = Stack::start().await;
    let first = get_ring(&stack).await;
    stack.advance(1);
    condemn(&stack, kid(&first, "next")).await.expect_status(200);
    let second = get_ring(&stack).await;
    assert_eq!((states(&second)[0], kid(&second, "current")), ("next", kid(&first, "current")));
    stack.advance(1);
    stack.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let condemned = condemn(&stack, kid(&first, "current")).await.expect_status(200);
    assert_eq!(states(&condemned), ["next", "current", "condemned", "condemned"]);
}

/// Returns when the deletion of a private key was scheduled, as stored in the table.
async fn ended_at(stack: &Stack, kid: &str) -> Option<String> {
    let items = stack.items().await;
    let item = items.iter().find(|item| item["SK"]["S"] == format!("KEY#{kid}")).unwrap();
    item["ended_at"]["S"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn rotation_continues_if_a_private_key_cannot_be_deleted() {
    let logs = Logs::capture();
    let folder = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(folder.path()).unwrap();
    let stack = Stack::start_with(Options { data: Some(&folder), ..Options::default() }).await;
    let first = get_ring(&stack).await;
    let (undeletable, other) = (kid(&first, "current"), kid(&first, "next"));
    condemn(&stack, undeletable).await.expect_status(200);
    condemn(&stack, other).await.expect_status(200);
    // A directory with the name of the key's file cannot be deleted as a file.
    let file = folder.file("signing-keys").join(format!("{undeletable}.pem"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();

    stack.advance(90 * 86_400);
    maintain(&stack).await;
    let rotated = get_ring(&stack).await;
    assert_eq!(states(&rotated), ["next", "current", "previous", "condemned", "condemned"]);
    let (kids, claims) = signed_set(&stack, &rotated).await;
    assert_eq!((kids.len(), claims["iat"].as_i64()), (3, Some(stack.clock.now().as_second())));
    let now = Some(stack.clock.now().to_string());
    assert_eq!((ended_at(&stack, undeletable).await, ended_at(&stack, other).await), (None, now));
    let errors = logs.lines().into_iter().filter(|line| line["level"] == "ERROR").collect::<Vec<_>>();
    assert!(errors.len() == 1 && errors[0]["kid"] == undeletable, "{errors:?}");

    fs::remove_dir(&file).unwrap();
    stack.advance(300);
    maintain(&stack).await;
    assert_eq!(ended_at(&stack, undeletable).await, Some(stack.clock.now().to_string()));
}

/// Returns the kids in the signed key set, and its claims, verified with the first root key.
async fn signed_set(stack: &Stack, ring: &Value) -> (Vec<String>, Value) {
    let response = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(response.header("content-type"), "application/jwk-set+jwt");
    let claims = VerifiedToken::claims_with_key(&response.text, &ring["root_keys"][0]).unwrap();
    let kids = claims["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect();
    (kids, claims)
}

#[tokio::test]
async fn the_signed_key_set_returns_200_and_304() {
    let stack = Stack::start().await;
    let ring = get_ring(&stack).await;
    let response = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    let cached =
        stack.anonymous.with_header("if-none-match", response.header("etag")).get("/.well-known/jwks.jwt").await;
    assert_eq!(cached.status, 304);
    let header = BASE64URL_NOPAD.decode(response.text.split('.').next().unwrap().as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "jwk-set+jwt", "kid": ring["root_keys"][0]["kid"]}));
    let (_, claims) = signed_set(&stack, &ring).await;
    let (issuer, start) = (&stack.local.base_url, START.as_second());
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let expected = json!({"iss": issuer, "sub": issuer, "iat": start, "exp": start + 7 * 86_400, "keys": jwks["keys"]});
    assert_eq!(claims, expected);
    // A signed key set is not accepted as a license token.
    stack.anonymous.heartbeat(&response.text, "m").await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn the_signed_key_set_is_renewed_daily_and_served_from_the_cache() {
    let stack = Stack::start().await;
    let first = stack.anonymous.get("/.well-known/jwks.jwt").await.text;
    stack.advance(86_399);
    maintain(&stack).await;
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.text, first);
    stack.advance(1);
    maintain(&stack).await;
    let second = stack.anonymous.get("/.well-known/jwks.jwt").await.text;
    assert_ne!(second, first);
    stack.faults.reset_calls();
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_status(200);
    assert_eq!(stack.faults.calls(), [""; 0]);
    // An expired set is not served if it was not renewed.
    stack.advance(7 * 86_400);
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    maintain(&stack).await;
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.status, 200);
}

#[tokio::test]
async fn the_signed_key_set_returns_503_while_it_contains_a_condemned_key() {
    let stack = Stack::start().await;
    let before = get_ring(&stack).await;
    let old = signed_set(&stack, &before).await;
    // The new set cannot be stored.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).containing("SIGNED_SET").always());
    condemn(&stack, kid(&before, "current")).await.expect_status(200);
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    stack.faults.clear();
    maintain(&stack).await;
    let (kids, claims) = signed_set(&stack, &before).await;
    assert!(!kids.contains(&kid(&before, "current").to_owned()));
    assert_eq!(
        claims["iat"].as_i64().unwrap(),
        old.1["iat"].as_i64().unwrap() + 1,
        "later than the previous set, although in the same second"
    );
}

#[tokio::test]
async fn a_new_signed_key_set_is_later_than_the_previous_one_even_if_the_clock_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let [current, outdated] = Stack::start_pair(&DataDirectory::open(folder.path()).unwrap()).await;
    current.advance(86_400);
    maintain(&current).await;
    let (_, first) = signed_set(&current, &get_ring(&current).await).await;
    outdated.advance(86_390);
    outdated.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let (kids, second) = signed_set(&outdated, &get_ring(&outdated).await).await;
    assert_eq!((kids.len(), second["iat"].as_i64()), (3, Some(first["iat"].as_i64().unwrap() + 1)));
}

#[tokio::test]
async fn a_ring_read_before_a_key_was_condemned_is_not_cached() {
    let folder = tempfile::tempdir().unwrap();
    let stacks = Stack::start_pair(&DataDirectory::open(folder.path()).unwrap()).await;
    // In the instance that condemns the key, and in another one.
    for reader in &stacks {
        let old = kid(&get_ring(&stacks[0]).await, "current").to_owned();
        for stack in &stacks {
            stack.advance(300);
        }
        let gate = Gate::default();
        reader.faults.add(Rule::new("Query", Fault::HoldResponse(gate.clone())).containing("KEYRING"));
        let slow = published_kids(reader);
        let concurrent = async {
            gate.wait_for_request().await;
            reader.advance(1);
            condemn(&stacks[0], &old).await.expect_status(200);
            assert!(!published_kids(reader).await.contains(&old));
            gate.open();
        };
        tokio::join!(slow, concurrent);
        assert!(!published_kids(reader).await.contains(&old));
    }
}

#[tokio::test]
async fn an_instance_with_an_empty_ring_finds_the_first_key_within_seconds() {
    let stack = Stack::start().await;
    let query = json!({
        "KeyConditionExpression": "PK = :keyring", "ExpressionAttributeValues": {":keyring": {"S": "KEYRING"}},
    });
    let all = stack.call_dynamodb("Query", query).await;
    let all = all["Items"].as_array().unwrap();
    for item in all {
        stack.call_dynamodb("DeleteItem", json!({"Key": {"PK": item["PK"], "SK": item["SK"]}})).await;
    }
    stack.local.app.tokens.ring().invalidate();
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.anonymous.get("/health").await.expect_status(503);

    // Another instance has created the first keys.
    for item in all {
        stack.call_dynamodb("PutItem", json!({"Item": item})).await;
    }
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.advance(5);
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.status, 200);
    assert_eq!(stack.anonymous.get("/health").await.expect_status(200)["status"], "ok");
}

#[tokio::test]
async fn the_root_key_signs_no_key_that_was_written_to_the_table_by_others() {
    let stack = Stack::start().await;
    let ring = get_ring(&stack).await;
    let (genuine, _) = signed_set(&stack, &ring).await;
    let table = &stack.local.app.table;
    let all = table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap();
    let mut item = all
        .into_iter()
        .find(|item| item.get("kid") == Some(&AttributeValue::S(kid(&ring, "next").to_owned())))
        .unwrap();
    let own = AppKey::generate(2048).jwk();
    for (name, value) in
        [("SK", format!("KEY#{}", thumbprint(&own))), ("kid", thumbprint(&own)), ("n", text(&own["n"]).to_owned())]
    {
        item.insert(name.to_owned(), AttributeValue::S(value));
    }
    table.client().put_item().table_name(table.name()).set_item(Some(item)).send().await.unwrap();
    let error = stack.local.app.maintain_key_ring().await.unwrap_err().to_string();
    assert!(error.contains(&thumbprint(&own)), "{error}");
    assert_eq!(signed_set(&stack, &ring).await.0, genuine);
}

#[tokio::test]
async fn another_instance_accepts_a_new_key_immediately_and_signs_with_it_after_the_refresh_interval() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = Stack::start_pair(&DataDirectory::open(folder.path()).unwrap()).await;
    let license = one.operator.issue_new_license(2).await;
    // The other instance has just cached the ring.
    let old = other.anonymous.activate(&license.license_key, "a").await.expect_status(201);
    one.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let new = one.anonymous.activate(&license.license_key, "b").await.expect_status(201);
    assert_ne!(kid_of(&new["token"]), kid_of(&old["token"]));
    other.advance(5);
    assert_eq!(
        kid_of(&other.anonymous.activate(&license.license_key, "a").await.expect_status(200)["token"]),
        kid_of(&old["token"])
    );
    other.advance(295);
    assert_eq!(
        kid_of(&other.anonymous.activate(&license.license_key, "a").await.expect_status(200)["token"]),
        kid_of(&new["token"])
    );
    one.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let newest = one.anonymous.activate(&license.license_key, "b").await.expect_status(200);
    other.advance(5);
    other.anonymous.heartbeat(text(&newest["token"]), "b").await.expect_status(200);
}

#[tokio::test]
async fn maintenance_completes_after_a_failure_of_any_write() {
    // The writes are the promotion, the pending key, the key and the signed set.
    let mut failures = 0;
    for nth in 1..=5 {
        for fault in [Fault::RefuseConnection, Fault::LoseResponse] {
            let stack = Stack::start().await;
            stack.advance(90 * 86_400);
            // The SDK makes three attempts.
            stack.faults.add(Rule::new("TransactWriteItems", fault.clone()).nth(nth).times(3));
            failures += u32::from(stack.local.app.maintain_key_ring().await.is_err());
            stack.faults.clear();
            // After this time, a pending key is considered abandoned.
            stack.advance(120);
            maintain(&stack).await;
            let ring = get_ring(&stack).await;
            assert_eq!(states(&ring), ["next", "current", "previous"], "{nth} {fault:?}");
            stack.operator.issue_new_license(1).await;
            assert_eq!(signed_set(&stack, &ring).await.0.len(), 3);
        }
    }
    assert_eq!(failures, 8, "each of the four writes fails in both ways");
}

/// An app that refreshes its keys only when they expire, and never because of an unknown `kid`.
struct OfflineApp<'a> {
    stack: &'a Stack,
    name: &'static str,
    token: String,
    /// The cached key sets by their path, and until when each is cached.
    keys: BTreeMap<&'static str, (Value, jiff::Timestamp)>,
    /// The built-in root keys.
    roots: Vec<Value>,
}

impl<'a> OfflineApp<'a> {
    async fn activate(stack: &'a Stack, name: &'static str, license_key: &str, roots: &[&Value]) -> Self {
        let activated = stack.anonymous.activate(license_key, name).await.expect_status(201);
        let token = text(&activated["token"]).to_owned();
        Self { stack, name, token, keys: BTreeMap::new(), roots: roots.iter().map(|root| (*root).clone()).collect() }
    }

    async fn heartbeat(&mut self) {
        let response = self.stack.anonymous.heartbeat(&self.token, self.name).await.expect_status(200);
        text(&response["token"]).clone_into(&mut self.token);
    }

    /// Verifies the token with the JWK Set and with the signed key set.
    async fn verify(&mut self) {
        for path in ["/.well-known/jwks.json", "/.well-known/jwks.jwt"] {
            let now = self.stack.clock.now();
            if self.keys.get(path).is_none_or(|(_, until)| *until <= now) {
                let response = self.stack.anonymous.get(path).await;
                let set = match response.body {
                    Value::Null => {
                        self.roots.iter().find_map(|root| VerifiedToken::claims_with_key(&response.text, root))
                    }
                    set => Some(set),
                };
                let set = set.unwrap_or_else(|| panic!("{}: no built-in root key verifies the signed set", self.name));
                self.keys.insert(path, (set, now + SignedDuration::from_secs(300)));
            }
            let verified = VerifiedToken::verify(&self.token, &self.keys[path].0);
            assert!(verified.is_some(), "{} at {now}: a valid token is rejected with {path}", self.name);
        }
    }
}

/// Advances all clocks minute by minute, with maintenance every five minutes and heartbeats every 15 minutes.
async fn run_for(stacks: &[Stack; 2], apps: &mut [OfflineApp<'_>], minutes: usize) {
    for minute in 0..minutes {
        for stack in stacks {
            stack.advance(60);
        }
        if minute % 5 == 4 {
            maintain(&stacks[0]).await;
        }
        for (index, app) in apps.iter_mut().enumerate() {
            if (minute + index) % 15 == 0 {
                app.heartbeat().await;
            }
            app.verify().await;
        }
    }
}

#[tokio::test]
async fn valid_tokens_are_accepted_throughout_rotation_condemnation_and_root_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let folder = DataDirectory::open(folder.path()).unwrap();
    // A key signs for two hours, and tokens are valid for one.
    let rotation_policy =
        RotationPolicy { rotation: SignedDuration::from_hours(2), refresh: SignedDuration::from_secs(300) };
    let options = || Options { data: Some(&folder), rotation_policy, ..Options::default() };
    let one = Stack::start_with(options()).await;
    let endpoint = Some(one.local.dynamodb_endpoint.clone());
    let other = Stack::start_with(Options { dynamodb_endpoint: endpoint.clone(), ..options() }).await;
    let stacks = [one, other];
    let license = stacks[0].operator.issue_new_license(4).await;
    let first = get_ring(&stacks[0]).await;
    let old_root = &first["root_keys"][0];
    let mut apps = [
        OfflineApp::activate(&stacks[0], "a", &license.license_key, &[old_root]).await,
        OfflineApp::activate(&stacks[1], "b", &license.license_key, &[old_root]).await,
    ];

    // Keys are created, promoted and retired.
    run_for(&stacks, &mut apps, 6 * 60).await;
    let later = get_ring(&stacks[0]).await;
    assert_eq!(states(&later).iter().filter(|state| **state == "retired").count(), 2, "{later}");

    // A key that signed recently is condemned: apps with its tokens activate again with the key string, and others
    // continue.
    let condemned_kid = kid(&later, "current").to_owned();
    stacks[0].operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    for app in &mut apps {
        app.keys.clear();
    }
    run_for(&stacks, &mut apps, 20).await;
    condemn(&stacks[0], &condemned_kid).await.expect_status(200);
    for app in &mut apps {
        if kid_of(&app.token.clone().into()) == condemned_kid {
            let reactivated = app.stack.anonymous.activate(&license.license_key, app.name).await.expect_status(200);
            text(&reactivated["token"]).clone_into(&mut app.token);
        }
    }
    run_for(&stacks, &mut apps, 60).await;

    // Another root key is announced and built into new apps; then it signs; then the old one is removed.
    let handle = create_root_key(&folder).await;
    let (old, new) = (text(&old_root["kid"]), handle.as_str());
    let mut announced = vec![];
    for roots in [format!("{old}\n{new}\n"), format!("{new}\n{old}\n"), format!("{new}\n")] {
        fs::write(folder.file("root-keys"), &roots).unwrap();
        let key_rotator = Stack::start_with(Options { dynamodb_endpoint: endpoint.clone(), ..options() }).await;
        key_rotator.advance(stacks[0].clock.now().duration_since(START).as_secs());
        maintain(&key_rotator).await;
        let listed = get_ring(&stacks[0]).await["root_keys"].clone();
        let kids: Vec<_> = listed.as_array().unwrap().iter().map(|root| text(&root["kid"])).collect();
        assert_eq!(kids, roots.split_whitespace().collect::<Vec<_>>());
        if announced.is_empty() {
            announced = listed.as_array().unwrap().clone();
            // Every app is updated with both root keys before the new one signs.
            for app in &mut apps {
                app.roots.clone_from(&announced);
            }
        }
        for _ in 0..4 {
            for stack in &stacks {
                stack.advance(200);
            }
            for app in &mut apps {
                app.heartbeat().await;
                app.verify().await;
            }
        }
    }
    let set = stacks[0].anonymous.get("/.well-known/jwks.jwt").await.text;
    assert!(
        VerifiedToken::claims_with_key(&set, &announced[1]).is_some()
            && VerifiedToken::claims_with_key(&set, &announced[0]).is_none()
    );
}

/// Creates a root key in the directory.
async fn create_root_key(folder: &DataDirectory) -> String {
    use shared::tokens::{Signer, local::LocalSigner};
    let signer = LocalSigner::in_directory(&folder.file("signing-keys")).unwrap();
    signer.create("root").await.unwrap().handle
}

#[tokio::test]
async fn the_ring_requires_the_keys_scope() {
    let stack = Stack::start().await;
    let key = json!({"name": "ci", "scopes": ["catalog:write", "licenses:write", "access:write"]});
    let key = stack.operator.post("api-keys", key).await.expect_status(201);
    let client: Client = stack.anonymous.with_api_key(text(&key["api_key"]));
    client.get(KEYS).await.expect_problem(403, "forbidden");
    client.post(ROTATE, json!({"force": true})).await.expect_problem(403, "forbidden");
    assert_eq!(states(&get_ring(&stack).await), ["next", "current"]);
}
