//! What a body may hold: no field that is not known, and texts that people can read.

use serde_json::{Value, json};

use super::{each_operation, fields};

/// Of a text for people that must say something: no control characters, and not only spaces. What else shows nothing is
/// refused as well, but no pattern that all tools can read names it.
const NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
/// Of a longer one: no control characters but tabs and the ends of lines.
const TEXT: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";

/// Adds what every body is held to.
pub(super) fn tell_what_is_refused(document: &mut Value) {
    let mut requests = Vec::new();
    each_operation(document, |_, _, operation| {
        let schema = operation["requestBody"].pointer("/content/application~1json/schema/$ref");
        requests.extend(schema.and_then(Value::as_str).map(str::to_owned));
    });
    for request in requests {
        let Some(schema) = document.pointer_mut(request.trim_start_matches('#')) else { continue };
        schema["additionalProperties"] = false.into();
        for property in fields(&mut schema["properties"]).values_mut() {
            has_text_that_can_be_read(property);
        }
        either_or(schema);
    }
}

/// A length without a pattern is that of a text for people: [`shared::domain::ValidationErrors::name`] and
/// [`shared::domain::ValidationErrors::text`].
fn has_text_that_can_be_read(property: &mut Value) {
    if property["maxLength"].is_number() && !property["pattern"].is_string() {
        let must_say_something = property["minLength"].is_number();
        property["pattern"] = if must_say_something { NAME } else { TEXT }.into();
    }
}

/// Where a license key or a token will do, just one of them: [`shared::auth::AppCredential::check`].
fn either_or(schema: &mut Value) {
    let has = |name: &str| schema["properties"].get(name).is_some();
    if has("license_key") && has("token") {
        let only = |one: &str, other: &str| {
            let types = json!({ one: { "type": "string" }, other: { "type": "null" } });
            json!({ "required": [one], "properties": types })
        };
        schema["oneOf"] = json!([only("license_key", "token"), only("token", "license_key")]);
    }
}
