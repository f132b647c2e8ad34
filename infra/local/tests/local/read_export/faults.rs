//! Damaged, incomplete and other exports: nothing is printed, and the error names the file.

use std::{
    fs,
    io::{self, Read},
    process::Stdio,
};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use signet_tests::{Stack, text};
use tokio::sync::OnceCell;

use super::{
    command, read_export,
    writer::{Export, gzip},
};

/// Returns the items of a stack with one license key that was regenerated. All tests use the same ones.
async fn items() -> &'static [Value] {
    static ITEMS: OnceCell<Vec<Value>> = OnceCell::const_new();
    ITEMS.get_or_init(create_items).await
}

async fn create_items() -> Vec<Value> {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(2).await;
    let path = format!("license-keys/{}/regenerate", license.license_id);
    stack.operator.post(&path, json!({})).await.expect_status(200);
    stack.items().await
}

/// Returns whether an item has keys that begin like these.
fn has_keys(item: &Value, partition: &str, sort: &str) -> bool {
    text(&item["PK"]["S"]).starts_with(partition) && text(&item["SK"]["S"]).starts_with(sort)
}

/// Asserts that the command prints nothing and fails with one line on stderr that contains all of these.
#[track_caller]
fn assert_fails(export: &Export, expected: &[&str]) {
    let output = read_export(export.path(), &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{expected:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{expected:?}: printed although {stderr}");
    assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{stderr}");
    assert!(expected.iter().all(|part| stderr.contains(part)), "{expected:?}: {stderr}");
}

/// Returns the content of a data file, without gzip.
fn decompressed(export: &Export, index: usize) -> String {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(export.data_path(index)).unwrap()).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn damaged_data_files_are_reported() {
    let items = items().await;
    let intact = || Export::write(items, 3);
    let (file, first) = ("data/asdfjkl1qwertyuiop.json.gz", "data/asdfjkl0qwertyuiop.json.gz");
    assert!(read_export(intact().path(), &[]).status.success());

    let export = intact();
    fs::remove_file(export.data_path(1)).unwrap();
    assert_fails(&export, &[file, "No such file", "download the export again"]);

    let content = fs::read(export.data_path(0)).unwrap();
    for damaged in [&content[..content.len() / 2], &content[..content.len() - 1], &[], &[&content[..], b"\n"].concat()]
    {
        let export = intact();
        fs::write(export.data_path(0), damaged).unwrap();
        assert_fails(&export, &[first, "does not have the checksum"]);
    }

    // The same with the checksum of the damaged file.
    let mut flipped = content.clone();
    flipped[content.len() - 6] ^= 1;
    let mut half = intact();
    half.replace_file(0, &content[..content.len() / 2]);
    assert_fails(&half, &[first, "after line "]);
    for damaged in [&content[..content.len() - 1], &flipped, &[&content[..], b"\n"].concat()] {
        let mut export = intact();
        export.replace_file(0, damaged);
        assert_fails(&export, &[first, "after line "]);
    }
    for (damaged, message) in
        [(&b"{}"[..], "after line 0"), (b"", "has 0 items, but "), (&gzip(b""), "has 0 items, but ")]
    {
        let mut export = intact();
        export.replace_file(0, damaged);
        assert_fails(&export, &[first, message]);
    }

    // Two members, and lines without a line feed at the end, are valid.
    let mut export = intact();
    let lines = decompressed(&export, 0);
    let (head, tail) = lines.split_at(lines.find('\n').unwrap() + 1);
    export.replace_file(0, &[gzip(head.as_bytes()), gzip(tail.trim_end().as_bytes())].concat());
    assert!(read_export(export.path(), &[]).status.success());
    // The last item is missing, or one is repeated.
    export.replace_file(0, &gzip(head.as_bytes()));
    assert_fails(&export, &[first, "has 1 items, but "]);
    export.replace_file(0, &gzip([head, &lines].concat().as_bytes()));
    assert_fails(&export, &[first, " items, but "]);
}

#[tokio::test]
async fn damaged_and_unsupported_manifests_are_reported() {
    let items = items().await;
    let (summary, files) = ("manifest-summary.json: ", "manifest-files.json: ");
    for name in ["manifest-summary.json", "manifest-files.json"] {
        let export = Export::write(items, 2);
        fs::remove_file(export.path().join(name)).unwrap();
        assert_fails(&export, &[name, "No such file", "the directory of a finished export, AWSDynamoDB/EXPORT_ID"]);
        fs::write(export.path().join(name), "{\"itemCount\": 1, ").unwrap();
        assert_fails(&export, &[name, "EOF while parsing"]);
        fs::write(export.path().join(name), [0xff]).unwrap();
        assert_fails(&export, &[name, "valid UTF-8"]);
    }

    let with_summary = |name: &str, value: Value, expected: &[&str]| {
        let mut export = Export::write(items, 2);
        export.summary[name] = value;
        export.write_manifests();
        assert_fails(&export, &[&[summary], expected].concat());
    };
    with_summary(
        "exportType",
        json!("INCREMENTAL_EXPORT"),
        &["INCREMENTAL_EXPORT", "only changes", "type FULL_EXPORT"],
    );
    with_summary("outputFormat", json!("ION"), &["format ION, which is not supported", "format DYNAMODB_JSON"]);
    with_summary("itemCount", json!(items.len() + 1), &["items, but its files in manifest-files.json have "]);
    with_summary("exportTime", Value::Null, &["exportTime is missing"]);
    with_summary("manifestFilesS3Key", json!("AWSDynamoDB/manifest-files.json"), &["manifestFilesS3Key"]);
    let mut export = Export::write(items, 2);
    export.summary["exportType"] = "FULL_EXPORT".into();
    export.write_manifests();
    assert!(read_export(export.path(), &[]).status.success());

    let with_file = |name: &str, value: Value, expected: &[&str]| {
        let mut export = Export::write(items, 2);
        export.files[1][name] = value;
        export.write_manifests();
        assert_fails(&export, &[&[files], expected].concat());
    };
    with_file("md5Checksum", json!("d41d8cd98f00b204e9800998ecf8427e"), &["md5Checksum"]);
    with_file("itemCount", json!("3"), &["invalid type"]);
    let other_export = "2026/AWSDynamoDB/01694731200000-b1b2c3d4/data/asdfjkl1qwertyuiop.json.gz";
    let shared_folder = "AWSDynamoDB/data/asdfjkl1qwertyuiop.json.gz";
    for key in [other_export, shared_folder, "a.json.gz", ""] {
        with_file("dataFileS3Key", json!(key), &[key, "is not a data file of this export"]);
    }
    for name in ["", ".", "..", "../../passwd", "a/b", "/etc/passwd"] {
        let key = format!("2026/AWSDynamoDB/01694731200000-a1b2c3d4/data/{name}");
        with_file("dataFileS3Key", json!(key), &["is not a data file of this export"]);
    }

    // An entry of another export of the same table, and a missing one.
    let mut export = Export::write(items, 2);
    export.files.remove(1);
    export.write_manifests();
    assert_fails(&export, &[summary, "items, but its files in manifest-files.json have "]);
    // The counts of two files are swapped by one, so that the total is correct.
    let mut export = Export::write(items, 2);
    for (index, change) in [(0, 1), (1, -1)] {
        export.files[index]["itemCount"] = (export.files[index]["itemCount"].as_i64().unwrap() + change).into();
    }
    export.write_manifests();
    assert_fails(&export, &["data/asdfjkl0qwertyuiop.json.gz", " items, but ", "in manifest-files.json"]);
}

#[tokio::test]
async fn items_of_other_forms_are_reported() {
    let items = items().await;
    let file = "data/asdfjkl4qwertyuiop.json.gz: line 2: ";
    let other_table =
        r#"{"Item":{"Authors":{"SS":["Author1","Author2"]},"ISBN":{"S":"333-3333333333"},"Id":{"N":"103"}}}"#;
    let incremental =
        r#"{"Metadata":{"WriteTimestampMicros":"1680109764000000"},"Keys":{"PK":{"S":"a"}},"NewImage":{}}"#;
    let statistics = r#"{"Item":{"PK":{"S":"STATISTICS"},"SK":{"S":"COUNTS"}}}"#;
    for (line, expected) in [
        (other_table, "an item without the keys PK and SK"),
        (incremental, "not an item in DynamoDB JSON"),
        (r#"$ion_1_0 {Item:{ISBN:"333-3333333333",Id:103.}}"#, "not an item in DynamoDB JSON"),
        (&other_table[..other_table.len() - 1], "not an item in DynamoDB JSON"),
        (
            r#"{"Item":{"PK":{"S":"INVOICE#1"},"SK":{"S":"INVOICE"}}}"#,
            "unknown kind of item, \"INVOICE\" / \"INVOICE\"",
        ),
        (r#"{"Item":{"PK":{"S":"CUSTOMER#1"},"SK":{"S":"NOTE"}}}"#, "unknown kind of item, \"CUSTOMER\" / \"NOTE\""),
    ] {
        let mut export = Export::write(items, 2);
        export.add_lines(&[statistics, line]);
        assert_fails(&export, &[file, expected]);
    }
    let changed = |partition: &str, sort: &str, name: &str, value: Value, expected: &[&str]| {
        let mut items = items.to_vec();
        let item = items.iter_mut().find(|item| has_keys(item, partition, sort)).unwrap();
        item[name] = value;
        assert_fails(&Export::write(&items, 1), &[&["data/asdfjkl0qwertyuiop.json.gz: line "], expected].concat());
    };
    changed("LICENSE#", "LICENSE", "status", json!({"S": "paused"}), &["license lic_", "unknown status"]);
    changed("LICENSE#", "LICENSE", "max_users", json!({"N": "-1"}), &["invalid item"]);
    changed(
        "LICENSE#",
        "LICENSE",
        "id",
        json!({"S": "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}),
        &["the id differs from the key"],
    );
    changed("CUSTOMER#", "CUSTOMER", "email", json!({"N": "1"}), &["invalid item"]);
    changed("CUSTOMER#", "CUSTOMER", "email", json!({"S": "a", "N": "1"}), &["not an item in DynamoDB JSON"]);
    changed("CATALOG", "TIER#", "code", json!({"NULL": true}), &["invalid item"]);
    changed("KEY#", "KEY", "generation", json!({"S": "1"}), &["invalid item"]);
}

#[tokio::test]
async fn missing_items_are_reported() {
    let items = items().await;
    let is_newest_key = |item: &Value| has_keys(item, "KEY#", "KEY") && item["generation"]["N"] == "2";
    let without = |is_missing: &dyn Fn(&Value) -> bool, expected: &str| {
        let rest: Vec<_> = items.iter().filter(|item| !is_missing(item)).cloned().collect();
        assert_eq!(rest.len() + 1, items.len(), "{expected}");
        assert_fails(&Export::write(&rest, 2), &[expected, "is missing", "export another time"]);
    };
    without(&|item| has_keys(item, "CUSTOMER#", "CUSTOMER"), "the customer of license lic_");
    without(&|item| has_keys(item, "LICENSE#", "LICENSE"), ": license lic_");
    without(&is_newest_key, "the key string of license lic_");
    for sort in ["PRODUCT#", "TIER#"] {
        let rest: Vec<_> = items.iter().filter(|item| !has_keys(item, "CATALOG", sort)).cloned().collect();
        assert_fails(&Export::write(&rest, 2), &["the tier of license lic_", "is not in the catalog"]);
    }
}

#[tokio::test]
async fn output_that_cannot_be_written_is_an_error() {
    let export = Export::write(items().await, 1);
    let (_, without_reader) = io::pipe().unwrap();
    let mut outputs = vec![(Stdio::from(without_reader), "the reader of standard output stopped")];
    if cfg!(target_os = "linux") {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        outputs.push((full.into(), "standard output: No space left"));
    }
    for (stdout, expected) in outputs {
        let output = command(export.path(), &[]).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn directory_is_required_and_types_are_known() {
    let export = Export::empty();
    let directory = export.path().to_str().unwrap();
    for (arguments, expected) in
        [(&["--type", "licenses"][..], "<DIRECTORY>"), (&[directory, "--type", "seats"], "licenses")]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_signet"));
        let output = command.arg("read-export").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
    }
}
