//! The OpenAPI schemas of requests to replace and to update a resource. They are derived from the schema of requests to
//! create one.

use std::{borrow::Cow, marker::PhantomData};

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{Object, Schema, Type},
    },
};

use super::UpdateInput;
use crate::domain::Metadata;

/// The schema of requests to replace a resource with the input `I`: the immutable fields can be omitted.
#[derive(Debug)]
pub struct ReplaceSchema<I>(PhantomData<I>);

/// The schema of requests to update a resource with the input `I`: all fields can be omitted, and have no defaults.
#[derive(Debug)]
pub struct UpdateSchema<I>(PhantomData<I>);

impl<I: UpdateInput + ToSchema> ToSchema for ReplaceSchema<I> {
    fn name() -> Cow<'static, str> {
        request_name::<I>("Replace")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        I::schemas(schemas);
    }
}

impl<I: UpdateInput + ToSchema> ToSchema for UpdateSchema<I> {
    fn name() -> Cow<'static, str> {
        request_name::<I>("Update")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        I::schemas(schemas);
    }
}

impl<I: UpdateInput + ToSchema> PartialSchema for ReplaceSchema<I> {
    fn schema() -> RefOr<Schema> {
        derive::<I>(&[Type::String, Type::Null], |object| {
            object.description = object.description.as_ref().map(|text| text.replacen("create", "replace", 1));
            object.required.retain(|name| !I::IMMUTABLE.contains(&name.as_str()));
        })
    }
}

impl<I: UpdateInput + ToSchema> PartialSchema for UpdateSchema<I> {
    fn schema() -> RefOr<Schema> {
        derive::<I>(&[Type::String], |object| {
            let about = object.description.as_ref();
            let about =
                about.map(|text| text.replacen("create or replace", "update", 1).replacen("create", "update", 1));
            object.description = about.map(|about| format!("{about} An omitted field keeps its value."));
            object.required.clear();
            for field in object.properties.values_mut() {
                if let RefOr::T(Schema::Object(field)) = field {
                    field.default = None;
                }
                if let RefOr::T(Schema::Array(field)) = field {
                    field.default = None;
                }
            }
            if object.properties.contains_key("metadata") {
                object.properties.insert("metadata".to_owned(), Metadata::changes_schema().into());
            }
        })
    }
}

/// Returns the name of a request schema, such as `UpdateProductRequest`.
fn request_name<I: ToSchema>(verb: &str) -> Cow<'static, str> {
    let name = I::name();
    format!("{verb}{}", name.strip_prefix("Create").unwrap_or(&name)).into()
}

/// Returns the schema of `I` with changes, and with immutable fields of these types.
fn derive<I: UpdateInput + ToSchema>(immutable: &[Type], change: impl FnOnce(&mut Object)) -> RefOr<Schema> {
    let mut schema = I::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        change(object);
        for name in I::IMMUTABLE {
            let example = match object.properties.get(*name) {
                Some(RefOr::T(Schema::Object(Object { example, .. }))) => example.clone(),
                _ => None,
            };
            object.properties.insert((*name).to_owned(), immutable_field(immutable, example).into());
        }
    }
    schema
}

fn immutable_field(types: &[Type], example: Option<Value>) -> Object {
    let mut field = Object::new();
    field.schema_type = match types {
        [one] => one.clone().into(),
        all => all.iter().cloned().collect(),
    };
    field.description = Some("Immutable: omit it or send the current value.".to_owned());
    field.example = example;
    field
}
