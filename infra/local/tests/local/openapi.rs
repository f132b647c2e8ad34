//! The OpenAPI document: the checked-in file matches the code, and every operation is documented.

use std::{collections::BTreeSet, env, fs};

use serde_json::Value;
use shared::http::Code;
use signet_local::{OpenApiVersion, openapi_document};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/discovery");

fn generate() -> Value {
    serde_json::from_str(&openapi_document(OpenApiVersion::V3_1).unwrap()).unwrap()
}

/// Returns every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let methods = ["get", "put", "post", "delete", "patch"];
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| methods.map(|method| (format!("{method} {path}"), &item[method])));
    all.filter(|(_, operation)| !operation.is_null()).collect()
}

#[test]
fn checked_in_documents_match_the_code() {
    for (name, version) in [("openapi.json", OpenApiVersion::V3_1), ("openapi-3.0.json", OpenApiVersion::V3_0)] {
        // Compared as JSON, because the field order of examples depends on the features of serde_json in the build.
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let (path, generated) = (format!("{FOLDER}/{name}"), openapi_document(version).unwrap());
        if read(&fs::read_to_string(&path).unwrap()) != read(&generated) && env::var_os("GENERATE").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let is_current = read(&fs::read_to_string(&path).unwrap()) == read(&generated);
        assert!(is_current, "functions/discovery/{name} does not match the code; run `just generate`");
    }
}

#[test]
fn every_operation_has_an_id_a_summary_one_tag_and_known_security_schemes() {
    let document = generate();
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
        let id = text(&operation["operationId"]);
        assert!(ids.insert(id), "{name} has a duplicate operationId");
        // Generators make names of methods from it.
        let verbs: &[&str] = match name.split_once(' ').unwrap().0 {
            "get" => &["get", "list", "export"],
            "put" => &["replace"],
            "patch" => &["update"],
            "delete" => &["delete", "erase"],
            _ => &[],
        };
        let (verb, noun) = id.split_once('_').unwrap_or_default();
        assert!(verbs.is_empty() || verbs.contains(&verb), "{name}: the verb of {id} is not one of {verbs:?}");
        assert!(
            !noun.is_empty()
                && id.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "{name}: {id} is not a verb and a noun in snake_case"
        );
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else {
            panic!("{name} must have exactly one tag")
        };
        assert!(tags.contains(text(tag)), "{name} has an undescribed tag: {tag}");
        // Generators make names of classes from it.
        assert!(text(tag).bytes().all(|byte| byte.is_ascii_lowercase()), "{name}: the tag {tag} is not one word");
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

/// The codes of paths that no operation has, and those of the lines of imports. The document describes them under "Errors".
const CODES_WITHOUT_OPERATION: [&str; 4] =
    ["version_unknown", "key_string_taken", "import_conflict", "reference_not_found"];

#[test]
fn every_response_has_a_description_and_an_example() {
    let document = generate();
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
                let listed = operation["x-error-codes"][status].as_array();
                assert_eq!(listed.is_some(), is_problem, "{name} lists no codes, or codes of a success");
                for code in listed.into_iter().flatten() {
                    let example = resolve(&document, &content["examples"][text(code)]);
                    assert_eq!((&example["value"]["code"], &example["value"]["status"].to_string()), (code, status));
                    codes.insert(text(code).to_owned());
                }
            }
        }
    }
    for code in CODES_WITHOUT_OPERATION {
        let description = text(&document["info"]["description"]);
        assert!(description.contains(&format!("`{code}`")), "the description of the API does not mention {code}");
        assert!(codes.insert(code.to_owned()), "{code} has an operation: remove it from CODES_WITHOUT_OPERATION");
    }
    assert_eq!(codes, Code::ALL.iter().map(ToString::to_string).collect());
}

/// A schema without a name gets a generated one in clients, and a schema with fields beside alternatives loses fields.
#[test]
fn every_body_object_and_enum_is_a_named_schema_without_alternatives_beside_fields() {
    let document = generate();
    for (name, operation) in operations(&document) {
        let bodies = operation["responses"].as_object().unwrap().values().chain([&operation["requestBody"]]);
        for body in bodies.map(|body| resolve(&document, body)) {
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                let is_named = content["schema"]["$ref"].is_string();
                assert!(is_named || !kind.ends_with("json"), "{name}: the schema of {kind} has no name");
            }
            for (to, link) in body["links"].as_object().into_iter().flatten() {
                assert!(link.get("requestBody").is_none(), "{name}: generators reject the body in the link to {to}");
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name} is not a name of a type");
        let has_alternatives = ["oneOf", "anyOf", "allOf"].iter().any(|one| schema[one].is_array());
        assert!(!has_alternatives || schema.get("properties").is_none(), "{name} has alternatives beside its fields");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            for schema in [schema, &schema["items"]] {
                let is_unnamed_type = ["enum", "properties"].iter().any(|part| schema.get(part).is_some());
                assert!(!is_unnamed_type, "{name}: the type of {field} has no name");
            }
        }
    }
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
    let document = generate();
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
