//! The files of `events/` are what the operations take today.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{collections::BTreeMap, env, fs, path::Path};

use signet_tests::{Value, events, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");

/// The events that are there, by the names of their files.
fn files() -> BTreeMap<String, Value> {
    let paths = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let events = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    events.map(|path| (name(&path), serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())).collect()
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// With its body as JSON: the order of fields depends on the crates that are built along.
fn readable(mut event: Value) -> Value {
    if let Some(body) = event["body"].as_str().map(|body| serde_json::from_str(body).unwrap()) {
        event["body"] = body;
    }
    event
}

#[test]
fn each_operation_has_its_event_and_each_event_its_operation() {
    let made = events();
    if env::var_os("UPDATE_EVENTS").is_some() {
        for absent in files().keys().filter(|name| !made.contains_key(*name)) {
            fs::remove_file(format!("{FOLDER}/{absent}.json")).unwrap();
        }
        for (name, event) in &made {
            fs::write(format!("{FOLDER}/{name}.json"), format!("{event:#}\n")).unwrap();
        }
    }
    let advice = "make them anew: UPDATE_EVENTS=1 cargo test -p signet-tests --test api event_files::";
    let files = files();
    assert!(files.keys().eq(made.keys()), "there are {:?}; {advice}", files.keys());
    for (name, file) in files {
        assert_eq!(readable(file), readable(made[&name].clone()), "{name}; {advice}");
    }
}

#[test]
fn every_placeholder_is_one_that_the_readme_explains() {
    let readme = fs::read_to_string(format!("{FOLDER}/README.md")).unwrap();
    let all = json!(files()).to_string();
    for placeholder in all.split("${").skip(1).map(|rest| rest.split('}').next().unwrap()) {
        assert!(readme.contains(&format!("| `{placeholder}` |")), "{placeholder}");
    }
}
