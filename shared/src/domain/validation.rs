//! What is wrong with an input, field by field, and the one list of codes that callers may rely on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::has_invisible_chars;

/// Every code that an answer can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON.
    MalformedJson,
    /// The `Idempotency-Key` is empty or too long.
    IdempotencyKeyInvalid,
    /// No credential, or one that does not hold.
    Unauthenticated,
    /// A license token that does not hold.
    TokenInvalid,
    /// The caller is known, and may not.
    Forbidden,
    /// The license key was revoked.
    Revoked,
    /// A newer license key took this one's place.
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
    /// The customer claimed this tier before.
    AlreadyClaimed,
    /// There is no such thing, or it is someone else's.
    NotFound,
    /// There is no such version of the API.
    VersionUnknown,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The body is over 64 KiB.
    BodyTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The code belongs to another.
    CodeTaken,
    /// The feature key belongs to another.
    KeyTaken,
    /// The e-mail address belongs to another customer.
    EmailTaken,
    /// Every seat is taken.
    SeatLimitReached,
    /// The state of the thing forbids this.
    StateConflict,
    /// The user is not registered as a customer.
    CustomerNotRegistered,
    /// Another license key of this product is held.
    AlreadyLicensed,
    /// The last API key that manages access stays.
    LastAccessKey,
    /// The request of this `Idempotency-Key` is under way.
    IdempotencyInProgress,
    /// `If-Match` no longer holds.
    VersionConflict,
    /// A value is not acceptable.
    InvalidValue,
    /// A field that is not known.
    UnknownField,
    /// A field that can't change.
    Immutable,
    /// The cursor is not one of this list.
    CursorInvalid,
    /// A tier would include itself.
    TierCycle,
    /// The tier belongs to another product.
    TierOfOtherProduct,
    /// The feature belongs to another product.
    FeatureOfOtherProduct,
    /// The public key is not one to encrypt to.
    PublicKeyInvalid,
    /// The `Idempotency-Key` was used for another body.
    IdempotencyKeyReused,
    /// Too much of this for now.
    RateLimited,
    /// DynamoDB or KMS can't answer now.
    Unavailable,
    /// A fault of ours.
    InternalError,
}

impl Code {
    /// All of them, in the order of their statuses.
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

    /// The code as it stands in JSON.
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

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no code of a problem")]
pub struct ParseCodeError;

impl FromStr for Code {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, ParseCodeError> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or(ParseCodeError)
    }
}

/// One thing that is wrong with an input, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer into the body (RFC 6901), such as `/max_users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/max_users", nullable = false)]
    pub pointer: Option<String>,
    /// The name of a query, path or header value; in place of `pointer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cursor")]
    pub parameter: Option<String>,
    /// What is wrong, for a program.
    pub code: Code,
    /// What is wrong, for a person.
    #[schema(example = "1 to 100000, or null for no limit")]
    pub detail: String,
}

impl FieldError {
    /// A fault in the body.
    pub fn at(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, code, detail: detail.into() }
    }

    /// A fault in a query, path or header value.
    pub fn parameter(name: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.into()), code, detail: detail.into() }
    }
}

/// All that is wrong with an input, so that its writer mends it in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} faults in the input", .0.len())]
pub struct ValidationErrors(pub Vec<FieldError>);

impl ValidationErrors {
    /// Notes a fault in the body.
    pub fn push(&mut self, pointer: &str, code: Code, detail: impl Into<String>) {
        self.0.push(FieldError::at(pointer, code, detail));
    }

    /// Notes an unacceptable value unless `holds`.
    pub fn check(&mut self, holds: bool, pointer: &str, detail: impl Into<String>) {
        if !holds {
            self.push(pointer, Code::InvalidValue, detail);
        }
    }

    /// A text that people read: not blank, at most `most` characters, [nothing hidden](has_invisible_chars).
    pub fn name(&mut self, pointer: &str, text: &str, most: usize) {
        let fits = !text.trim().is_empty() && text.chars().count() <= most && !has_invisible_chars(text);
        self.check(fits, pointer, format!("1 to {most} characters, not only spaces, no control or invisible ones"));
    }

    /// A longer text, or none: at most `most` characters; line breaks and tabs are welcome, else nothing hidden.
    pub fn text(&mut self, pointer: &str, text: Option<&str>, most: usize) {
        let fits = text.is_none_or(|text| {
            text.chars().count() <= most && !text.split(['\n', '\r', '\t']).any(has_invisible_chars)
        });
        let rule = format!("at most {most} characters, no control or invisible ones but line breaks and tabs");
        self.check(fits, pointer, rule);
    }

    /// Nothing wrong, or all of it.
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
    fn a_code_is_written_one_way() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("Revoked".parse::<Code>(), Err(ParseCodeError));
    }
}
