//! What lines create, and which errors they get.

use signet_tests::{Failures, Stack, Value, json, merged, text};

use super::{Shop, activation, counts, customer, errors, import_text, license, to_lines};

#[tokio::test]
async fn import_creates_customers_license_keys_and_activations() {
    let shop = Shop::start().await;
    shop.stack.advance(3600);
    let result = shop
        .import(&[
            merged(customer("crm-1"), &json!({"company": "Engines", "metadata": {"segment": "research"}})),
            license(
                "order-1",
                "crm-1",
                &json!({
                    "issued_at": "2024-03-01T10:00:00Z", "expires_at": "2027-03-01T10:00:00+01:00", "max_users": 7,
                    "max_tenants": 3, "name": "Berlin", "metadata": {"order": "1"}, "license_key": "OLD-1234-5678",
                }),
            ),
            merged(activation("order-1", "machine-1"), &json!({"machine_name": "build-07"})),
        ])
        .await;
    let expected = json!({
        "lines": 3, "created": 3, "unchanged": 0, "failed": 0, "errors": [], "next_line": null,
    });
    assert_eq!(result, expected);

    let found = shop.customer("crm-1").await;
    let found = shop.operator().get(&format!("customers/{}", text(&found["id"]))).await.expect_status(200);
    assert_eq!((&found["name"], &found["email"]), (&json!("Ada Lovelace"), &json!("crm-1@example.com")));
    assert_eq!((&found["company"], &found["metadata"]), (&json!("Engines"), &json!({"segment": "research"})));

    let id = text(&shop.license("order-1").await["id"]).to_owned();
    let key = shop.operator().get(&format!("license-keys/{id}")).await.expect_status(200);
    let expected = json!({
        "id": id, "customer_id": found["id"], "product_id": shop.product["id"], "tier_id": shop.tier["id"],
        "name": "Berlin", "external_id": "order-1", "metadata": {"order": "1"}, "status": "active", "max_users": 7,
        "max_tenants": 3, "seats_used": 1, "generation": 1, "key_hint": "OL…78",
        "issued_at": "2024-03-01T10:00:00Z", "expires_at": "2027-03-01T09:00:00Z",
    });
    assert_eq!(merged(key.clone(), &expected), key);
    let events = shop.operator().get(&format!("license-keys/{id}/events")).await.expect_status(200);
    let events = events["items"].as_array().unwrap();
    let mut types: Vec<_> = events.iter().map(|event| text(&event["type"])).collect();
    types.sort_unstable();
    assert_eq!(types, ["activation.created", "license.issued"]);
    for event in events {
        assert_eq!((&event["data"]["imported"], &event["actor"]["kind"]), (&json!(true), &json!("api_key")), "{event}");
    }
    let machines = shop.operator().get(&format!("license-activations?license_id={id}")).await.expect_status(200);
    let [machine] = &machines["items"].as_array().unwrap()[..] else { panic!("{machines}") };
    assert_eq!((&machine["machine_id"], &machine["machine_name"]), (&json!("machine-1"), &json!("build-07")));
    assert_eq!((&machine["status"], &machine["lease_expires_at"]), (&json!("active"), &json!("2026-01-15T14:00:00Z")));
    let audit = shop.operator().post(&format!("license-keys/{id}/audit"), json!({})).await.expect_status(200);
    assert_eq!(audit["ok"], true, "{audit}");
}

#[tokio::test]
async fn omitted_values_are_those_of_the_tier() {
    let shop = Shop::start().await;
    shop.import_new(vec![
        customer("c"),
        license("a", "c", &json!({"issued_at": "2024-03-01T10:00:00Z"})),
        license("b", "c", &json!({"max_users": null, "expires_at": null, "status": "suspended"})),
        license(
            "d",
            "c",
            &json!({"product_code": null, "tier_code": null, "tier_id": shop.tier["id"], "status": "revoked"}),
        ),
    ])
    .await;
    let a = shop.license("a").await;
    // One period of the annual tier after the license key was issued.
    assert_eq!((&a["status"], &a["expires_at"]), (&json!("expired"), &json!("2025-03-01T10:00:00Z")));
    assert_eq!((&a["max_users"], &a["max_tenants"]), (&json!(2), &Value::Null));
    let b = shop.license("b").await;
    assert_eq!((&b["status"], &b["expires_at"], &b["max_users"]), (&json!("suspended"), &Value::Null, &Value::Null));
    assert_eq!(b["issued_at"], "2026-01-15T12:00:00Z");
    let d = shop.license("d").await;
    assert_eq!((&d["status"], &d["revoked_at"]), (&json!("revoked"), &json!("2026-01-15T12:00:00Z")));
    for license in [a, b] {
        let audit = format!("license-keys/{}/audit", text(&license["id"]));
        let findings = shop.operator().post(&audit, json!({})).await.expect_status(200);
        assert_eq!(findings["findings"][4]["ok"], true, "the customer's pointer: {findings}");
    }
}

#[tokio::test]
async fn an_import_supersedes_nothing_and_the_next_issued_license_key_supersedes_the_last() {
    let shop = Shop::start().await;
    assert_eq!(shop.product["one_key_per_customer"], true);
    shop.import_new(vec![customer("c"), license("a", "c", &json!({})), license("b", "c", &json!({}))]).await;
    shop.import_new(vec![license("gone", "c", &json!({"status": "revoked"}))]).await;
    assert_eq!(shop.license("a").await["status"], "active");
    assert_eq!(shop.license("b").await["status"], "active");
    shop.stack.advance(1);
    let issued = shop.operator().issue(&shop.customer("c").await, &shop.tier, &json!({})).await;
    assert_eq!(shop.license("a").await["status"], "active");
    assert_eq!(shop.license("b").await["superseded_by"], issued["license"]["id"]);
    assert_eq!(shop.license("gone").await["status"], "revoked");
}

/// Lines with one error each: the line, and the pointer and code of its error.
fn invalid_lines(tier: &Value) -> Vec<(String, &'static str)> {
    // Each line has another external id, as a line of a dry run is compared with the earlier ones.
    let mut count = 0;
    let mut line = |base: &Value, fields: Value| {
        count += 1;
        let mut line = base.clone();
        for (field, value) in [("external_id", format!("new-{count}")), ("email", format!("new-{count}@example.com"))] {
            if line[field].is_string() {
                line[field] = value.into();
            }
        }
        merged(line, &fields).to_string()
    };
    let (ada, key, machine) = (customer("new"), license("new", "known", &json!({})), activation("key", "m"));
    vec![
        ("{".to_owned(), " malformed_json"),
        ("{\"type\": \"customer\"} x".to_owned(), " malformed_json"),
        ("[]".to_owned(), " invalid_value"),
        ("{}".to_owned(), "/type invalid_value"),
        (r#"{"type": "customer", "type": "license"}"#.to_owned(), "/type invalid_value"),
        (r#"{"type": "event"}"#.to_owned(), "/type invalid_value"),
        (r#"{"type": 5}"#.to_owned(), "/type invalid_value"),
        (line(&ada, json!({"nick": "a"})), "/nick unknown_field"),
        (line(&ada, json!({"metadata": {"a": 5}})), "/metadata/a invalid_value"),
        (line(&ada, json!({"email": "missing"})), "/email invalid_value"),
        (line(&ada, json!({"email": "KNOWN@example.com"})), "/email email_taken"),
        (line(&ada, json!({"external_id": "é"})), "/external_id invalid_value"),
        (line(&ada, json!({"external_id": null})), "/external_id invalid_value"),
        (line(&ada, json!({"external_id": "by-hand"})), "/external_id external_id_taken"),
        (line(&ada, json!({"external_id": "known"})), "/external_id import_conflict"),
        (line(&key, json!({"tag": "é"})), "/tag invalid_value"),
        (line(&key, json!({"customer_id": "c"})), "/customer_id unknown_field"),
        (line(&key, json!({"customer_external_id": "missing"})), "/customer_external_id reference_not_found"),
        (line(&key, json!({"product_code": "other"})), "/product_code reference_not_found"),
        (line(&key, json!({"tier_code": "other"})), "/tier_code reference_not_found"),
        (line(&key, json!({"tier_code": null})), "/tier_id invalid_value"),
        (line(&key, json!({"tier_id": tier})), "/tier_id invalid_value"),
        (line(&key, json!({"license_key": "1234567"})), "/license_key invalid_value"),
        (line(&key, json!({"license_key": "12345678é"})), "/license_key invalid_value"),
        (line(&key, json!({"license_key": "OLD-KEY-1"})), "/license_key key_string_taken"),
        (line(&key, json!({"license_key_sha256": "abc"})), "/license_key_sha256 invalid_value"),
        (
            line(&key, json!({"license_key_sha256": "0".repeat(64), "license_key": "12345678"})),
            "/license_key_sha256 invalid_value",
        ),
        (line(&key, json!({"issued_at": "2026-01-15T12:00:01Z"})), "/issued_at invalid_value"),
        (line(&key, json!({"issued_at": "yesterday"})), "/issued_at invalid_value"),
        (line(&key, json!({"max_users": 0})), "/max_users invalid_value"),
        (line(&key, json!({"max_tenants": 0})), "/max_tenants invalid_value"),
        (line(&key, json!({"status": "superseded"})), "/status invalid_value"),
        (line(&key, json!({"external_id": "key"})), "/external_id import_conflict"),
        (line(&machine, json!({"license_external_id": "nothing"})), "/license_external_id reference_not_found"),
        (line(&machine, json!({"license_external_id": "suspended"})), "/license_external_id suspended"),
        (line(&machine, json!({"license_external_id": "revoked"})), "/license_external_id revoked"),
        (line(&machine, json!({"license_external_id": "expired"})), "/license_external_id expired"),
        (line(&machine, json!({"machine_id": ""})), "/machine_id invalid_value"),
        (line(&machine, json!({"machine_name": "a\u{200b}"})), "/machine_name invalid_value"),
    ]
}

async fn shop_with_known_resources() -> Shop {
    let shop = Shop::start().await;
    let by_hand = json!({"name": "Bob", "email": "bob@example.com", "external_id": "by-hand"});
    shop.operator().post("customers", by_hand).await.expect_status(201);
    shop.import_new(vec![
        customer("known"),
        license("key", "known", &json!({"license_key": "OLD-KEY-1"})),
        license("suspended", "known", &json!({"status": "suspended"})),
        license("revoked", "known", &json!({"status": "revoked"})),
        license("expired", "known", &json!({"expires_at": "2025-01-01T00:00:00Z"})),
    ])
    .await;
    shop
}

#[tokio::test]
async fn each_invalid_line_is_reported_and_stops_no_other() {
    let shop = shop_with_known_resources().await;
    let lines = invalid_lines(&shop.tier["id"]);
    let mut body: Vec<String> = lines.iter().map(|(line, _)| line.clone()).collect();
    body.push(customer("last").to_string());
    let before = shop.stack.snapshot_items().await;
    let dry_run = shop.operator().post_lines("imports?dry_run=true", body.join("\n")).await.expect_status(200);
    shop.stack.assert_unchanged_since(&before).await;
    let result = import_text(shop.operator(), &body.join("\n")).await;
    assert_eq!(dry_run, result, "a dry run finds the same");
    assert_eq!(counts(&result), [1, 0, lines.len() as u64]);
    let mut failures = Failures::default();
    let found = errors(&result);
    for (index, (line, error)) in lines.iter().enumerate() {
        failures.check(line, || assert_eq!(found[index], format!("{} {error}", index + 1)));
    }
    assert_eq!(found.len(), lines.len(), "{found:#?}");
    assert_eq!(shop.customer("last").await["name"], "Ada Lovelace");
}

#[tokio::test]
async fn a_dry_run_finds_what_the_lines_of_the_request_refer_to_and_repeat() {
    let shop = Shop::start().await;
    let lines = [
        license("early", "c", &json!({})),
        customer("c"),
        customer("c"),
        merged(customer("c"), &json!({"name": "Bob"})),
        merged(customer("d"), &json!({"email": "C@example.com"})),
        license("a", "c", &json!({"license_key": "OLD-KEY-1"})),
        license("a", "c", &json!({"license_key": " OLD-KEY-1 "})),
        license("b", "c", &json!({"license_key": "OLD-KEY-1"})),
        activation("a", "m"),
        activation("a", "m"),
        activation("z", "m"),
    ];
    let before = shop.stack.snapshot_items().await;
    let dry_run = shop.operator().post_lines("imports?dry_run=true", to_lines(&lines)).await.expect_status(200);
    shop.stack.assert_unchanged_since(&before).await;
    let result = shop.import(&lines).await;
    assert_eq!(dry_run, result);
    assert_eq!(counts(&result), [3, 3, 5]);
    let expected = [
        "1 /customer_external_id reference_not_found",
        "4 /external_id import_conflict",
        "5 /email email_taken",
        "8 /license_key key_string_taken",
        "11 /license_external_id reference_not_found",
    ];
    assert_eq!(errors(&result), expected);
    let explicit = shop.operator().post_lines("imports?dry_run=false", to_lines(&lines)).await.expect_status(200);
    // Now the customer of the first line exists.
    assert_eq!(counts(&explicit), [1, 6, 4]);
}

#[tokio::test]
async fn a_license_key_without_a_free_seat_refuses_an_imported_machine() {
    let shop = Shop::start().await;
    shop.import_new(vec![customer("c"), license("a", "c", &json!({"license_key": "OLD-KEY-1"}))]).await;
    shop.stack.anonymous.activate("OLD-KEY-1", "foreign").await.expect_status(201);
    let machines: Vec<Value> = ["one", "two", "three"].map(|machine| activation("a", machine)).into();
    let result = shop.import(&machines).await;
    assert_eq!(counts(&result), [1, 0, 2]);
    assert_eq!(
        errors(&result),
        ["2 /license_external_id seat_limit_reached", "3 /license_external_id seat_limit_reached"]
    );
    // The limit of refused requests does not apply to imports.
    for _ in 0..20 {
        assert_eq!(counts(&shop.import(&machines).await), [0, 1, 2]);
    }
}

#[tokio::test]
async fn empty_lines_count_and_line_ends_of_windows_are_accepted() {
    let shop = Shop::start().await;
    let text = format!("\n  \r\n{}\r\n\n{{\n{}", customer("a"), customer("b"));
    let result = import_text(shop.operator(), &text).await;
    assert_eq!((&result["lines"], counts(&result)), (&json!(6), [2, 0, 1]));
    assert_eq!(errors(&result), ["5  malformed_json"]);
    let empty = import_text(shop.operator(), "").await;
    assert_eq!((&empty["lines"], counts(&empty), &empty["next_line"]), (&json!(0), [0, 0, 0], &Value::Null));
}

#[tokio::test]
async fn a_body_has_at_most_1000_lines_and_4_000_000_bytes() {
    let stack = Stack::start().await;
    let import = async |text: String| stack.operator.post_lines("imports?dry_run=true", text).await;
    assert_eq!(import("{}\n".repeat(1000)).await.expect_status(200)["failed"], 1000);
    import("{}\n".repeat(1001)).await.expect_errors(422, &[" invalid_value"]);
    import("\n".repeat(1001)).await.expect_errors(422, &[" invalid_value"]);
    let line = customer("c").to_string();
    let padded = |bytes: usize| format!("{line}{}", " ".repeat(bytes - line.len()));
    assert_eq!(counts(&import(padded(4_000_000)).await.expect_status(200)), [1, 0, 0]);
    let too_large = import(padded(4_000_001)).await;
    assert!(text(&too_large.expect_problem(413, "body_too_large")["detail"]).contains("4000000 bytes"));
    stack.operator.over_tcp().post_lines("imports", padded(4_000_001)).await.expect_problem(413, "body_too_large");
}

#[tokio::test]
async fn other_media_types_and_queries_are_rejected() {
    let stack = Stack::start().await;
    stack.operator.post("imports", customer("a")).await.expect_problem(415, "unsupported_media_type");
    let import = async |query: &str| stack.operator.post_lines(&format!("imports?{query}"), "").await;
    import("dry_run=maybe").await.expect_errors(422, &["dry_run invalid_value"]);
    import("dry_run=").await.expect_errors(422, &["dry_run invalid_value"]);
    import("dryrun=true").await.expect_errors(422, &["dryrun unknown_field"]);
}

#[tokio::test]
async fn a_line_reports_at_most_ten_errors() {
    let stack = Stack::start().await;
    let fields: serde_json::Map<String, Value> = (0..50).map(|n| (format!("x{n}"), json!(n))).collect();
    let result = import_text(&stack.operator, &merged(customer("a"), &fields.into()).to_string()).await;
    assert_eq!((counts(&result), errors(&result).len()), ([0, 0, 1], 10));
}
