//! Errors while verifying a bearer token.

use super::bearer::BearerTokenError;
use crate::http::{Code, Problem};

/// An error while verifying a bearer token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The token is invalid.
    #[error(transparent)]
    Invalid(#[from] BearerTokenError),
    /// The issuer is unavailable, and its cached documents are missing or too old.
    #[error("the OIDC issuer is unavailable: {0}")]
    Unavailable(String),
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Invalid(invalid) => Self::new(Code::Unauthenticated, invalid.to_string()),
            OidcError::Unavailable(_) => Self::unavailable(error.to_string()),
        }
    }
}
