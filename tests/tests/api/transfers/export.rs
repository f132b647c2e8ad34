//! Exports, and imports of what was exported.

use shared::domain::Scope;
use signet_tests::{Client, Stack, TestResponse, Value, all_cases, json, merged, text};

use super::{Shop, activation, counts, customer, import_text, license, to_lines};

fn lines(response: &TestResponse) -> Vec<Value> {
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.header("content-type"), "application/x-ndjson");
    assert!(response.text.is_empty() || response.text.ends_with('\n'));
    response.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the path of the next page, if there is one.
fn next(response: &TestResponse) -> Option<String> {
    let path = response.header("link").strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(path.to_owned())
}

/// Reads all pages of an export. Returns its lines, and the number of pages.
async fn export(client: &Client, query: &str) -> (Vec<Value>, usize) {
    let (mut path, mut all, mut pages) = (Some(format!("exports?{query}")), Vec::new(), 0);
    while let Some(current) = path {
        let response = client.get(&current).await;
        all.extend(lines(&response));
        path = next(&response);
        pages += 1;
        assert!(pages < 50, "{query}");
    }
    (all, pages)
}

async fn shop_with_data() -> Shop {
    let shop = Shop::start().await;
    let mut lines = vec![merged(customer("c0"), &json!({"company": "Engines", "metadata": {"a": "é\n"}}))];
    lines.extend((1..5).map(|n| customer(&format!("c{n}"))));
    lines.push(license(
        "l0",
        "c0",
        &json!({"name": "Berlin", "metadata": {"order": "1"}, "max_tenants": 3, "expires_at": null}),
    ));
    lines.push(license("l1", "c0", &json!({"status": "suspended"})));
    lines.push(license("l2", "c1", &json!({"status": "revoked"})));
    lines.push(license("l3", "c2", &json!({"issued_at": "2024-01-01T00:00:00Z"})));
    lines.push(license("l4", "c3", &json!({"max_users": 9})));
    lines.extend((0..2).map(|n| activation("l0", &format!("m{n}"))));
    lines.extend(
        (0..7).map(|n| merged(activation("l4", &format!("n{n}")), &json!({"machine_name": format!("Name {n}")}))),
    );
    shop.import_new(lines).await;
    shop
}

#[tokio::test]
async fn exported_lines_have_the_values_and_ids_of_the_resources() {
    let shop = shop_with_data().await;
    let found = shop.customer("c0").await;
    let (customers, _) = export(shop.operator(), "type=customers").await;
    assert_eq!(customers.len(), 5);
    let expected = merged(
        customer("c0"),
        &json!({
            "company": "Engines", "metadata": {"a": "é\n"},
            "exported": {"id": found["id"], "created_at": found["created_at"], "updated_at": found["updated_at"]},
        }),
    );
    assert!(customers.contains(&expected), "{customers:#?}");

    let (licenses, _) = export(shop.operator(), "type=licenses").await;
    let by_id = |id: &str| licenses.iter().find(|line| line["external_id"] == id).unwrap();
    assert_eq!(licenses[0]["external_id"], "l3", "the oldest is the first");
    let key = shop.license("l0").await;
    let expected = json!({
        "type": "license", "external_id": "l0", "customer_external_id": "c0", "product_code": "atlas",
        "tier_code": "pro", "name": "Berlin", "metadata": {"order": "1"}, "issued_at": "2026-01-15T12:00:00Z",
        "expires_at": null, "max_users": 2, "max_tenants": 3, "status": "active",
        "exported": {
            "id": key["id"], "customer_id": found["id"], "product_id": shop.product["id"],
            "tier_id": shop.tier["id"], "status": "active", "key_hint": key["key_hint"], "generation": 1,
        },
    });
    assert_eq!(by_id("l0"), &expected);
    assert_eq!(["l1", "l2"].map(|id| &by_id(id)["status"]), [&json!("suspended"), &json!("revoked")]);

    let (activations, _) = export(shop.operator(), "type=activations").await;
    assert_eq!(activations.len(), 9);
    let named = activations.iter().find(|line| line["machine_id"] == "n3").unwrap();
    assert_eq!((&named["license_external_id"], &named["machine_name"]), (&json!("l4"), &json!("Name 3")));
    assert!(text(&named["exported"]["id"]).starts_with("act_"));

    // An import writes its events with one time; this one is newer than all of them.
    shop.stack.advance(1);
    let path = format!("license-keys/{}/suspend", text(&key["id"]));
    shop.operator().post(&path, json!({})).await.expect_status(200);
    let (events, _) = export(shop.operator(), "type=events").await;
    let kinds = |kind: &str| events.iter().filter(|line| line["event"]["type"] == kind).count();
    let counts = ["license.issued", "activation.created", "customer.created"].map(kinds);
    assert_eq!(counts, [5, 9, 5]);
    let listed = shop.operator().get("events?limit=100").await.expect_status(200);
    let newest = &listed["items"][0];
    assert_eq!(newest["type"], "license.suspended");
    let expected = merged(newest.clone(), &json!({"ip": null}));
    assert_eq!(events.last().unwrap()["event"], expected, "the oldest is the first");
}

#[tokio::test]
async fn superseded_license_keys_and_those_without_an_external_id_can_be_imported() {
    let shop = Shop::start().await;
    let owner = shop.operator().create_customer().await;
    let first = shop.operator().issue(&owner, &shop.tier, &json!({})).await;
    shop.stack.advance(1);
    let second = shop.operator().issue(&owner, &shop.tier, &json!({})).await;
    let (licenses, _) = export(shop.operator(), "type=licenses").await;
    assert_eq!((&licenses[0]["external_id"], &licenses[0]["status"]), (&first["license"]["id"], &json!("revoked")));
    assert_eq!(licenses[0]["customer_external_id"], owner["id"]);
    let exported = &licenses[0]["exported"];
    assert_eq!((&exported["status"], &exported["superseded_by"]), (&json!("superseded"), &second["license"]["id"]));
    // In the same installation, they are what they are already.
    let result = shop.import(&licenses).await;
    assert_eq!(counts(&result), [0, 0, 2]);
    assert_eq!(result["errors"][0]["code"], "external_id_taken");
}

#[tokio::test]
async fn an_export_can_be_imported_into_an_empty_installation() {
    let shop = shop_with_data().await;
    shop.operator().create_customer().await;
    let target = Shop::start().await;
    target.stack.advance(60);
    let mut exports = Vec::new();
    for list in ["customers", "licenses", "activations"] {
        exports.push((list, export(shop.operator(), &format!("type={list}")).await.0));
    }
    for (_, lines) in &exports {
        let result = import_text(target.operator(), &to_lines(lines)).await;
        assert_eq!(counts(&result), [lines.len() as u64, 0, 0], "{result}");
    }
    for (list, lines) in &exports {
        let (found, _) = export(target.operator(), &format!("type={list}")).await;
        assert_eq!(importable(&found), importable(lines), "{list}");
    }
}

/// Returns lines without what an import ignores, sorted.
fn importable(lines: &[Value]) -> Vec<String> {
    let importable = |line: &Value| {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove("exported");
        line.to_string()
    };
    let mut lines: Vec<String> = lines.iter().map(importable).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn pages_contain_every_line_once() {
    let shop = shop_with_data().await;
    let events = shop.stack.event_items().await.len();
    for (list, count) in [("customers", 5), ("licenses", 5), ("activations", 9), ("events", events)] {
        let (all, pages) = export(shop.operator(), &format!("type={list}")).await;
        assert_eq!((all.len(), pages), (count, 1), "{list}");
        for limit in [1, 2, 4] {
            let (paged, pages) = export(shop.operator(), &format!("type={list}&limit={limit}")).await;
            assert_eq!(paged, all, "{list} {limit}");
            assert!(pages >= count.div_ceil(limit), "{list} {limit}: {pages}");
        }
    }
}

#[tokio::test]
async fn a_page_has_at_most_4_mb() {
    if !all_cases() {
        return;
    }
    let shop = Shop::start().await;
    let metadata: serde_json::Map<String, Value> = (0..16).map(|n| (format!("k{n}"), json!("é".repeat(240)))).collect();
    let lines: Vec<Value> =
        (0..450).map(|n| merged(customer(&format!("c{n}")), &json!({"metadata": metadata}))).collect();
    for page in lines.chunks(50) {
        shop.import_new(page.to_vec()).await;
    }
    let first = shop.operator().get("exports?type=customers").await;
    assert!((2_000_000..4_000_000).contains(&first.bytes.len()), "{}", first.bytes.len());
    assert_eq!(export(shop.operator(), "type=customers").await.0.len(), 450);
}

#[tokio::test]
async fn a_cursor_of_another_type_and_other_queries_are_rejected() {
    let shop = shop_with_data().await;
    let page = shop.operator().get("exports?type=licenses&limit=1").await;
    let cursor = next(&page).unwrap().split_once("cursor=").unwrap().1.to_owned();
    let get = async |query: &str| shop.operator().get(&format!("exports?{query}")).await;
    for other in ["customers", "activations", "events"] {
        get(&format!("type={other}&cursor={cursor}")).await.expect_errors(422, &["cursor cursor_invalid"]);
    }
    get("type=products").await.expect_errors(422, &["type invalid_value"]);
    get("").await.expect_errors(422, &["type invalid_value"]);
    get("type=licenses&limit=1001").await.expect_errors(422, &["limit invalid_value"]);
    get("type=licenses&status=active").await.expect_errors(422, &["status unknown_field"]);
}

#[tokio::test]
async fn the_type_decides_which_scope_is_required() {
    let stack = Stack::start().await;
    let (customers, licenses) = (
        stack.client_with_scopes(&[Scope::CustomersRead]).await,
        stack.client_with_scopes(&[Scope::LicensesRead]).await,
    );
    for list in ["customers", "licenses", "activations", "events"] {
        let path = format!("exports?type={list}");
        let (allowed, other) = if list == "customers" { (&customers, &licenses) } else { (&licenses, &customers) };
        assert_eq!(lines(&allowed.get(&path).await).is_empty(), list != "events", "{list}");
        other.get(&path).await.expect_problem(403, "forbidden");
    }
}
