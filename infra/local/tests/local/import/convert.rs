//! The lines that `signet import --convert` makes of the exports of other systems.

use std::{env, fs};

use serde_json::{Value, json};

use super::{FIXTURES, fixtures};
use crate::cli::{User, mode};

#[test]
fn exports_of_other_systems_become_lines() {
    let user = User::new("signet_key_x");
    for fixture in FIXTURES {
        let arguments = [&["import", "--convert"], fixture.arguments].concat();
        let done: crate::cli::Done = user.command(&arguments).current_dir(fixtures()).output().unwrap().into();
        assert_eq!(done.code, Some(0), "{}: {}", fixture.name, done.stderr);
        for (extension, found) in [("ndjson", &done.stdout), ("notes.txt", &done.stderr)] {
            let path = fixtures().join("expected").join(format!("{}.{extension}", fixture.name));
            if env::var_os("GENERATE").is_some() {
                fs::write(&path, found).unwrap();
            }
            assert_eq!(*found, fs::read_to_string(&path).unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn converted_lines_are_lines_again() {
    let user = User::new("signet_key_x");
    let expected = fixtures().join("expected/keygen.ndjson");
    let lines = fs::read_to_string(&expected).unwrap();
    let again = user.run(&["import", "--convert", expected.to_str().unwrap()]);
    assert_eq!((again.code, &*again.stdout, &*again.stderr), (Some(0), &*lines, ""));
    // In any order, from standard input, with empty lines.
    let reversed: Vec<_> = lines.lines().rev().collect();
    let again = user.run_with(&["import", "--convert", "-"], &reversed.join("\n\n"));
    let types = |text: &str| -> Vec<_> { text.lines().map(|line| line[9..14].to_owned()).collect() };
    assert_eq!(types(&again.stdout), types(&lines));
}

#[test]
fn only_the_owner_can_read_the_file_of_converted_lines() {
    let user = User::new("signet_key_x");
    let file = user.home.path().join("lines.ndjson");
    fs::write(&file, "of an earlier conversion").unwrap();
    let output = ["--convert", "--output", file.to_str().unwrap()];
    let arguments = [&["import"], &output[..], FIXTURES[0].arguments].concat();
    let done = user.command(&arguments).current_dir(fixtures()).output().unwrap();
    assert!(done.status.success() && done.stdout.is_empty(), "{done:?}");
    assert_eq!(mode(&file), 0o600);
    let expected = fs::read_to_string(fixtures().join("expected/keygen.ndjson")).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    assert_eq!(fs::read_dir(user.home.path()).unwrap().count(), 1, "no temporary file remains");

    let missing = user.home.path().join("none/lines.ndjson");
    let arguments = [&["import", "--convert", "--output", missing.to_str().unwrap()], FIXTURES[0].arguments].concat();
    let failed: crate::cli::Done = user.command(&arguments).current_dir(fixtures()).output().unwrap().into();
    failed.expect_failure(1, "lines.ndjson: No such file");
}

/// Converts a file and returns its lines and the notes.
fn converted(from: &str, map: &Value, file: &str) -> (Vec<Value>, String) {
    let user = User::new("signet_key_x");
    let map_file = user.home.path().join("map.json");
    fs::write(&map_file, map.to_string()).unwrap();
    let arguments = ["import", "--convert", "--from", from, "--map", map_file.to_str().unwrap(), "-"];
    let done = user.run_with(&arguments, file);
    assert_eq!(done.code, Some(0), "{done:?}");
    (done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), done.stderr)
}

/// Returns these fields of each line.
fn fields<'a, const N: usize>(lines: &'a [Value], names: [&str; N]) -> Vec<[&'a str; N]> {
    lines.iter().map(|line| names.map(|name| line[name].as_str().unwrap_or("-"))).collect()
}

fn polar_key(id: &str, customer: &Value) -> Value {
    json!({"id": id, "benefit_id": "b", "key": format!("KEY-{id}"), "status": "granted", "expires_at": null,
        "customer_id": customer["id"], "customer": customer})
}

#[test]
fn records_with_one_email_address_are_one_customer() {
    let items = json!([
        polar_key("1", &json!({"id": "a", "email": "Ada@example.com", "name": "Ada"})),
        polar_key("2", &json!({"id": "a", "email": "Ada@example.com", "name": "Ada Lovelace"})),
        polar_key("3", &json!({"id": "b", "email": "ada@example.com", "name": "A. L."})),
        polar_key("4", &json!({"id": "c", "email": null, "name": "Deleted"})),
    ]);
    let mut map = json!({"default_tier": {"tier_id": "tier_1"}});
    let names = ["type", "external_id", "customer_external_id"];
    let (lines, notes) = converted("polar", &map, &items.to_string());
    let expected = [
        ["customer", "polar:a", "-"],
        ["license", "polar:1", "polar:a"],
        ["license", "polar:2", "polar:a"],
        ["license", "polar:3", "polar:a"],
        ["license", "polar:4", "-"],
    ];
    assert_eq!(fields(&lines, names), expected);
    assert_eq!(
        notes,
        "note: standard input: license key 2: polar:a differs from an earlier record of the same customer, which is imported\n\
         note: standard input: license key 3: polar:b has the email address of polar:a; they are imported as one customer\n\
         note: standard input: license key 4: customer polar:c has no email address: the license keys are imported without a customer\n"
    );

    map["customer_id"] = json!("email");
    let (lines, _) = converted("polar", &map, &items.to_string());
    let expected = [
        ["customer", "email:ada@example.com", "-"],
        ["license", "polar:1", "email:ada@example.com"],
        ["license", "polar:2", "email:ada@example.com"],
        ["license", "polar:3", "email:ada@example.com"],
        ["license", "polar:4", "-"],
    ];
    assert_eq!(fields(&lines, names), expected);
}

#[test]
fn oldest_payment_of_a_subscription_is_imported_if_the_first_is_not_in_the_export() {
    let payment = |id: &str, at: &str| {
        json!({"id": id, "purchase_email": "wu@example.com", "license_key": "KEY-12345", "recurring_charge": true,
            "created_at": at, "subscription_id": "s"})
    };
    let sales =
        json!({"success": true, "sales": [payment("b", "2025-03-01T00:00:00Z"), payment("a", "2025-02-01T00:00:00Z")]});
    let (lines, notes) = converted("gumroad", &json!({"default_tier": {"tier_id": "tier_1"}}), &sales.to_string());
    let licenses = fields(&lines[1..], ["external_id", "issued_at"]);
    assert_eq!(licenses, [["gumroad:a", "2025-02-01T00:00:00Z"]]);
    assert_eq!(notes, "note: not imported: 1 repeated payment of a subscription\n");
}

#[test]
fn csv_file_without_license_keys_has_customers() {
    let rows = "Customer External ID,Customer-Email\ncrm-1,ada@example.com\n,alan@example.com\n";
    let (lines, notes) = converted("csv", &json!({}), rows);
    let expected = [["crm-1", "ada@example.com"], ["email:alan@example.com", "alan@example.com"]];
    assert_eq!((fields(&lines, ["external_id", "email"]), &*notes), (expected.to_vec(), ""));
}

#[test]
fn license_keys_without_a_time_of_expiry_are_noted() {
    let rows = "external_id\tlicense_key_sha256\ttier_id\n1\tab12\ttier_1\n";
    let (lines, notes) = converted("csv", &json!({}), rows);
    let expected = json!({"type": "license", "external_id": "1", "tier_id": "tier_1", "license_key_sha256": "ab12", "status": "active"});
    assert_eq!(lines, [expected]);
    assert!(notes.contains("license keys without expires_at expire one billing period after issued_at"), "{notes}");
}

#[test]
fn machines_of_license_keys_that_cannot_be_used_are_omitted() {
    let licenses = "external_id,license_key,expires_at,status\n\
        1,FIRST-KEY-1,2020-01-01,\n2,OTHER-KEY-2,2090-01-01,suspended\n3,THIRD-KEY-3,2090-01-01,\n4,THIRD-KEY-4,never,\n";
    let user = User::new("signet_key_x");
    let path = |name: &str| user.home.path().join(name).to_str().unwrap().to_owned();
    let files = ["map.json", "machines.csv", "licenses.csv"].map(path);
    fs::write(&files[0], r#"{"default_tier": {"tier_id": "tier_1"}}"#).unwrap();
    // The last license key was imported before.
    fs::write(&files[1], "license_external_id,machine_id\n1,a\n2,b\n3,c\n3,c\n3,d\n4,e\n5,f\n").unwrap();
    fs::write(&files[2], licenses).unwrap();
    let done = user.run(&["import", "--convert", "--from", "csv", "--map", &files[0], &files[1], &files[2]]);
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let machines = fields(&lines[4..], ["license_external_id", "machine_id"]);
    assert_eq!(machines, [["3", "c"], ["3", "d"], ["4", "e"], ["5", "f"]]);
    assert_eq!(done.stderr, "note: not imported: 2 machines of suspended, revoked or expired license keys\n");
}
