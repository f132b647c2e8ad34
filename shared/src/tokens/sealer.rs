//! Sealing: encryption of stored values with AES-256-GCM, bound to the item that they belong to. A sealed value opens
//! only with the sealing key and in its own item, so read access to the table alone reveals nothing.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::domain::{SealingContext, Secret};

/// An error while sealing or opening a value.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The sealer is throttled or unavailable; a retry may succeed.
    #[error("the sealer is unavailable: {0}")]
    Unavailable(String),
    /// The value was sealed for another item or with an unknown key, or it is damaged.
    #[error("the sealed value cannot be opened")]
    CannotOpen,
    /// The cipher failed.
    #[error("the value cannot be sealed")]
    CannotSeal,
}

/// Seals and opens values with a key that never leaves the sealer.
pub trait Sealer: Debug + Send + Sync {
    /// Seals a text for a context.
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, SealError>>;

    /// Opens a value that was sealed for the same context.
    fn open<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> BoxFuture<'a, Result<Secret, SealError>>;

    /// Re-encrypts a value with the current key. Returns `None` if it is already encrypted with that key.
    fn reseal<'a>(
        &'a self,
        context: &'a SealingContext,
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, SealError>>;
}

/// Encodes a context as the associated data of AES-GCM. Each part is prefixed with its length, so that different
/// contexts never have the same encoding.
pub(super) fn associated_data(context: &SealingContext) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [context.table.as_str(), &context.item, context.purpose] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}
