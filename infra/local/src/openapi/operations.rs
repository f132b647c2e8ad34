//! Properties of operations that follow from their method, path and annotation.

use axum::http::Method;
use serde_json::{Value, json};
use shared::app::idempotency;

use super::document::{each_operation, fields, refer};

/// States which operations need no credential. Without `security`, they would inherit a requirement of the document.
pub(super) fn mark_public(document: &mut Value) {
    each_operation(document, |_, _, operation| {
        fields(operation).entry("security").or_insert(json!([]));
    });
}

/// Moves the scopes of API keys to `x-required-scopes` and into the description. In `security`, OpenAPI 3.0 allows
/// scopes for OAuth only, and Spectral warns of them in 3.1, too.
pub(super) fn describe_scopes(document: &mut Value) {
    each_operation(document, |_, _, operation| {
        let mut requirements = operation["security"].as_array_mut().into_iter().flatten();
        let Some(scopes) = requirements.find_map(|one| one.get_mut("api_key")) else { return };
        let scopes = std::mem::replace(scopes, json!([]));
        let names: Vec<_> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() {
            return;
        }
        let sentence = format!("An API key needs the scope `{}`.", names.join("` or `"));
        operation["description"] = match operation["description"].as_str() {
            Some(description) => format!("{description}\n\n{sentence}").into(),
            None => sentence.into(),
        };
        operation["x-required-scopes"] = scopes;
    });
}

/// Describes the parameters that the middleware reads: idempotency keys of POST, and conditional GET.
pub(super) fn describe_middleware(document: &mut Value) {
    let mut components = document["components"].take();
    each_operation(document, |method, path, operation| {
        if supports_idempotency_key(method, path) {
            add_parameter(operation, refer(&mut components, "parameters", "IdempotencyKey", idempotency_key));
        }
        if method == "get" && operation["responses"]["200"]["headers"]["ETag"].is_object() {
            add_parameter(operation, refer(&mut components, "parameters", "IfNoneMatch", if_none_match));
            let unchanged = refer(&mut components, "responses", "NotModified", not_modified);
            operation["responses"]["304"] = unchanged;
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["name"] == "cursor" || parameter["name"] == "limit" {
                // Empty ones count as absent, but not filters: shared::http::extractors.
                parameter["allowEmptyValue"] = true.into();
            } else if parameter["in"] == "query" && parameter["schema"]["$ref"].is_null() {
                parameter["schema"]["minLength"] = 1.into();
            }
        }
    });
    document["components"] = components;
}

/// Returns whether the operation accepts an `Idempotency-Key`.
pub(super) fn supports_idempotency_key(method: &str, path: &str) -> bool {
    method == "post" && idempotency::is_supported(&Method::POST, path)
}

fn add_parameter(operation: &mut Value, parameter: Value) {
    match &mut operation["parameters"] {
        Value::Array(parameters) => parameters.push(parameter),
        missing => *missing = json!([parameter]),
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Makes the request safe to retry: for 24 hours, requests with the same key and body get the \
                        response of the first and have no further effect. Errors with status 4xx are repeated, too, \
                        except 403 `forbidden` and 429: once you have corrected the cause, use another key. Use another \
                        key for each operation: a random UUID, or a text that identifies the operation in your system. \
                        With or without double quotes.",
        "schema": { "type": "string", "pattern": "^([!#-~]([ -~]{0,253}[!-~])?|\"[ -~]{1,255}\")$" },
    })
}

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match",
        "in": "header",
        "required": false,
        "description": "One or more `ETag` values of earlier responses. If the resource has not changed, the response is 304 without a body.",
        "schema": { "type": "string" },
    })
}

fn not_modified() -> Value {
    json!({
        "description": "The resource has not changed since the version that `If-None-Match` names.",
        "headers": { "ETag": {} },
    })
}
