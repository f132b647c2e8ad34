//! The OpenAPI document: the checked-in file matches the code, and every operation is documented.

use std::{collections::BTreeSet, env, fs};

use serde_json::Value;
use shared::http::Code;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/discovery/openapi.json");

fn generate() -> String {
    signet_local::openapi_document().unwrap()
}

/// Returns every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let methods = ["get", "put", "post", "delete", "patch"];
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| methods.map(|method| (format!("{method} {path}"), &item[method])));
    all.filter(|(_, operation)| !operation.is_null()).collect()
}

#[test]
fn checked_in_document_matches_the_code() {
    // Compared as JSON, because the field order of examples depends on the features of serde_json in the build.
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let generated = generate();
    let mut file = fs::read_to_string(FILE).unwrap();
    if read(&file) != read(&generated) && env::var_os("GENERATE").is_some() {
        fs::write(FILE, &generated).unwrap();
        file.clone_from(&generated);
    }
    let hint = "run `just generate`";
    assert!(read(&file) == read(&generated), "functions/discovery/openapi.json does not match the code; {hint}");
}

#[test]
fn every_operation_has_a_summary_one_tag_and_known_security_schemes() {
    let document: Value = serde_json::from_str(&generate()).unwrap();
    let tags: BTreeSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(text).collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{name} has no summary");
        for scheme in
            operation["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap().keys())
        {
            assert!(
                document["components"]["securitySchemes"][scheme].is_object(),
                "{name} has an unknown security scheme {scheme}"
            );
        }
        assert!(ids.insert(text(&operation["operationId"])), "{name} has a duplicate operationId");
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else {
            panic!("{name} must have exactly one tag")
        };
        assert!(tags.contains(text(tag)), "{name} has an undescribed tag: {tag}");
    }
}

/// `routes!` of utoipa-axum adds a route to the router and to the document; other ways add it to the router only.
#[test]
fn every_route_is_in_the_document() {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions");
    let folders = fs::read_dir(functions).unwrap().map(|entry| entry.unwrap().path().join("src/lib.rs"));
    // Scheduled functions have no routes, and the dashboard's pages are not part of the API.
    for file in folders.filter(|file| file.exists() && !file.ends_with("dashboard/src/lib.rs")) {
        let source = fs::read_to_string(&file).unwrap();
        for other in [".route(", ".route_service(", ".nest(", ".nest_service(", ".fallback("] {
            assert!(!source.contains(other), "{} has an undocumented route: {other}", file.display());
        }
    }
}

/// The codes of unknown paths, and of requests that bypass CloudFront.
const CODES_WITHOUT_OPERATION: [&str; 2] = ["version_unknown", "direct_access_denied"];

#[test]
fn every_response_has_a_description_and_an_example() {
    let document: Value = serde_json::from_str(&generate()).unwrap();
    let mut codes = BTreeSet::new();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolve(&document, response);
            let (name, is_error) = (format!("{name} {status}"), status.parse::<u16>().unwrap() >= 400);
            assert!(!text(&response["description"]).is_empty(), "{name} has no description");
            for (header, value) in response["headers"].as_object().into_iter().flatten() {
                let value = resolve(&document, value);
                assert!(!text(&value["description"]).is_empty(), "{name}: {header} has no description");
            }
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                let has_example = content["example"].is_object() || content["examples"].is_object();
                assert!(has_example || kind != "application/json", "{name} has no example");
                // The health check reports a failed dependency in the same format as a success.
                let is_problem = is_error && name != "get /health 503";
                assert_eq!(kind == "application/problem+json", is_problem, "{name} is {kind}");
                for code in content["schema"]["properties"]["code"]["enum"].as_array().into_iter().flatten() {
                    let example = resolve(&document, &content["examples"][text(code)]);
                    assert_eq!((&example["value"]["code"], &example["value"]["status"].to_string()), (code, status));
                    codes.insert(text(code).to_owned());
                }
            }
        }
    }
    let all = Code::ALL.iter().map(|code| code.as_str()).filter(|code| !CODES_WITHOUT_OPERATION.contains(code));
    assert_eq!(codes, all.map(str::to_owned).collect());
}

#[test]
fn every_reference_resolves() {
    fn walk<'a>(part: &'a Value, found: &mut Vec<&'a str>) {
        match part {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&generate()).unwrap();
    let mut found = Vec::new();
    walk(&document, &mut found);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} does not resolve");
    }
    let ids: BTreeSet<_> = operations(&document).into_iter().map(|(_, one)| text(&one["operationId"])).collect();
    for (name, operation) in operations(&document) {
        for response in operation["responses"].as_object().unwrap().values() {
            for link in response["links"].as_object().into_iter().flatten().map(|(_, link)| link) {
                assert!(ids.contains(text(&link["operationId"])), "{name} links to an unknown operation: {link}");
            }
        }
    }
}

fn resolve<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(to) => document.pointer(to.trim_start_matches('#')).unwrap(),
        None => part,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
