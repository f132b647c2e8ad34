//! The OpenAPI document that is served is the one that the code makes.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{collections::BTreeSet, env, fs};

use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/discovery/openapi.json");

/// What takes no credential of an operator's or a user's. A license key or token is shown in the body.
const PUBLIC: [&str; 13] = [
    "get /.well-known/jwks.json",
    "get /.well-known/jwks.jwt",
    "get /.well-known/license-configuration",
    "get /health",
    "get /openapi.json",
    "get /docs",
    "get /docs/{file}",
    "get /problems",
    "get /problems/{code}",
    "get /api/v1.0/products/catalog",
    "post /api/v1.0/license-activations/activate",
    "post /api/v1.0/license-keys/heartbeat",
    "post /api/v1.0/license-keys/validate",
];

fn made() -> String {
    let mut text = signet_local::openapi().to_pretty_json().unwrap();
    text.push('\n');
    text
}

/// Every operation, with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let methods = ["get", "put", "post", "delete", "patch"];
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| methods.map(|method| (format!("{method} {path}"), &item[method])));
    all.filter(|(_, operation)| !operation.is_null()).collect()
}

#[test]
fn the_file_is_what_the_code_makes() {
    // Compared as JSON: in which order an example's fields stand depends on the crates that are built along.
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let made = made();
    let mut file = fs::read_to_string(FILE).unwrap();
    if read(&file) != read(&made) && env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(FILE, &made).unwrap();
        file.clone_from(&made);
    }
    let advice = "make it anew: UPDATE_OPENAPI=1 cargo test -p signet-local --test openapi";
    assert!(read(&file) == read(&made), "functions/discovery/openapi.json is not what the code makes; {advice}");
}

#[test]
fn every_operation_says_what_it_is_and_who_may() {
    let document: Value = serde_json::from_str(&made()).unwrap();
    let tags: BTreeSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(text).collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{name} has no summary");
        let is_public = operation["security"].is_null() || operation["security"] == json!([{}]);
        assert_eq!(is_public, PUBLIC.contains(&name.as_str()), "{name} is for everyone, or says who may");
        for scheme in
            operation["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap().keys())
        {
            assert!(document["components"]["securitySchemes"][scheme].is_object(), "{name} takes an unknown {scheme}");
        }
        assert!(ids.insert(text(&operation["operationId"])), "{name} has another's operationId");
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else { panic!("{name} has not one tag") };
        assert!(tags.contains(text(tag)), "{name} has a tag that is not described: {tag}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
