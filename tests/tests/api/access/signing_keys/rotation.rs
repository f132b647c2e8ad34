//! Rotation and condemned keys.

use std::fs;

use jiff::SignedDuration;
use shared::domain::rate_limit::{Limit, RateLimits};
use signet_local::{DataDirectory, Options};
use signet_tests::{Client, Fault, Gate, Logs, Rule, START, Stack, Value, json, text, thumbprint};

use super::{KEYS, ROTATE, condemn, get_ring, kid, kid_of, maintain, signed_set, states};

/// Returns the kids in the published JWK Set.
async fn published_kids(stack: &Stack) -> Vec<String> {
    let jwks = stack.anonymous.get("/.well-known/jwks.json").await.expect_status(200);
    jwks["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect()
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
    let tier = json!({"max_users": 1, "token_ttl_seconds": 86_400, "offline_grace_seconds": 600});
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
