//! The headers of answers: each is described once.

use serde_json::{Value, json};

use super::{each_operation, fields, refer};

/// Describes every header that an answer names.
pub(super) fn describe(document: &mut Value) {
    let mut components = document["components"].take();
    let mut shared = components["responses"].take();
    for response in fields(&mut shared).values_mut() {
        describe_each(response, &mut components);
    }
    components["responses"] = shared;
    each_operation(document, |_, _, operation| {
        for response in fields(&mut operation["responses"]).values_mut() {
            describe_each(response, &mut components);
        }
    });
    document["components"] = components;
}

fn describe_each(response: &mut Value, components: &mut Value) {
    let Some(headers) = response.get_mut("headers").and_then(Value::as_object_mut) else { return };
    for (name, header) in headers.iter_mut() {
        *header = refer(components, "headers", name, || described(name));
    }
}

fn described(name: &str) -> Value {
    let (description, schema, example) = match name {
        "ETag" => (
            "Names the state that was answered, for `If-None-Match` and `If-Match`; a weak one where the answer is compressed.",
            json!({ "type": "string", "pattern": "^(W/)?\"[0-9a-f]{32}\"$" }),
            json!("\"4f0c1d4d8a3b5e6f7a8b9c0d1e2f3a4b\""),
        ),
        "Location" => (
            "The path of what was made.",
            json!({ "type": "string", "pattern": "^/api/v1\\.0/" }),
            json!("/api/v1.0/products/prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB"),
        ),
        "Allow" => ("The methods that the path takes.", json!({ "type": "string" }), json!("GET,HEAD,PUT")),
        "Retry-After" => ("In how many seconds to ask again.", json!({ "type": "integer", "minimum": 1 }), json!(2)),
        "WWW-Authenticate" => (
            "What credentials there are, and what is wrong with the token that was sent.",
            json!({ "type": "string" }),
            json!("Bearer realm=\"signet\""),
        ),
        _ => ("", json!({ "type": "string" }), Value::Null),
    };
    json!({ "description": description, "required": true, "schema": schema, "example": example })
}
