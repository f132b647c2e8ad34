//! Values that an operator's programs attach to resources: metadata and external ids.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{Object, ObjectBuilder, Schema, SchemaType, Type},
    },
};

use super::{unique_map, validation::ValidationErrors};

/// Pairs of names and texts that an operator's programs store with a resource. Tokens never contain them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata(pub BTreeMap<String, String>);

const MAX_PAIRS: usize = 50;
const MAX_NAME: usize = 40;
const MAX_VALUE: usize = 500;
/// The maximum size as JSON, in bytes.
const MAX_BYTES: usize = 8 * 1024;

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unique_map::deserialize(deserializer).map(Self)
    }
}

impl Metadata {
    /// Checks the pairs.
    pub fn check(&self, errors: &mut ValidationErrors) {
        errors.check(self.0.len() <= MAX_PAIRS, "/metadata", format!("must have at most {MAX_PAIRS} pairs"));
        let is_name = |name: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
        };
        for name in self.0.keys().filter(|name| !is_name(name)) {
            // The name is not part of the pointer, because it can be of any length.
            let shown: String = name.chars().take(MAX_NAME).collect();
            let rule = format!("{shown:?} must be 1 to {MAX_NAME} letters, digits, `_`, `.` or `-`");
            errors.check(false, "/metadata", rule);
        }
        for (name, value) in self.0.iter().filter(|(name, _)| is_name(name)) {
            errors.check_text(&format!("/metadata/{name}"), Some(value), MAX_VALUE);
        }
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        errors.check(bytes <= MAX_BYTES, "/metadata", format!("must be at most {MAX_BYTES} bytes as JSON"));
    }

    /// Returns whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ToSchema for Metadata {}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let description = "Pairs of names and texts of your programs. Tokens never contain them. Names have 1 to 40 letters, digits, `_`, \
             `.` or `-`. At most 8 KiB as JSON.";
        schema(Type::Object.into(), Type::String.into(), description).into()
    }
}

impl Metadata {
    /// Returns the schema of changes by a merge patch.
    pub fn changes_schema() -> Object {
        let or_null = |one| [one, Type::Null].into_iter().collect();
        let description = "Pairs to add or change. A null text removes the pair; null removes all.";
        schema(or_null(Type::Object), or_null(Type::String), description)
    }
}

fn schema(kind: SchemaType, text: SchemaType, description: &str) -> Object {
    let name =
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^[A-Za-z0-9_.-]{{1,{MAX_NAME}}}$")));
    let text = ObjectBuilder::new().schema_type(text).max_length(Some(MAX_VALUE));
    ObjectBuilder::new()
        .schema_type(kind)
        .description(Some(description))
        .max_properties(Some(MAX_PAIRS))
        .property_names(Some(name))
        .additional_properties(Some(text))
        .examples([serde_json::json!({ "order": "A-1042" })])
        .build()
}

/// Checks an external id: the id of a resource in another system, of 1 to 255 printable ASCII characters.
pub fn check_external_id(errors: &mut ValidationErrors, external_id: Option<&str>) {
    let is_valid = external_id.is_none_or(is_label);
    errors.check(is_valid, "/external_id", "must be 1 to 255 printable ASCII characters, or null");
}

/// Returns whether a text has 1 to 255 printable ASCII characters.
pub(super) fn is_label(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
        let mut errors = ValidationErrors::default();
        Metadata(pairs.into_iter().collect()).check(&mut errors);
        errors.0.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn metadata_is_checked_up_to_its_limits() {
        let pairs = |count: usize, bytes: usize| (0..count).map(move |n| (format!("k{n}"), "x".repeat(bytes)));
        assert_eq!(errors(pairs(50, 100)), [""; 0]);
        assert_eq!(errors(pairs(51, 1)), ["/metadata"]);
        assert_eq!(errors(pairs(16, 500)), [""; 0]);
        assert_eq!(errors(pairs(17, 500)), ["/metadata"], "more than 8 KiB");
        let one = |name: &str, value: &str| errors([(name.to_owned(), value.to_owned())]);
        for (name, value) in [("a", ""), (&*"a".repeat(40), "é\n"), ("A.b_c-1", &*"é".repeat(500))] {
            assert_eq!(one(name, value), [""; 0], "{name}");
        }
        for name in ["", &*"a".repeat(41), "a b", "é", "a/b"] {
            assert_eq!(one(name, "x"), ["/metadata"], "{name}");
        }
        for value in ["\u{7}", &*"é".repeat(501)] {
            assert_eq!(one("a", value), ["/metadata/a"], "{value}");
        }
    }

    #[test]
    fn external_id_is_printable_ascii() {
        let is_valid = |id: &str| {
            let mut errors = ValidationErrors::default();
            check_external_id(&mut errors, Some(id));
            errors.0.is_empty()
        };
        assert!(is_valid("a") && is_valid("crm: 42/~") && is_valid(&"x".repeat(255)));
        assert!(!is_valid("") && !is_valid(&"x".repeat(256)) && !is_valid("é") && !is_valid("a\tb"));
    }
}
