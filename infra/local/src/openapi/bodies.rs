//! Constraints of request bodies: no unknown fields, and no control characters in texts.

use serde_json::Value;

use super::document::{each_operation, fields};

/// Pattern of a required text: no control characters, and at least one visible character. The API also rejects other
/// invisible characters, which no portable pattern can express.
const NAME_PATTERN: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
/// Pattern of a multi-line text: no control characters except tabs and line breaks.
const TEXT_PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";

/// Adds the constraints to the schema of every request body, and to maps of texts.
pub(super) fn add_constraints(document: &mut Value) {
    for schema in fields(&mut document["components"]["schemas"]).values_mut() {
        add_pattern_to_values(schema);
    }
    let mut requests = Vec::new();
    each_operation(document, |_, _, operation| {
        let schema = operation["requestBody"].pointer("/content/application~1json/schema/$ref");
        requests.extend(schema.and_then(Value::as_str).map(str::to_owned));
    });
    for request in requests {
        let Some(schema) = document.pointer_mut(request.trim_start_matches('#')) else { continue };
        schema["additionalProperties"] = false.into();
        for property in fields(&mut schema["properties"]).values_mut() {
            add_text_pattern(property);
            add_pattern_to_values(property);
        }
    }
}

/// Adds the pattern to the values of a map.
fn add_pattern_to_values(map: &mut Value) {
    if let Some(value) = map.get_mut("additionalProperties").filter(|value| value.is_object()) {
        add_text_pattern(value);
    }
}

/// A field with a maximum length and no pattern is validated by [`shared::domain::ValidationErrors::check_name`] or
/// [`shared::domain::ValidationErrors::check_text`].
fn add_text_pattern(property: &mut Value) {
    if property["maxLength"].is_number() && !property["pattern"].is_string() {
        let is_required = property["minLength"].is_number();
        property["pattern"] = if is_required { NAME_PATTERN } else { TEXT_PATTERN }.into();
    }
}
