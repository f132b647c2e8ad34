//! Items in an export of the table to S3, which `DynamoDB` writes in its JSON format. Reads them without a table.

use serde::Deserialize;

use super::{
    catalog::from_catalog_item,
    customers::from_customer_item,
    error::StoreError,
    item::{Item, Key, from_item},
    keys::{self, ItemKind},
    licenses::{KeyPointer, parse_license},
};
use crate::domain::{Customer, License, Product, Tier};

/// An item of an export.
#[derive(Debug)]
pub enum ExportedItem {
    /// A customer.
    Customer(Customer),
    /// A license key.
    License(License),
    /// The license key and generation that a key string belongs to.
    KeyString {
        /// The hash of the key string, in the form that [`KeyString::sha256`](crate::domain::KeyString::sha256) returns.
        sha256: [u8; 32],
        /// What it belongs to.
        pointer: KeyPointer,
    },
    /// A product.
    Product(Product),
    /// A pricing tier.
    Tier(Box<Tier>),
    /// An item of another kind.
    Other,
}

/// A line of a data file. A line of an incremental export has other fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "Item")]
    item: serde_dynamo::Item,
}

impl ExportedItem {
    /// Parses a line of a data file in the format `DYNAMODB_JSON`.
    pub fn parse_line(line: &[u8]) -> Result<Self, StoreError> {
        Self::parse(parse_item(line)?)
    }

    fn parse(item: Item) -> Result<Self, StoreError> {
        let key = Key::of(&item).ok_or_else(|| invalid("an item without the keys PK and SK"))?;
        let kind = ItemKind::of(&key).ok_or_else(|| {
            let (partition, sort) = keys::key_names(&key);
            invalid(&format!("unknown kind of item, {partition:?} / {sort:?}"))
        })?;
        let (parsed, expected_key) = match kind {
            ItemKind::Customer => {
                let customer = from_customer_item(item)?.customer;
                let key = keys::customer(customer.id);
                (Self::Customer(customer), key)
            }
            ItemKind::License => {
                let license = parse_license(item)?;
                let key = keys::license(license.id);
                (Self::License(license), key)
            }
            ItemKind::KeyString => {
                let sha256 = keys::parse_key_string_hash(&key).ok_or_else(|| invalid("the hash of a key string"))?;
                (Self::KeyString { sha256, pointer: from_item(item)? }, keys::key_string(&sha256))
            }
            ItemKind::Product => {
                let product: Product = from_catalog_item(item)?;
                let key = keys::product(product.id);
                (Self::Product(product), key)
            }
            ItemKind::Tier => {
                let tier: Tier = from_catalog_item(item)?;
                let key = keys::tier(tier.id);
                (Self::Tier(Box::new(tier)), key)
            }
            ItemKind::Other => return Ok(Self::Other),
        };
        if key == expected_key { Ok(parsed) } else { Err(invalid("the id differs from the key")) }
    }
}

/// Parses the item of a line. The error has no content of the line, which can be personal data.
fn parse_item(line: &[u8]) -> Result<Item, StoreError> {
    let parsed: Line = serde_json::from_slice(line)
        .map_err(|error| invalid(&format!("not an item in DynamoDB JSON, at column {}", error.column())))?;
    Ok(parsed.item.into())
}

fn invalid(problem: &str) -> StoreError {
    StoreError::InvalidItem(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
    use data_encoding::BASE64;
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::*;

    /// Values of every attribute type, nested up to four levels.
    fn attribute() -> impl Strategy<Value = AttributeValue> {
        let number = || "-?(0|[1-9][0-9]{0,37})(\\.[0-9]{1,20})?(E[+-]?[0-9]{1,2})?";
        let bytes = || vec(any::<u8>(), 0..40);
        let leaf = prop_oneof![
            any::<String>().prop_map(AttributeValue::S),
            number().prop_map(AttributeValue::N),
            bytes().prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
            vec(any::<String>(), 1..5).prop_map(AttributeValue::Ss),
            vec(number(), 1..5).prop_map(AttributeValue::Ns),
            vec(bytes().prop_map(Blob::new), 1..5).prop_map(AttributeValue::Bs),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(AttributeValue::L),
                prop::collection::hash_map(any::<String>(), inner, 0..6).prop_map(AttributeValue::M),
            ]
        })
    }

    /// Writes a value as DynamoDB does.
    fn dynamodb_json(value: &AttributeValue) -> Value {
        let base64 = |bytes: &Blob| BASE64.encode(bytes.as_ref());
        match value {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::B(bytes) => json!({ "B": base64(bytes) }),
            AttributeValue::Bool(value) => json!({ "BOOL": value }),
            AttributeValue::Null(value) => json!({ "NULL": value }),
            AttributeValue::Ss(texts) => json!({ "SS": texts }),
            AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
            AttributeValue::Bs(all) => json!({ "BS": all.iter().map(base64).collect::<Vec<_>>() }),
            AttributeValue::L(values) => json!({ "L": values.iter().map(dynamodb_json).collect::<Vec<_>>() }),
            AttributeValue::M(fields) => {
                json!({ "M": fields.iter().map(|(name, value)| (name.clone(), dynamodb_json(value))).collect::<HashMap<_, _>>() })
            }
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        // Nested values are slow to generate.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parsed_item_has_the_values_of_its_line(
            item in prop::collection::hash_map(any::<String>(), attribute(), 0..6), trailing in "[ \n]?",
        ) {
            let fields: HashMap<_, _> = item.iter().map(|(name, value)| (name, dynamodb_json(value))).collect();
            let line = format!("{}{trailing}", json!({ "Item": fields }));
            prop_assert_eq!(parse_item(line.as_bytes()).unwrap(), item);
        }

        #[test]
        fn truncated_line_is_an_error(item in prop::collection::hash_map(any::<String>(), attribute(), 0..6), at: prop::sample::Index) {
            let fields: HashMap<_, _> = item.iter().map(|(name, value)| (name, dynamodb_json(value))).collect();
            let line = json!({ "Item": fields }).to_string();
            prop_assert!(parse_item(&line.as_bytes()[..at.index(line.len())]).is_err());
        }
    }

    #[test]
    fn other_json_is_an_error_that_does_not_repeat_it() {
        for line in [
            r#"{"Item": {"a": "private"}}"#,
            r#"{"Item": {"a": {"S": 1}}}"#,
            r#"{"Item": {"a": {"N": 1}}}"#,
            r#"{"Item": {"a": {"B": "private!"}}}"#,
            r#"{"Item": {"a": {"private": "x"}}}"#,
            r#"{"Item": {"a": {"S": "x", "N": "1"}}}"#,
            r#"{"Item": {"a": {}}}"#,
            r#"{"Item": {}} {"Item": {}}"#,
            r#"{"Metadata": {}, "Keys": {"PK": {"S": "private"}}, "NewImage": {}}"#,
            r#"{"PK": {"S": "private"}}"#,
            "$ion_1_0 {Item:{a:1.}}",
            "",
        ] {
            let error = parse_item(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("not an item in DynamoDB JSON") && !error.contains("private"), "{error}");
        }
    }

    #[test]
    fn item_must_have_a_known_key_that_matches_its_id() {
        let parse = |item: Value| ExportedItem::parse_line(json!({ "Item": item }).to_string().as_bytes());
        let id = "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB";
        let customer = |partition: &str| {
            let time = json!({"S": "2026-01-15T12:00:00Z"});
            json!({
                "PK": {"S": partition}, "SK": {"S": "CUSTOMER"}, "id": {"S": id}, "name": {"S": "Ada"},
                "email": {"S": "ada@example.com"}, "created_at": time, "updated_at": time, "version": {"N": "1"},
            })
        };
        assert!(matches!(parse(customer(&format!("CUSTOMER#{id}"))), Ok(ExportedItem::Customer(_))));
        let fails = |item: Value, expected: &str| {
            let error = parse(item).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        fails(customer("CUSTOMER#cus_01JD8W0V5XK6Q3R7T2N4M8P9ZC"), "the id differs from the key");
        fails(customer("USER#1"), "unknown kind of item, \"USER\" / \"CUSTOMER\"");
        fails(json!({"PK": {"S": "CATALOG"}}), "without the keys");
        fails(json!({"PK": {"B": "AAAA"}, "SK": {"S": "CUSTOMER"}}), "without the keys");
        fails(json!({"PK": {"S": "KEY#ab"}, "SK": {"S": "KEY"}}), "the hash of a key string");
        fails(json!({"PK": {"S": format!("CUSTOMER#{id}")}, "SK": {"S": "CUSTOMER"}}), "customer without a version");
    }
}
