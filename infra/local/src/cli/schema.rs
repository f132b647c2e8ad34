//! The values of options: what a schema of the OpenAPI document accepts, and its conversion from text.

use serde_json::{Map, Value};

/// What an option accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schema {
    /// The type of values other than null.
    pub(super) kind: Kind,
    /// Whether the word `null` stands for null.
    pub(super) is_nullable: bool,
}

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string, with the name of its format for the help.
    Text(&'static str),
    /// An integer within these limits.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of these strings.
    Enumeration(Vec<&'static str>),
    /// A list; the option is repeated for each item.
    Array(Box<Schema>),
    /// An object with values of one type, as `NAME=TEXT` or `NAME=NUMBER`; the option is repeated for each pair.
    Pairs(Box<Schema>),
    /// Any other JSON.
    Json,
}

impl Schema {
    /// Reads a schema of the document.
    pub(super) fn read(schema: &'static Value, document: &'static Value) -> Self {
        if let Some(name) = schema["$ref"].as_str() {
            let target = document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null);
            return Self::read(target, document).with_name(name);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let (nulls, others): (Vec<_>, Vec<_>) = choices.iter().partition(|choice| choice["type"] == "null");
            return match others[..] {
                [only] => Self { is_nullable: !nulls.is_empty(), ..Self::read(only, document) },
                _ => Self { kind: Kind::Json, is_nullable: false },
            };
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        let kind = match types.iter().find(|name| **name != "null") {
            Some(&"string") => text_kind(schema),
            Some(&"integer") => {
                let limit = |name: &str, default| schema[name].as_i64().unwrap_or(default);
                Kind::Integer { min: limit("minimum", i64::MIN), max: limit("maximum", i64::MAX) }
            }
            Some(&"boolean") => Kind::Boolean,
            Some(&"array") => Kind::Array(Box::new(Self::read(&schema["items"], document))),
            Some(&"object") if schema["additionalProperties"].is_object() => {
                Kind::Pairs(Box::new(Self::read(&schema["additionalProperties"], document)))
            }
            _ => Kind::Json,
        };
        Self { kind, is_nullable: types.contains(&"null") }
    }

    /// Calls the values of a schema such as `CustomerId` ids.
    fn with_name(self, reference: &str) -> Self {
        let is_id = matches!(self.kind, Kind::Text(_)) && reference.ends_with("Id");
        if is_id { Self { kind: Kind::Text("ID"), ..self } } else { self }
    }

    /// Converts the text of one occurrence of the option.
    pub(super) fn parse(&self, text: &str) -> Result<Value, String> {
        if text == "null" && self.is_nullable {
            return Ok(Value::Null);
        }
        match &self.kind {
            Kind::Text(_) => Ok(text.into()),
            Kind::Integer { min, max } => parse_integer(text, *min, *max),
            Kind::Boolean => text.parse::<bool>().map(Value::Bool).map_err(|_| "expected true or false".to_owned()),
            Kind::Enumeration(values) if values.contains(&text) => Ok(text.into()),
            Kind::Enumeration(values) => Err(format!("expected one of: {}", values.join(", "))),
            Kind::Array(item) => item.parse(text),
            Kind::Pairs(value) => parse_pair(text, value),
            Kind::Json => serde_json::from_str(text).map_err(|error| format!("expected JSON: {error}")),
        }
    }

    /// Combines the values of all occurrences of the option into one.
    pub(super) fn combine(&self, values: Vec<Value>) -> Value {
        let last = values.last().cloned().unwrap_or_default();
        match &self.kind {
            _ if values.iter().any(Value::is_null) => Value::Null,
            Kind::Array(_) => Value::Array(values),
            Kind::Pairs(_) => {
                let pairs = values.into_iter().filter_map(|pair| match pair {
                    Value::Object(pair) => Some(pair),
                    _ => None,
                });
                Value::Object(pairs.flatten().collect())
            }
            _ => last,
        }
    }

    /// Returns the possible values, if they can be listed.
    pub(super) fn possible_values(&self) -> Option<Vec<&'static str>> {
        let mut values = match &self.kind {
            Kind::Boolean => vec!["true", "false"],
            Kind::Enumeration(values) => values.clone(),
            Kind::Array(item) => return item.possible_values(),
            _ => return None,
        };
        if self.is_nullable {
            values.push("null");
        }
        Some(values)
    }

    /// Returns the name of a value in the help.
    pub(super) fn value_name(&self) -> &'static str {
        match &self.kind {
            Kind::Text(name) => name,
            Kind::Integer { .. } => "NUMBER",
            Kind::Boolean => "BOOLEAN",
            Kind::Enumeration(_) => "VALUE",
            Kind::Array(item) => item.value_name(),
            Kind::Pairs(value) if matches!(value.kind, Kind::Integer { .. }) => "NAME=NUMBER",
            Kind::Pairs(_) => "NAME=TEXT",
            Kind::Json => "JSON",
        }
    }

    /// Returns whether the option can be repeated.
    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self.kind, Kind::Array(_) | Kind::Pairs(_))
    }
}

fn text_kind(schema: &'static Value) -> Kind {
    if let Some(values) = schema["enum"].as_array() {
        return Kind::Enumeration(values.iter().filter_map(Value::as_str).collect());
    }
    Kind::Text(if schema["format"] == "date-time" { "TIME" } else { "TEXT" })
}

fn parse_integer(text: &str, min: i64, max: i64) -> Result<Value, String> {
    let number = text.parse::<i64>().map_err(|_| "expected an integer".to_owned())?;
    if (min..=max).contains(&number) { Ok(number.into()) } else { Err(format!("must be between {min} and {max}")) }
}

/// Parses a pair, or several as a JSON object, as an object.
fn parse_pair(text: &str, schema: &Schema) -> Result<Value, String> {
    if text.starts_with('{') {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("expected JSON: {error}"))?;
        return Ok(Value::Object(object));
    }
    let expected = || format!("expected NAME={} or a JSON object", schema.value_name());
    let (name, text) = text.split_once('=').ok_or_else(expected)?;
    Ok(Value::Object(Map::from_iter([(name.to_owned(), schema.parse(text)?)])))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;

    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        json!({
            "CustomerId": {"type": "string"},
            "customer": {"$ref": "#/CustomerId"},
            "seats": {"type": ["integer", "null"], "minimum": 1, "maximum": 10},
            "period": {"oneOf": [{"type": "string", "enum": ["monthly", "annual"]}, {"type": "null"}]},
            "ids": {"type": "array", "items": {"$ref": "#/CustomerId"}},
            "active": {"type": "boolean"},
            "time": {"type": ["string", "null"], "format": "date-time"},
            "metadata": {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}},
            "limits": {"type": "object", "additionalProperties": {"type": ["integer", "null"], "minimum": 0}},
            "key": {"type": "object", "properties": {"kty": {"type": "string"}}},
        })
    });

    fn schema(name: &str) -> Schema {
        Schema::read(&DOCUMENT[name], &DOCUMENT)
    }

    /// Returns the value that several occurrences of the option have.
    fn value(name: &str, texts: &[&str]) -> Result<Value, String> {
        let schema = schema(name);
        let values: Result<Vec<_>, _> = texts.iter().map(|text| schema.parse(text)).collect();
        values.map(|values| schema.combine(values))
    }

    #[test]
    fn values_have_the_type_of_the_schema() {
        for (name, texts, expected) in [
            ("seats", &["7"][..], json!(7)),
            ("seats", &["null"], json!(null)),
            ("period", &["annual"], json!("annual")),
            ("period", &["null"], json!(null)),
            ("ids", &["a", "null"], json!(["a", "null"])),
            ("active", &["false"], json!(false)),
            ("time", &["null"], json!(null)),
            ("CustomerId", &["null"], json!("null")),
            ("metadata", &["a=1=2", "b=null", "c="], json!({"a": "1=2", "b": null, "c": ""})),
            ("metadata", &["a=1", r#"{"b": "2"}"#], json!({"a": "1", "b": "2"})),
            ("metadata", &["null"], json!(null)),
            ("limits", &["a=1000", "b=null"], json!({"a": 1000, "b": null})),
            ("limits", &[r#"{"a": 5}"#], json!({"a": 5})),
            ("key", &[r#"{"kty": "RSA"}"#], json!({"kty": "RSA"})),
        ] {
            assert_eq!(value(name, texts), Ok(expected), "{name} {texts:?}");
        }
    }

    #[test]
    fn other_values_are_refused_with_the_accepted_ones() {
        for (name, text, expected) in [
            ("seats", "0", "must be between 1 and 10"),
            ("seats", "many", "expected an integer"),
            ("period", "weekly", "expected one of: monthly, annual"),
            ("active", "null", "expected true or false"),
            ("metadata", "a", "expected NAME=TEXT or a JSON object"),
            ("metadata", "{", "expected JSON"),
            ("limits", "a", "expected NAME=NUMBER or a JSON object"),
            ("limits", "a=many", "expected an integer"),
            ("limits", "a=-1", "must be between 0"),
            ("key", "RSA", "expected JSON"),
        ] {
            let refused = value(name, &[text]).unwrap_err();
            assert!(refused.starts_with(expected), "{name} {text}: {refused}");
        }
    }

    #[test]
    fn help_has_value_names_and_possible_values() {
        let names = ["customer", "ids", "time", "metadata", "limits", "seats"].map(|name| schema(name).value_name());
        assert_eq!(names, ["ID", "ID", "TIME", "NAME=TEXT", "NAME=NUMBER", "NUMBER"]);
        assert_eq!(schema("period").possible_values(), Some(vec!["monthly", "annual", "null"]));
        assert_eq!(schema("active").possible_values(), Some(vec!["true", "false"]));
        assert_eq!(schema("seats").possible_values(), None);
    }
}
