//! `metadata` and `external_id` of every resource that has them, and the `name` of license keys.

use reqwest::Method;
use signet_tests::{Client, Fault, Rule, Stack, Value, check_each, json, merged, text};

/// Returns each list of resources with metadata, and the valid body of a new resource.
async fn bodies(operator: &Client) -> Vec<(&'static str, Value)> {
    let product = operator.create_product().await;
    let (tier, customer) = (operator.create_tier(&product, &json!({})).await, operator.create_customer().await);
    let price = json!({
        "product_id": product["id"], "code": "new", "name": "New", "monthly_price": 1, "annual_price": 10,
        "currency": "EUR", "billing_period": "annual", "max_users": 5,
    });
    vec![
        ("products", json!({"code": "new", "name": "New"})),
        ("pricing-tiers", price),
        ("customers", json!({"name": "New", "email": "new@example.com"})),
        ("license-keys", json!({"customer_id": customer["id"], "tier_id": tier["id"]})),
    ]
}

/// Returns the resource in the response of a POST.
fn created(body: &Value) -> &Value {
    if body["license"].is_object() { &body["license"] } else { body }
}

#[tokio::test]
async fn metadata_is_shown_with_one_resource_and_omitted_in_lists_and_tokens() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    check_each(bodies(&operator.clone()).await, async |(list, body)| {
        let metadata = json!({"order": "A-1042", "note_1.b-": "é\n"});
        let client = operator.with_header("idempotency-key", list);
        let post = client.post(list, merged(body.clone(), &json!({"metadata": metadata}))).await;
        assert_eq!((post.status, &created(&post.body)["metadata"]), (201, &metadata), "{list}: {}", post.text);
        let replayed = client.post(list, merged(body, &json!({"metadata": metadata}))).await;
        assert_eq!((replayed.status, &replayed.text), (201, &post.text), "{list}");
        let path = format!("{list}/{}", text(&created(&post.body)["id"]));
        assert_eq!(operator.get(&path).await.expect_status(200)["metadata"], metadata, "{list}");
        let rows = operator.get(list).await.expect_status(200);
        assert!(rows["items"].as_array().unwrap().iter().all(|row| row.get("metadata").is_none()), "{rows}");

        let patch = json!({"metadata": {"order": null, "seats": "5"}});
        let merged = operator.patch(&path, patch).await.expect_status(200);
        assert_eq!(merged["metadata"], json!({"note_1.b-": "é\n", "seats": "5"}), "{list}");
        assert_eq!(operator.get(&path).await.expect_status(200), merged);
        let kept = operator.patch(&path, json!({"metadata": {}})).await.expect_status(200);
        assert_eq!(kept["metadata"], merged["metadata"], "{list}");
        for (invalid, error) in [
            (json!({"a b": "x"}), "/metadata invalid_value"),
            (json!({"a": "x".repeat(501)}), "/metadata/a invalid_value"),
            (json!({"a": 5}), "/metadata/a invalid_value"),
        ] {
            operator.patch(&path, json!({"metadata": invalid})).await.expect_errors(422, &[error]);
        }
        assert_eq!(operator.get(&path).await.expect_status(200)["metadata"], merged["metadata"], "{list}");
        let cleared = operator.patch(&path, json!({"metadata": null})).await.expect_status(200);
        assert_eq!(cleared["metadata"], json!({}), "{list}");
        assert_eq!(operator.get(&path).await.expect_status(200)["metadata"], json!({}), "{list}");
        if list != "license-keys" {
            operator.patch(&path, json!({"metadata": {"a": "b"}})).await.expect_status(200);
            let put = operator.replace(list, &cleared, &json!({"metadata": null})).await.expect_status(200);
            assert_eq!(put["metadata"], json!({}), "PUT resets a field that is left out: {list}");
        }
    })
    .await;
}

#[tokio::test]
async fn metadata_of_a_license_never_reaches_apps_and_costs_a_heartbeat_nothing() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let license = operator.issue_new_license(1).await;
    for path in [
        format!("license-keys/{}", license.license_id),
        format!("pricing-tiers/{}", text(&license.tier["id"])),
        format!("products/{}", text(&license.product["id"])),
    ] {
        operator.patch(&path, json!({"metadata": {"secret": "marker-1"}})).await.expect_status(200);
    }
    let labels = json!({"name": "marker-2", "external_id": "marker-3"});
    operator.patch(&format!("license-keys/{}", license.license_id), labels).await.expect_status(200);
    let activated = operator.activate(&license.license_key, "one").await;
    let token = text(&activated.body["token"]).to_owned();
    stack.faults.reset_calls();
    let renewed = stack.anonymous.heartbeat(&token, "one").await;
    renewed.clone().expect_status(200);
    let mut calls = stack.faults.calls();
    calls.sort();
    assert_eq!(calls, ["GetItem", "UpdateItem"], "a heartbeat reads the license and updates its activation");
    let validated = stack.anonymous.post("license-keys/validate", json!({"license_key": license.license_key})).await;
    for response in [&activated, &renewed, &validated] {
        assert!(!response.text.contains("marker"), "{}", response.text);
        if response.body["token"].is_string() {
            assert!(!stack.claims(&response.body["token"]).await.to_string().contains("marker"));
        }
    }
}

#[tokio::test]
async fn external_id_is_unique_among_customers_and_among_license_keys() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let cases = bodies(&operator.clone()).await.into_iter().filter(|(_, body)| body.get("code").is_none());
    check_each(cases, async |(list, body)| {
        let post = async |external_id: Value| {
            let email = format!("{}@example.com", signet_tests::random_word("a"));
            let email = if list == "customers" { json!({"email": email}) } else { json!({}) };
            let body = merged(merged(body.clone(), &email), &json!({"external_id": external_id}));
            operator.post(list, body).await
        };
        let taken: &[&str] = &["/external_id external_id_taken"];
        let one = post(json!("crm: 1")).await.expect_status(201);
        let path = format!("{list}/{}", text(&created(&one)["id"]));
        assert_eq!(operator.get(&path).await.expect_status(200)["external_id"], "crm: 1", "{list}");
        post(json!("crm: 1")).await.expect_errors(409, taken);
        for invalid in [json!(""), json!("x".repeat(256)), json!("é"), json!("a\n"), json!(5)] {
            post(invalid).await.expect_errors(422, &["/external_id invalid_value"]);
        }
        let other = post(Value::Null).await.expect_status(201);
        let other = format!("{list}/{}", text(&created(&other)["id"]));
        let patch = async |path: &str, id: Value| operator.patch(path, json!({"external_id": id})).await;
        patch(&other, json!("crm: 1")).await.expect_errors(409, taken);
        // The own external id is no conflict, and one that was given up is free again.
        patch(&path, json!("crm: 1")).await.expect_status(200);
        assert_eq!(patch(&path, json!("CRM: 1")).await.expect_status(200)["external_id"], "CRM: 1");
        patch(&other, json!("crm: 1")).await.expect_status(200);
        patch(&other, Value::Null).await.expect_status(200);
        assert_eq!(patch(&path, json!("crm: 1")).await.expect_status(200)["external_id"], "crm: 1");
        patch(&other, json!("CRM: 1")).await.expect_status(200);
    })
    .await;
}

#[tokio::test]
async fn lost_responses_of_dynamodb_do_not_make_the_own_external_id_taken() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    check_each(bodies(&operator.clone()).await, async |(list, body)| {
        let ids = body.get("code").is_none();
        let labels =
            if ids { json!({"external_id": "a", "metadata": {"a": "b"}}) } else { json!({"metadata": {"a": "b"}}) };
        stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
        let one = operator.post(list, merged(body, &labels)).await.expect_status(201);
        let path = format!("{list}/{}", text(&created(&one)["id"]));
        let change =
            if ids { json!({"external_id": "b", "metadata": {"a": "c"}}) } else { json!({"metadata": {"a": "c"}}) };
        stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
        let patched = operator.patch(&path, change).await.expect_status(200);
        assert_eq!(patched["metadata"], json!({"a": "c"}), "{list}");
        assert_eq!(operator.get(&path).await.expect_status(200), patched);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creations_with_one_external_id_return_one_201_and_otherwise_409() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let post = |number: usize| {
        let email = format!("{number}@example.com");
        let (client, body) = (operator.clone(), json!({"name": "A", "email": email, "external_id": "one"}));
        tokio::spawn(async move { client.post("customers", body).await.status })
    };
    let mut statuses = Vec::new();
    for task in (0..5).map(post).collect::<Vec<_>>() {
        statuses.push(task.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409]);
}

#[tokio::test]
async fn duplicate_and_invalid_names_of_metadata_are_reported() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let customer = operator.create_customer().await;
    let path = format!("customers/{}", text(&customer["id"]));
    let duplicates = r#""metadata": {"a": "1", "a": "2"}"#;
    let new = format!(r#"{{"name": "Ada", "email": "ada@example.com", {duplicates}}}"#);
    for (method, path, body) in [(Method::POST, "customers", new), (Method::PATCH, &*path, format!("{{{duplicates}}}"))]
    {
        let build = |request: reqwest::RequestBuilder| request.header("content-type", "application/json").body(body);
        let response = operator.send(method, path, build).await;
        let problem = response.expect_problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["detail"], "duplicate field", "{problem}");
        assert!(text(&problem["errors"][0]["pointer"]).starts_with("/metadata"), "{problem}");
    }
    assert_eq!(operator.get(&path).await.expect_status(200)["metadata"], json!({}));
    let response = operator.patch(&path, json!({"metadata": {"a b": "x"}})).await;
    let problem = response.expect_problem(422, "invalid_value");
    assert!(text(&problem["errors"][0]["detail"]).starts_with("\"a b\" must be"), "{problem}");
}
