//! Schemas in the form that client generators turn into good types.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::fields;

/// The prefix of utoipa's name for the schema of a [`shared::http::ListResponse`], such as `List_Product`.
const LIST_PREFIX: &str = "List_";

/// Names each list after its items, such as `ProductList`, and makes it refer to the schema of an item, which utoipa
/// repeats.
pub(super) fn name_lists(document: &mut Value) {
    let mut renamed = Map::new();
    for (name, mut schema) in std::mem::take(fields(&mut document["components"]["schemas"])) {
        let Some(item) = name.strip_prefix(LIST_PREFIX) else {
            renamed.insert(name, schema);
            continue;
        };
        schema["properties"]["items"]["items"] = json!({ "$ref": format!("#/components/schemas/{item}") });
        renamed.insert(format!("{item}List"), schema);
    }
    document["components"]["schemas"] = renamed.into();
    for_each_object(document, &mut |part| {
        let Some(Value::String(reference)) = part.get_mut("$ref") else { return };
        let Some((start, name)) = reference.rsplit_once('/') else { return };
        if let Some(item) = name.strip_prefix(LIST_PREFIX) {
            *reference = format!("{start}/{item}List");
        }
    });
}

/// Merges the parts of each `allOf` with fields, which comes from `#[serde(flatten)]`, into one object.
pub(super) fn merge_flattened(document: &mut Value) {
    let mut schemas = document["components"]["schemas"].take();
    let before = schemas.clone();
    for schema in fields(&mut schemas).values_mut() {
        let Some(parts) = schema["allOf"].as_array() else { continue };
        let mut merged = json!({ "type": "object", "description": schema["description"] });
        for part in parts {
            let part = part["$ref"].as_str().and_then(|to| before.get(to.rsplit('/').next()?)).unwrap_or(part);
            fields(&mut merged["properties"]).extend(part["properties"].as_object().cloned().unwrap_or_default());
            let required = part["required"].as_array().into_iter().flatten().cloned();
            match &mut merged["required"] {
                Value::Array(all) => all.extend(required),
                missing => *missing = required.collect(),
            }
        }
        *schema = merged;
    }
    document["components"]["schemas"] = schemas;
}

/// Moves the description of a nullable reference from the reference to the field, where generators read it.
pub(super) fn describe_nullable_references(document: &mut Value) {
    for_each_object(document, &mut |part| {
        let Some(alternatives) = part.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
        if !alternatives.iter().any(|one| one["type"] == "null") {
            return;
        }
        let description = alternatives.iter_mut().find_map(|one| one.as_object_mut()?.remove("description"));
        part.extend(description.map(|text| ("description".to_owned(), text)));
    });
}

/// Removes the schemas that no operation uses, such as the parts of merged ones.
pub(super) fn remove_unused(document: &mut Value) {
    loop {
        let mut used = BTreeSet::new();
        for_each_object(document, &mut |part| {
            let name = part.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/components/schemas/"));
            used.extend(name.map(str::to_owned));
        });
        let schemas = fields(&mut document["components"]["schemas"]);
        let before = schemas.len();
        schemas.retain(|name, _| used.contains(name));
        if schemas.len() == before {
            return;
        }
    }
}

/// Calls `visit` with every object of the document.
fn for_each_object(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(part) => {
            visit(part);
            part.values_mut().for_each(|value| for_each_object(value, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_object(item, visit)),
        _ => {}
    }
}
