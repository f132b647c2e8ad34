//! Findings about the stored token and its signing key.

use signet_tests::{Stack, Value, json};

use super::{audit, delete, failed_findings, key, key_of, partition, put, read, text};

#[tokio::test]
async fn audit_finds_a_stored_token_that_does_not_match_the_license() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let other = stack.operator.issue_new_license(1).await;
    let id = &license.license_id;
    let at = key(&partition(id), "SEALED");
    let sealed = read(&stack, &at).await;
    let other_sealed = read(&stack, &key(&partition(&other.license_id), "SEALED")).await;
    let flip_last_bit = |item: &Value, name: &str| {
        let mut bytes = data_encoding::BASE64.decode(text(&item[name]["B"]).as_bytes()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        json!({"B": data_encoding::BASE64.encode(&bytes)})
    };
    let with = |changes: &[(&str, Value)]| {
        let mut item = sealed.clone();
        for (name, value) in changes {
            item[*name] = value.clone();
        }
        item
    };
    for (case, item) in [
        ("a flipped bit in the token", with(&[("token", flip_last_bit(&sealed, "token"))])),
        ("a flipped bit in the key string", with(&[("license_key", flip_last_bit(&sealed, "license_key"))])),
        ("the token of another license", with(&[("token", other_sealed["token"].clone())])),
        (
            "token and key string of another license",
            with(&[("token", other_sealed["token"].clone()), ("license_key", other_sealed["license_key"].clone())]),
        ),
        ("the token in place of the key string", with(&[("license_key", sealed["token"].clone())])),
        ("empty values", with(&[("token", json!({"B": ""})), ("license_key", json!({"B": ""}))])),
    ] {
        put(&stack, &item).await;
        assert_eq!(failed_findings(&stack, id).await, ["signing_key", "stored_token"], "{case}");
    }
    delete(&stack, &at).await;
    assert_eq!(failed_findings(&stack, id).await, ["signing_key", "stored_token"], "no stored token");
    put(&stack, &sealed).await;
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);

    // The item of the key string names another license or another generation, or is missing.
    let mut pointers = stack.items().await;
    pointers.retain(|item| item["SK"]["S"] == "KEY" && item["license_id"]["S"] == json!(id));
    let [pointer] = pointers.as_slice() else { panic!("expected one pointer: {pointers:?}") };
    let mut misdirected = pointer.clone();
    misdirected["license_id"]["S"] = json!(other.license_id);
    let mut outdated = pointer.clone();
    outdated["generation"]["N"] = json!("2");
    for item in [misdirected, outdated] {
        put(&stack, &item).await;
        assert_eq!(failed_findings(&stack, id).await, ["stored_token"]);
    }
    delete(&stack, &key_of(pointer)).await;
    assert_eq!(failed_findings(&stack, id).await, ["stored_token"]);
    put(&stack, pointer).await;

    // The stored token predates the regeneration, as in a backup.
    stack.operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await.expect_status(200);
    assert_eq!(failed_findings(&stack, id).await, [""; 0]);
    put(&stack, &sealed).await;
    assert_eq!(failed_findings(&stack, id).await, ["stored_token"]);
}

#[tokio::test]
async fn audit_finds_an_unknown_or_condemned_signing_key() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let is_key = |item: &&Value| item["PK"]["S"] == "KEYRING" && item["state"]["S"] == "current";
    let signing_key = stack.items().await.iter().find(is_key).unwrap().clone();
    let in_state = |state: &str| {
        let mut item = signing_key.clone();
        item["state"]["S"] = json!(state);
        item
    };
    for (state, expected) in [("previous", &[][..]), ("retired", &[]), ("condemned", &["signing_key"])] {
        put(&stack, &in_state(state)).await;
        // The maximum age of the key ring cache.
        stack.advance(300);
        assert_eq!(failed_findings(&stack, &id).await, expected, "{state}");
    }
    delete(&stack, &key_of(&signing_key)).await;
    stack.advance(300);
    assert_eq!(failed_findings(&stack, &id).await, ["signing_key", "stored_token"]);
    put(&stack, &signing_key).await;
    stack.advance(300);
    assert_eq!(failed_findings(&stack, &id).await, [""; 0]);
}

#[tokio::test]
async fn audit_repair_replaces_a_stored_token_signed_by_a_condemned_key() {
    let stack = Stack::start().await;
    let (active, revoked) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let revoke = format!("license-keys/{}/revoke", revoked.license_id);
    stack.operator.post(&revoke, json!({"reason": "refund"})).await.expect_status(200);
    let machine = stack.anonymous.activate(&active.license_key, "one").await.expect_status(201);
    let ring = stack.operator.get("signing-keys").await.expect_status(200);
    let current = ring["items"].as_array().unwrap().iter().find(|key| key["state"] == "current").unwrap();
    let condemn = format!("signing-keys/{}/condemn", text(&current["kid"]));
    stack.operator.post(&condemn, json!({"reason": "leaked"})).await.expect_status(200);

    assert_eq!(failed_findings(&stack, &active.license_id).await, ["signing_key"]);
    let (_, findings) = audit(&stack, &active.license_id, json!({"repair": true})).await;
    assert!(findings.values().all(|ok| *ok), "{findings:?}");
    assert_eq!(failed_findings(&stack, &active.license_id).await, [""; 0]);
    // The machine keeps its seat and renews its activation with the key string.
    stack.anonymous.heartbeat(text(&machine["token"]), "one").await.expect_problem(401, "token_invalid");
    stack.anonymous.activate(&active.license_key, "one").await.expect_status(200);
    // No token is signed for a revoked license.
    audit(&stack, &revoked.license_id, json!({"repair": true})).await;
    assert_eq!(failed_findings(&stack, &revoked.license_id).await, ["signing_key"]);
}
