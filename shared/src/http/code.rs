//! The codes of error responses, with a table of the name, status, title, explanation and example of each.

mod table;

use std::{fmt, str::FromStr};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{FieldErrorCode, Refusal};

// The variants are in the order of the table.
/// The code of an error response or field error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErrorCode)]
pub enum Code {
    /// The request body is not valid JSON.
    MalformedJson,
    /// The `Idempotency-Key` is empty or too long.
    IdempotencyKeyInvalid,
    /// The credential is missing or invalid.
    Unauthenticated,
    /// The license token is invalid.
    TokenInvalid,
    /// The caller is authenticated but lacks the permission.
    Forbidden,
    /// The request did not come through CloudFront.
    DirectAccessDenied,
    /// The license key is revoked.
    Revoked,
    /// The license key was replaced by a newer one.
    Superseded,
    /// The license key is suspended.
    Suspended,
    /// The license key has expired.
    Expired,
    /// The product is not active.
    ProductInactive,
    /// The key string or token is of an older generation.
    GenerationOutdated,
    /// The machine holds no seat.
    NotActivated,
    /// The token belongs to another machine.
    MachineMismatch,
    /// The tier can't be claimed.
    TierNotClaimable,
    /// The customer has already claimed this tier.
    AlreadyClaimed,
    /// The resource does not exist, or the caller has no access to it.
    NotFound,
    /// The API version does not exist.
    VersionUnknown,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The request body is too large.
    BodyTooLarge,
    /// The request body has another media type than the endpoint accepts.
    UnsupportedMediaType,
    /// The code is already used.
    CodeTaken,
    /// The feature key is already used.
    KeyTaken,
    /// The email address is already used by another customer.
    EmailTaken,
    /// The external id is already used by another resource of the kind.
    ExternalIdTaken,
    /// The key string is already used by another license key.
    KeyStringTaken,
    /// The resource was imported with other values.
    ImportConflict,
    /// The key string was imported as a hash.
    KeyNotStored,
    /// All seats are taken.
    SeatLimitReached,
    /// The pricing tier or the license key does not allow the borrow.
    BorrowNotAllowed,
    /// Only the app or an operator can return the borrowed seat.
    SeatBorrowed,
    /// Borrowed seats would be outside of the new limit.
    SeatsBorrowed,
    /// Too many borrowed seats were returned early.
    BorrowReturnLimit,
    /// Only an operator can end the activation while a license file can be used.
    OfflineActivation,
    /// The state of the resource does not allow the operation.
    StateConflict,
    /// The user is not registered as a customer.
    CustomerNotRegistered,
    /// The customer has license keys that are active or suspended.
    CustomerHasActiveLicenses,
    /// The customer already has a license key for the product.
    AlreadyLicensed,
    /// The last API key that can manage API keys can't be deleted.
    LastAccessKey,
    /// A request with the same `Idempotency-Key` is still in progress.
    IdempotencyInProgress,
    /// `If-Match` does not match the current version.
    VersionConflict,
    /// The value is not allowed.
    InvalidValue,
    /// The field is unknown.
    UnknownField,
    /// A line of an import refers to a resource that does not exist.
    ReferenceNotFound,
    /// The field can't be changed.
    Immutable,
    /// The cursor does not belong to this list.
    CursorInvalid,
    /// The tier would include itself.
    TierCycle,
    /// The tier belongs to another product.
    TierOfOtherProduct,
    /// The feature belongs to another product.
    FeatureOfOtherProduct,
    /// The public key is not suitable for encryption.
    PublicKeyInvalid,
    /// The `Idempotency-Key` was used with another request body.
    IdempotencyKeyReused,
    /// Too many requests.
    RateLimited,
    /// DynamoDB or KMS is unavailable.
    Unavailable,
    /// An internal error.
    InternalError,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// The code as a JSON string.
    pub name: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// A short summary in sentence case.
    pub title: &'static str,
    /// What happened. Identifiers of the API are in backquotes.
    pub cause: &'static str,
    /// What the caller can do. Identifiers of the API are in backquotes.
    pub resolution: &'static str,
    /// The `detail` of the example.
    pub detail: &'static str,
    /// The location of the error in the example.
    pub location: ErrorLocation,
}

/// The location of the error in an example.
#[derive(Debug, Clone, Copy)]
pub enum ErrorLocation {
    /// The request as a whole, or its context.
    Request,
    /// A JSON pointer into the body.
    Body(&'static str),
    /// The name of a query or header parameter.
    Parameter(&'static str),
}

impl Code {
    /// Returns whether responses with this code have a `Retry-After` header.
    pub fn has_retry_after(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::IdempotencyInProgress)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code")]
pub struct ParseCodeError;

impl FromStr for Code {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, ParseCodeError> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or(ParseCodeError)
    }
}

impl From<FieldErrorCode> for Code {
    fn from(code: FieldErrorCode) -> Self {
        match code {
            FieldErrorCode::InvalidValue => Self::InvalidValue,
            FieldErrorCode::CodeTaken => Self::CodeTaken,
            FieldErrorCode::KeyTaken => Self::KeyTaken,
            FieldErrorCode::EmailTaken => Self::EmailTaken,
            FieldErrorCode::ExternalIdTaken => Self::ExternalIdTaken,
            FieldErrorCode::Immutable => Self::Immutable,
            FieldErrorCode::TierCycle => Self::TierCycle,
            FieldErrorCode::TierOfOtherProduct => Self::TierOfOtherProduct,
            FieldErrorCode::FeatureOfOtherProduct => Self::FeatureOfOtherProduct,
            FieldErrorCode::PublicKeyInvalid => Self::PublicKeyInvalid,
        }
    }
}

impl From<Refusal> for Code {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Revoked => Self::Revoked,
            Refusal::Superseded => Self::Superseded,
            Refusal::Suspended => Self::Suspended,
            Refusal::Expired => Self::Expired,
            Refusal::ProductInactive => Self::ProductInactive,
            Refusal::GenerationOutdated => Self::GenerationOutdated,
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn every_code_is_in_the_table_under_its_json_name() {
        let schema = serde_json::to_value(Code::schema()).unwrap();
        assert_eq!(schema["enum"], serde_json::to_value(&Code::ALL[..]).unwrap());
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("Revoked".parse::<Code>(), Err(ParseCodeError));
    }
}
