//! Names of things that are none: ids, cursors, parameters and paths.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use reqwest::Method;
use signet_tests::{Operation, Stack, Value, json, text};

/// An id of each kind, of things that are there.
async fn ids(stack: &Stack) -> Vec<(&'static str, String)> {
    let sold = stack.operator.issue_new_license(1).await;
    let activated = stack.anonymous.activate(&sold.license_key, "one").await.expect_status(201);
    let key = json!({"name": "ci", "scopes": ["licenses:read"]});
    let key = stack.operator.post("api-keys", key).await.expect_status(201);
    let events = stack.operator.get("events?limit=1").await.expect_status(200);
    let of = |value: &Value| text(&value["id"]).to_owned();
    vec![
        ("products", of(&sold.product)),
        ("product-features", of(&sold.feature)),
        ("pricing-tiers", of(&sold.tier)),
        ("customers", of(&sold.customer)),
        ("license-keys", sold.license_id),
        ("license-activations", of(&activated["activation"])),
        ("api-keys", of(&key)),
        ("events", of(&events["items"][0])),
    ]
}

/// Spellings of an id that are none.
fn misspelt(id: &str) -> Vec<String> {
    let (word, ulid) = id.split_once('_').unwrap();
    vec![
        ulid.to_owned(),
        id.to_uppercase(),
        id.to_lowercase(),
        format!("{id}x"),
        id[..id.len() - 1].to_owned(),
        format!("{word}__{ulid}"),
        format!("{word}-{ulid}"),
        format!("{word}_"),
        format!("{word}_{}", "Z".repeat(26)),
        format!("{word}_{}", "0".repeat(5000)),
        format!("{word}_%20{ulid}"),
        format!("{id}%00"),
        format!("%00{id}"),
        format!("{id}%0A"),
        format!("{id}%2F"),
        format!("{id}%2f..%2f{id}"),
        format!("{id}%E2%80%8B"),
        format!("{word}_%D0%9E{}", &ulid[1..]),
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

fn at(operation: &Operation, id: &str) -> String {
    let (before, rest) = operation.template.split_once('{').unwrap();
    format!("{before}{id}{}", rest.split_once('}').unwrap().1)
}

async fn ask_at(operation: &Operation, path: &str) -> signet_tests::TestResponse {
    let body = operation.body.as_ref().map_or_else(Vec::new, |body| body.to_string().into_bytes());
    operation.send_to(path, operation.body.as_ref().map(|_| "application/json"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_kind_or_spelling_404() {
    let stack = Stack::start_without_rate_limits().await;
    let kinds = ids(&stack).await;
    let mut operations = stack.operations().await;
    operations.retain(|operation| operation.is_api() && operation.template.contains("{id}"));
    let before = stack.snapshot_items().await;
    for operation in &operations {
        let list = operation.template.trim_start_matches("/api/v1.0/").split('/').next().unwrap();
        let (own, others): (Vec<_>, Vec<_>) = kinds.iter().partition(|(kind, _)| *kind == list);
        for id in others.iter().map(|(_, id)| id.clone()).chain(misspelt(&own[0].1)) {
            let answer = ask_at(operation, &at(operation, &id)).await;
            assert_eq!(answer.status, 404, "{} {}", answer.request, answer.text);
            answer.expect_problem(404, "not_found");
        }
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_kind_in_a_body_or_a_query_422() {
    let stack = Stack::start_without_rate_limits().await;
    let kinds = ids(&stack).await;
    let of_kind = |name: &str| match name {
        "customer_id" => "customers",
        "product_id" => "products",
        "tier_id" | "includes_tier_id" => "pricing-tiers",
        "feature_ids" => "product-features",
        "license_id" => "license-keys",
        other => panic!("an id that is new here: {other}"),
    };
    let operations = stack.operations().await;
    let before = stack.snapshot_items().await;
    for operation in &operations {
        let fields: Vec<String> =
            operation.body.iter().flat_map(|body| body.as_object().unwrap().keys().cloned()).collect();
        for name in fields.iter().filter(|name| name.ends_with("_id") || name.ends_with("_ids")) {
            if name == "machine_id" {
                continue;
            }
            for (kind, id) in &kinds {
                let wrong = if *kind == of_kind(name) {
                    misspelt(id)
                } else {
                    vec![id.clone(), String::new(), "\0".to_owned()]
                };
                for id in wrong {
                    let mut body = operation.body.clone().unwrap();
                    body[name] = if name.ends_with('s') { json!([id]) } else { json!(id) };
                    let answer = operation.send_json(&body).await;
                    assert_eq!(answer.status, 422, "{name}: {id}: {}", answer.text);
                    let error = &answer.expect_problem(422, text(&answer.body["code"]))["errors"][0];
                    assert!(text(&error["pointer"]).starts_with(&format!("/{name}")), "{}", answer.text);
                }
            }
        }
        for name in operation.query_parameters().into_iter().filter(|name| name.ends_with("_id")) {
            for (_, id) in kinds.iter().filter(|(kind, _)| *kind != of_kind(name)) {
                let path = operation.template.clone() + &format!("?{name}={id}");
                operation
                    .send_to(&path, None, Vec::new())
                    .await
                    .expect_errors(422, &[&format!("{name} invalid_value")]);
            }
        }
    }
    stack.assert_unchanged_since(&before).await;
}

/// The lists, each with two rows at least.
async fn lists(stack: &Stack) -> Vec<Operation> {
    let mut operations = stack.operations().await;
    operations.retain(|operation| operation.query_parameters().contains(&"cursor"));
    assert!(operations.len() >= 9, "{operations:#?}");
    for operation in &mut operations {
        if operation.template.ends_with("/license-activations") {
            let sold = stack.operator.issue_new_license(3).await;
            for machine in ["one", "two", "three"] {
                stack.anonymous.activate(&sold.license_key, machine).await.expect_status(201);
            }
            operation.path = format!("{}?license_id={}", operation.template, sold.license_id);
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

/// A list's path with parameters more.
fn with(operation: &Operation, more: &str) -> String {
    let sign = if operation.path.contains('?') { '&' } else { '?' };
    format!("{}{sign}{more}", operation.path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_not_of_this_list_422() {
    let stack = Stack::start_without_rate_limits().await;
    let lists = lists(&stack).await;
    let mut cursors = Vec::new();
    for list in &lists {
        let page = list.send_to(&with(list, "limit=1"), None, Vec::new()).await.expect_status(200);
        cursors.push(text(&page["next_cursor"]).to_owned());
    }
    let before = stack.snapshot_items().await;
    for (list, own) in lists.iter().zip(&cursors) {
        let refused = async |cursor: &str| {
            let answer = list.send_to(&with(list, &format!("limit=1&cursor={cursor}")), None, Vec::new()).await;
            assert_eq!(answer.status, 422, "{cursor}: {} {}", answer.request, answer.text);
            answer.expect_errors(422, &["cursor cursor_invalid"]);
        };
        list.send_to(&with(list, &format!("limit=1&cursor={own}")), None, Vec::new()).await.expect_status(200);
        for other in cursors.iter().filter(|other| *other != own) {
            refused(other).await;
        }
        for at in [0, 1, 8, own.len() / 2, own.len() - 1] {
            let letter = if own.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut altered = own.clone();
            altered.replace_range(at..=at, letter);
            refused(&altered).await;
        }
        for made_up in [
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
        ] {
            refused(made_up).await;
        }
        // An empty one counts as left out.
        list.send_to(&with(list, "limit=1&cursor="), None, Vec::new()).await.expect_status(200);
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test]
async fn a_cursor_of_another_filter_422() {
    let stack = Stack::start().await;
    let (one, other) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    for sold in [&one, &other] {
        for _ in 0..2 {
            stack.operator.issue(&sold.customer, &sold.tier, &json!({})).await;
        }
    }
    let of = |sold: &signet_tests::IssuedLicense, what: &str| match what {
        "customer" => format!("license-keys?customer_id={}", text(&sold.customer["id"])),
        "product" => format!("license-keys?product_id={}", text(&sold.product["id"])),
        "tiers" => format!("pricing-tiers?product_id={}", text(&sold.product["id"])),
        _ => format!("license-keys/{}/events?x", sold.license_id).replace("?x", "?limit=25"),
    };
    for (path, others) in [
        (
            of(&one, "customer"),
            vec![of(&other, "customer"), of(&one, "product"), "license-keys?status=superseded".to_owned()],
        ),
        (of(&one, "product"), vec![of(&other, "product"), of(&one, "customer"), "license-keys?limit=2".to_owned()]),
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
async fn parameters_422() {
    let stack = Stack::start_without_rate_limits().await;
    let lists = lists(&stack).await;
    for list in &lists {
        let ask = async |more: &str| list.send_to(&with(list, more), None, Vec::new()).await;
        for limit in [
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
        ] {
            ask(&format!("limit={limit}")).await.expect_errors(422, &["limit invalid_value"]);
        }
        for unknown in [
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
        ] {
            let answer = ask(&format!("{unknown}=1")).await;
            assert_eq!(answer.status, 422, "{} {}", answer.request, answer.text);
            answer.expect_problem(422, "unknown_field");
        }
        ask("limit=1&limit=2").await.expect_errors(422, &["limit invalid_value"]);
        ask("limit=1&limit=1").await.expect_errors(422, &["limit invalid_value"]);
        ask("cursor=&cursor=").await.expect_errors(422, &["cursor invalid_value"]);
        ask("x=1&x=2").await.expect_errors(422, &["x invalid_value"]);
        ask(&format!("x={}", "a".repeat(8 * 1024))).await.expect_errors(422, &["x unknown_field"]);
        for nothing in ["", "&", "&&&", "limit=", "=", "limit=1&"] {
            ask(nothing).await.expect_status(200);
        }
    }
    // Nothing of an enum's inner words is told.
    let answer = stack.operator.get("license-keys?status=ACTIVE").await;
    answer.expect_errors(422, &["status invalid_value"]);
    for empty in ["license_id=", ""] {
        let answer = stack.operator.get(&format!("license-activations?{empty}")).await;
        answer.expect_errors(422, &["license_id invalid_value"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_none_404() {
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
        b"/",
        b"/?",
        b"/favicon.ico",
    ];
    for target in targets {
        let answer = stack.send_raw_get(target).await.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(target)));
        assert_eq!(answer.status, 404, "{} {}", answer.request, answer.text);
        answer.expect_problem(404, "not_found");
    }
    for target in [
        &b"/api/v2/products"[..],
        b"/api/v1.0.0/products",
        b"/api/v1.0%2fproducts",
        b"/api/v1%2e0/products",
        b"/api/%2e%2e/products",
        b"/api/",
    ] {
        let answer = stack.send_raw_get(target).await.unwrap();
        assert_eq!(answer.status, 404, "{} {}", answer.request, answer.text);
        answer.expect_problem(404, "version_unknown");
    }
    let long = [b"/api/v1.0/products/".to_vec(), b"a".repeat(8 * 1024)].concat();
    stack.send_raw_get(&long).await.unwrap().expect_problem(404, "not_found");
    // A target with the server's name in it, and a mark for what is only the browser's.
    for target in [&b"http://elsewhere.example/api/v1.0/products"[..], b"/api/v1.0/products?"] {
        stack.send_raw_get(target).await.unwrap().expect_status(200);
    }
    stack.assert_unchanged_since(&before).await;
    let answer = stack.operator.send(Method::from_bytes(b"BREW").unwrap(), "products", |request| request).await;
    answer.expect_problem(405, "method_not_allowed");
}
