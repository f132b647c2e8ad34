//! Access to the parts of an OpenAPI document.

use serde_json::{Map, Value, json};

/// Calls `visit` with the method, path and object of every operation.
pub(super) fn each_operation(document: &mut Value, mut visit: impl FnMut(&str, &str, &mut Value)) {
    for (path, item) in fields(&mut document["paths"]) {
        for method in ["get", "put", "post", "delete", "patch"] {
            if let Some(operation) = item.get_mut(method) {
                visit(method, path, operation);
            }
        }
    }
}

/// Returns the fields of an object. Replaces any other value with an empty object.
pub(super) fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("the value was replaced with an object above"),
    }
}

/// Adds a shared component, unless it exists, and returns a `$ref` to it.
pub(super) fn refer(components: &mut Value, kind: &str, name: &str, part: impl FnOnce() -> Value) -> Value {
    fields(&mut components[kind]).entry(name).or_insert_with(part);
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Follows a `$ref` into the components. Returns any other value unchanged.
pub(super) fn resolve<'a>(components: &'a Value, part: &'a Value) -> &'a Value {
    let pointer = part["$ref"].as_str().and_then(|to| to.strip_prefix("#/components"));
    pointer.and_then(|pointer| components.pointer(pointer)).unwrap_or(part)
}
