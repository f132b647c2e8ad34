//! The operations of the OpenAPI document that operators can call.

use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

use super::{
    resources::{ALL, EXPORTS, IDEMPOTENT_POSTS, IMPORTS, OMITTED_FIELDS, Resource},
    schema::Schema,
};

/// The OpenAPI document of this version.
// It is part of the binary, and tests read it.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(discovery::openapi::DOCUMENT).unwrap_or_default());

/// The operations with a command.
pub(super) static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let operations = operator_operations(&DOCUMENT).filter(|(path, method, _)| !is_omitted(path, method));
    operations.filter_map(|(path, method, operation)| Operation::read(path, method, operation)).collect()
});

/// An operation of the API and its command.
#[derive(Debug)]
pub(super) struct Operation {
    /// The resource that the command belongs to.
    pub(super) resource: &'static Resource,
    /// The name of the command of the resource.
    pub(super) action: String,
    /// One line about the operation.
    pub(super) summary: &'static str,
    /// The complete description.
    pub(super) description: &'static str,
    /// The HTTP method.
    pub(super) method: Method,
    /// The path, with parameters such as `{id}`.
    pub(super) path: &'static str,
    /// The parameters in the path.
    pub(super) path_parameters: Vec<Field>,
    /// The parameters in the query, except those of pages.
    pub(super) query_parameters: Vec<Field>,
    /// The body of the request.
    pub(super) body: Option<Body>,
    /// Whether the operation accepts an `Idempotency-Key`.
    pub(super) accepts_idempotency_key: bool,
    list_of: Option<&'static str>,
    is_repeatable: bool,
}

/// The body of a request.
#[derive(Debug)]
pub(super) struct Body {
    /// The value of `Content-Type`.
    pub(super) media_type: &'static str,
    /// The fields of the object.
    pub(super) fields: Vec<Field>,
}

/// A parameter, or a field of a body.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in the API.
    pub(super) name: &'static str,
    /// Its description.
    pub(super) description: &'static str,
    /// Whether it must be given.
    pub(super) is_required: bool,
    /// What it accepts.
    pub(super) schema: Schema,
}

impl Field {
    /// Returns the name of its option, without the dashes.
    pub(super) fn option(&self) -> String {
        self.name.replace('_', "-")
    }
}

impl Operation {
    /// Returns the operation of a command.
    pub(super) fn find(resource: &str, action: &str) -> Option<&'static Self> {
        OPERATIONS.iter().find(|operation| operation.resource.name == resource && operation.action == action)
    }

    fn read(path: &'static str, method: &'static str, operation: &'static Value) -> Option<Self> {
        let mut resources = ALL.iter().chain([IMPORTS, EXPORTS]);
        let resource = resources.find(|resource| below(path, resource.path).is_some())?;
        let parameters: Vec<_> = list(&operation["parameters"]).iter().map(resolve).collect();
        let fields = |place: &str| -> Vec<Field> {
            let inside = parameters.iter().filter(|parameter| parameter["in"] == place);
            inside.map(|parameter| read_parameter(parameter)).collect()
        };
        let list_of = list_schema(operation);
        let is_page = |field: &Field| ["limit", "cursor"].contains(&field.name);
        let method: Method = method.to_uppercase().parse().ok()?;
        let accepts_idempotency_key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        let is_idempotent = method != Method::POST || IDEMPOTENT_POSTS.contains(&operation_id(operation));
        Some(Self {
            resource,
            action: action(below(path, resource.path)?, operation_id(operation)),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            method,
            path,
            path_parameters: fields("path"),
            query_parameters: fields("query").into_iter().filter(|field| !is_page(field)).collect(),
            body: read_body(operation),
            accepts_idempotency_key,
            list_of,
            is_repeatable: is_idempotent || accepts_idempotency_key,
        })
    }

    /// Returns the name of the schema of an item if the operation returns pages of a list.
    pub(super) fn list_of(&self) -> Option<&'static str> {
        self.list_of
    }

    /// Returns whether sending the request a second time has no further effect.
    pub(super) fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }
}

/// Returns the name of a command: the words of the path below the resource, otherwise the verb of the operation id.
fn action(path: &str, operation_id: &str) -> String {
    let words: Vec<_> = path.split('/').filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    if words.is_empty() { verb(operation_id).to_owned() } else { words.join("-") }
}

fn verb(operation_id: &str) -> &str {
    operation_id.split('_').next().unwrap_or_default()
}

/// Returns the rest of a path if it is that of a resource or below it.
fn below<'a>(path: &'a str, resource: &str) -> Option<&'a str> {
    path.strip_prefix(resource).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The operations that accept an API key: path, method and operation.
fn operator_operations(document: &'static Value) -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    let accepts_api_key = |operation: &Value| {
        let security = operation["security"].as_array();
        security.is_some_and(|choices| choices.iter().any(|choice| choice["api_key"].is_array()))
    };
    all.filter(move |(_, _, operation)| accepts_api_key(operation))
}

/// Returns whether an operation has no command: PUT replaces a resource as a whole where PATCH, the command `update`, can set
/// the same fields.
fn is_omitted(path: &str, method: &str) -> bool {
    method == "put" && DOCUMENT["paths"][path]["patch"].is_object()
}

fn read_parameter(parameter: &'static Value) -> Field {
    Field {
        name: text(&parameter["name"]),
        description: text(&parameter["description"]),
        is_required: parameter["required"] == true,
        schema: Schema::read(&parameter["schema"], &DOCUMENT),
    }
}

fn read_body(operation: &'static Value) -> Option<Body> {
    let content = operation["requestBody"]["content"].as_object()?;
    let patch = content.get_key_value("application/merge-patch+json");
    let (media_type, content) = patch.or_else(|| content.iter().next())?;
    let schema = resolve(&content["schema"]);
    let required: Vec<_> = list(&schema["required"]).iter().map(text).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let id = operation_id(operation);
    let fields = properties.filter(|(name, _)| !OMITTED_FIELDS.contains(&(id, name.as_str())));
    let fields = fields.map(|(name, schema)| Field {
        name,
        description: text(&schema["description"]),
        is_required: required.contains(&name.as_str()),
        schema: Schema::read(schema, &DOCUMENT),
    });
    Some(Body { media_type, fields: fields.collect() })
}

/// Returns the name of the schema of the items if the operation returns pages.
fn list_schema(operation: &'static Value) -> Option<&'static str> {
    let page = resolve(&operation["responses"]["200"]["content"]["application/json"]["schema"]);
    page["properties"].get("next_cursor")?;
    page["properties"]["items"]["items"]["$ref"].as_str()?.rsplit('/').next()
}

fn operation_id(operation: &'static Value) -> &'static str {
    text(&operation["operationId"])
}

/// Follows a reference.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => value,
    }
}

fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or_default()
}

fn list(value: &'static Value) -> &'static [Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the names of the properties of a schema.
#[cfg(test)]
pub(super) fn schema_properties(name: &str) -> Vec<&'static str> {
    let properties = DOCUMENT["components"]["schemas"][name]["properties"].as_object();
    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_of_operators_has_exactly_one_command_or_is_listed_as_omitted() {
        let mut without = Vec::new();
        for (path, method, operation) in operator_operations(&DOCUMENT) {
            let has_command =
                OPERATIONS.iter().any(|known| known.path == path && known.method.as_str().eq_ignore_ascii_case(method));
            if !has_command {
                without.push(operation_id(operation));
            }
        }
        let omitted = ["replace_customer", "replace_pricing_tier", "replace_product_feature", "replace_product"];
        assert_eq!(without, omitted);
        let names: BTreeSet<_> = OPERATIONS.iter().map(|known| (known.resource.name, &known.action)).collect();
        assert_eq!(names.len(), OPERATIONS.len());
        for name in
            ["issue", "renew", "change", "suspend", "reinstate", "revoke", "regenerate", "audit", "events", "list"]
        {
            assert!(names.contains(&("keys", &name.to_owned())), "{name}");
        }
        for (resource, name) in
            [("products", "create"), ("tiers", "update"), ("activations", "deactivate"), ("api-keys", "delete")]
        {
            assert!(names.contains(&(resource, &name.to_owned())), "{resource} {name}");
        }
    }

    #[test]
    fn reference_lists_every_command() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md"));
        for resource in ALL {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` | `/", resource.name))).unwrap();
            let known: BTreeSet<_> =
                row.rsplit('|').nth(1).unwrap().split(", ").map(|name| name.trim().trim_matches('`')).collect();
            let own = OPERATIONS.iter().filter(|operation| operation.resource.name == resource.name);
            assert_eq!(known, own.map(|operation| &*operation.action).collect(), "{}", resource.name);
        }
    }

    #[test]
    fn omitted_fields_exist() {
        for (id, field) in OMITTED_FIELDS {
            let mut operations = operator_operations(&DOCUMENT);
            let (_, _, operation) = operations.find(|(_, _, operation)| operation_id(operation) == *id).unwrap();
            let content = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert!(resolve(content)["properties"].get(field).is_some(), "{id} {field}");
        }
    }

    #[test]
    fn posts_of_operators_that_are_not_idempotent_by_themselves_have_an_idempotency_key() {
        let unsafe_ones = OPERATIONS.iter().filter(|operation| !operation.is_repeatable());
        assert_eq!(
            unsafe_ones.map(|operation| &*operation.action).collect::<Vec<_>>(),
            ["deactivate", "batch-revoke", "replay"]
        );
    }
}
