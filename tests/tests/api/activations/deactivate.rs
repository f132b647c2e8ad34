//! `POST license-activations/{id}/deactivate`.

use shared::domain::Scope;
use signet_tests::{Stack, json, merged, text};

use super::{paths, seats_used};

#[tokio::test]
async fn deactivate_by_an_operator_returns_200_and_is_idempotent() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    app.activate(&license.license_key, "two").await.expect_problem(409, "seat_limit_reached");
    let [_, deactivate] = paths(&activated);
    stack.advance(5);
    let first = operator.post(&deactivate, json!({})).await;
    assert_eq!(
        first.clone().expect_status(200),
        merged(activated["activation"].clone(), &json!({"status": "deactivated"}))
    );
    assert_eq!(seats_used(&stack, &license).await, 0);
    stack.advance(5);
    for body in [json!({}), json!({"token": null}), json!({"token": activated["token"]})] {
        assert_eq!(operator.post(&deactivate, body).await.text, first.text);
    }
    let events = stack.license_events(&license.license_id).await;
    let deactivations: Vec<_> = events.iter().filter(|event| event["type"] == "activation.deactivated").collect();
    let [event] = deactivations[..] else { panic!("expected one event: {events:?}") };
    assert_eq!((&event["actor"]["kind"], &event["data"]["machine_id"]), (&json!("api_key"), &json!("one")));
    app.heartbeat(text(&activated["token"]), "one").await.expect_problem(403, "not_activated");
    app.activate(&license.license_key, "two").await.expect_status(201);
    // The tombstone still determines the response after the seat was assigned to another machine.
    assert_eq!(operator.post(&deactivate, json!({})).await.text, first.text);
    assert_eq!(seats_used(&stack, &license).await, 1);
}

#[tokio::test]
async fn deactivate_returns_200_with_the_activations_token() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    let [path, deactivate] = paths(&activated);
    let body = json!({"token": activated["token"]});
    // The token has expired and the license is revoked.
    stack.advance(86400);
    operator.post(&format!("license-keys/{}/revoke", license.license_id), json!({})).await.expect_status(200);
    let first = app.post(&deactivate, body.clone()).await;
    assert_eq!(first.body["status"], "deactivated", "{}", first.text);
    assert_eq!(operator.get(&path).await.expect_status(200), first.body);
    stack.advance(86400);
    assert_eq!(app.post(&deactivate, body).await.text, first.text);
    let events = stack.license_events(&license.license_id).await;
    let event = events.iter().find(|event| event["type"] == "activation.deactivated").unwrap();
    assert_eq!(event["actor"], json!({"kind": "app", "id": activated["activation"]["id"]}));
}

#[tokio::test]
async fn deactivate_does_not_affect_a_later_activation() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let first = app.activate(&license.license_key, "one").await.expect_status(201);
    let [_, deactivate_first] = paths(&first);
    operator.post(&deactivate_first, json!({})).await.expect_status(200);
    let second = app.activate(&license.license_key, "one").await.expect_status(201);
    operator.post(&deactivate_first, json!({})).await.expect_problem(404, "not_found");
    let response_to_app = app.post(&deactivate_first, json!({"token": first["token"]})).await.expect_status(200);
    let minimal = json!({
        "id": first["activation"]["id"], "license_id": license.license_id, "machine_id": "one", "instance_id": null,
        "machine_name": null, "app_version": null, "os": null, "hostname": null, "ip": null, "last_ip": null, "activated_at": null, "last_heartbeat_at": null,
        "lease_expires_at": null, "borrowed_until": null, "status": "deactivated",
    });
    assert_eq!(response_to_app, minimal);
    app.heartbeat(text(&first["token"]), "one").await.expect_problem(403, "not_activated");
    app.heartbeat(text(&second["token"]), "one").await.expect_status(200);
    assert_eq!(seats_used(&stack, &license).await, 1);
    // The token of one activation does not deactivate the other.
    app.post(&deactivate_first, json!({"token": second["token"]})).await.expect_problem(404, "not_found");
    app.post(&paths(&second)[1], json!({"token": first["token"]})).await.expect_problem(404, "not_found");
    assert_eq!(seats_used(&stack, &license).await, 1);
}

#[tokio::test]
async fn tombstone_has_a_ttl_that_a_new_activation_does_not_inherit() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(1).await;
    let first = app.activate(&license.license_key, "one").await.expect_status(201);
    operator.post(&paths(&first)[1], json!({})).await.expect_status(200);
    let machine_item = async || {
        let items = stack.items().await;
        items.into_iter().find(|item| text(&item["SK"]["S"]).starts_with("MACHINE#")).unwrap()
    };
    let expected = stack.clock.now().as_second() + 30 * 86400;
    assert_eq!(machine_item().await["expires_at_epoch"]["N"], expected.to_string());
    app.activate(&license.license_key, "one").await.expect_status(201);
    let item = machine_item().await;
    assert!(item.get("expires_at_epoch").is_none() && item.get("ended_at").is_none(), "{item}");
}

#[tokio::test]
async fn deactivate_returns_401_403_404_and_422() {
    let stack = Stack::start().await;
    let (app, operator) = (&stack.anonymous, &stack.operator);
    let license = operator.issue_new_license(2).await;
    let one = app.activate(&license.license_key, "one").await.expect_status(201);
    let two = app.activate(&license.license_key, "two").await.expect_status(201);
    let other_license = operator.issue_new_license(1).await;
    let foreign = app.activate(&other_license.license_key, "one").await.expect_status(201);
    let [_, deactivate] = paths(&one);
    app.post(&deactivate, json!({})).await.expect_problem(401, "unauthenticated");
    app.post(&deactivate, json!({"token": "x"})).await.expect_problem(401, "token_invalid");
    app.post(&deactivate, json!({"token": license.license_key})).await.expect_problem(401, "token_invalid");
    for token in [&two["token"], &foreign["token"], &license.issued["token"]] {
        app.post(&deactivate, json!({"token": token})).await.expect_problem(404, "not_found");
        // If an operator sends a token, the token decides.
        operator.post(&deactivate, json!({"token": token})).await.expect_problem(404, "not_found");
    }
    let reader = stack.client_with_scopes(&[Scope::LicensesRead]).await;
    reader.post(&deactivate, json!({})).await.expect_problem(403, "forbidden");
    app.post(&deactivate, json!({"token": 5})).await.expect_errors(422, &["/token invalid_value"]);
    app.post(&deactivate, json!({"tokn": "x"})).await.expect_errors(422, &["/tokn unknown_field"]);
    assert_eq!(seats_used(&stack, &license).await, 2);
    let writer = stack.client_with_scopes(&[Scope::LicensesWrite]).await;
    writer.post(&deactivate, json!({})).await.expect_status(200);
}
