//! Error responses: the codes of each status, with an example of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    domain::Code,
    http::problem::{status, title},
};

use super::{each_operation, fields, refer};

/// Issuer URL in examples.
const ISSUER: &str = "https://licenses.example.com";

/// Groups the codes of each operation by status. The annotations list codes in place of statuses
/// ([`shared::http::responses`]). Identical responses are shared components.
pub(super) fn group_by_status(document: &mut Value) {
    let mut components = document["components"].take();
    each_operation(document, |_, _, operation| {
        let responses = fields(&mut operation["responses"]);
        let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in Code::ALL.into_iter().filter(|code| responses.remove(code.as_str()).is_some()) {
            statuses.entry(status(code).as_u16()).or_default().push(code);
        }
        for (status, codes) in statuses {
            responses.insert(status.to_string(), response(&mut components, status, &codes));
        }
    });
    document["components"] = components;
}

fn response(components: &mut Value, status: u16, codes: &[Code]) -> Value {
    let example = |code: &Code| {
        let example = || json!({ "summary": title(*code), "value": discovery::problems::example(*code, ISSUER) });
        (code.to_string(), refer(components, "examples", code.as_str(), example))
    };
    let examples: serde_json::Map<String, Value> = codes.iter().map(example).collect();
    let name = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(".");
    let headers: Value = match status {
        401 => json!({ "WWW-Authenticate": {} }),
        405 => json!({ "Allow": {} }),
        429 | 503 => json!({ "Retry-After": {} }),
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
    format!("- [`{code}`](/problems/{code}): {}", title(code))
}
