//! The document in OpenAPI 3.0.3, for generators that do not read 3.1. Schemas of 3.1 are JSON Schema; those of 3.0 are an
//! older dialect.

use serde_json::{Map, Value, json};

use super::document::{each_operation, fields, resolve};

/// The fields whose values are data, not parts of the document.
const DATA: [&str; 5] = ["default", "enum", "example", "value", "x-error-codes"];

/// Converts a document of version 3.1.
pub(super) fn convert(document: &mut Value) {
    document["openapi"] = "3.0.3".into();
    // 3.0 has no SPDX identifiers.
    document["info"]["license"] = json!({ "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" });
    each_operation(document, |_, _, operation| {
        for response in fields(&mut operation["responses"]).values_mut().filter(|one| one["$ref"].is_string()) {
            // A reference has no description of its own.
            fields(response).remove("description");
        }
    });
    let components = document["components"].clone();
    convert_schemas(document, &components);
}

fn convert_schemas(value: &mut Value, components: &Value) {
    match value {
        Value::Object(part) => {
            convert_schema(part, components);
            for (name, value) in part.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                match name.as_str() {
                    // The names in these maps are not keywords.
                    "properties" | "examples" => {
                        fields(value).values_mut().for_each(|one| convert_schemas(one, components));
                    }
                    _ => convert_schemas(value, components),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|one| convert_schemas(one, components)),
        _ => {}
    }
}

/// Converts the keywords of one schema. Other parts of the document have none of them.
fn convert_schema(schema: &mut Map<String, Value>, components: &Value) {
    if let Some(value) = schema.remove("const") {
        schema.insert("enum".to_owned(), json!([value]));
    }
    if let Some(Value::Array(alternatives)) = schema.get("oneOf")
        && let Some(position) = alternatives.iter().position(|one| one["type"] == "null")
        && let [only] = [&alternatives[..position], &alternatives[position + 1..]].concat().as_slice()
    {
        schema.remove("oneOf");
        make_nullable(schema, only, components);
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        let only = types.pop();
        schema.extend(only.map(|only| ("type".to_owned(), only)));
        schema.insert("nullable".to_owned(), true.into());
    }
    if let Some(Value::Array(examples)) = schema.get("examples").cloned() {
        schema.remove("examples");
        schema.extend(examples.into_iter().next().map(|example| ("example".to_owned(), example)));
    }
    // The fields beside a reference are ignored.
    if schema.len() > 1
        && let Some(reference) = schema.remove("$ref")
    {
        schema.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
    }
}

/// Makes a field nullable that refers to another schema. `nullable` needs a `type` beside it. A text is repeated instead
/// of referred to, because a reference does not allow null. An object is not, because generators would make another type
/// of it; they, and most validators, accept null all the same. Alternatives have no type; such a field can be omitted.
fn make_nullable(field: &mut Map<String, Value>, reference: &Value, components: &Value) {
    let schema = resolve(components, reference);
    match schema["type"].as_str() {
        Some("string") => {
            for (name, value) in schema.as_object().into_iter().flatten() {
                field.entry(name).or_insert_with(|| value.clone());
            }
            field.insert("nullable".to_owned(), true.into());
        }
        Some(kind) => {
            field.extend([
                ("allOf".to_owned(), json!([reference])),
                ("type".to_owned(), kind.into()),
                ("nullable".to_owned(), true.into()),
            ]);
        }
        None => {
            field.insert("allOf".to_owned(), json!([reference]));
        }
    }
}
