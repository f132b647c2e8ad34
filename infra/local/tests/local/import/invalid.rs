//! Files that cannot be imported: what the message names, and that it contains no license key.

use std::fs;

use serde_json::{Value, json};

use super::fixtures;
use crate::cli::User;

/// A key string that no message may contain.
const KEY: &str = "SECRET-KEY-1234";

/// Converts a file and returns the message.
fn refused(from: &str, map: &Value, files: &[&str]) -> String {
    let user = User::new(KEY);
    let path = |name: String| user.home.path().join(name).to_str().unwrap().to_owned();
    let map_file = path("map.json".to_owned());
    fs::write(&map_file, map.to_string()).unwrap();
    let mut arguments =
        vec!["import".to_owned(), "--convert".into(), "--from".into(), from.into(), "--map".into(), map_file];
    for (number, content) in (1..).zip(files) {
        let file = path(format!("file-{number}"));
        fs::write(&file, content).unwrap();
        arguments.push(file);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let message = user.run(&arguments).expect_failure(2, "error: ");
    message.replace(&path(String::new()), "")
}

fn any_tier() -> Value {
    json!({"default_tier": {"tier_id": "tier_1"}})
}

fn assert_contains(message: &str, expected: &[&str]) {
    for line in expected {
        assert!(message.contains(line), "expected {line:?} in:\n{message}");
    }
}

#[test]
fn all_products_without_a_pricing_tier_are_listed_before_anything_is_sent() {
    let user = User::new(KEY);
    let arguments = ["import", "--from", "keygen", "keygen.json"];
    let done: crate::cli::Done = user.command(&arguments).current_dir(fixtures()).output().unwrap().into();
    let message = done.expect_failure(2, "license keys have no pricing tier");
    let product = "product f3a9d1c6-5e28-4b7a-b1d0-8c4e7f62a935";
    let pro = format!("  policy 2b7e9f04-c6a1-4d3b-8f5e-91d0a7c3b648 \"Pro\", or {product}: 2 license keys\n");
    let site = format!("  policy 61f0c8d2-9a3e-4e57-bc14-0d7a6e5f2b93 \"Site license\", or {product}: 1 license key\n");
    assert_contains(&message, &[&pro, &site]);

    let without = |from, file: &str| {
        let file = fs::read_to_string(fixtures().join(file)).unwrap();
        refused(from, &json!({}), &[&file])
    };
    assert_contains(
        &without("lemonsqueezy", "lemonsqueezy.json"),
        &["variant 70 \"Orbit / Default\", or product 7 \"Orbit\": 1", "product 8: 1", "variant 71 \"Orbit / Team\""],
    );
    assert_contains(&without("polar", "polar.json"), &["benefit b1a29384-7566-4758-a9ba-cbdcedfe0f10 \"Site key\": 1"]);
    assert_contains(
        &without("gumroad", "gumroad.csv"),
        &["variant \"Orbit / Site\", or variant \"orbt / Site\", or product orbt \"Orbit\": 1 license key"],
    );
    let csv = refused("csv", &json!({}), &["external_id,license_key,plan\n1,K-1234567,Pro\n2,K-2345678,\n"]);
    assert_contains(&csv, &["  plan \"Pro\": 1 license key", "  default_tier (nothing says what was bought): 1"]);
}

#[test]
fn invalid_json_names_the_record_and_the_field() {
    let license = |id: Value, attributes: Value| {
        let policy = json!({"policy": {"data": {"type": "policies", "id": "p"}}});
        json!({"type": "licenses", "id": id, "attributes": attributes, "relationships": policy})
    };
    let objects = json!({"data": [
        license(json!("1"), json!({"status": "ACTIVE"})),
        license(json!("2"), json!({"key": KEY, "status": "PAUSED"})),
        license(json!("3"), json!({"key": KEY, "expiry": "31.12.2026"})),
        license(json!("4"), json!({"key": KEY, "maxMachines": "many"})),
        license(json!("5"), json!({"key": KEY})),
        license(json!("6"), json!({"key": KEY})),
        license(json!("5"), json!({"key": "SECRET-KEY-5678"})),
        {"type": "licenses", "id": "7", "attributes": {"key": KEY}},
        {"type": "machines", "id": "8", "attributes": {"fingerprint": "f"}},
        {"type": "users", "attributes": {"email": "ada@example.com"}},
        {"id": "9"},
    ]});
    let message = refused("keygen", &any_tier(), &[&objects.to_string()]);
    assert_contains(
        &message,
        &[
            "error: 10 records cannot be imported; correct them, or add --skip-invalid to import the others:\n",
            "  file-1: licenses 1: attributes.key: is missing\n",
            "  file-1: licenses 2: attributes.status: unknown status; expected one of: ACTIVE, INACTIVE,",
            "  file-1: licenses 3: attributes.expiry: expected a time such as 2026-01-31T12:00:00Z,",
            "  file-1: licenses 4: attributes.maxMachines: expected an integer or null\n",
            "  file-1: licenses 6: license key: is also the license key of file-1: licenses 5\n",
            "  file-1: licenses 5: id: keygen:5 is also the id of another license key, in file-1: licenses 5\n",
            "  file-1: licenses 7: relationships.policy.data.id: is missing\n",
            "  file-1: machines 8: relationships.license.data.id: is missing\n",
            "  file-1: users number 10 of the file: id: is missing\n",
            "  file-1: object 9: type: is missing\n",
        ],
    );
    assert!(!message.contains("SECRET"), "{message}");

    let broken = format!("{{\"data\": [{}, {{\"key\": \"{KEY}\"", license(json!("1"), json!({"key": KEY})));
    let message = refused("keygen", &any_tier(), &[&broken]);
    assert_contains(&message, &["files cannot be read:\n", "  file-1:1: JSON: EOF while parsing an object"]);

    let other = json!({"items": [{"id": "1", "status": "granted"}]}).to_string();
    assert_contains(
        &refused("polar", &any_tier(), &[&other]),
        &["file-1: object 1: object: is not a license key of Polar"],
    );
    let unknown = json!({"id": "1", "benefit_id": "b", "customer_id": "c", "key": KEY, "status": "paused"}).to_string();
    assert_contains(
        &refused("polar", &any_tier(), &[&unknown]),
        &["license key 1: status: unknown status; expected one of: granted"],
    );
    let unknown =
        json!({"type": "license-keys", "id": "1", "attributes": {"key": KEY, "status": "paused"}}).to_string();
    assert_contains(
        &refused("lemonsqueezy", &any_tier(), &[&unknown]),
        &["license-keys 1: attributes.status: unknown status"],
    );
}

#[test]
fn invalid_csv_names_the_line_and_the_column() {
    let rows = [
        "external_id,license_key,license_key_sha256,customer_name,customer_email,issued_at,max_users,status,tier_code",
        "1,,,,,,,,",
        "2,SECRET-KEY-1234,abc,,,,,,",
        "3,SECRET-KEY-1235,,,,01/02/2026,,,",
        "4,SECRET-KEY-1236,,,,,many,,",
        "5,SECRET-KEY-1237,,,,,,gone,",
        "6,SECRET-KEY-1238,,Ada,,,,,",
        "7,SECRET-KEY-1239,,,,,,,pro",
        "8,SECRET-KEY-1240,,",
        "9,SECRET-KEY-1241,,,,,,,",
        ",SECRET-KEY-1242,,,,,,,",
        "11,SECRET-KEY-1241,,,,,,,",
        "SECRET-KEY-1243,SECRET-KEY-1243,,,,,,,",
    ];
    let message = refused("csv", &any_tier(), &[&rows.join("\n")]);
    assert_contains(
        &message,
        &[
            "error: 11 records cannot be imported",
            "  file-1:2: license_key: is missing\n",
            "  file-1:3: license_key_sha256: must be empty beside license_key\n",
            "  file-1:4: issued_at: expected a time such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31\n",
            "  file-1:5: max_users: expected an integer or the word unlimited\n",
            "  file-1:6: status: unknown status; expected active, suspended, revoked, or an entry of statuses in --map\n",
            "  file-1:7: customer_email: is missing\n",
            "  file-1:8: tier_code: a pricing tier needs either tier_id, or product_code and tier_code\n",
            "  file-1:9: row: has 4 cells, but the headings have 9; is a quote missing?\n",
            "  file-1:11: external_id: is missing\n",
            "  file-1:12: license key: is also the license key of file-1:10\n",
            "  file-1:13: external_id: must not be the license key: external ids are no secrets\n",
        ],
    );
    assert!(!message.contains("SECRET"), "{message}");
    assert_eq!(refused("csv", &any_tier(), &[&rows.join("\r\n")]), message, "with the line ends of Windows");
    for (map, file, expected) in [
        (json!({}), "Serial,Mail\nSECRET-KEY-1234,a\n", "file-1:1: headings: expected a column license_key,"),
        (
            json!({"columns": {"license_key": "Code"}}),
            "Serial\nx\n",
            "--map: columns and defaults: license_key: no column \"Code\"; the columns are: \"Serial\"",
        ),
        (json!({"columns": {"seats": "Seats"}}), "Seats\nx\n", "seats: is not a field; the fields are: external_id,"),
        (json!({}), "", "file-1:1: headings: are missing"),
        (json!({"statuses": {"x": "gone"}}), "x\n", "--map map.json: unknown variant `gone`"),
    ] {
        assert_contains(&refused("csv", &map, &[file]), &[expected]);
    }
    let sales = "Purchase ID,Item Name,License Key\n";
    assert_contains(
        &refused("gumroad", &any_tier(), &[sales]),
        &["file-1:1: headings: \"Purchase Email\" missing; is this"],
    );
    let sales = "Purchase ID,Item Name,Purchase Email,License Key\na,Orbit,,SECRET-KEY-1234\n";
    assert_contains(&refused("gumroad", &any_tier(), &[sales]), &["file-1:2: email address: is missing"]);
    let sales = "Purchase ID,Item Name,Purchase Email,License Key,Fully Refunded?\na,Orbit,a@example.com,SECRET-KEY-1234,maybe\n";
    let message = refused("gumroad", &any_tier(), &[sales]);
    assert!(message.contains("file-1:2: Fully Refunded?: expected 0 or 1") && !message.contains("SECRET"), "{message}");
}

#[test]
fn invalid_lines_name_the_number_in_the_file() {
    let lines =
        ["{\"type\":\"customer\"}", "", KEY, "{\"type\":\"order\",\"key\":\"SECRET-KEY-1234\"}", "[1]"].join("\n");
    let message = refused("ndjson", &json!({}), &[&lines]);
    assert_contains(
        &message,
        &[
            "error: 3 records cannot be imported",
            "  file-1:3: line: is not a JSON object\n",
            "  file-1:4: type: expected customer, license or activation\n",
            "  file-1:5: line: is not a JSON object\n",
        ],
    );
    assert!(!message.contains("SECRET"), "{message}");
    let long = format!("{{\"type\":\"customer\",\"name\":\"{}\"}}", "x".repeat(4_000_000));
    let message = refused("ndjson", &json!({}), &[&long]);
    assert_contains(&message, &["file-1:1: line: is longer than the 4000000 bytes of a request"]);
}

#[test]
fn files_that_cannot_be_read_are_refused() {
    let user = User::new(KEY);
    user.run(&["import", "/none"]).expect_failure(2, "/none: No such file");
    user.run(&["import"]).expect_failure(2, "<FILE>...");
    user.run(&["import", "--output", "x", "-"]).expect_failure(2, "--convert");
    user.run(&["import", "--from", "fastspring", "-"]).expect_failure(2, "possible values: ndjson, keygen");
    user.run(&["import", "--map", "/none", "-"]).expect_failure(2, "--map /none: No such file");
    let latin = user.home.path().join("latin.csv");
    fs::write(&latin, b"name\nM\xfcller\n").unwrap();
    user.run(&["import", "-"]).expect_failure(3, "not logged in");
    user.run(&["import", "--from", "csv", latin.to_str().unwrap()]).expect_failure(2, "the file is not UTF-8");
}

#[test]
fn other_records_are_converted_if_invalid_ones_are_skipped() {
    let user = User::new(KEY);
    let map = user.home.path().join("map.json");
    fs::write(&map, any_tier().to_string()).unwrap();
    let rows = "external_id,license_key,expires_at\n1,FIRST-KEY-1234,soon\n2,OTHER-KEY-1234,2027-01-01\n";
    let arguments = ["import", "--convert", "--from", "csv", "--map", map.to_str().unwrap(), "-"];
    user.run_with(&arguments, rows).expect_failure(2, "standard input:2: expires_at: expected a time");
    let done = user.run_with(&[&arguments[..], &["--skip-invalid"]].concat(), rows);
    let line = r#"{"type":"license","external_id":"2","tier_id":"tier_1","license_key":"OTHER-KEY-1234","expires_at":"2027-01-02T00:00:00Z","status":"active"}"#;
    assert_eq!((done.code, &*done.stdout), (Some(0), &*format!("{line}\n")));
}
