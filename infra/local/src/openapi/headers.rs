//! Descriptions of response headers, each defined once under `components`.

use serde_json::{Value, json};

use super::document::{each_operation, fields, refer};

/// Describes every header that a response names. A header is required unless the response says otherwise.
pub(super) fn describe_headers(document: &mut Value) {
    let mut components = document["components"].take();
    let mut shared = components["responses"].take();
    for response in fields(&mut shared).values_mut() {
        describe_response(response, &mut components);
    }
    components["responses"] = shared;
    each_operation(document, |_, _, operation| {
        for response in fields(&mut operation["responses"]).values_mut() {
            describe_response(response, &mut components);
        }
    });
    document["components"] = components;
}

fn describe_response(response: &mut Value, components: &mut Value) {
    let Some(headers) = response.get_mut("headers").and_then(Value::as_object_mut) else { return };
    for (name, value) in headers.iter_mut() {
        let required = value["required"] != false;
        let component = if required { name.clone() } else { format!("{name}.optional") };
        *value = refer(components, "headers", &component, || header(name, required));
    }
}

fn header(name: &str, required: bool) -> Value {
    let (description, schema, example) = match name {
        "ETag" => (
            "Identifies the returned version, for `If-None-Match` and `If-Match`. Weak if the response is compressed.",
            json!({ "type": "string", "pattern": "^(W/)?\"[0-9a-f]{32}\"$" }),
            json!("\"4f0c1d4d8a3b5e6f7a8b9c0d1e2f3a4b\""),
        ),
        "Location" => (
            "Path of the created resource.",
            json!({ "type": "string", "pattern": "^/api/v1\\.0/" }),
            json!("/api/v1.0/products/prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB"),
        ),
        "Allow" => ("Methods that the path supports.", json!({ "type": "string" }), json!("GET,HEAD,PUT,PATCH")),
        "Retry-After" => (
            if required {
                "Seconds to wait before the next attempt."
            } else {
                "Seconds to wait before the next attempt, if the code is `idempotency_in_progress`."
            },
            json!({ "type": "integer", "minimum": 1 }),
            json!(2),
        ),
        "WWW-Authenticate" => (
            "Supported authentication schemes, and the error of the token that was sent.",
            json!({ "type": "string" }),
            json!("Bearer realm=\"signet\""),
        ),
        _ => ("", json!({ "type": "string" }), Value::Null),
    };
    json!({ "description": description, "required": required, "schema": schema, "example": example })
}
