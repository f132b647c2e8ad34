//! The errors of the catalog's commands.

use shared::{
    domain::{FieldError, ValidationErrors},
    http::{CompletionError, MergePatchError, PreconditionError, Problem},
    store::StoreError,
};

/// Why a product, a pricing tier or a product feature was not written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The item, or the item to insert it before, does not exist.
    #[error("not found")]
    NotFound,
    /// Fields are invalid, by themselves or in this catalog.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The merge patch is invalid.
    #[error(transparent)]
    MergePatch(#[from] MergePatchError),
    /// `If-Match` does not match.
    #[error(transparent)]
    Precondition(#[from] PreconditionError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FieldError> for CatalogError {
    fn from(error: FieldError) -> Self {
        Self::Invalid(error.into())
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::NotFound => Self::not_found(),
            CatalogError::Invalid(errors) => errors.into(),
            CatalogError::MergePatch(error) => error.into(),
            CatalogError::Precondition(error) => error.into(),
            CatalogError::Completion(error) => error.into(),
            CatalogError::Store(error) => error.into(),
        }
    }
}
