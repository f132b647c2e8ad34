//! Answers that say no: `application/problem+json` (RFC 9457), each with a code from the one list.

use axum::{
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::log::LoggedError;
use crate::{
    domain::{Code, FieldError, License, Refusal, ValidationErrors, license::StateConflict},
    store::{
        StoreError,
        pagination::ListError,
        rate_limiter::{CountError, RateLimitExceeded},
    },
    tokens::{EncryptError, SealError, SignError, TokenError, TokenInvalid, VerifyError},
};

/// How many faults of an input are told at once: a body of 64 KiB has room for thousands.
const MAX_ERRORS: usize = 100;

/// How long to wait before asking again, in seconds, where what we need does not answer.
const WHILE_UNAVAILABLE: u64 = 2;

/// A problem on its way out. The edge writes its body, as only the edge knows the issuer and the trace id.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong, for a program.
    pub code: Code,
    /// What is wrong, for a person.
    pub detail: String,
    /// Where, for input.
    pub errors: Vec<FieldError>,
    /// When to ask again, for what passes by itself.
    pub(super) retry_after_seconds: Option<u64>,
    /// What the log gets and the caller does not.
    pub(super) cause: Option<String>,
}

/// The body of an answer that says no (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Leads to a page about the code.
    #[schema(format = "uri")]
    pub r#type: String,
    /// The code, in words.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong, for a program.
    pub code: Code,
    /// What is wrong this time, for a person.
    pub detail: String,
    /// Where, for input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// By which the log knows the request.
    pub trace_id: String,
}

impl Problem {
    /// A problem that is told by its code and a sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None, cause: None }
    }

    /// What is not there, or is someone else's: one answer for both, byte for byte.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is no such thing here")
    }

    /// A fault of ours: the cause is for the log alone.
    pub fn internal(cause: impl Into<String>) -> Self {
        let detail = "something went wrong on our side; nothing is lost, and asking again may help";
        Self { cause: Some(cause.into()), ..Self::new(Code::InternalError, detail) }
    }

    /// Something that we need does not answer.
    pub fn unavailable(cause: impl Into<String>) -> Self {
        let detail = "this can't be answered right now; ask again in a few seconds";
        Self {
            retry_after_seconds: Some(WHILE_UNAVAILABLE),
            cause: Some(cause.into()),
            ..Self::new(Code::Unavailable, detail)
        }
    }

    /// More than the limit allows of something that is counted, until `seconds` from now.
    pub fn rate_limited(seconds: u64, detail: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(seconds.max(1)), ..Self::new(Code::RateLimited, detail) }
    }

    /// An answer that tells of it in another way than the API does, as a page for people. The log hears of it as ever.
    pub fn attach_to(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let refusal = LoggedError { code: self.code.as_str().into(), cause: self.cause.clone() };
        response.extensions_mut().insert(refusal);
        response
    }

    /// The status that goes with its code.
    pub fn status(&self) -> StatusCode {
        status(self.code)
    }

    /// What is sent, by this issuer, of the request that the log knows by this name.
    pub fn body(self, issuer: &str, trace_id: String) -> ProblemBody {
        ProblemBody {
            r#type: format!("{issuer}/problems/{}", self.code),
            title: title(self.code),
            status: self.status().as_u16(),
            code: self.code,
            detail: self.detail,
            errors: self.errors,
            trace_id,
        }
    }
}

/// The HTTP status of each code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedJson | Code::IdempotencyKeyInvalid => StatusCode::BAD_REQUEST,
        Code::Unauthenticated | Code::TokenInvalid => StatusCode::UNAUTHORIZED,
        Code::Forbidden
        | Code::Revoked
        | Code::Superseded
        | Code::Suspended
        | Code::Expired
        | Code::ProductInactive
        | Code::GenerationOutdated
        | Code::NotActivated
        | Code::MachineMismatch
        | Code::TierNotClaimable
        | Code::AlreadyClaimed => StatusCode::FORBIDDEN,
        Code::NotFound | Code::VersionUnknown => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::CodeTaken
        | Code::KeyTaken
        | Code::EmailTaken
        | Code::SeatLimitReached
        | Code::StateConflict
        | Code::CustomerNotRegistered
        | Code::AlreadyLicensed
        | Code::LastAccessKey
        | Code::IdempotencyInProgress => StatusCode::CONFLICT,
        Code::VersionConflict => StatusCode::PRECONDITION_FAILED,
        Code::InvalidValue
        | Code::UnknownField
        | Code::Immutable
        | Code::CursorInvalid
        | Code::TierCycle
        | Code::TierOfOtherProduct
        | Code::FeatureOfOtherProduct
        | Code::PublicKeyInvalid
        | Code::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What each code means, in a few words.
pub const fn title(code: Code) -> &'static str {
    match code {
        Code::MalformedJson => "The body is not JSON",
        Code::IdempotencyKeyInvalid => "The Idempotency-Key is empty or too long",
        Code::Unauthenticated => "No credential, or one that does not hold",
        Code::TokenInvalid => "The license token does not hold",
        Code::Forbidden => "This caller may not do this",
        Code::Revoked => "The license key was revoked",
        Code::Superseded => "A newer license key took this one's place",
        Code::Suspended => "The license key is suspended",
        Code::Expired => "The license key has expired",
        Code::ProductInactive => "The product is not active",
        Code::GenerationOutdated => "The license key was regenerated",
        Code::NotActivated => "The machine holds no seat",
        Code::MachineMismatch => "The token belongs to another machine",
        Code::TierNotClaimable => "The pricing tier can't be claimed",
        Code::AlreadyClaimed => "The pricing tier was claimed before",
        Code::NotFound => "Not found",
        Code::VersionUnknown => "There is no such version of the API",
        Code::MethodNotAllowed => "The path takes other methods",
        Code::BodyTooLarge => "The body is too large",
        Code::UnsupportedMediaType => "The body must be JSON",
        Code::CodeTaken => "The code is taken",
        Code::KeyTaken => "The feature key is taken",
        Code::EmailTaken => "The e-mail address is taken",
        Code::SeatLimitReached => "Every seat is taken",
        Code::StateConflict => "The state forbids this",
        Code::CustomerNotRegistered => "The user is not registered as a customer",
        Code::AlreadyLicensed => "Another license key of this product is held",
        Code::LastAccessKey => "It is the last API key that manages access",
        Code::IdempotencyInProgress => "The request is under way",
        Code::VersionConflict => "It was changed meanwhile",
        Code::InvalidValue => "A value is not acceptable",
        Code::UnknownField => "A field is not known",
        Code::Immutable => "A field can't change",
        Code::CursorInvalid => "The cursor is not one of this list",
        Code::TierCycle => "A tier would include itself",
        Code::TierOfOtherProduct => "The tier belongs to another product",
        Code::FeatureOfOtherProduct => "The feature belongs to another product",
        Code::PublicKeyInvalid => "The public key can't be encrypted to",
        Code::IdempotencyKeyReused => "The Idempotency-Key was used for another body",
        Code::RateLimited => "Too many requests of this kind",
        Code::Unavailable => "Not available right now",
        Code::InternalError => "A fault on our side",
    }
}

/// The fault of a license whose product or tier the catalog does not have. Neither can be deleted, so it is ours.
pub fn not_in_catalog(license: &License) -> Problem {
    Problem::internal(format!("license {} is of a tier that is not in the catalog", license.id))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ValidationErrors> for Problem {
    fn from(ValidationErrors(mut errors): ValidationErrors) -> Self {
        let (code, detail) = match errors.as_slice() {
            [one] => (one.code, one.detail.clone()),
            several if several.len() > MAX_ERRORS => {
                let count = several.len();
                (
                    Code::InvalidValue,
                    format!("{count} things are wrong with the input: the first {MAX_ERRORS} are told"),
                )
            }
            several => (Code::InvalidValue, format!("{} things are wrong with the input", several.len())),
        };
        errors.truncate(MAX_ERRORS);
        Self { errors, ..Self::new(code, detail) }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        ValidationErrors::from(error).into()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ReservationLost => Self::new(Code::IdempotencyInProgress, error.to_string()),
            StoreError::Unavailable(_) | StoreError::Contended => Self::unavailable(error.to_string()),
            StoreError::Rejected(_) | StoreError::OtherTable { .. } | StoreError::Damaged(_) => {
                Self::internal(error.to_string())
            }
        }
    }
}

impl From<RateLimitExceeded> for Problem {
    fn from(limited: RateLimitExceeded) -> Self {
        Self::rate_limited(limited.seconds, limited.to_string())
    }
}

impl From<CountError> for Problem {
    fn from(error: CountError) -> Self {
        match error {
            CountError::RateLimitExceeded(limited) => limited.into(),
            CountError::Store(error) => error.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Cursor(error) => FieldError::parameter("cursor", Code::CursorInvalid, error.to_string()).into(),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

impl From<StateConflict> for Problem {
    fn from(conflict: StateConflict) -> Self {
        Self::new(Code::StateConflict, conflict.to_string())
    }
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        // A key that can't sign is ours to mend, and is mended while apps come back; the log has what is wrong.
        Self::unavailable(error.to_string())
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::TooLong { .. } => Self::unavailable(error.to_string()),
            TokenError::Sign(error) => error.into(),
            TokenError::Store(error) => error.into(),
        }
    }
}

impl From<EncryptError> for Problem {
    fn from(error: EncryptError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<TokenInvalid> for Problem {
    fn from(invalid: TokenInvalid) -> Self {
        Self::new(Code::TokenInvalid, invalid.to_string())
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Invalid(error) => error.into(),
            VerifyError::Condemned => Self::new(Code::TokenInvalid, error.to_string()),
            VerifyError::Store(error) => error.into(),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Unavailable(_) => Self::unavailable(error.to_string()),
            SealError::DoesNotOpen => Self::internal(error.to_string()),
        }
    }
}
