//! Who seals: AES-256-GCM, so that what is read from the table alone is useless.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::domain::{SealingContext, Secret};

/// Why nothing was sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The sealer is slow, throttled or away: asking again may help.
    #[error("the sealer gave no answer: {0}")]
    Unavailable(String),
    /// It was sealed for another item, by another key, or it was damaged.
    #[error("it does not open here")]
    DoesNotOpen,
}

/// Holds the key that seals, which never comes out.
pub trait Sealer: Debug + Send + Sync {
    /// Seals a text for one place.
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, SealError>>;

    /// Opens what was sealed for this place.
    fn open<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> BoxFuture<'a, Result<Secret, SealError>>;

    /// Seals anew, for the same place, what an older key sealed; none where it was the present one.
    fn reseal<'a>(
        &'a self,
        context: &'a SealingContext,
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, SealError>>;
}

/// A place as bytes, which AES-GCM binds a value to: the parts with their lengths, so that no two places read alike.
pub(super) fn associated_data(context: &SealingContext) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [context.table.as_str(), &context.item, context.purpose] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}
