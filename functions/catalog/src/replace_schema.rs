//! The OpenAPI schema of requests to replace an item. It is derived from the schema of requests to create one.

use std::{borrow::Cow, marker::PhantomData};

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{Object, Schema, SchemaType, Type},
    },
};

/// The input of a catalog item. Its schema is that of requests to create the item.
pub(crate) trait CatalogInput: ToSchema {
    /// The names of the immutable fields.
    const IMMUTABLE: &[&str];
}

/// The schema of requests to replace an item with the input `I`: the immutable fields can be omitted.
#[derive(Debug)]
pub(crate) struct ReplaceSchema<I>(PhantomData<I>);

impl<I: CatalogInput> ToSchema for ReplaceSchema<I> {
    fn name() -> Cow<'static, str> {
        I::name().replacen("Create", "Replace", 1).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        I::schemas(schemas);
    }
}

impl<I: CatalogInput> PartialSchema for ReplaceSchema<I> {
    fn schema() -> RefOr<Schema> {
        let mut schema = I::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.description = object.description.as_ref().map(|text| text.replacen("create", "replace", 1));
            object.required.retain(|name| !I::IMMUTABLE.contains(&name.as_str()));
            for name in I::IMMUTABLE {
                let example = match object.properties.get(*name) {
                    Some(RefOr::T(Schema::Object(Object { example, .. }))) => example.clone(),
                    _ => None,
                };
                object.properties.insert((*name).to_owned(), immutable_field(example).into());
            }
        }
        schema
    }
}

fn immutable_field(example: Option<Value>) -> Object {
    let mut field = Object::new();
    field.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
    field.description = Some("Immutable: omit it or send the current value.".to_owned());
    field.example = example;
    field
}
