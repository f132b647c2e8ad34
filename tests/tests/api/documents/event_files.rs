//! The files in `events/` match the operations of the OpenAPI document.

use std::{collections::BTreeMap, env, fs, path::Path};

use signet_tests::{Value, events, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");

/// Reads the event files, by file name without the extension.
fn files() -> BTreeMap<String, Value> {
    let paths = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let events = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    events.map(|path| (name(&path), serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())).collect()
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Parses the body of an event: the order of its fields depends on `serde_json`'s features in the build.
fn with_parsed_body(mut event: Value) -> Value {
    if let Some(body) = event["body"].as_str().map(|body| serde_json::from_str(body).unwrap()) {
        event["body"] = body;
    }
    event
}

#[test]
fn event_files_match_the_operations() {
    let generated = events();
    if env::var_os("GENERATE").is_some() {
        for obsolete in files().keys().filter(|name| !generated.contains_key(*name)) {
            fs::remove_file(format!("{FOLDER}/{obsolete}.json")).unwrap();
        }
        for (name, event) in &generated {
            fs::write(format!("{FOLDER}/{name}.json"), format!("{event:#}\n")).unwrap();
        }
    }
    let advice = "run `just generate`";
    let files = files();
    assert!(files.keys().eq(generated.keys()), "found {:?}; {advice}", files.keys());
    for (name, file) in files {
        assert_eq!(with_parsed_body(file), with_parsed_body(generated[&name].clone()), "{name}; {advice}");
    }
}

#[test]
fn every_placeholder_is_documented_in_the_readme() {
    let readme = fs::read_to_string(format!("{FOLDER}/README.md")).unwrap();
    let all = json!(files()).to_string();
    for placeholder in all.split("${").skip(1).map(|rest| rest.split('}').next().unwrap()) {
        assert!(readme.contains(&format!("| `{placeholder}` |")), "{placeholder}");
    }
}
