//! `POST license-keys/{id}/regenerate`.

use signet_tests::{Stack, Value, json, merged};

use super::{after, claims, read, text, transition, transition_concurrently, validate};

#[tokio::test]
async fn regenerate_invalidates_the_old_key_string_its_tokens_and_its_seats() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let (id, old_key) = (&license.license_id, &license.license_key);
    let first = stack.anonymous.activate(old_key, "m1").await.expect_status(201);
    stack.anonymous.activate(old_key, "m2").await.expect_status(201);
    stack.advance(60);

    let response = transition(&stack, id, "regenerate", json!({})).await;
    assert!(!response.header("etag").is_empty() && response.header("location").is_empty());
    let regenerated = response.expect_status(200);
    let new_key = text(&regenerated["license_key"]);
    let fields: Vec<_> = regenerated.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_ne!(new_key, old_key);
    assert_eq!((&regenerated["token_type"], &regenerated["token_expires_at"]), (&json!("JWT"), &json!(after(3660))));
    let hint = text(&regenerated["license"]["key_hint"]);
    assert!(new_key.ends_with(hint.rsplit('-').next().unwrap()), "{hint}");
    let expected = merged(license.issued["license"].clone(), &json!({"generation": 2, "key_hint": hint}));
    assert_eq!(regenerated["license"], expected);
    assert_eq!(read(&stack, id).await, merged(expected, &json!({"seats_used": 0})));
    let claims = claims(&regenerated["token"]);
    assert_eq!((&claims["generation"], &claims["sub"], &claims["activation"]), (&json!(2), &json!(id), &Value::Null));

    // The next request with the old key string or an old token is rejected.
    for old in
        [json!({"license_key": old_key}), json!({"token": first["token"]}), json!({"token": license.issued["token"]})]
    {
        assert_eq!(validate(&stack, old).await, "generation_outdated");
    }
    stack.anonymous.heartbeat(text(&first["token"]), "m1").await.expect_problem(403, "generation_outdated");
    stack.anonymous.activate(old_key, "m1").await.expect_problem(403, "generation_outdated");
    let by_old_token = json!({"token": first["token"], "machine_id": "m1"});
    stack.anonymous.post("license-activations/activate", by_old_token).await.expect_problem(403, "generation_outdated");
    let list = stack.operator.get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    assert_eq!(list["items"], json!([]));

    // The new key string and token work, and all seats are available.
    assert_eq!(validate(&stack, json!({"license_key": new_key})).await, "valid");
    assert_eq!(validate(&stack, json!({"token": regenerated["token"]})).await, "valid");
    assert_eq!(validate(&stack, json!({"license_key": new_key, "machine_id": "m1"})).await, "not_activated");
    let by_token = json!({"token": regenerated["token"], "machine_id": "m1"});
    let reactivated = stack.anonymous.post("license-activations/activate", by_token).await.expect_status(201);
    stack.anonymous.heartbeat(text(&reactivated["token"]), "m1").await.expect_status(200);
    stack.anonymous.activate(new_key, "m3").await.expect_status(201);
    stack.anonymous.activate(new_key, "m2").await.expect_problem(409, "seat_limit_reached");
    assert_eq!(transition(&stack, id, "audit", json!({})).await.expect_status(200)["ok"], true);
}

#[tokio::test]
async fn regenerate_accepts_no_body_or_an_empty_object() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let path = format!("license-keys/{id}/regenerate");
    let bare = stack.operator.send(reqwest::Method::POST, &path, |request| request).await;
    assert_eq!(bare.expect_status(200)["license"]["generation"], 2);
    let response = transition(&stack, &id, "regenerate", json!({"force": true})).await;
    assert_eq!(response.expect_problem(422, "unknown_field")["errors"][0]["pointer"], "/force");
    assert_eq!(read(&stack, &id).await["generation"], 2);
}

#[tokio::test]
async fn two_concurrent_regenerations_leave_one_valid_key_string() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let responses = transition_concurrently(&stack, &id, [("regenerate", json!({})), ("regenerate", json!({}))]).await;
    let mut regenerated: Vec<_> = responses.into_iter().map(|response| response.expect_status(200)).collect();
    regenerated.sort_by_key(|body| body["license"]["generation"].as_u64());
    let generations: Vec<_> = regenerated.iter().map(|body| &body["license"]["generation"]).collect();
    assert_eq!(generations, [2, 3]);
    assert_eq!(validate(&stack, json!({"license_key": regenerated[0]["license_key"]})).await, "generation_outdated");
    assert_eq!(validate(&stack, json!({"license_key": regenerated[1]["license_key"]})).await, "valid");
    // The stored token and key string belong to the valid generation.
    assert_eq!(transition(&stack, &id, "audit", json!({})).await.expect_status(200)["ok"], true);
}
