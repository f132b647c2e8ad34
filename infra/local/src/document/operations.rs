//! What is true of operations by their method and path.

use axum::http::Method;
use serde_json::{Value, json};
use shared::{
    domain::Code,
    http::{idempotency, middleware::API_BASE_PATH},
};

use super::{each_operation, fields, refer};

/// Gives each operation the name that code generators use: `post_license_keys_id_revoke`. Its handler's own name will not
/// do, as every use case calls its handler by the same.
pub(super) fn name(document: &mut Value) {
    each_operation(document, |method, path, operation| operation["operationId"] = operation_id(method, path).into());
}

/// An operation's name.
pub(super) fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix(API_BASE_PATH).unwrap_or(path);
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// Tells what is done before a handler is asked: a POST happens once, a GET need not be answered again, and a word in the
/// place of an id leads to another path, which may take other methods.
pub(super) fn tell_what_comes_before(document: &mut Value) {
    let mut components = document["components"].take();
    let paths: Vec<String> = fields(&mut document["paths"]).keys().cloned().collect();
    each_operation(document, |method, path, operation| {
        if method == "post" && idempotency::applies(&Method::POST, path) {
            parameter(operation, refer(&mut components, "parameters", "IdempotencyKey", idempotency_key));
            let refusals = [Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused];
            fields(&mut operation["responses"]).extend(refusals.map(|code| (code.to_string(), json!({}))));
        }
        if method == "get" && operation["responses"]["200"]["headers"]["ETag"].is_object() {
            parameter(operation, refer(&mut components, "parameters", "IfNoneMatch", if_none_match));
            let unchanged = refer(&mut components, "responses", "NotModified", not_modified);
            operation["responses"]["304"] = unchanged;
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["in"] == "query" && parameter["required"] == false {
                // An empty one counts as left out: shared::http::extract.
                parameter["allowEmptyValue"] = true.into();
            }
        }
        let before_id = path.strip_suffix("{id}");
        if before_id.is_some_and(|start| paths.iter().any(|other| is_word_below(start, other))) {
            operation["responses"][Code::MethodNotAllowed.as_str()] = json!({});
        }
    });
    document["components"] = components;
}

/// Whether a path is `start` and one word, as in `/license-keys/validate`.
fn is_word_below(start: &str, path: &str) -> bool {
    path.strip_prefix(start).is_some_and(|word| !word.contains(['/', '{']))
}

fn parameter(operation: &mut Value, parameter: Value) {
    match &mut operation["parameters"] {
        Value::Array(all) => all.push(parameter),
        none => *none = json!([parameter]),
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Lets the request happen once, however often it is sent: for 24 hours the same key and body get \
                        the answer of the first. A text of your own making, such as a UUID; one for each thing that is \
                        to happen. Bare, or in double quotes.",
        "schema": { "type": "string", "pattern": "^([!#-~]([ -~]{0,253}[!-~])?|\"[ -~]{1,255}\")$" },
    })
}

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match",
        "in": "header",
        "required": false,
        "description": "An `ETag` that was answered before, or several. If it is still that, the answer is 304 without a body.",
        "schema": { "type": "string" },
    })
}

fn not_modified() -> Value {
    json!({
        "description": "It is still what `If-None-Match` names.",
        "headers": { "ETag": {} },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_by_its_method_and_path() {
        assert_eq!(operation_id("post", "/api/v1.0/license-keys/{id}/revoke"), "post_license_keys_id_revoke");
        assert_eq!(operation_id("get", "/.well-known/jwks.json"), "get_well_known_jwks_json");
    }

    #[test]
    fn a_word_stands_where_an_id_could() {
        assert!(is_word_below("/license-keys/", "/license-keys/validate"));
        for other in ["/license-keys/{id}", "/license-keys/{id}/renew", "/license-keys", "/products/catalog"] {
            assert!(!is_word_below("/license-keys/", other), "{other}");
        }
    }
}
