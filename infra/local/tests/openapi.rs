//! The OpenAPI document that is served is the one that the code makes.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{collections::BTreeSet, env, fs};

use serde_json::{Value, json};
use shared::domain::Code;

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
    signet_local::openapi().unwrap()
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

/// The endpoints that were agreed on. Each is in the document, and the document has no others but [`BESIDES`].
const AGREED: [&str; 48] = [
    "post /products",
    "get /products",
    "get /products/{id}",
    "put /products/{id}",
    "get /products/catalog",
    "post /product-features",
    "get /product-features",
    "get /product-features/{id}",
    "put /product-features/{id}",
    "post /pricing-tiers",
    "get /pricing-tiers",
    "get /pricing-tiers/{id}",
    "put /pricing-tiers/{id}",
    "post /customers",
    "get /customers",
    "get /customers/{id}",
    "put /customers/{id}",
    "post /license-keys",
    "get /license-keys",
    "get /license-keys/{id}",
    "post /license-keys/{id}/revoke",
    "post /license-keys/{id}/suspend",
    "post /license-keys/{id}/reinstate",
    "post /license-keys/{id}/renew",
    "post /license-keys/{id}/change",
    "post /license-keys/{id}/regenerate",
    "post /license-keys/{id}/audit",
    "get /license-keys/{id}/events",
    "get /events",
    "post /license-keys/validate",
    "post /license-keys/heartbeat",
    "post /license-activations/activate",
    "get /license-activations",
    "get /license-activations/{id}",
    "post /license-activations/{id}/deactivate",
    "post /register",
    "post /user/claim-license",
    "get /user/licenses",
    "post /api-keys",
    "get /api-keys",
    "get /api-keys/{id}",
    "delete /api-keys/{id}",
    "get /signing-keys",
    "post /signing-keys/rotate",
    "post /signing-keys/{kid}/condemn",
    "get /.well-known/jwks.json",
    "get /.well-known/jwks.jwt",
    "get /.well-known/license-configuration",
];
/// The same, at the root.
const AGREED_AT_ROOT: [&str; 4] = ["get /health", "get /openapi.json", "get /docs", "get /problems/{code}"];
/// What pages for people need besides.
const BESIDES: [&str; 2] = ["get /docs/{file}", "get /problems"];

#[test]
fn the_document_has_what_was_agreed_on_and_nothing_else() {
    let document: Value = serde_json::from_str(&made()).unwrap();
    let found: BTreeSet<String> =
        operations(&document).into_iter().map(|(name, _)| name.replacen("/api/v1.0/", "/", 1)).collect();
    let agreed = AGREED.iter().chain(&AGREED_AT_ROOT).chain(&BESIDES).map(|name| (*name).to_owned());
    assert_eq!(found, agreed.collect());
}

/// utoipa-axum puts a route into the router and the document at once, if it is told of by `routes!`.
#[test]
fn no_route_goes_past_the_document() {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions");
    let folders = fs::read_dir(functions).unwrap().map(|entry| entry.unwrap().path().join("src/lib.rs"));
    // What runs by the clock has none, and the dashboard's are pages, which are no part of the API.
    for file in folders.filter(|file| file.exists() && !file.ends_with("dashboard/src/lib.rs")) {
        let source = fs::read_to_string(&file).unwrap();
        for other in [".route(", ".route_service(", ".nest(", ".nest_service(", ".fallback("] {
            assert!(!source.contains(other), "{} has a route that no document tells of: {other}", file.display());
        }
    }
}

/// The code that no operation answers with, but a path that is none.
const OF_NO_OPERATION: &str = "version_unknown";

#[test]
fn every_answer_says_what_it_may_be() {
    let document: Value = serde_json::from_str(&made()).unwrap();
    let mut codes = BTreeSet::new();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolve(&document, response);
            let (name, is_no) = (format!("{name} {status}"), status.parse::<u16>().unwrap() >= 400);
            assert!(!text(&response["description"]).is_empty(), "{name} is not described");
            for (header, about) in response["headers"].as_object().into_iter().flatten() {
                let about = resolve(&document, about);
                assert!(!text(&about["description"]).is_empty(), "{name} has {header}");
            }
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                let has_example = content["example"].is_object() || content["examples"].is_object();
                assert!(has_example || kind != "application/json", "{name} has no example");
                // How well it goes is told in one form, also where it goes badly.
                let is_problem = is_no && !name.contains("/health");
                assert_eq!(kind == "application/problem+json", is_problem, "{name} is {kind}");
                for code in content["schema"]["properties"]["code"]["enum"].as_array().into_iter().flatten() {
                    let example = resolve(&document, &content["examples"][text(code)]);
                    assert_eq!((&example["value"]["code"], &example["value"]["status"].to_string()), (code, status));
                    codes.insert(text(code).to_owned());
                }
            }
        }
    }
    let all = Code::ALL.iter().map(|code| code.as_str()).filter(|code| *code != OF_NO_OPERATION);
    assert_eq!(codes, all.map(str::to_owned).collect());
}

#[test]
fn every_reference_leads_somewhere() {
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
    let document: Value = serde_json::from_str(&made()).unwrap();
    let mut found = Vec::new();
    walk(&document, &mut found);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let ids: BTreeSet<_> = operations(&document).into_iter().map(|(_, one)| text(&one["operationId"])).collect();
    for (name, operation) in operations(&document) {
        for response in operation["responses"].as_object().unwrap().values() {
            for link in response["links"].as_object().into_iter().flatten().map(|(_, link)| link) {
                assert!(ids.contains(text(&link["operationId"])), "{name} leads to {link}");
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
