//! Why the demo data could not be added.

use shared::{http::Problem, store::StoreError, tokens::SealError};

/// The demo data could not be added.
#[derive(Debug, thiserror::Error)]
#[error("adding the demo data failed: {0}")]
pub struct DemoError(pub(super) String);

impl From<Problem> for DemoError {
    fn from(problem: Problem) -> Self {
        Self(format!("{}: {}", problem.code, problem.detail))
    }
}

impl From<StoreError> for DemoError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<SealError> for DemoError {
    fn from(error: SealError) -> Self {
        Self(error.to_string())
    }
}
