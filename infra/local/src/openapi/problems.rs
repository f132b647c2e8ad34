//! Error responses: the codes of each status, with an example of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::http::Code;

use super::{
    document::{each_operation, fields, refer},
    operations::supports_idempotency_key,
};

/// Issuer URL in examples.
const ISSUER: &str = "https://licenses.example.com";

/// Adds the codes that follow from a rule. The annotations name only the codes of the endpoint alone.
pub(super) fn add_derived_codes(document: &mut Value) {
    let paths: Vec<String> = fields(&mut document["paths"]).keys().cloned().collect();
    each_operation(document, |method, path, operation| {
        for code in derived_codes(&paths, method, path, operation) {
            operation["responses"][code.as_str()] = json!({});
        }
    });
}

/// Returns the codes that any operation with this method, path, security, parameters and body can return.
fn derived_codes(paths: &[String], method: &str, path: &str, operation: &Value) -> Vec<Code> {
    let items = |part: &str| operation[part].as_array().map_or(&[][..], Vec::as_slice);
    let has_parameter = |name: &str| items("parameters").iter().any(|parameter| parameter["name"] == name);
    let has_body = operation["requestBody"].is_object();
    // A word in place of the id can be another path with other methods, such as `/license-keys/validate`.
    let other_path_matches =
        path.strip_suffix("{id}").is_some_and(|start| paths.iter().any(|other| is_static_path_below(start, other)));
    let rules: [(bool, &[Code]); 9] = [
        (true, &[Code::InternalError, Code::Unavailable]),
        // Failed attempts count against the client's address.
        (
            items("security").iter().any(|requirement| *requirement != json!({})),
            &[Code::Unauthenticated, Code::Forbidden, Code::RateLimited],
        ),
        (path.contains('{'), &[Code::NotFound]),
        (other_path_matches, &[Code::MethodNotAllowed]),
        (has_parameter("cursor"), &[Code::InvalidValue, Code::UnknownField, Code::CursorInvalid]),
        (has_parameter("If-Match"), &[Code::VersionConflict]),
        // A POST without input accepts an empty body or `{}` of any media type.
        (
            has_body || method == "post",
            &[Code::MalformedJson, Code::BodyTooLarge, Code::InvalidValue, Code::UnknownField],
        ),
        (has_body, &[Code::UnsupportedMediaType]),
        (
            supports_idempotency_key(method, path),
            &[Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused],
        ),
    ];
    rules.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, codes)| codes).copied().collect()
}

/// Returns whether a path is `start` followed by one static segment, such as `/license-keys/validate`.
fn is_static_path_below(start: &str, path: &str) -> bool {
    path.strip_prefix(start).is_some_and(|word| !word.contains(['/', '{']))
}

/// Groups the codes of each operation by status. The annotations list codes in place of statuses
/// ([`shared::http::responses`]). Identical responses are shared components.
pub(super) fn group_by_status(document: &mut Value) {
    let mut components = document["components"].take();
    each_operation(document, |_, _, operation| {
        let responses = fields(&mut operation["responses"]);
        let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in Code::ALL.into_iter().filter(|code| responses.remove(code.as_str()).is_some()) {
            statuses.entry(code.status().as_u16()).or_default().push(code);
        }
        for (status, codes) in statuses {
            // The health check has a 503 of its own.
            if !responses.contains_key(&status.to_string()) {
                responses.insert(status.to_string(), response(&mut components, status, &codes));
            }
        }
    });
    document["components"] = components;
}

fn response(components: &mut Value, status: u16, codes: &[Code]) -> Value {
    let example = |code: &Code| {
        let example = || json!({ "summary": code.title(), "value": discovery::problems::example(*code, ISSUER) });
        (code.to_string(), refer(components, "examples", code.as_str(), example))
    };
    let examples: serde_json::Map<String, Value> = codes.iter().map(example).collect();
    let name = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(".");
    let headers: Value = match status {
        401 => json!({ "WWW-Authenticate": {} }),
        405 => json!({ "Allow": {} }),
        _ if codes.iter().all(|code| code.has_retry_after()) => json!({ "Retry-After": {} }),
        _ if codes.iter().any(|code| code.has_retry_after()) => json!({ "Retry-After": { "required": false } }),
        _ => json!({}),
    };
    refer(components, "responses", &name, || {
        json!({
            "description": codes.iter().copied().map(description_line).collect::<Vec<_>>().join("\n"),
            "headers": headers,
            "content": {
                "application/problem+json": {
                    "schema": {
                        "allOf": [{ "$ref": "#/components/schemas/Problem" }],
                        "properties": { "status": { "const": status }, "code": { "enum": codes } },
                    },
                    "examples": examples,
                },
            },
        })
    })
}

/// Returns the title of a code with a link to its page.
fn description_line(code: Code) -> String {
    format!("- [`{code}`](/problems/{code}): {}", code.title())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_paths_are_distinguished_from_id_paths() {
        assert!(is_static_path_below("/license-keys/", "/license-keys/validate"));
        for other in ["/license-keys/{id}", "/license-keys/{id}/renew", "/license-keys", "/products/catalog"] {
            assert!(!is_static_path_below("/license-keys/", other), "{other}");
        }
    }
}
