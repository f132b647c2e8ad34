//! DynamoDB items, their keys and attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde::{Serialize, de::DeserializeOwned};

use super::error::StoreError;

/// The TTL attribute, a Unix time. DynamoDB deletes expired items within a few days.
pub const TTL_ATTRIBUTE: &str = "expires_at_epoch";

/// A DynamoDB item: attribute names and values.
pub type Item = HashMap<String, AttributeValue>;

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// Creates a primary key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// Returns the primary key of an item; `None` if it has none of two strings.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let part = |name| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self::new(part("PK")?, part("SK")?))
    }

    pub(super) fn into_item(self) -> Item {
        HashMap::from([("PK".to_owned(), s(self.pk)), ("SK".to_owned(), s(self.sk))])
    }
}

/// Creates a string attribute.
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Creates a number attribute.
pub fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Creates a binary attribute.
pub fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Serializes a record into an item with the given key.
pub fn to_item(key: Key, record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item = attributes(record)?;
    item.extend(key.into_item());
    Ok(item)
}

/// Serializes a record into attributes without a key.
pub fn attributes(record: &impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::to_item(record).map_err(|error| StoreError::InvalidItem(error.to_string()))
}

/// Creates an item that contains only its key.
pub fn key_only_item(key: Key) -> Item {
    key.into_item()
}

/// Deserializes a record from an item.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::InvalidItem(error.to_string()))
}
