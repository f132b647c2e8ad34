//! `PATCH license-keys/{id}`.

use signet_tests::{Stack, Value, json, text};

#[tokio::test]
async fn update_license_key_returns_200_and_changes_only_the_given_fields() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(2).await;
    operator.activate(&license.license_key, "one").await.expect_status(201);
    let path = format!("license-keys/{}", license.license_id);
    let mut expected = operator.get(&path).await.expect_status(200);
    assert_eq!(
        (&expected["name"], &expected["external_id"], &expected["metadata"]),
        (&Value::Null, &Value::Null, &json!({}))
    );
    for (patch, fields) in [
        (json!({"name": "é".repeat(100)}), json!(["name"])),
        (json!({"external_id": "order-1", "metadata": {"a": "b"}}), json!(["external_id", "metadata"])),
        (json!({"name": null}), json!(["name"])),
    ] {
        for (name, value) in patch.as_object().unwrap() {
            expected[name] = value.clone();
        }
        let patched = operator.patch(&path, patch.clone()).await;
        assert_eq!((patched.status, &patched.body), (200, &expected), "{patch}");
        let read = operator.get(&path).await;
        assert_eq!((&read.text, read.header("etag")), (&patched.text, patched.header("etag")));
        let events = stack.license_events(&license.license_id).await;
        let updated = events.iter().filter(|event| event["type"] == "license.updated");
        assert!(updated.clone().any(|event| event["data"]["fields"] == fields), "{events:?}");
    }
    // In every state.
    operator.post(&format!("{path}/revoke"), json!({})).await.expect_status(200);
    let patched = operator.patch(&path, json!({"name": "Archive"})).await.expect_status(200);
    assert_eq!((&patched["name"], &patched["status"]), (&json!("Archive"), &json!("revoked")));
    let rows = operator.get("license-keys").await.expect_status(200);
    assert_eq!((&rows["items"][0]["name"], &rows["items"][0]["external_id"]), (&json!("Archive"), &json!("order-1")));
}

#[tokio::test]
async fn update_license_key_returns_404_412_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(2).await;
    let path = format!("license-keys/{}", license.license_id);
    let before = operator.get(&path).await;
    for (field, value) in [("max_users", json!(5)), ("status", json!("active")), ("id", Value::Null)] {
        let error = format!("/{field} unknown_field");
        operator.patch(&path, json!({field: value})).await.expect_errors(422, &[&error]);
    }
    let other = operator.create_customer().await;
    for customer in [other["id"].clone(), Value::Null] {
        operator.patch(&path, json!({"customer_id": customer})).await.expect_errors(422, &["/customer_id immutable"]);
    }
    operator.patch(&path, json!({"customer_id": "cus_1"})).await.expect_errors(422, &["/customer_id invalid_value"]);
    for name in [json!(""), json!(" "), json!("a\n"), json!("é".repeat(101)), json!(1)] {
        operator.patch(&path, json!({"name": name})).await.expect_errors(422, &["/name invalid_value"]);
    }
    let unknown = operator.patch("license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB", json!({"name": "A"})).await;
    unknown.expect_problem(404, "not_found");
    assert_eq!(operator.get(&path).await.text, before.text, "a rejected request changes nothing");
    let current = operator.with_header("if-match", before.header("etag"));
    current.patch(&path, json!({"metadata": {"a": "b"}})).await.expect_status(200);
    current.patch(&path, json!({"name": "B"})).await.expect_problem(412, "version_conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_updates_of_a_license_key_are_not_lost() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(2).await;
    let path = format!("license-keys/{}", license.license_id);
    for round in 0..5 {
        let value = format!("Round {round}");
        let send = |patch: Value| {
            let (client, path) = (operator.clone(), path.clone());
            tokio::spawn(async move { client.patch(&path, patch).await.expect_status(200) })
        };
        let change = {
            let (client, path) = (operator.clone(), format!("{path}/change"));
            tokio::spawn(async move { client.post(&path, json!({"max_users": 3 + round})).await.expect_status(200) })
        };
        let tasks = [
            send(json!({"name": value})),
            send(json!({"metadata": {"a": value}})),
            send(json!({"metadata": {"b": value}})),
            change,
        ];
        for task in tasks {
            task.await.unwrap();
        }
        let read = operator.get(&path).await.expect_status(200);
        assert_eq!((text(&read["name"]), &read["max_users"]), (&*value, &json!(3 + round)));
        assert_eq!(read["metadata"], json!({"a": value, "b": value}));
    }
    let events = stack.license_events(&license.license_id).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "license.updated").count(), 15);
}
