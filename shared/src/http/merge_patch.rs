//! Updates of a resource: the replacement of all its writable fields (PUT), and JSON Merge Patch (RFC 7396, PATCH).

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
};

use axum::extract::{FromRequest, Request};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor, value},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, value::RawValue};

use super::{
    Code, InputError, Problem,
    extractors::{FieldLocation, check_syntax, escape, has_media_type, read_bytes, read_fields, serde_error},
};

/// The body of a PATCH request: the fields to change, with their new values. All of them are fields of the input `I`.
#[derive(Debug, Clone)]
pub struct MergePatch<I> {
    changes: BTreeMap<String, Value>,
    input: PhantomData<fn() -> I>,
}

impl<S: Send + Sync, I: UpdateInput> FromRequest<S> for MergePatch<I> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_patch = has_media_type(request.headers(), &["application/merge-patch+json", "application/json"]);
        let bytes = read_bytes(request, state).await?;
        if !is_patch {
            let detail = "unsupported media type: send Content-Type: application/merge-patch+json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        Self::parse(&bytes)
    }
}

impl<I: UpdateInput> MergePatch<I> {
    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let Members(members) = match serde_json::from_slice(bytes) {
            Ok(members) => members,
            Err(error) => {
                check_syntax(bytes)?;
                return Err(serde_error(FieldLocation::Body, "", &error.to_string()).into());
            }
        };
        let known = field_names::<I>();
        let mut changes = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, text) in members {
            let pointer = format!("/{}", escape(&name));
            if !known.contains(&&*name) {
                errors.push(InputError::at(pointer, Code::UnknownField, "unknown field"));
                continue;
            }
            match serde_json::from_str(text.get()) {
                Ok(Value::Null) if I::IMMUTABLE.contains(&&*name) => {
                    errors.push(InputError::at(pointer, Code::Immutable, "cannot be removed"));
                }
                Ok(value) => {
                    let is_repeated = has_duplicate_names(&text) || changes.insert(name, value).is_some();
                    if is_repeated {
                        errors.push(InputError::at(pointer, Code::InvalidValue, "duplicate field"));
                    }
                }
                Err(error) => errors.push(serde_error(FieldLocation::Body, &pointer, &error.to_string())),
            }
        }
        if errors.is_empty() { Ok(Self { changes, input: PhantomData }) } else { Err(Problem::invalid(errors)) }
    }
}

/// The members of a JSON object in their order, with duplicates.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Returns whether the value is an object with two members of the same name.
fn has_duplicate_names(value: &RawValue) -> bool {
    let Ok(Members(members)) = serde_json::from_str(value.get()) else { return false };
    let names: BTreeSet<&String> = members.iter().map(|(name, _)| name).collect();
    names.len() < members.len()
}

/// Returns the names of the fields of a struct that derives `Deserialize`.
fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    struct FieldNames<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for FieldNames<'_> {
        type Error = value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, value::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
            Err(value::Error::custom("there is no value"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut names: &[&str] = &[];
    // Fails after it has told the names.
    let _: Result<T, _> = T::deserialize(FieldNames(&mut names));
    names
}

/// The input of an update: the writable fields of a resource, and those that cannot change. The latter are optional.
pub trait UpdateInput: DeserializeOwned + Clone {
    /// The names of the immutable fields.
    const IMMUTABLE: &[&str] = &[];
    /// The names of the fields that a patch replaces as a whole: objects in which null is a value. RFC 7396 cannot set a member
    /// to null, because null removes it.
    const REPLACED: &[&str] = &[];
}

/// The requested changes of a resource. PUT and PATCH share one use case.
#[derive(Debug, Clone)]
pub enum Changes<I> {
    /// Replaces all writable fields.
    Replace(I),
    /// Changes the fields of the patch and keeps all others.
    Merge(MergePatch<I>),
}

/// Why a merge patch could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum MergePatchError {
    /// The resulting resource has invalid fields.
    #[error("invalid merge patch")]
    Invalid(Vec<InputError>),
    /// The current resource could not be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
}

impl From<MergePatchError> for Problem {
    fn from(error: MergePatchError) -> Self {
        match error {
            MergePatchError::Invalid(errors) => Self::invalid(errors),
            MergePatchError::Serialize(error) => Self::internal(error.to_string()),
        }
    }
}

impl<I: UpdateInput> Changes<I> {
    /// Returns the writable fields of the resource after the changes. `current` is its present representation.
    pub fn apply(&self, current: &impl Serialize) -> Result<Cow<'_, I>, MergePatchError> {
        match self {
            Self::Replace(input) => Ok(Cow::Borrowed(input)),
            Self::Merge(patch) => patch.apply(serde_json::to_value(current)?).map(Cow::Owned),
        }
    }
}

impl<I: UpdateInput> MergePatch<I> {
    /// Merges the patch into the writable fields of a resource's representation.
    fn apply(&self, mut resource: Value) -> Result<I, MergePatchError> {
        let fields = object(&mut resource);
        let writable = field_names::<I>();
        fields.retain(|name, _| writable.contains(&&**name));
        for (name, change) in &self.changes {
            let field = fields.entry(name).or_insert(Value::Null);
            match change {
                // Not removed, so that a field that cannot be null is reported instead of reset to its default.
                Value::Null => *field = Value::Null,
                change if I::REPLACED.contains(&&**name) => field.clone_from(change),
                change => merge(field, change),
            }
        }
        read_fields(resource, FieldLocation::Body).map_err(MergePatchError::Invalid)
    }
}

/// Merges a patch into a value (RFC 7396 §2).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    let fields = object(target);
    for (name, change) in changes {
        match change {
            Value::Null => drop(fields.remove(name)),
            change => merge(fields.entry(name).or_insert(Value::Null), change),
        }
    }
}

/// Returns the fields of an object. Replaces any other value with an empty object.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("the value was replaced with an object above"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Widget {
        code: Option<String>,
        name: String,
        note: Option<String>,
        #[serde(default)]
        seats: u32,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        limits: BTreeMap<String, Option<u32>>,
    }

    impl UpdateInput for Widget {
        const IMMUTABLE: &[&str] = &["code"];
        const REPLACED: &[&str] = &["limits"];
    }

    fn apply(patch: &Value) -> Result<Widget, Problem> {
        let current = json!({
            "id": 1, "code": "a", "name": "A", "note": "x", "seats": 5, "labels": {"k": "v", "l": "w"}, "created_at": 0,
            "limits": {"k": 5, "l": null},
        });
        let changes = Changes::Merge(MergePatch::<Widget>::parse(patch.to_string().as_bytes())?);
        Ok(changes.apply(&current)?.into_owned())
    }

    #[test]
    fn merge_patch_changes_its_fields_and_keeps_all_others() {
        let current = apply(&json!({})).unwrap();
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!((current.seats, current.note.as_deref()), (5, Some("x")));
        assert_eq!(apply(&json!({"note": null})).unwrap(), Widget { note: None, ..current.clone() });
        assert_eq!(apply(&json!({"seats": 7})).unwrap(), Widget { seats: 7, ..current.clone() });
        let merged = apply(&json!({"labels": {"k": null, "m": "n"}})).unwrap();
        assert_eq!(merged.labels, labels(&[("l", "w"), ("m", "n")]));
        assert_eq!(apply(&json!({"code": "a"})).unwrap(), current);
        let replaced = apply(&json!({"limits": {"k": null}})).unwrap();
        assert_eq!((current.limits.len(), replaced.limits), (2, [("k".to_owned(), None)].into()));
    }

    #[test]
    fn merge_patch_is_rejected_where_a_field_is_unknown_read_only_or_invalid() {
        for (patch, expected) in [
            (json!({"id": 1}), "/id unknown_field"),
            (json!({"created_at": null}), "/created_at unknown_field"),
            (json!({"sets/": 1}), "/sets~1 unknown_field"),
            (json!({"name": null}), "/name invalid_value"),
            (json!({"seats": null}), "/seats invalid_value"),
            (json!({"labels": null}), "/labels invalid_value"),
            (json!({"labels": {"k": 5}}), "/labels/k invalid_value"),
            (json!({"labels": []}), "/labels invalid_value"),
            (json!({"limits": null}), "/limits invalid_value"),
            (json!({"limits": {"k": -1}}), "/limits/k invalid_value"),
            (json!({"code": null}), "/code immutable"),
        ] {
            let errors = apply(&patch).unwrap_err().errors;
            let found: Vec<_> =
                errors.into_iter().map(|error| format!("{} {}", error.pointer.unwrap(), error.code)).collect();
            assert_eq!(found, [expected], "{patch}");
        }
    }
}
