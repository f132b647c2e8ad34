//! Examples of request and response bodies, composed from the examples of their fields.

use serde_json::{Map, Value};

use super::document::{each_operation, fields, resolve};

/// The time in all examples.
const EXAMPLE_TIME: &str = "2026-01-15T12:00:00Z";

/// Adds an example to every JSON body that has none.
pub(super) fn add_examples(document: &mut Value) {
    let components = document["components"].clone();
    each_operation(document, |_, _, operation| {
        let mut bodies: Vec<&mut Value> = Vec::new();
        for (part, value) in fields(operation) {
            match part.as_str() {
                "requestBody" => bodies.push(value),
                "responses" => bodies.extend(fields(value).values_mut()),
                _ => {}
            }
        }
        for content in bodies.into_iter().filter_map(|body| body.pointer_mut("/content/application~1json")) {
            if content.get("example").is_none() && content.get("examples").is_none() {
                content["example"] = example(&components, &content["schema"]);
            }
        }
    });
}

/// Returns an example of a schema. Nullable fields without an example are null, except objects, and enums, whose nulls most
/// validators of version 3.0 reject. Optional fields without one are omitted.
pub(super) fn example(components: &Value, schema: &Value) -> Value {
    if let Some(own) = schema.get("example").or_else(|| schema.pointer("/examples/0")) {
        return own.clone();
    }
    if schema.get("$ref").is_some() {
        return example(components, resolve(components, schema));
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().filter_map(|part| example(components, part).as_object().cloned());
        return parts.flatten().collect::<Map<_, _>>().into();
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let has_example =
            |one: &&Value| resolve(components, one)["type"] == "object" || resolve(components, one)["enum"].is_array();
        return alternatives.iter().find(has_example).map_or(Value::Null, |one| example(components, one));
    }
    if schema["type"].is_array() {
        return Value::Null;
    }
    let only = schema.get("const").or_else(|| schema.get("default"));
    if let Some(value) = only.or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required =
                |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
            let fields = schema["properties"].as_object().into_iter().flatten();
            let examples = fields.map(|(name, field)| (name.clone(), example(components, field)));
            examples.filter(|(name, value)| !value.is_null() || required(name)).collect::<Map<_, _>>().into()
        }
        Some("array") => vec![example(components, &schema["items"])].into(),
        Some("string") if schema["format"] == "date-time" => EXAMPLE_TIME.into(),
        _ => Value::Null,
    }
}
