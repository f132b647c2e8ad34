//! Invalid ids, cursors, query parameters and paths.

use reqwest::Method;
use signet_tests::{Failures, Operation, Stack, Value, json, selected, text};

/// Returns the id of an existing resource of each kind.
async fn ids(stack: &Stack) -> Vec<(&'static str, String)> {
    let license = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&license.license_key, "one").await.expect_status(201);
    let key = json!({"name": "ci", "scopes": ["licenses:read"]});
    let key = stack.operator.post("api-keys", key).await.expect_status(201);
    let events = stack.operator.get("events?limit=1").await.expect_status(200);
    let endpoint = stack.operator.create_webhook_endpoint("https://example.com/webhooks").await;
    let path = format!("webhook-endpoints/{}/test", text(&endpoint["id"]));
    let delivery = stack.operator.post(&path, json!({})).await.expect_status(200);
    let id = |value: &Value| text(&value["id"]).to_owned();
    vec![
        ("products", id(&license.product)),
        ("product-features", id(&license.feature)),
        ("pricing-tiers", id(&license.tier)),
        ("customers", id(&license.customer)),
        ("license-keys", license.license_id),
        ("license-activations", id(&activated["activation"])),
        ("webhook-endpoints", id(&endpoint)),
        ("webhook-deliveries", id(&delivery)),
        ("api-keys", id(&key)),
        ("events", id(&events["items"][0])),
    ]
}

/// Returns malformed variants of an id.
fn malformed_ids(id: &str) -> Vec<String> {
    let (prefix, ulid) = id.split_once('_').unwrap();
    vec![
        ulid.to_owned(),
        id.to_uppercase(),
        id.to_lowercase(),
        format!("{id}x"),
        id[..id.len() - 1].to_owned(),
        format!("{prefix}__{ulid}"),
        format!("{prefix}-{ulid}"),
        format!("{prefix}_"),
        format!("{prefix}_{}", "Z".repeat(26)),
        format!("{prefix}_{}", "0".repeat(5000)),
        format!("{prefix}_%20{ulid}"),
        format!("{id}%00"),
        format!("%00{id}"),
        format!("{id}%0A"),
        format!("{id}%2F"),
        format!("{id}%2f..%2f{id}"),
        format!("{id}%E2%80%8B"),
        format!("{prefix}_%D0%9E{}", &ulid[1..]),
        format!("%ff{id}"),
        format!("{id}%"),
        format!("{id}%zz"),
        format!("{id};x=1"),
        format!("{id}'--"),
        "*".to_owned(),
        "null".to_owned(),
        "-1".to_owned(),
    ]
}

async fn send_to(operation: &Operation, path: &str) -> signet_tests::TestResponse {
    let body = operation.body.as_ref().map_or_else(Vec::new, |body| body.to_string().into_bytes());
    operation.send_to(path, operation.body.as_ref().map(|_| "application/json"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_another_kind_and_malformed_ids_return_404() {
    let stack = Stack::start_without_rate_limits().await;
    let kinds = ids(&stack).await;
    let mut operations = stack.operations().await;
    operations.retain(|operation| operation.is_api() && operation.template.contains("{id}"));
    let before = stack.snapshot_items().await;
    let mut failures = Failures::default();
    for (row, operation) in operations.iter().enumerate() {
        let list = operation.template.trim_start_matches("/api/v1.0/").split('/').next().unwrap();
        let (own, others): (Vec<_>, Vec<_>) = kinds.iter().partition(|(kind, _)| *kind == list);
        let ids = others.iter().map(|(_, id)| id.clone()).chain(malformed_ids(&own[0].1));
        for id in selected(row, ids) {
            let response = send_to(operation, &operation.path_with_id(&id)).await;
            failures.check(&response.request, || response.expect_problem(404, "not_found"));
        }
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_another_kind_in_a_body_or_query_return_422() {
    let stack = Stack::start_without_rate_limits().await;
    let kinds = ids(&stack).await;
    let kind_of_field = |name: &str| match name {
        "customer_id" => "customers",
        "product_id" => "products",
        "tier_id" | "includes_tier_id" => "pricing-tiers",
        "feature_ids" => "product-features",
        "license_id" => "license-keys",
        other => panic!("no kind for the field {other}"),
    };
    let is_text = |name: &str| ["machine_id", "external_id", "subject_id"].contains(&name);
    let operations = stack.operations().await;
    let before = stack.snapshot_items().await;
    let mut failures = Failures::default();
    for (row, operation) in operations.iter().enumerate() {
        let fields: Vec<String> =
            operation.body.iter().flat_map(|body| body.as_object().unwrap().keys().cloned()).collect();
        for name in fields.iter().filter(|name| name.ends_with("_id") || name.ends_with("_ids")) {
            if is_text(name) {
                continue;
            }
            for (kind, id) in &kinds {
                let invalid = if *kind == kind_of_field(name) {
                    malformed_ids(id)
                } else {
                    vec![id.clone(), String::new(), "\0".to_owned()]
                };
                for id in selected(row, invalid) {
                    let mut body = operation.body.clone().unwrap();
                    body[name] = if name.ends_with('s') { json!([id]) } else { json!(id) };
                    let response = operation.send_json(&body).await;
                    failures.check(format_args!("{}, {name} {id}", response.request), || {
                        assert_eq!(response.status, 422, "{}", response.text);
                        let error = &response.expect_problem(422, text(&response.body["code"]))["errors"][0];
                        assert!(text(&error["pointer"]).starts_with(&format!("/{name}")), "{}", response.text);
                    });
                }
            }
        }
        for name in operation.query_parameters().into_iter().filter(|name| name.ends_with("_id") && !is_text(name)) {
            for (_, id) in kinds.iter().filter(|(kind, _)| *kind != kind_of_field(name)) {
                let path = operation.template.clone() + &format!("?{name}={id}");
                let response = operation.send_to(&path, None, Vec::new()).await;
                failures.check(&path, || response.expect_errors(422, &[&format!("{name} invalid_value")]));
            }
        }
    }
    stack.assert_unchanged_since(&before).await;
}

/// Returns the list operations, each with at least two rows.
async fn list_operations(stack: &Stack) -> Vec<Operation> {
    let mut operations = stack.operations().await;
    // An export has its cursor in a header, and continues the list of the same resources.
    let is_list = |operation: &Operation| !operation.template.ends_with("/exports");
    operations.retain(|operation| operation.query_parameters().contains(&"cursor") && is_list(operation));
    assert!(operations.len() >= 9, "{operations:#?}");
    stack.operator.issue_new_license(1).await;
    for operation in &mut operations {
        if operation.template.ends_with("/license-activations") {
            let license = stack.operator.issue_new_license(3).await;
            for machine in ["one", "two", "three"] {
                stack.anonymous.activate(&license.license_key, machine).await.expect_status(201);
            }
            operation.path = format!("{}?license_id={}", operation.template, license.license_id);
        }
        if operation.template.ends_with("/events") && operation.has_id() {
            let change = operation.path.replace("/events", "/suspend");
            stack.operator.post(&change, json!({})).await.expect_status(200);
        }
        if operation.template.ends_with("/user/licenses") {
            for _ in 0..2 {
                let product = stack.operator.create_product().await;
                let tier = stack.operator.create_tier(&product, &json!({"is_claimable": true})).await;
                let claim = json!({"tier_id": tier["id"]});
                operation.caller.post("user/claim-license", claim).await.expect_status(201);
            }
        }
    }
    operations
}

/// Returns a list's path with additional query parameters.
fn with_query(operation: &Operation, query: &str) -> String {
    let separator = if operation.path.contains('?') { '&' } else { '?' };
    format!("{}{separator}{query}", operation.path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_list_or_an_altered_one_returns_422() {
    let stack = Stack::start_without_rate_limits().await;
    let lists = list_operations(&stack).await;
    let mut cursors = Vec::new();
    for list in &lists {
        let page = list.send_to(&with_query(list, "limit=1"), None, Vec::new()).await.expect_status(200);
        let cursor = page["next_cursor"].as_str();
        let cursor = cursor.unwrap_or_else(|| panic!("{}: create a second row in list_operations", list.template));
        cursors.push(cursor.to_owned());
    }
    let before = stack.snapshot_items().await;
    let mut failures = Failures::default();
    for (row, (list, own)) in lists.iter().zip(&cursors).enumerate() {
        let path = |cursor: &str| with_query(list, &format!("limit=1&cursor={cursor}"));
        list.send_to(&path(own), None, Vec::new()).await.expect_status(200);
        let mut rejected: Vec<String> = cursors.iter().filter(|other| *other != own).cloned().collect();
        for index in [0, 1, 8, own.len() / 2, own.len() - 1] {
            let letter = if own.as_bytes()[index] == b'A' { "B" } else { "A" };
            let mut altered = own.clone();
            altered.replace_range(index..=index, letter);
            rejected.push(altered);
        }
        let malformed = [
            &own[1..],
            &own[..own.len() - 1],
            &own[..4],
            &format!("{own}A"),
            &format!("{own}{own}"),
            &format!("{own}="),
            &own.to_lowercase(),
            "A",
            "%00",
            "%ff",
            "%F0%9F%A6%80",
            "eyJsaXN0IjoiIiwiYXQiOltdfQ",
            "null",
            "0",
            "-1",
            "../",
            "'",
            &"A".repeat(8000),
        ];
        rejected.extend(malformed.map(str::to_owned));
        for cursor in selected(row, &rejected) {
            let response = list.send_to(&path(cursor), None, Vec::new()).await;
            failures.check(&response.request, || response.expect_errors(422, &["cursor cursor_invalid"]));
        }
        // An empty cursor is ignored.
        list.send_to(&with_query(list, "limit=1&cursor="), None, Vec::new()).await.expect_status(200);
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test]
async fn a_cursor_of_another_filter_returns_422() {
    let stack = Stack::start().await;
    let (one, other) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    for license in [&one, &other] {
        for _ in 0..2 {
            stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
        }
    }
    let list_of = |license: &signet_tests::IssuedLicense, filter: &str| match filter {
        "customer" => format!("license-keys?customer_id={}", text(&license.customer["id"])),
        "product" => format!("license-keys?product_id={}", text(&license.product["id"])),
        "tiers" => format!("pricing-tiers?product_id={}", text(&license.product["id"])),
        _ => format!("license-keys/{}/events?x", license.license_id).replace("?x", "?limit=25"),
    };
    for (path, others) in [
        (
            list_of(&one, "customer"),
            vec![list_of(&other, "customer"), list_of(&one, "product"), "license-keys?status=superseded".to_owned()],
        ),
        (
            list_of(&one, "product"),
            vec![list_of(&other, "product"), list_of(&one, "customer"), "license-keys?limit=2".to_owned()],
        ),
        ("license-keys?status=superseded".to_owned(), vec!["license-keys?status=active".to_owned()]),
        (
            "customers?limit=2".to_owned(),
            vec!["customers?email=ada%40example.com".to_owned(), "api-keys?limit=2".to_owned()],
        ),
    ] {
        let first = stack.operator.get(&format!("{path}&limit=1").replace("limit=2&", "")).await.expect_status(200);
        let cursor = text(&first["next_cursor"]);
        for other in others {
            stack
                .operator
                .get(&format!("{other}&cursor={cursor}"))
                .await
                .expect_errors(422, &["cursor cursor_invalid"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_query_parameters_return_422() {
    let stack = Stack::start_without_rate_limits().await;
    let lists = list_operations(&stack).await;
    let mut failures = Failures::default();
    for (row, list) in lists.iter().enumerate() {
        let send = async |query: &str| list.send_to(&with_query(list, query), None, Vec::new()).await;
        let limits = [
            "0",
            "101",
            "-1",
            "1.0",
            "1e1",
            "abc",
            "99999999999999999999",
            "%201",
            "0x10",
            "%D9%A1",
            "1%00",
            "null",
            "true",
        ];
        for limit in selected(row, limits) {
            let response = send(&format!("limit={limit}")).await;
            failures.check(&response.request, || response.expect_errors(422, &["limit invalid_value"]));
        }
        let unknown_names = [
            "limits",
            "Limit",
            "limit%00",
            "offset",
            "%F0%9F%A6%80",
            "limit[]",
            "filter[status]",
            "__proto__",
            "%zz",
            "a%26b",
        ];
        for unknown in selected(row, unknown_names) {
            let response = send(&format!("{unknown}=1")).await;
            failures.check(&response.request, || response.expect_problem(422, "unknown_field"));
        }
        let long = format!("x={}", "a".repeat(8 * 1024));
        for (query, error) in [
            ("limit=1&limit=2", "limit invalid_value"),
            ("limit=1&limit=1", "limit invalid_value"),
            ("cursor=&cursor=", "cursor invalid_value"),
            ("x=1&x=2", "x invalid_value"),
            (&long, "x unknown_field"),
        ] {
            let response = send(query).await;
            failures.check(&response.request, || response.expect_errors(422, &[error]));
        }
        for empty in ["", "&", "&&&", "limit=", "cursor=", "limit=1&"] {
            let response = send(empty).await;
            failures.check(response.request.clone(), || response.expect_status(200));
        }
    }
    // The error does not list the enum's variants.
    let response = stack.operator.get("license-keys?status=ACTIVE").await;
    response.expect_errors(422, &["status invalid_value"]);
    for empty in ["license_id=", ""] {
        let response = stack.operator.get(&format!("license-activations?{empty}")).await;
        response.expect_errors(422, &["license_id invalid_value"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_return_404() {
    let stack = Stack::start_without_rate_limits().await;
    let before = stack.snapshot_items().await;
    let targets: &[&[u8]] = &[
        b"/api/v1.0/products/..",
        b"/api/v1.0/products/../customers",
        b"/api/v1.0/./products",
        b"/api/v1.0//products",
        b"//api/v1.0/products",
        b"/api/v1.0/products/",
        b"/api/v1.0/products//",
        b"/api/v1.0/products/%2e%2e",
        b"/api/v1.0/products/%2e%2e%2fcustomers",
        b"/api/v1.0/%2e%2e/v1.0/products",
        b"/api%2fv1.0/products",
        b"/%61pi/v1.0/products",
        b"/api/v1.0/product%73",
        b"/API/v1.0/products",
        b"/api/v1.0/Products",
        b"/api/v1.0/products;x=1",
        b"/api/v1.0/products%00",
        b"/api/v1.0/products%0d%0aX:%201",
        b"/api/v1.0/products%",
        b"/api/v1.0/products%zz",
        b"/api/v1.0/products/%c0%ae",
        b"/api/v1.0/products/%ff%fe",
        b"/api/v1.0/products\\..\\customers",
        b"/api/v1.0/{id}",
        b"/api/v1.0/products/{id}",
        b"/api/v1.0/products/*",
        b"/api/v1.0/license-keys/../../../etc/passwd",
        b"/docs/..%2f..%2fetc%2fpasswd",
        b"/docs/%2e%2e",
        b"/problems/..%2fnot_found",
        b"/problems/NOT_FOUND",
        b"/problems/%6eot_foun",
        b"/.well-known/jwks.json/",
        b"/.well-known/..%2f.well-known/jwks.json",
        b"/.git/config",
        b"/favicon.ico",
    ];
    for target in targets {
        let response =
            stack.send_raw_get(target).await.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(target)));
        assert_eq!(response.status, 404, "{} {}", response.request, response.text);
        response.expect_problem(404, "not_found");
    }
    for target in [
        &b"/api/v2/products"[..],
        b"/api/v1.0.0/products",
        b"/api/v1.0%2fproducts",
        b"/api/v1%2e0/products",
        b"/api/%2e%2e/products",
        b"/api/",
    ] {
        let response = stack.send_raw_get(target).await.unwrap();
        assert_eq!(response.status, 404, "{} {}", response.request, response.text);
        response.expect_problem(404, "version_unknown");
    }
    let long = [b"/api/v1.0/products/".to_vec(), b"a".repeat(8 * 1024)].concat();
    stack.send_raw_get(&long).await.unwrap().expect_problem(404, "not_found");
    // A target in absolute form (RFC 9112), and an empty query.
    for target in [&b"http://other.example/api/v1.0/products"[..], b"/api/v1.0/products?"] {
        stack.send_raw_get(target).await.unwrap().expect_status(200);
    }
    stack.assert_unchanged_since(&before).await;
    let response = stack.operator.send(Method::from_bytes(b"BREW").unwrap(), "products", |request| request).await;
    response.expect_problem(405, "method_not_allowed");
}
