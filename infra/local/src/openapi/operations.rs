//! Properties of operations that follow from their method and path.

use axum::http::Method;
use serde_json::{Value, json};
use shared::{app::idempotency, domain::Code, http::API_BASE_PATH};

use super::{each_operation, fields, refer};

/// Sets the `operationId` of each operation, such as `post_license_keys_id_revoke`. All handler functions have the same
/// name, so utoipa's default is not unique.
pub(super) fn set_operation_ids(document: &mut Value) {
    each_operation(document, |method, path, operation| operation["operationId"] = operation_id(method, path).into());
}

/// Returns the `operationId` of a method and path.
pub(super) fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix(API_BASE_PATH).unwrap_or(path);
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// Describes what the middleware does before a handler runs: idempotency keys of POST, conditional GET, and 405 where a
/// word in place of an id is another path with other methods.
pub(super) fn describe_middleware(document: &mut Value) {
    let mut components = document["components"].take();
    let paths: Vec<String> = fields(&mut document["paths"]).keys().cloned().collect();
    each_operation(document, |method, path, operation| {
        if method == "post" && idempotency::is_supported(&Method::POST, path) {
            add_parameter(operation, refer(&mut components, "parameters", "IdempotencyKey", idempotency_key));
            let codes = [Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused];
            fields(&mut operation["responses"]).extend(codes.map(|code| (code.to_string(), json!({}))));
        }
        if method == "get" && operation["responses"]["200"]["headers"]["ETag"].is_object() {
            add_parameter(operation, refer(&mut components, "parameters", "IfNoneMatch", if_none_match));
            let unchanged = refer(&mut components, "responses", "NotModified", not_modified);
            operation["responses"]["304"] = unchanged;
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["in"] == "query" && parameter["required"] == false {
                // An empty parameter counts as absent: shared::http::extractors.
                parameter["allowEmptyValue"] = true.into();
            }
        }
        let before_id = path.strip_suffix("{id}");
        if before_id.is_some_and(|start| paths.iter().any(|other| is_static_path_below(start, other))) {
            operation["responses"][Code::MethodNotAllowed.as_str()] = json!({});
        }
    });
    document["components"] = components;
}

/// Returns whether a path is `start` followed by one static segment, such as `/license-keys/validate`.
fn is_static_path_below(start: &str, path: &str) -> bool {
    path.strip_prefix(start).is_some_and(|word| !word.contains(['/', '{']))
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
                        response of the first and have no further effect. Use a new random value, such as a UUID, for \
                        each operation. With or without double quotes.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_ids_combine_method_and_path() {
        assert_eq!(operation_id("post", "/api/v1.0/license-keys/{id}/revoke"), "post_license_keys_id_revoke");
        assert_eq!(operation_id("get", "/.well-known/jwks.json"), "get_well_known_jwks_json");
    }

    #[test]
    fn static_paths_are_distinguished_from_id_paths() {
        assert!(is_static_path_below("/license-keys/", "/license-keys/validate"));
        for other in ["/license-keys/{id}", "/license-keys/{id}/renew", "/license-keys", "/products/catalog"] {
            assert!(!is_static_path_below("/license-keys/", other), "{other}");
        }
    }
}
