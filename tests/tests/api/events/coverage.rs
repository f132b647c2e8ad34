//! Every operation that changes something records an event in each successful request, once, and none in a refused one.

use std::collections::BTreeSet;

use reqwest::Method;
use shared::domain::EventType;
use signet_tests::{Access, Operation, Stack, TestResponse, Value, json, merged, text};

use super::{added_since, types};

/// Returns every operation that changes something, those of the signing keys last.
async fn changing_operations(stack: &Stack) -> Vec<Operation> {
    let mut operations = stack.operations_with_own_resources().await;
    operations.retain(|operation| operation.is_api() && operation.method != Method::GET);
    let (signing_keys, mut all): (Vec<_>, Vec<_>) =
        operations.into_iter().partition(|operation| operation.template.contains("/signing-keys"));
    all.extend(signing_keys);
    all
}

/// Prepares what the resources of tests lack: a rotation that is not due yet, and a key to condemn that does not sign.
async fn prepared(stack: &Stack, mut operation: Operation) -> Operation {
    if operation.template.ends_with("/rotate") {
        operation.body = Some(json!({"force": true}));
    }
    if operation.template.ends_with("/condemn") {
        let ring = stack.operator.get("signing-keys").await.expect_status(200);
        let idle = ring["items"].as_array().unwrap().iter().find(|key| key["state"] != "current").unwrap();
        operation.path = operation.path_with_id(text(&idle["kid"]));
    }
    operation
}

fn has_idempotency_key(operation: &Operation) -> bool {
    let parameters = operation.spec["parameters"].as_array().into_iter().flatten();
    parameters.into_iter().any(|one| one["$ref"] == "#/components/parameters/IdempotencyKey")
}

/// Adds all texts in a JSON value.
fn add_texts(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text.clone())),
        Value::Array(values) => values.iter().for_each(|one| add_texts(one, texts)),
        Value::Object(fields) => fields.values().for_each(|one| add_texts(one, texts)),
        _ => (),
    }
}

/// Returns the ids that the subjects of a request's events can have: those in its path and response, and those of the resources
/// that its body names by another text.
async fn known_ids(stack: &Stack, operation: &Operation, response: &TestResponse) -> BTreeSet<String> {
    let mut ids: BTreeSet<String> = operation.path.split(['/', '?']).map(str::to_owned).collect();
    add_texts(&response.body, &mut ids);
    let list = match (&operation.body, operation.template.rsplit('/').next()) {
        (Some(body), Some("imports")) => Some(format!("customers?external_id={}", text(&body["external_id"]))),
        (Some(body), Some("license-keys")) => Some(format!("license-keys?customer_id={}", text(&body["customer_id"]))),
        (_, Some("offline-activations")) => {
            let license = operation.path.split('/').find(|part| part.starts_with("lic_")).unwrap();
            Some(format!("license-activations?license_id={license}"))
        }
        _ => None,
    };
    // The license keys of a batch.
    if let Some(tag) = operation.body.as_ref().and_then(|body| body["tag"].as_str()) {
        let issued = stack.event_items().await.into_iter().filter(|event| event["data"]["tag"] == tag);
        ids.extend(issued.map(|event| text(&event["license_id"]).to_owned()));
    }
    if let Some(list) = list {
        let found = stack.operator.get(&list).await.expect_status(200);
        add_texts(&found, &mut ids);
    }
    ids
}

/// Returns the kind of the caller, as events name it.
fn actor_kind(operation: &Operation) -> &'static str {
    match operation.access {
        Access::Public => "app",
        // The token in the body identifies the app.
        _ if operation.template.ends_with("/deactivate") => "app",
        Access::AnyUser => "user",
        _ => "api_key",
    }
}

/// Asserts that the new events are those that a successful request records.
async fn assert_recorded(stack: &Stack, operation: &Operation, response: &TestResponse, added: &[Value]) {
    let name = format!("{} {}", operation.method, operation.template);
    let (own, others): (Vec<_>, Vec<_>) = added
        .iter()
        .cloned()
        .partition(|event| event["request_id"].is_string() && event["request_id"] == response.header("x-request-id"));
    let found: BTreeSet<&str> = types(&own).into_iter().collect();
    let expected: BTreeSet<&str> = operation.records.iter().map(|one| one.as_str()).collect();
    assert_eq!(found, expected, "{name}");
    let ids = known_ids(stack, operation, response).await;
    for event in &own {
        let event_type: EventType = text(&event["type"]).parse().unwrap();
        assert_eq!(event["subject"]["type"], event_type.subject_type().as_str(), "{name}");
        assert!(ids.contains(text(&event["subject"]["id"])), "{name}: {event} is of none of {ids:?}");
        let kind = actor_kind(operation);
        assert_eq!(event["actor"]["kind"], kind, "{name}");
        match kind {
            "api_key" => {
                assert_eq!(event["actor"]["id"], stack.operator_api_key_id(), "{name}");
            }
            "app" => assert_eq!(event["actor"]["id"], event["subject"]["id"], "{name}"),
            _ => assert!(!text(&event["actor"]["id"]).is_empty(), "{name}"),
        }
        // The erasure also removes the addresses from the events of the customer.
        let ip = if event["type"] == "customer.erased" { Value::Null } else { json!("127.0.0.1") };
        assert_eq!((&event["at"], &event["ip"]), (&json!(stack.clock.now().to_string()), &ip), "{name}");
    }
    // What Signet does in response to a change has no request.
    for event in &others {
        assert_eq!(
            (&event["actor"]["kind"], &event["request_id"]),
            (&json!("system"), &Value::Null),
            "{name}: {event}"
        );
        assert!(operation.can_record.iter().any(|one| one.as_str() == text(&event["type"])), "{name}: {event}");
    }
}

#[tokio::test]
async fn every_change_records_its_events_once() {
    let stack = Stack::start_without_rate_limits().await;
    for operation in changing_operations(&stack).await {
        let mut operation = prepared(&stack, operation).await;
        let name = format!("{} {}", operation.method, operation.template);
        stack.advance(1);
        let is_repeatable = has_idempotency_key(&operation);
        if is_repeatable {
            operation.caller = operation.caller.with_header("idempotency-key", "once");
        }
        let before = stack.event_items().await;
        let response = operation.send_valid().await;
        assert!(response.status < 300, "{name}: {}", response.text);
        assert_recorded(&stack, &operation, &response, &added_since(&stack, &before).await).await;
        if is_repeatable {
            let before = stack.event_items().await;
            let repeated = operation.send_valid().await;
            assert_eq!((repeated.status, &repeated.body), (response.status, &response.body), "{name}");
            assert_eq!(types(&added_since(&stack, &before).await), [""; 0], "{name}: a replay records nothing");
        }
    }
}

#[tokio::test]
async fn refused_requests_record_nothing() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = changing_operations(&stack).await;
    let no_scope = stack.client_with_scopes(&[]).await;
    let before = stack.event_items().await;
    for operation in operations {
        let operation = prepared(&stack, operation).await;
        let mut refused = Vec::new();
        if !operation.is_public() {
            refused.push(operation.with_caller(&stack.anonymous).send_valid().await);
            refused.push(operation.with_caller(&no_scope).send_valid().await);
        }
        if let Some(body) = operation.body.clone().filter(|_| operation.has_json_body()) {
            refused.push(operation.send_json(&merged(body, &json!({"unknown": true}))).await);
        }
        if operation.has_id() {
            let unknown = operation.path_with_id("lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB");
            let body = operation.body.as_ref().map(Value::to_string).unwrap_or_default().into_bytes();
            let media_type = operation.body.as_ref().map(|_| "application/json");
            refused.push(operation.send_to(&unknown, media_type, body).await);
        }
        assert!(!refused.is_empty() || operation.template.ends_with("/imports"), "{}", operation.template);
        for response in refused {
            assert!((400..500).contains(&response.status), "{}: {}", response.request, response.text);
        }
        let added = added_since(&stack, &before).await;
        assert!(added.is_empty(), "{} {}: {added:?}", operation.method, operation.template);
    }
}

/// A condition that is not met refuses a change, as does a state in which it is not possible.
#[tokio::test]
async fn changes_that_conflict_record_nothing() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let before = stack.event_items().await;
    let operator = &stack.operator;
    let stale = operator.with_header("if-match", "\"0\"");
    let path = format!("products/{}", text(&license.product["id"]));
    stale.patch(&path, json!({"name": "New"})).await.expect_problem(412, "version_conflict");
    let reinstate = format!("license-keys/{}/reinstate", license.license_id);
    operator.post(&reinstate, json!({})).await.expect_problem(409, "state_conflict");
    let code = json!({"code": license.product["code"], "name": "Another"});
    operator.post("products", code).await.expect_problem(409, "code_taken");
    let email = json!({"name": "Another", "email": license.customer["email"]});
    operator.post("customers", email).await.expect_problem(409, "email_taken");
    operator
        .delete(&format!("customers/{}", text(&license.customer["id"])))
        .await
        .expect_problem(409, "customer_has_active_licenses");
    let own = format!("api-keys/{}", stack.operator_api_key_id());
    operator.delete(&own).await.expect_problem(409, "last_access_key");
    operator.post("signing-keys/rotate", json!({})).await.expect_problem(409, "state_conflict");
    assert_eq!(types(&added_since(&stack, &before).await), [""; 0]);
}
