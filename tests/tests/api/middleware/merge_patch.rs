//! `PATCH` (JSON Merge Patch, RFC 7396) of every resource that has it.

use signet_tests::{Client, Stack, Value, check_each, json, merged, text};

/// A resource that PATCH changes.
struct Resource {
    list: &'static str,
    /// Its present representation.
    body: Value,
    /// A nullable text field.
    nullable: &'static str,
    /// The immutable fields.
    immutable: &'static [&'static str],
}

impl Resource {
    async fn all(operator: &Client) -> Vec<Self> {
        let license = operator.issue_new_license(5).await;
        let of = |list, body: &Value, nullable, immutable| Self { list, body: body.clone(), nullable, immutable };
        vec![
            of("products", &license.product, "description", &["code"]),
            of("product-features", &license.feature, "description", &["product_id", "key", "kind"]),
            of("pricing-tiers", &license.tier, "description", &["product_id", "code"]),
            of("customers", &license.customer, "company", &[]),
        ]
    }

    fn path(&self) -> String {
        format!("{}/{}", self.list, text(&self.body["id"]))
    }
}

#[tokio::test]
async fn patch_returns_200_and_changes_only_the_given_fields() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    stack.advance(5);
    let updated_at = json!("2026-01-15T12:00:05Z");
    check_each(Resource::all(&operator.clone()).await, async |resource| {
        let (path, before) = (resource.path(), merged(resource.body.clone(), &json!({"updated_at": updated_at})));
        let mut expected = before;
        for value in [json!("Text"), Value::Null] {
            expected[resource.nullable] = value.clone();
            let patched = operator.patch(&path, json!({resource.nullable: value})).await;
            assert_eq!((patched.status, &patched.body), (200, &expected), "{path}");
            let read = operator.get(&path).await;
            assert_eq!((&read.text, read.header("etag")), (&patched.text, patched.header("etag")), "{path}");
        }
        let as_json =
            operator.send(reqwest::Method::PATCH, &path, |request| request.json(&json!({"name": "New"}))).await;
        expected["name"] = json!("New");
        assert_eq!(as_json.expect_status(200), expected);
        // The present value of an immutable field is no change.
        let unchanged: Value =
            resource.immutable.iter().map(|name| ((*name).to_owned(), expected[*name].clone())).collect();
        assert_eq!(operator.patch(&path, unchanged).await.expect_status(200), expected);
    })
    .await;
}

#[tokio::test]
async fn patch_returns_404_412_415_and_422() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    check_each(Resource::all(&operator.clone()).await, async |resource| {
        let path = resource.path();
        let before = operator.get(&path).await;
        let patch = async |fields: Value| operator.patch(&path, fields).await;
        patch(json!({"colour": "red", "id": resource.body["id"], "created_at": null, "b/~": 1})).await.expect_errors(
            422,
            &["/colour unknown_field", "/id unknown_field", "/created_at unknown_field", "/b~1~0 unknown_field"],
        );
        for value in [Value::Null, json!(5), json!(""), json!("a\nb")] {
            patch(json!({"name": value})).await.expect_errors(422, &["/name invalid_value"]);
        }
        for field in resource.immutable {
            for value in [Value::Null, json!("other")] {
                patch(json!({*field: value})).await.expect_errors(422, &[&format!("/{field} immutable")]);
            }
        }
        patch(json!([])).await.expect_errors(422, &[" invalid_value"]);
        let send = async |media_type: &str, body: &'static str| {
            let build = |request: reqwest::RequestBuilder| request.header("content-type", media_type).body(body);
            operator.send(reqwest::Method::PATCH, &path, build).await
        };
        let duplicate = send("application/merge-patch+json", r#"{"name": "a", "name": "b"}"#).await;
        duplicate.expect_errors(422, &["/name invalid_value"]);
        send("application/json-patch+json", "[]").await.expect_problem(415, "unsupported_media_type");
        send("text/plain", "{}").await.expect_problem(415, "unsupported_media_type");
        let stale = operator.with_header("if-match", "\"x\"").patch(&path, json!({"name": ""})).await;
        stale.expect_problem(412, "version_conflict");
        let (kind, _) = text(&resource.body["id"]).split_once('_').unwrap();
        for id in [format!("{kind}_01JD8W0V5XK6Q3R7T2N4M8P9ZB"), "x".to_owned()] {
            let unknown = operator.patch(&format!("{}/{id}", resource.list), json!({"name": "A"})).await;
            unknown.expect_problem(404, "not_found");
        }
        assert_eq!(operator.get(&path).await.text, before.text, "a rejected request changes nothing");
        let current = operator.with_header("if-match", before.header("etag"));
        assert_eq!(current.patch(&path, json!({"name": "New"})).await.expect_status(200)["name"], "New");
        current.patch(&path, json!({"name": "Newer"})).await.expect_problem(412, "version_conflict");
    })
    .await;
}

#[tokio::test]
async fn patch_checks_the_resulting_resource() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(5).await;
    let tier = format!("pricing-tiers/{}", text(&license.tier["id"]));
    let patch = async |fields: Value| operator.patch(&tier, fields).await;
    // The present heartbeat interval would be longer than the new lifetime.
    patch(json!({"token_ttl_seconds": 60})).await.expect_errors(422, &["/heartbeat_interval_seconds invalid_value"]);
    let both =
        json!({"token_ttl_seconds": 60, "heartbeat_interval_seconds": null, "max_users": null, "feature_ids": []});
    let patched = patch(both).await.expect_status(200);
    assert_eq!((&patched["heartbeat_interval_seconds"], &patched["max_users"]), (&json!(60), &Value::Null));
    assert_eq!(patched["feature_keys"], json!([]));
    patch(json!({"feature_ids": null})).await.expect_errors(422, &["/feature_ids invalid_value"]);
    patch(json!({"billing_period": null})).await.expect_errors(422, &["/billing_period invalid_value"]);
    patch(json!({"includes_tier_id": license.tier["id"]})).await.expect_errors(422, &["/includes_tier_id tier_cycle"]);
    let other = operator.create_customer().await;
    let customer = format!("customers/{}", text(&license.customer["id"]));
    operator.patch(&customer, json!({"email": other["email"]})).await.expect_errors(409, &["/email email_taken"]);
    operator.patch(&customer, json!({"email": "new@example.com"})).await.expect_status(200);
    operator.post("customers", json!({"name": "A", "email": license.customer["email"]})).await.expect_status(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_patches_of_different_fields_all_take_effect() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let resources = Resource::all(&operator.clone()).await;
    for round in 0..5 {
        for resource in &resources {
            let value = format!("Round {round}");
            let patch = |field: &str| {
                let (client, path, patch) = (operator.clone(), resource.path(), json!({field: value}));
                tokio::spawn(async move { client.patch(&path, patch).await.expect_status(200) })
            };
            for task in [patch("name"), patch(resource.nullable)] {
                task.await.unwrap();
            }
            let read = operator.get(&resource.path()).await.expect_status(200);
            assert_eq!((&read["name"], &read[resource.nullable]), (&json!(value), &json!(value)), "{}", resource.list);
        }
    }
}
