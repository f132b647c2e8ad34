//! Properties of operations that follow from their method and path.

use axum::http::Method;
use serde_json::{Value, json};
use shared::{app::idempotency, http::API_BASE_PATH};

use super::{each_operation, refer};

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
            if parameter["in"] == "query" && parameter["required"] == false {
                // An empty parameter counts as absent: shared::http::extractors.
                parameter["allowEmptyValue"] = true.into();
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
}
