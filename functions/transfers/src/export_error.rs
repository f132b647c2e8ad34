//! Why a page of an export could not be read.

use shared::{
    http::Problem,
    store::{StoreError, pagination::ListError},
};

/// Why a page could not be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The list could not be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A line could not be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::List(error) => error.into(),
            ExportError::Store(error) => error.into(),
            ExportError::Serialize(error) => Self::internal(error.to_string()),
        }
    }
}
