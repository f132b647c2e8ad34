//! Error responses: one for each status, with an example of each code.

use std::collections::{BTreeMap, HashSet};

use axum::http::StatusCode;
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
    let has_query = items("parameters").iter().any(|parameter| parameter["in"] == "query");
    let rules: [(bool, &[Code]); 10] = [
        // An installation behind CloudFront rejects requests that bypass it.
        (true, &[Code::InternalError, Code::Unavailable, Code::DirectAccessDenied]),
        // Failed attempts count against the client's address.
        (
            items("security").iter().any(|requirement| *requirement != json!({})),
            &[Code::Unauthenticated, Code::Forbidden, Code::RateLimited],
        ),
        (path.contains('{'), &[Code::NotFound]),
        (other_path_matches, &[Code::MethodNotAllowed]),
        (has_query, &[Code::InvalidValue, Code::UnknownField]),
        (has_parameter("cursor"), &[Code::CursorInvalid]),
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

/// Replaces the codes of each operation with the shared responses of their statuses, and lists the codes of each status
/// in `x-error-codes`. The annotations list codes in place of statuses ([`shared::http::responses`]).
pub(super) fn group_by_status(document: &mut Value) {
    let mut used = HashSet::new();
    each_operation(document, |_, _, operation| {
        let responses = fields(&mut operation["responses"]);
        let mut codes: Vec<Code> =
            Code::ALL.into_iter().filter(|code| responses.remove(code.as_str()).is_some()).collect();
        // The health check has a 503 of its own.
        codes.retain(|code| !responses.contains_key(code.status().as_str()));
        let statuses = by_status(&codes);
        for (status, codes) in &statuses {
            let reference = format!("#/components/responses/{}", response_name(*status));
            let response = json!({ "$ref": reference, "description": description(codes) });
            responses.insert(status.as_str().to_owned(), response);
        }
        operation["x-error-codes"] =
            statuses.into_iter().map(|(status, codes)| (status.as_str().to_owned(), json!(codes))).collect();
        used.extend(codes);
    });
    let used: Vec<Code> = Code::ALL.into_iter().filter(|code| used.contains(code)).collect();
    let components = &mut document["components"];
    for (status, codes) in by_status(&used) {
        let response = response(components, status, &codes);
        components["responses"][response_name(status)] = response;
    }
}

fn by_status(codes: &[Code]) -> BTreeMap<StatusCode, Vec<Code>> {
    let mut statuses: BTreeMap<_, Vec<Code>> = BTreeMap::new();
    for code in codes {
        statuses.entry(code.status()).or_default().push(*code);
    }
    statuses
}

/// Returns the name of the shared response of a status, such as `NotFound`.
fn response_name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or(status.as_str()).replace(' ', "")
}

/// Returns the response that all operations with this status share. It lists the codes of all of them.
fn response(components: &mut Value, status: StatusCode, codes: &[Code]) -> Value {
    let example = |code: &Code| {
        let example = || json!({ "summary": code.title(), "value": discovery::problems::example(*code, ISSUER) });
        (code.to_string(), refer(components, "examples", code.as_str(), example))
    };
    let examples: serde_json::Map<String, Value> = codes.iter().map(example).collect();
    let headers: Value = match status {
        StatusCode::UNAUTHORIZED => json!({ "WWW-Authenticate": {} }),
        StatusCode::METHOD_NOT_ALLOWED => json!({ "Allow": {} }),
        StatusCode::TOO_MANY_REQUESTS => {
            json!({ "Retry-After": {}, "RateLimit-Limit": {}, "RateLimit-Remaining": {}, "RateLimit-Reset": {} })
        }
        _ if codes.iter().all(|code| code.has_retry_after()) => json!({ "Retry-After": {} }),
        _ if codes.iter().any(|code| code.has_retry_after()) => json!({ "Retry-After": { "required": false } }),
        _ => json!({}),
    };
    json!({
        "description": description(codes),
        "headers": headers,
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
                "examples": examples,
            },
        },
    })
}

/// Returns a list of codes with their titles and links to their pages.
fn description(codes: &[Code]) -> String {
    let line = |code: &Code| format!("- [`{code}`](/problems/{code}): {}", code.title());
    codes.iter().map(line).collect::<Vec<_>>().join("\n")
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
