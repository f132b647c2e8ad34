//! Validation errors and the error codes of the API.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::has_invisible_chars;

/// The code of an error response or field error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
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
    /// The request body is larger than 64 KiB.
    BodyTooLarge,
    /// The request body is not `application/json`.
    UnsupportedMediaType,
    /// The code is already used.
    CodeTaken,
    /// The feature key is already used.
    KeyTaken,
    /// The email address is already used by another customer.
    EmailTaken,
    /// All seats are taken.
    SeatLimitReached,
    /// The state of the resource does not allow the operation.
    StateConflict,
    /// The user is not registered as a customer.
    CustomerNotRegistered,
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

impl Code {
    /// All codes, ordered by HTTP status.
    pub const ALL: [Self; 42] = [
        Self::MalformedJson,
        Self::IdempotencyKeyInvalid,
        Self::Unauthenticated,
        Self::TokenInvalid,
        Self::Forbidden,
        Self::Revoked,
        Self::Superseded,
        Self::Suspended,
        Self::Expired,
        Self::ProductInactive,
        Self::GenerationOutdated,
        Self::NotActivated,
        Self::MachineMismatch,
        Self::TierNotClaimable,
        Self::AlreadyClaimed,
        Self::NotFound,
        Self::VersionUnknown,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::CodeTaken,
        Self::KeyTaken,
        Self::EmailTaken,
        Self::SeatLimitReached,
        Self::StateConflict,
        Self::CustomerNotRegistered,
        Self::AlreadyLicensed,
        Self::LastAccessKey,
        Self::IdempotencyInProgress,
        Self::VersionConflict,
        Self::InvalidValue,
        Self::UnknownField,
        Self::Immutable,
        Self::CursorInvalid,
        Self::TierCycle,
        Self::TierOfOtherProduct,
        Self::FeatureOfOtherProduct,
        Self::PublicKeyInvalid,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::Unavailable,
        Self::InternalError,
    ];

    /// Returns the code as a JSON string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::IdempotencyKeyInvalid => "idempotency_key_invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::TokenInvalid => "token_invalid",
            Self::Forbidden => "forbidden",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::ProductInactive => "product_inactive",
            Self::GenerationOutdated => "generation_outdated",
            Self::NotActivated => "not_activated",
            Self::MachineMismatch => "machine_mismatch",
            Self::TierNotClaimable => "tier_not_claimable",
            Self::AlreadyClaimed => "already_claimed",
            Self::NotFound => "not_found",
            Self::VersionUnknown => "version_unknown",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::CodeTaken => "code_taken",
            Self::KeyTaken => "key_taken",
            Self::EmailTaken => "email_taken",
            Self::SeatLimitReached => "seat_limit_reached",
            Self::StateConflict => "state_conflict",
            Self::CustomerNotRegistered => "customer_not_registered",
            Self::AlreadyLicensed => "already_licensed",
            Self::LastAccessKey => "last_access_key",
            Self::IdempotencyInProgress => "idempotency_in_progress",
            Self::VersionConflict => "version_conflict",
            Self::InvalidValue => "invalid_value",
            Self::UnknownField => "unknown_field",
            Self::Immutable => "immutable",
            Self::CursorInvalid => "cursor_invalid",
            Self::TierCycle => "tier_cycle",
            Self::TierOfOtherProduct => "tier_of_other_product",
            Self::FeatureOfOtherProduct => "feature_of_other_product",
            Self::PublicKeyInvalid => "public_key_invalid",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::InternalError => "internal_error",
        }
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

/// An error of one field or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the request body (RFC 6901), such as `/max_users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/max_users", nullable = false)]
    pub pointer: Option<String>,
    /// Name of the query, path or header parameter. Set instead of `pointer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cursor")]
    pub parameter: Option<String>,
    /// Machine-readable error code.
    pub code: Code,
    /// Human-readable description of the error.
    #[schema(example = "must be between 1 and 100000, or null for no limit")]
    pub detail: String,
}

impl FieldError {
    /// Creates an error of a field in the request body.
    pub fn at(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, code, detail: detail.into() }
    }

    /// Creates an error of a query, path or header parameter.
    pub fn parameter(name: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.into()), code, detail: detail.into() }
    }
}

/// All validation errors of a request, so that the caller can correct them at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} validation errors", .0.len())]
pub struct ValidationErrors(pub Vec<FieldError>);

impl ValidationErrors {
    /// Adds an error of a field in the request body.
    pub fn push(&mut self, pointer: &str, code: Code, detail: impl Into<String>) {
        self.0.push(FieldError::at(pointer, code, detail));
    }

    /// Adds an `invalid_value` error unless `is_valid` is true.
    pub fn check(&mut self, is_valid: bool, pointer: &str, detail: impl Into<String>) {
        if !is_valid {
            self.push(pointer, Code::InvalidValue, detail);
        }
    }

    /// Checks a name: not blank, at most `max` characters, [no invisible characters](has_invisible_chars).
    pub fn check_name(&mut self, pointer: &str, text: &str, max: usize) {
        let is_valid = !text.trim().is_empty() && text.chars().count() <= max && !has_invisible_chars(text);
        let rule = format!("must be 1 to {max} characters, not blank, without control or invisible characters");
        self.check(is_valid, pointer, rule);
    }

    /// Checks an optional text: at most `max` characters, no invisible characters except line breaks and tabs.
    pub fn check_text(&mut self, pointer: &str, text: Option<&str>, max: usize) {
        let is_valid = text
            .is_none_or(|text| text.chars().count() <= max && !text.split(['\n', '\r', '\t']).any(has_invisible_chars));
        let rule = format!(
            "must be at most {max} characters, without control or invisible characters except line breaks and tabs"
        );
        self.check(is_valid, pointer, rule);
    }

    /// Returns an error if any was added.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<FieldError> for ValidationErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_round_trips() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("Revoked".parse::<Code>(), Err(ParseCodeError));
    }
}
