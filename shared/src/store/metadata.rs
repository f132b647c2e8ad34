//! Items beside a resource: its metadata, and the record that makes its external id unique.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    item::{Item, Key, attributes, b, from_item, key_only_item, s, to_item},
    table::Table,
    transaction::{Condition, Transaction},
};
use crate::domain::Metadata;

/// The attribute of the pairs.
const METADATA: &str = "metadata";

#[derive(Serialize, Deserialize)]
struct MetadataRecord {
    metadata: Metadata,
}

/// The attribute of a line's hash in the record of an external id.
const LINE_HASH: &str = "import_sha256";

/// The SHA-256 hash of an imported line in canonical form: equal lines have equal hashes, whatever their white space and the
/// order of their fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineHash(pub [u8; 32]);

impl LineHash {
    pub(super) fn attribute(&self) -> (String, AttributeValue) {
        (LINE_HASH.to_owned(), b(self.0))
    }

    pub(super) fn of(record: &Item) -> Option<Self> {
        record.get(LINE_HASH)?.as_b().ok()?.as_ref().try_into().ok().map(Self)
    }
}

impl Table {
    /// Reads the metadata of a resource; empty if it has none.
    pub(super) async fn metadata(&self, key: Key) -> Result<Metadata, StoreError> {
        let Some(item) = self.get(key).await? else { return Ok(Metadata::default()) };
        Ok(from_item::<MetadataRecord>(item)?.metadata)
    }
}

/// Returns the item with the metadata of a resource.
pub(super) fn metadata_item(key: Key, metadata: &Metadata) -> Result<Item, StoreError> {
    to_item(key, &MetadataRecord { metadata: metadata.clone() })
}

/// Adds the write of the metadata of a new resource, if it has any.
pub(super) fn put_metadata(
    transaction: &mut Transaction,
    key: Key,
    metadata: Option<&Metadata>,
) -> Result<(), StoreError> {
    if let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) {
        transaction.put_always(metadata_item(key, metadata)?);
    }
    Ok(())
}

/// Requires that the metadata are those that were read.
pub(super) fn metadata_as_read(read: &Metadata) -> Result<Condition, StoreError> {
    let value = attributes(&MetadataRecord { metadata: read.clone() })?.remove(METADATA);
    Ok(match value {
        Some(value) if !read.is_empty() => Condition::new("metadata = :metadata").value(":metadata", value),
        _ => Condition::absent(),
    })
}

/// Adds the write that changes the metadata of a resource, if any, on condition that they are those that were read.
pub(super) fn write_metadata(
    transaction: &mut Transaction,
    key: Key,
    (read, next): (&Metadata, &Metadata),
) -> Result<(), StoreError> {
    if read == next {
        return Ok(());
    }
    let as_read = metadata_as_read(read)?;
    if next.is_empty() {
        transaction.delete(key, as_read);
    } else {
        transaction.put(metadata_item(key, next)?, as_read);
    }
    Ok(())
}

/// Adds the writes that move the record of an external id from the old to the new one, in one transaction with the
/// resource. `owner` is the attribute with the id of the resource. Returns the index of the write that fails if another
/// resource has the new external id.
pub(super) fn move_external_id(
    transaction: &mut Transaction,
    (owner, id): (&'static str, &str),
    key: impl Fn(&str) -> Key,
    (old, new): (Option<&str>, Option<&str>),
) -> Option<usize> {
    if old == new {
        return None;
    }
    let absent_or_own =
        || Condition::new(format!("attribute_not_exists(PK) OR {owner} = :owner")).value(":owner", s(id));
    if let Some(old) = old {
        transaction.delete(key(old), absent_or_own());
    }
    Some(put_external_id(transaction, (owner, id), key(new?), None))
}

/// Adds the write of the record of an external id, with the hash of the line if the resource is imported. Returns the index
/// of the write, which fails if another resource has the external id.
pub(super) fn put_external_id(
    transaction: &mut Transaction,
    (owner, id): (&'static str, &str),
    key: Key,
    imported: Option<&LineHash>,
) -> usize {
    let absent_or_own = Condition::new(format!("attribute_not_exists(PK) OR {owner} = :owner")).value(":owner", s(id));
    let mut item = key_only_item(key);
    item.insert(owner.to_owned(), s(id));
    item.extend(imported.map(LineHash::attribute));
    transaction.put(item, absent_or_own);
    transaction.len() - 1
}
