//! The signing key ring: turns, condemnations, the signed set, and apps that verify offline all the way through.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{collections::BTreeMap, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;
use shared::domain::{
    key_ring::RotationPolicy,
    rate_limit::{Limit, RateLimits},
};
use signet_local::{Folder, Options};
use signet_tests::{
    AppKey, Client, Fault, Gate, Logs, Rule, START, Stack, TestResponse, Value, VerifiedToken, json, text, thumbprint,
};

const KEYS: &str = "signing-keys";
const ROTATE: &str = "signing-keys/rotate";

/// The states of all keys, newest first.
fn states(ring: &Value) -> Vec<&str> {
    ring["items"].as_array().unwrap().iter().map(|key| text(&key["state"])).collect()
}

/// The kid of the key in a state.
fn kid<'a>(ring: &'a Value, state: &str) -> &'a str {
    text(&ring["items"].as_array().unwrap().iter().find(|key| key["state"] == state).unwrap()["kid"])
}

async fn ring(stack: &Stack) -> Value {
    stack.operator.get(KEYS).await.expect_status(200)
}

async fn published(stack: &Stack) -> Vec<String> {
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    jwks["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect()
}

async fn condemn(stack: &Stack, kid: &str) -> TestResponse {
    stack.operator.post(&format!("{KEYS}/{kid}/condemn"), json!({"reason": "seen elsewhere"})).await
}

/// What the schedule does every few minutes.
async fn keep(stack: &Stack) {
    stack.local.app.maintain_key_ring().await.unwrap();
}

fn kid_of(token: &Value) -> String {
    let header = BASE64URL_NOPAD.decode(text(token).split('.').next().unwrap().as_bytes()).unwrap();
    text(&serde_json::from_slice::<Value>(&header).unwrap()["kid"]).to_owned()
}

#[tokio::test]
async fn signing_keys_200_at_first_start() {
    let stack = Stack::start().await;
    let ring = ring(&stack).await;
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
    let listed = published(&stack).await;
    assert!(listed.contains(&kid(&ring, "next").to_owned()) && listed.contains(&kid(&ring, "current").to_owned()));
    assert!(!listed.contains(&text(&root["kid"]).to_owned()), "a root key signs no token");
}

#[tokio::test]
async fn rotate_409_until_the_next_key_was_published_for_long_enough_then_200() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let first = ring(&stack).await;
    stack.advance(599);
    stack.operator.post(ROTATE, json!({})).await.expect_problem(409, "state_conflict");
    assert_eq!(ring(&stack).await, first);
    stack.advance(1);
    let turned = stack.operator.post(ROTATE, json!({})).await.expect_status(200);
    assert_eq!(states(&turned), ["current", "previous"]);
    assert_eq!((kid(&turned, "current"), kid(&turned, "previous")), (kid(&first, "next"), kid(&first, "current")));
    // What follows was done at once, as this process looks after the ring.
    assert_eq!(states(&ring(&stack).await), ["next", "current", "previous"]);

    let activated = stack.anonymous.activate(&sold.license_key, "m").await.expect_status(201);
    assert_eq!(kid_of(&activated["token"]), kid(&turned, "current"));
    stack.claims(&activated["token"]).await;
    stack.claims(&sold.issued["token"]).await;
    stack.operator.post(ROTATE, json!({})).await.expect_problem(409, "state_conflict");
    stack.operator.post(ROTATE, json!({"force": "yes"})).await.expect_errors(422, &["/force invalid_value"]);
}

#[tokio::test]
async fn rotate_by_force_200_at_once_and_of_many_at_once_one_is_done() {
    let stack = Stack::start().await;
    let before = ring(&stack).await;
    let rotate = || async { stack.operator.post(ROTATE, json!({"force": true})).await.expect_status(200) };
    let answers = tokio::join!(rotate(), rotate(), rotate(), rotate());
    for turned in [answers.0, answers.1, answers.2, answers.3] {
        assert_eq!(kid(&turned, "current"), kid(&before, "next"));
    }
    assert_eq!(states(&ring(&stack).await), ["next", "current", "previous"]);
}

#[tokio::test]
async fn a_repeat_with_an_idempotency_key_turns_the_ring_once() {
    let stack = Stack::start().await;
    let once = stack.operator.with_header("idempotency-key", "turn");
    let first = once.post(ROTATE, json!({"force": true})).await.expect_status(200);
    assert_eq!(once.post(ROTATE, json!({"force": true})).await.expect_status(200), first);
    assert_eq!(states(&ring(&stack).await), ["next", "current", "previous"]);
}

#[tokio::test]
async fn a_key_stays_published_until_its_longest_lived_token_has_ended() {
    let stack = Stack::start().await;
    let long = json!({"max_users": 1, "token_ttl_seconds": 86_400, "grace_period_seconds": 600});
    let sold = stack.operator.issue_new_license_with(&long).await;
    let activated = stack.anonymous.activate(&sold.license_key, "m").await.expect_status(201);
    // It signed a token that lives so long: that the tier is another since does not shorten it.
    stack
        .operator
        .replace("pricing-tiers", &sold.tier, &json!({"token_ttl_seconds": 60, "heartbeat_interval_seconds": 60}))
        .await
        .expect_status(200);
    stack.advance(600);
    let turned = stack.operator.post(ROTATE, json!({})).await.expect_status(200);
    let old = kid(&turned, "previous").to_owned();
    let life = 600 + 300 + 86_400 + 600;
    assert_eq!(turned["items"][1]["retires_at"], (START + SignedDuration::from_secs(life)).to_string());

    stack.advance(life - 600 - 1);
    keep(&stack).await;
    assert!(published(&stack).await.contains(&old));
    stack.advance(1);
    keep(&stack).await;
    assert!(!published(&stack).await.contains(&old));
    assert_eq!(states(&ring(&stack).await), ["next", "current", "retired"]);
    // An app that was offline for so long is still known here.
    let renewed = stack.anonymous.heartbeat(text(&activated["token"]), "m").await.expect_status(200);
    assert_ne!(kid_of(&renewed["token"]), old);
}

#[tokio::test]
async fn what_a_condemned_key_signed_is_refused_everywhere_and_its_machines_come_back() {
    let rate_limits = RateLimits { guesses: Some(Limit { most: 2, seconds: 60 }), churn: None };
    let stack = Stack::start_with(Options { rate_limits, ..Options::default() }).await;
    let sold = stack.operator.issue_new_license(2).await;
    let app = &stack.anonymous;
    let activated = app.activate(&sold.license_key, "m").await.expect_status(201);
    let token = text(&activated["token"]);
    let before = ring(&stack).await;
    let old = kid(&before, "current");
    let ended = condemn(&stack, old).await.expect_status(200);
    assert_eq!(states(&ended), ["current", "condemned"]);
    assert_eq!(kid(&ended, "current"), kid(&before, "next"));
    assert_eq!(ended["items"][1]["condemned_reason"], "seen elsewhere");
    assert_eq!(
        states(&condemn(&stack, old).await.expect_status(200)),
        ["next", "current", "condemned"],
        "again, nothing"
    );
    assert!(!published(&stack).await.contains(&old.to_owned()));
    assert!(!signed_set(&stack, &ring(&stack).await).await.0.contains(&old.to_owned()));

    // Its signature holds, so it is no guess, however many machines have one behind one address.
    for _ in 0..4 {
        app.heartbeat(token, "m").await.expect_problem(401, "token_invalid");
    }
    let verdict = app.post("license-keys/validate", json!({"token": token})).await.expect_status(200);
    assert_eq!(verdict["code"], "token_invalid");
    let body = json!({"token": token, "machine_id": "m"});
    app.post("license-activations/activate", body).await.expect_problem(401, "token_invalid");
    let end = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&end, json!({"token": token})).await.expect_problem(401, "token_invalid");
    let audit =
        stack.operator.post(&format!("license-keys/{}/audit", sold.license_id), json!({})).await.expect_status(200);
    let finding = audit["findings"].as_array().unwrap().iter().find(|found| found["code"] == "signing_key").unwrap();
    assert_eq!(finding["ok"], false);

    let again = app.activate(&sold.license_key, "m").await.expect_status(200);
    assert_eq!(kid_of(&again["token"]), kid(&ended, "current"));
    app.heartbeat(text(&again["token"]), "m").await.expect_status(200);
    stack.operator.post(&format!("{KEYS}/none/condemn"), json!({})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn condemn_200_of_a_next_key_and_of_one_that_is_no_longer_published() {
    let stack = Stack::start().await;
    let first = ring(&stack).await;
    stack.advance(1);
    condemn(&stack, kid(&first, "next")).await.expect_status(200);
    let second = ring(&stack).await;
    assert_eq!((states(&second)[0], kid(&second, "current")), ("next", kid(&first, "current")));
    stack.advance(1);
    stack.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let ended = condemn(&stack, kid(&first, "current")).await.expect_status(200);
    assert_eq!(states(&ended), ["next", "current", "condemned", "condemned"]);
}

/// When the private part of a key was told to end, as the table has it.
async fn ended_at(stack: &Stack, kid: &str) -> Option<String> {
    let items = stack.items().await;
    let item = items.iter().find(|item| item["SK"]["S"] == format!("KEY#{kid}")).unwrap();
    item["ended_at"]["S"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_ring_turns_also_where_a_private_key_can_not_be_deleted() {
    let logs = Logs::capture();
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::take(folder.path()).unwrap();
    let stack = Stack::start_with(Options { data: Some(&folder), ..Options::default() }).await;
    let first = ring(&stack).await;
    let (stuck, other) = (kid(&first, "current"), kid(&first, "next"));
    condemn(&stack, stuck).await.expect_status(200);
    condemn(&stack, other).await.expect_status(200);
    // A folder in place of its file can't be deleted as a file.
    let file = folder.file("signing-keys").join(format!("{stuck}.pem"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();

    stack.advance(90 * 86_400);
    keep(&stack).await;
    let turned = ring(&stack).await;
    assert_eq!(states(&turned), ["next", "current", "previous", "condemned", "condemned"]);
    let (kids, claims) = signed_set(&stack, &turned).await;
    assert_eq!((kids.len(), claims["iat"].as_i64()), (3, Some(stack.clock.now().as_second())));
    let now = Some(stack.clock.now().to_string());
    assert_eq!((ended_at(&stack, stuck).await, ended_at(&stack, other).await), (None, now));
    let told = logs.lines().into_iter().filter(|line| line["level"] == "ERROR").collect::<Vec<_>>();
    assert!(told.len() == 1 && told[0]["kid"] == stuck, "{told:?}");

    fs::remove_dir(&file).unwrap();
    stack.advance(300);
    keep(&stack).await;
    assert_eq!(ended_at(&stack, stuck).await, Some(stack.clock.now().to_string()));
}

/// The keys in the signed set, and its claims, verified with the first root key.
async fn signed_set(stack: &Stack, ring: &Value) -> (Vec<String>, Value) {
    let answer = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+jwt");
    let claims = VerifiedToken::claims_with_key(&answer.text, &ring["root_keys"][0]).unwrap();
    let kids = claims["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect();
    (kids, claims)
}

#[tokio::test]
async fn signed_jwks_200_and_304() {
    let stack = Stack::start().await;
    let ring = ring(&stack).await;
    let answer = stack.anonymous.get("/.well-known/jwks.jwt").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let seen = stack.anonymous.with_header("if-none-match", answer.header("etag")).get("/.well-known/jwks.jwt").await;
    assert_eq!(seen.status, 304);
    let header = BASE64URL_NOPAD.decode(answer.text.split('.').next().unwrap().as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "jwk-set+jwt", "kid": ring["root_keys"][0]["kid"]}));
    let (_, claims) = signed_set(&stack, &ring).await;
    let (issuer, start) = (&stack.local.base_url, START.as_second());
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    let expected = json!({"iss": issuer, "sub": issuer, "iat": start, "exp": start + 7 * 86_400, "keys": jwks["keys"]});
    assert_eq!(claims, expected);
    // Neither passes for the other.
    stack.anonymous.heartbeat(&answer.text, "m").await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn a_signed_set_is_renewed_each_day_and_costs_no_signature_otherwise() {
    let stack = Stack::start().await;
    let first = stack.anonymous.get("/.well-known/jwks.jwt").await.text;
    stack.advance(86_399);
    keep(&stack).await;
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.text, first);
    stack.advance(1);
    keep(&stack).await;
    let second = stack.anonymous.get("/.well-known/jwks.jwt").await.text;
    assert_ne!(second, first);
    stack.faults.reset_calls();
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_status(200);
    assert_eq!(stack.faults.calls(), [""; 0]);
    // Nobody has looked after it: what has ended is not handed out.
    stack.advance(7 * 86_400);
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    keep(&stack).await;
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.status, 200);
}

#[tokio::test]
async fn signed_jwks_503_while_the_set_has_a_condemned_key() {
    let stack = Stack::start().await;
    let before = ring(&stack).await;
    let old = signed_set(&stack, &before).await;
    // Whoever signs the set anew is away.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).containing("SIGNED_SET").always());
    condemn(&stack, kid(&before, "current")).await.expect_status(200);
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    stack.faults.clear();
    keep(&stack).await;
    let (kids, claims) = signed_set(&stack, &before).await;
    assert!(!kids.contains(&kid(&before, "current").to_owned()));
    assert_eq!(claims["iat"].as_i64().unwrap(), old.1["iat"].as_i64().unwrap() + 1, "later, though in the same second");
}

#[tokio::test]
async fn a_signed_set_is_later_than_the_one_before_also_by_a_clock_that_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let [one, raw_table] = Stack::start_pair(&Folder::take(folder.path()).unwrap()).await;
    one.advance(86_400);
    keep(&one).await;
    let (_, first) = signed_set(&one, &ring(&one).await).await;
    raw_table.advance(86_390);
    raw_table.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let (kids, second) = signed_set(&raw_table, &ring(&raw_table).await).await;
    assert_eq!((kids.len(), second["iat"].as_i64()), (3, Some(first["iat"].as_i64().unwrap() + 1)));
}

#[tokio::test]
async fn a_ring_that_was_read_before_a_key_was_condemned_is_not_kept_after() {
    let folder = tempfile::tempdir().unwrap();
    let stacks = Stack::start_pair(&Folder::take(folder.path()).unwrap()).await;
    // By the process that condemns, and by another one.
    for reader in &stacks {
        let old = kid(&ring(&stacks[0]).await, "current").to_owned();
        for stack in &stacks {
            stack.advance(300);
        }
        let gate = Gate::default();
        reader.faults.add(Rule::new("Query", Fault::HoldResponse(gate.clone())).containing("KEYRING"));
        let slow = published(reader);
        let meanwhile = async {
            gate.wait_for_request().await;
            reader.advance(1);
            condemn(&stacks[0], &old).await.expect_status(200);
            assert!(!published(reader).await.contains(&old));
            gate.open();
        };
        tokio::join!(slow, meanwhile);
        assert!(!published(reader).await.contains(&old));
    }
}

#[tokio::test]
async fn who_has_read_the_ring_before_there_was_a_key_finds_the_first_within_seconds() {
    let stack = Stack::start().await;
    let keyring = json!({
        "KeyConditionExpression": "PK = :keyring", "ExpressionAttributeValues": {":keyring": {"S": "KEYRING"}},
    });
    let all = stack.call_dynamodb("Query", keyring).await;
    let all = all["Items"].as_array().unwrap();
    for item in all {
        stack.call_dynamodb("DeleteItem", json!({"Key": {"PK": item["PK"], "SK": item["SK"]}})).await;
    }
    stack.local.app.tokens.ring().forget();
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.anonymous.get("/health").await.expect_status(503);

    // Another process has made the first keys.
    for item in all {
        stack.call_dynamodb("PutItem", json!({"Item": item})).await;
    }
    stack.anonymous.get("/.well-known/jwks.jwt").await.expect_problem(503, "unavailable");
    stack.advance(5);
    assert_eq!(stack.anonymous.get("/.well-known/jwks.jwt").await.status, 200);
    assert_eq!(stack.anonymous.get("/health").await.expect_status(200)["status"], "ok");
}

#[tokio::test]
async fn the_root_key_vouches_for_no_key_that_someone_wrote_into_the_table() {
    let stack = Stack::start().await;
    let ring = ring(&stack).await;
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
    let told = stack.local.app.maintain_key_ring().await.unwrap_err().to_string();
    assert!(told.contains(&thumbprint(&own)), "{told}");
    assert_eq!(signed_set(&stack, &ring).await.0, genuine);
}

#[tokio::test]
async fn another_instance_knows_a_new_key_at_once_and_signs_with_it_within_the_refresh_interval() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = Stack::start_pair(&Folder::take(folder.path()).unwrap()).await;
    let sold = one.operator.issue_new_license(2).await;
    // The other has a copy of the ring that is fresh.
    let old = other.anonymous.activate(&sold.license_key, "a").await.expect_status(201);
    one.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let new = one.anonymous.activate(&sold.license_key, "b").await.expect_status(201);
    assert_ne!(kid_of(&new["token"]), kid_of(&old["token"]));
    other.advance(5);
    assert_eq!(
        kid_of(&other.anonymous.activate(&sold.license_key, "a").await.expect_status(200)["token"]),
        kid_of(&old["token"])
    );
    other.advance(295);
    assert_eq!(
        kid_of(&other.anonymous.activate(&sold.license_key, "a").await.expect_status(200)["token"]),
        kid_of(&new["token"])
    );
    one.operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    let newest = one.anonymous.activate(&sold.license_key, "b").await.expect_status(200);
    other.advance(5);
    other.anonymous.heartbeat(text(&newest["token"]), "b").await.expect_status(200);
}

#[tokio::test]
async fn the_ring_is_whole_whatever_dies_on_the_way() {
    // A promotion, the note that a key is being made, the key, and the set.
    let mut deaths = 0;
    for nth in 1..=5 {
        for fault in [Fault::RefuseConnection, Fault::LoseResponse] {
            let stack = Stack::start().await;
            stack.advance(90 * 86_400);
            // Three attempts are one that the SDK gives up.
            stack.faults.add(Rule::new("TransactWriteItems", fault.clone()).nth(nth).times(3));
            deaths += u32::from(stack.local.app.maintain_key_ring().await.is_err());
            stack.faults.clear();
            // By then, who made a key must be dead.
            stack.advance(120);
            keep(&stack).await;
            let ring = ring(&stack).await;
            assert_eq!(states(&ring), ["next", "current", "previous"], "{nth} {fault:?}");
            stack.operator.issue_new_license(1).await;
            assert_eq!(signed_set(&stack, &ring).await.0.len(), 3);
        }
    }
    assert_eq!(deaths, 8, "each of the four writes, in both ways");
}

/// A consuming app that asks for keys as seldom as it may, and never because it meets one that it does not know.
struct App<'a> {
    stack: &'a Stack,
    name: &'static str,
    token: String,
    /// The set that it has, by the place where it got it, and until when it keeps it.
    keys: BTreeMap<&'static str, (Value, jiff::Timestamp)>,
    /// The root keys that it has built in.
    roots: Vec<Value>,
}

impl<'a> App<'a> {
    async fn activate(stack: &'a Stack, name: &'static str, license_key: &str, roots: &[&Value]) -> Self {
        let activated = stack.anonymous.activate(license_key, name).await.expect_status(201);
        let token = text(&activated["token"]).to_owned();
        Self { stack, name, token, keys: BTreeMap::new(), roots: roots.iter().map(|root| (*root).clone()).collect() }
    }

    async fn heartbeat(&mut self) {
        let answer = self.stack.anonymous.heartbeat(&self.token, self.name).await.expect_status(200);
        text(&answer["token"]).clone_into(&mut self.token);
    }

    /// Verifies the token with the published set, and with the signed one.
    async fn verify(&mut self) {
        for path in ["/.well-known/jwks.json", "/.well-known/jwks.jwt"] {
            let now = self.stack.clock.now();
            if self.keys.get(path).is_none_or(|(_, until)| *until <= now) {
                let answer = self.stack.anonymous.get(path).await;
                let set = match answer.body {
                    Value::Null => {
                        self.roots.iter().find_map(|root| VerifiedToken::claims_with_key(&answer.text, root))
                    }
                    set => Some(set),
                };
                let set = set.unwrap_or_else(|| panic!("{}: no root key of its own signed the set", self.name));
                self.keys.insert(path, (set, now + SignedDuration::from_secs(300)));
            }
            let signed = VerifiedToken::verify(&self.token, &self.keys[path].0);
            assert!(signed.is_some(), "{} at {now}: a good token is refused with {path}", self.name);
        }
    }
}

/// Lets time pass, with the schedule every five minutes and heartbeats every quarter of an hour.
async fn pass(stacks: &[Stack; 2], apps: &mut [App<'_>], minutes: usize) {
    for minute in 0..minutes {
        for stack in stacks {
            stack.advance(60);
        }
        if minute % 5 == 4 {
            keep(&stacks[0]).await;
        }
        for (place, app) in apps.iter_mut().enumerate() {
            if (minute + place) % 15 == 0 {
                app.heartbeat().await;
            }
            app.verify().await;
        }
    }
}

#[tokio::test]
async fn a_good_token_is_never_refused_while_keys_are_made_promoted_retired_condemned_and_the_root_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::take(folder.path()).unwrap();
    // A key signs for two hours; tokens live for one.
    let ring_rules =
        RotationPolicy { rotation: SignedDuration::from_hours(2), refresh: SignedDuration::from_secs(300) };
    let options = || Options { data: Some(&folder), ring: ring_rules, ..Options::default() };
    let one = Stack::start_with(options()).await;
    let endpoint = Some(one.local.dynamodb_endpoint.clone());
    let other = Stack::start_with(Options { dynamodb_endpoint: endpoint.clone(), ..options() }).await;
    let stacks = [one, other];
    let sold = stacks[0].operator.issue_new_license(4).await;
    let first = ring(&stacks[0]).await;
    let old_root = &first["root_keys"][0];
    let mut apps = [
        App::activate(&stacks[0], "a", &sold.license_key, &[old_root]).await,
        App::activate(&stacks[1], "b", &sold.license_key, &[old_root]).await,
    ];

    // Keys come and go.
    pass(&stacks, &mut apps, 6 * 60).await;
    let later = ring(&stacks[0]).await;
    assert_eq!(states(&later).iter().filter(|state| **state == "retired").count(), 2, "{later}");

    // One that signed an hour ago is condemned: those who have a token of it come back with the key, the others go on.
    let victim = kid(&later, "current").to_owned();
    stacks[0].operator.post(ROTATE, json!({"force": true})).await.expect_status(200);
    for app in &mut apps {
        app.keys.clear();
    }
    pass(&stacks, &mut apps, 20).await;
    condemn(&stacks[0], &victim).await.expect_status(200);
    for app in &mut apps {
        if kid_of(&app.token.clone().into()) == victim {
            let again = app.stack.anonymous.activate(&sold.license_key, app.name).await.expect_status(200);
            text(&again["token"]).clone_into(&mut app.token);
        }
    }
    pass(&stacks, &mut apps, 60).await;

    // Another root key is announced, and built into new apps; then it signs; then the old one is gone.
    let handle = new_root(&folder).await;
    let (old, new) = (text(&old_root["kid"]), handle.as_str());
    let mut known = vec![];
    for roots in [format!("{old}\n{new}\n"), format!("{new}\n{old}\n"), format!("{new}\n")] {
        fs::write(folder.file("root-keys"), &roots).unwrap();
        let key_rotator = Stack::start_with(Options { dynamodb_endpoint: endpoint.clone(), ..options() }).await;
        key_rotator.advance(stacks[0].clock.now().duration_since(START).as_secs());
        keep(&key_rotator).await;
        let listed = ring(&stacks[0]).await["root_keys"].clone();
        let kids: Vec<_> = listed.as_array().unwrap().iter().map(|root| text(&root["kid"])).collect();
        assert_eq!(kids, roots.split_whitespace().collect::<Vec<_>>());
        if known.is_empty() {
            known = listed.as_array().unwrap().clone();
            // The update that has both built in reaches every app before the new one signs.
            for app in &mut apps {
                app.roots.clone_from(&known);
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
        VerifiedToken::claims_with_key(&set, &known[1]).is_some()
            && VerifiedToken::claims_with_key(&set, &known[0]).is_none()
    );
}

/// Makes a root key in the folder's own way.
async fn new_root(folder: &Folder) -> String {
    use shared::tokens::{Signer, local::LocalSigner};
    let signer = LocalSigner::in_folder(&folder.file("signing-keys")).unwrap();
    signer.create("root").await.unwrap().handle
}

#[tokio::test]
async fn only_who_has_the_scope_sees_and_turns_the_ring() {
    let stack = Stack::start().await;
    let key = json!({"name": "ci", "scopes": ["catalog:write", "licenses:write", "access:write"]});
    let key = stack.operator.post("api-keys", key).await.expect_status(201);
    let lesser: Client = stack.anonymous.with_api_key(text(&key["api_key"]));
    lesser.get(KEYS).await.expect_problem(403, "forbidden");
    lesser.post(ROTATE, json!({"force": true})).await.expect_problem(403, "forbidden");
    assert_eq!(states(&ring(&stack).await), ["next", "current"]);
}
