//! Descriptions of response headers, each defined once under `components`.

use serde_json::{Value, json};

use super::{
    document::{each_operation, fields, refer},
    operations::supports_idempotency_key,
};

/// Describes every header that a response names, and those that the middleware adds. A header is required unless the response
/// says otherwise.
pub(super) fn describe_headers(document: &mut Value) {
    let mut components = document["components"].take();
    let mut shared = components["responses"].take();
    for response in fields(&mut shared).values_mut() {
        describe_response(response, &mut components);
    }
    components["responses"] = shared;
    each_operation(document, |method, path, operation| {
        let is_replayable = supports_idempotency_key(method, path);
        for (status, response) in fields(&mut operation["responses"]) {
            if is_replayable && status.starts_with('2') {
                response["headers"]["Idempotent-Replayed"] = json!({ "required": false });
            }
            describe_response(response, &mut components);
        }
    });
    document["components"] = components;
}

fn describe_response(response: &mut Value, components: &mut Value) {
    if response["$ref"].is_string() {
        return;
    }
    response["headers"]["X-Request-Id"] = json!({});
    for (name, value) in fields(&mut response["headers"]) {
        // The last page of an export has no link.
        let required = value["required"] != false && name != "Link";
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
        "Link" => (
            "URL of the next page, with `rel=\"next\"` (RFC 8288); absent on the last page.",
            json!({ "type": "string" }),
            json!("</api/v1.0/exports?type=customers&cursor=AbC>; rel=\"next\""),
        ),
        "Content-Disposition" => (
            "The name under which a browser saves the license file.",
            json!({ "type": "string" }),
            json!("attachment; filename=\"atlas.signet-license\""),
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
        "X-Request-Id" => (
            "Identifies the request in the log. Problems contain it as `trace_id`.",
            json!({ "type": "string" }),
            json!("1-5759e988-bd862e3fe1be46a994272793"),
        ),
        "Idempotent-Replayed" => (
            "`true` if this is the response to an earlier request with the same `Idempotency-Key`.",
            json!({ "type": "string", "const": "true" }),
            json!("true"),
        ),
        "RateLimit-Limit" => (
            "Number of requests that the limit allows in one window.",
            json!({ "type": "integer", "minimum": 0 }),
            json!(60),
        ),
        "RateLimit-Remaining" => {
            ("Number of further requests that the window allows.", json!({ "type": "integer", "minimum": 0 }), json!(0))
        }
        "RateLimit-Reset" => ("Seconds until the window ends.", json!({ "type": "integer", "minimum": 1 }), json!(42)),
        "WWW-Authenticate" => (
            "Supported authentication schemes, and the error of the token that was sent.",
            json!({ "type": "string" }),
            json!("Bearer realm=\"signet\""),
        ),
        _ => ("", json!({ "type": "string" }), Value::Null),
    };
    json!({ "description": description, "required": required, "schema": schema, "example": example })
}
