//! The error of a file of an export.

use std::path::{Path, PathBuf};

/// A file or directory of the export is missing or invalid.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub(super) struct ExportError {
    path: PathBuf,
    problem: String,
}

impl ExportError {
    pub(super) fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }
}
