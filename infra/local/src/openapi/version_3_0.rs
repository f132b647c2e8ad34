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
    // 3.0 has no webhooks. Most programs know them by this name.
    let webhooks = document["webhooks"].take();
    document["x-webhooks"] = webhooks;
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
    // 3.0 has no constraints on the names of fields.
    schema.remove("propertyNames");
    // The fields beside a reference are ignored.
    if schema.len() > 1
        && let Some(reference) = schema.remove("$ref")
    {
        schema.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
    }
}

/// Makes a field nullable that refers to another schema. A reference does not allow null, so the schema is repeated in
/// place of it. Objects and enums are not repeated, because generators would make other types of them; generators and
/// most validators accept null all the same. `nullable` needs a `type`: alternatives have none, and can only be omitted.
fn make_nullable(field: &mut Map<String, Value>, reference: &Value, components: &Value) {
    let schema = resolve(components, reference);
    let kind = schema["type"].as_str();
    if kind.is_some_and(|kind| kind != "object") && schema["enum"].is_null() {
        for (name, value) in schema.as_object().into_iter().flatten() {
            field.entry(name).or_insert_with(|| value.clone());
        }
    } else {
        field.insert("allOf".to_owned(), json!([reference]));
        field.extend(kind.map(|kind| ("type".to_owned(), kind.into())));
    }
    field.extend(kind.map(|_| ("nullable".to_owned(), true.into())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_of_3_1_are_converted() {
        let components = json!({ "schemas": {
            "Id": { "type": "string", "pattern": "^a$", "examples": ["a"] },
            "Item": { "type": "object" },
            "Color": { "type": "string", "enum": ["red"] },
            "Either": { "oneOf": [{ "$ref": "#/components/schemas/Item" }, { "type": "string" }] },
        } });
        let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        let nullable = |name: &str| json!({ "description": "d", "oneOf": [reference(name), { "type": "null" }] });
        for (schema, expected) in [
            (json!({ "type": ["string", "null"] }), json!({ "type": "string", "nullable": true })),
            (json!({ "const": "a" }), json!({ "enum": ["a"] })),
            (json!({ "type": "string", "examples": ["a", "b"] }), json!({ "type": "string", "example": "a" })),
            (reference("Id"), reference("Id")),
            (
                json!({ "$ref": "#/components/schemas/Id", "description": "d" }),
                json!({ "allOf": [reference("Id")], "description": "d" }),
            ),
            (
                nullable("Id"),
                json!({ "type": "string", "pattern": "^a$", "example": "a", "description": "d", "nullable": true }),
            ),
            (
                nullable("Item"),
                json!({ "allOf": [reference("Item")], "type": "object", "description": "d", "nullable": true }),
            ),
            (
                nullable("Color"),
                json!({ "allOf": [reference("Color")], "type": "string", "description": "d", "nullable": true }),
            ),
            (nullable("Either"), json!({ "allOf": [reference("Either")], "description": "d" })),
            (
                json!({ "type": "object", "propertyNames": { "pattern": "^a" }, "maxProperties": 5 }),
                json!({ "type": "object", "maxProperties": 5 }),
            ),
            // Data and the names of fields are not keywords.
            (
                json!({ "properties": { "const": { "const": 1 } }, "example": { "const": 1 } }),
                json!({ "properties": { "const": { "enum": [1] } }, "example": { "const": 1 } }),
            ),
        ] {
            let mut converted = schema.clone();
            convert_schemas(&mut converted, &components);
            assert_eq!(converted, expected, "{schema}");
        }
    }
}
