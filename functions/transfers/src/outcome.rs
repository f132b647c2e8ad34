//! The outcome of a line.

use shared::{
    http::Code,
    store::{
        StoreError,
        imports::{ExternalIdOwner, LineHash},
    },
    tokens::SealError,
};

use crate::lines::{Line, LineError};

/// Why a line could not be processed, whatever its content. The lines from there on can be sent again.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key string could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A line has no canonical form.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
    /// The catalog is damaged.
    #[error("{0}")]
    Damaged(String),
}

/// A line with its number, or its errors.
pub(crate) struct NumberedLine {
    pub(crate) number: usize,
    pub(crate) line: Result<Line, Vec<LineError>>,
}

/// The outcome of a line.
#[derive(Debug)]
pub(crate) enum LineOutcome {
    Created,
    Unchanged,
    Failed(Vec<LineError>),
}

impl LineOutcome {
    pub(crate) fn failed(pointer: &str, code: Code, detail: impl Into<String>) -> Self {
        Self::Failed(vec![LineError::new(pointer, code, detail)])
    }
}

/// Returns the outcome of a line whose external id a resource has. Returns `None` if no resource has it.
pub(crate) fn known_outcome<T>(found: Option<ExternalIdOwner<T>>, hash: LineHash, kind: &str) -> Option<LineOutcome> {
    found.map(|owner| used_outcome(owner.imported, hash, kind))
}

/// Returns the outcome of a line whose external id a resource has, which was imported from the line with the hash
/// `imported`, or not imported.
pub(crate) fn used_outcome(imported: Option<LineHash>, hash: LineHash, kind: &str) -> LineOutcome {
    match imported {
        Some(imported) if imported == hash => LineOutcome::Unchanged,
        Some(_) => {
            let detail = format!("a {kind} was imported with this external id and other values");
            LineOutcome::failed("/external_id", Code::ImportConflict, detail)
        }
        None => external_id_taken(kind),
    }
}

pub(crate) fn external_id_taken(kind: &str) -> LineOutcome {
    let detail = format!("already used by a {kind} that was not imported with it");
    LineOutcome::failed("/external_id", Code::ExternalIdTaken, detail)
}
