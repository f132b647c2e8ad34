//! The fields of a JSON object of another system, with errors that name the field and quote no value.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::domain::Secret;

use super::times::{DateMeans, to_rfc3339};

/// A record has a field that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldProblem {
    /// The path of the field, such as `attributes.key`, or the heading of a column.
    pub(super) field: String,
    /// What is wrong.
    pub(super) detail: String,
}

impl FieldProblem {
    /// Returns the problem of a field.
    pub(super) fn new(field: &str, detail: impl Into<String>) -> Self {
        Self { field: field.to_owned(), detail: detail.into() }
    }

    /// Returns the problem of a field that is missing or empty.
    pub(super) fn missing(field: &str) -> Self {
        Self::new(field, "is missing")
    }

    /// Returns the problem of a time in a form that is not accepted.
    pub(super) fn time(field: &str) -> Self {
        Self::new(field, "expected a time such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31")
    }

    /// Returns the problem of a status that the other system is not known to have.
    pub(super) fn status(field: &str, known: &[&str]) -> Self {
        Self::new(field, format!("unknown status; expected one of: {}", known.join(", ")))
    }
}

/// A JSON object. Paths are names that are separated by dots. Null and a missing field are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a>(pub(super) &'a Value);

impl<'a> Object<'a> {
    /// Returns the value at a path.
    pub(super) fn at(self, path: &str) -> Option<&'a Value> {
        let found = path.split('.').try_fold(self.0, |value, name| value.get(name));
        found.filter(|value| !value.is_null())
    }

    /// Returns a text that is not empty.
    pub(super) fn text(self, path: &str) -> Result<Option<&'a str>, FieldProblem> {
        match self.at(path) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(FieldProblem::new(path, "expected a string")),
        }
    }

    /// Returns a text that must not be missing or empty.
    pub(super) fn required_text(self, path: &str) -> Result<&'a str, FieldProblem> {
        self.text(path)?.ok_or_else(|| FieldProblem::missing(path))
    }

    /// Returns a license key, exactly as it is.
    pub(super) fn key(self, path: &str) -> Result<Secret, FieldProblem> {
        self.required_text(path).map(|key| Secret::new(key.to_owned()))
    }

    /// Returns an id, which is a text or a number.
    pub(super) fn id(self, path: &str) -> Result<Option<String>, FieldProblem> {
        match self.at(path) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => self.text(path).map(|text| text.map(str::to_owned)),
        }
    }

    /// Returns an id that must not be missing.
    pub(super) fn required_id(self, path: &str) -> Result<String, FieldProblem> {
        self.id(path)?.ok_or_else(|| FieldProblem::missing(path))
    }

    /// Returns a flag, which is a boolean, or 0 or 1. A missing one is false.
    pub(super) fn flag(self, path: &str) -> Result<bool, FieldProblem> {
        match self.at(path) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::Number(number)) if number.as_u64() <= Some(1) => Ok(number.as_u64() == Some(1)),
            Some(_) => Err(FieldProblem::new(path, "expected true or false")),
        }
    }

    /// Returns a number or null for no limit, or `None` if the object does not have the field.
    pub(super) fn limit(self, path: &str) -> Result<Option<Value>, FieldProblem> {
        match path.split('.').try_fold(self.0, |value, name| value.get(name)) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(Value::Null)),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(Value::Number(number.clone()))),
            Some(_) => Err(FieldProblem::new(path, "expected an integer or null")),
        }
    }

    /// Returns a time.
    pub(super) fn time(self, path: &str) -> Result<Option<String>, FieldProblem> {
        let text = self.text(path)?;
        let time = text.map(|text| to_rfc3339(text, DateMeans::Start).ok_or_else(|| FieldProblem::time(path)));
        time.transpose()
    }

    /// Returns metadata as texts: numbers, booleans, lists and objects as JSON. Null is left out.
    pub(super) fn metadata(self, path: &str) -> Result<BTreeMap<String, String>, FieldProblem> {
        match self.at(path) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(fields)) => {
                let fields = fields.iter().filter(|(_, value)| !value.is_null());
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Ok(fields.map(|(name, value)| (name.clone(), text(value))).collect())
            }
            Some(Value::Array(items)) if items.is_empty() => Ok(BTreeMap::new()),
            Some(_) => Err(FieldProblem::new(path, "expected an object")),
        }
    }
}

/// Returns a text of an object, if there is one.
pub(super) fn text_of<'a>(object: Option<Object<'a>>, path: &str) -> Result<Option<&'a str>, FieldProblem> {
    object.map_or(Ok(None), |object| object.text(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_name_the_field_and_quote_no_value() {
        let value = json!({"attributes": {"key": 123_456, "expiry": "soon", "suspended": "no", "maxMachines": -1,
            "metadata": "x", "empty": ""}});
        let object = Object(&value);
        let problems = [
            object.key("attributes.key").unwrap_err(),
            object.key("attributes.empty").unwrap_err(),
            object.time("attributes.expiry").unwrap_err(),
            object.flag("attributes.suspended").unwrap_err(),
            object.limit("attributes.maxMachines").unwrap_err(),
            object.metadata("attributes.metadata").unwrap_err(),
            object.required_id("relationships.policy.data.id").unwrap_err(),
        ];
        let details: Vec<_> = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.detail)).collect();
        assert_eq!(
            details,
            [
                "attributes.key: expected a string",
                "attributes.empty: is missing",
                "attributes.expiry: expected a time such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31",
                "attributes.suspended: expected true or false",
                "attributes.maxMachines: expected an integer or null",
                "attributes.metadata: expected an object",
                "relationships.policy.data.id: is missing",
            ]
        );
    }

    #[test]
    fn limit_that_is_null_differs_from_one_that_is_missing() {
        let value = json!({"limit": null, "id": 7, "seats": 3, "metadata": {"a": "1", "b": [2], "c": null}});
        let object = Object(&value);
        assert_eq!(object.limit("limit"), Ok(Some(Value::Null)));
        assert_eq!(object.limit("none"), Ok(None));
        assert_eq!(object.limit("seats"), Ok(Some(json!(3))));
        assert_eq!(object.id("id"), Ok(Some("7".to_owned())));
        let metadata = object.metadata("metadata").unwrap();
        assert_eq!(serde_json::to_value(metadata).unwrap(), json!({"a": "1", "b": "[2]"}));
    }
}
