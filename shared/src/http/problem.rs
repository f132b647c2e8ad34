//! Error responses: `application/problem+json` (RFC 9457), each with a [`Code`].

use axum::{
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Code, log::LoggedError};
use crate::{
    domain::{FieldError, NotInCatalogError, Refusal, Timestamp, ValidationErrors, license::StateConflict},
    store::{
        StoreError,
        pagination::ListError,
        rate_limiter::{RateLimitError, RateLimitExceeded},
    },
    tokens::{EncryptError, InvalidTokenError, KeyStringError, SealError, SignError, TokenError, VerifyError},
};

/// The maximum number of field errors in a response. A body of 64 KiB can have thousands.
const MAX_ERRORS: usize = 100;

/// The `Retry-After` of a 503 response, in seconds.
const UNAVAILABLE_RETRY_AFTER_SECONDS: u64 = 2;
/// The `Retry-After` of a repeat whose first request is still running, in seconds.
pub(crate) const IN_PROGRESS_RETRY_AFTER_SECONDS: u64 = 2;

/// An error response. The middleware writes its body, which needs the issuer and the trace id.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The machine-readable code.
    pub code: Code,
    /// The human-readable explanation.
    pub detail: String,
    /// The invalid fields and parameters.
    pub errors: Vec<InputError>,
    /// When the request may succeed.
    pub retry_at: Option<Timestamp>,
    /// The `Retry-After` header, in seconds.
    pub(crate) retry_after_seconds: Option<u64>,
    /// The internal cause. It is logged and never part of the response.
    pub(crate) cause: Option<String>,
}

/// The body of an error response (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// The URL of the code's documentation.
    #[schema(format = "uri")]
    pub r#type: String,
    /// A short summary of the code.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The machine-readable code.
    pub code: Code,
    /// A human-readable explanation of this occurrence. It may change; programs should use `code`.
    pub detail: String,
    /// The invalid fields and parameters; omitted if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InputError>,
    /// With `seat_limit_reached`: when the first of the leases that were read lapses, so that a seat may become free; omitted if
    /// none was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false, example = "2026-01-15T13:00:00Z")]
    pub retry_at: Option<Timestamp>,
    /// The id of the request in the log. Include it in support requests.
    pub trace_id: String,
}

/// An error of one field or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FieldError)]
pub struct InputError {
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

impl InputError {
    /// Creates an error of a field in the request body.
    pub fn at(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, code, detail: detail.into() }
    }

    /// Creates an error of a query, path or header parameter.
    pub fn parameter(name: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.into()), code, detail: detail.into() }
    }
}

impl From<FieldError> for InputError {
    fn from(FieldError { pointer, code, detail }: FieldError) -> Self {
        Self::at(pointer, code.into(), detail)
    }
}

impl Problem {
    /// Creates a problem with a code and an explanation.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_at: None, retry_after_seconds: None, cause: None }
    }

    /// Creates a 404 response. Resources that do not exist and resources of another customer get the same response,
    /// byte for byte.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "not found")
    }

    /// Creates a 500 response. The cause is only logged.
    pub fn internal(cause: impl Into<String>) -> Self {
        let detail = "internal server error: retry the request, and report the trace_id if it fails again";
        Self { cause: Some(cause.into()), ..Self::new(Code::InternalError, detail) }
    }

    /// Creates a 503 response, for an unavailable dependency. The cause is only logged.
    pub fn unavailable(cause: impl Into<String>) -> Self {
        let detail = "service temporarily unavailable: retry in a few seconds";
        Self {
            retry_after_seconds: Some(UNAVAILABLE_RETRY_AFTER_SECONDS),
            cause: Some(cause.into()),
            ..Self::new(Code::Unavailable, detail)
        }
    }

    /// Creates the response that every seat is taken. One may become free at `retry_at`.
    pub fn seat_limit_reached(detail: impl Into<String>, retry_at: Option<Timestamp>) -> Self {
        Self { retry_at, ..Self::new(Code::SeatLimitReached, detail) }
    }

    /// Creates a 429 response. The caller may retry after `seconds`.
    pub fn rate_limited(seconds: u64, detail: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(seconds.max(1)), ..Self::new(Code::RateLimited, detail) }
    }

    /// Creates the response to a repeat of a request that is in progress. The caller may retry after `seconds`.
    pub fn in_progress(seconds: u64, detail: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(seconds.max(1)), ..Self::new(Code::IdempotencyInProgress, detail) }
    }

    /// Creates a response that lists the errors of the input. Its code is that of the error if there is only one.
    pub fn invalid(mut errors: Vec<InputError>) -> Self {
        let (code, detail) = match errors.as_slice() {
            [error] => (error.code, error.detail.clone()),
            all if all.len() > MAX_ERRORS => {
                (Code::InvalidValue, format!("{} invalid fields: the first {MAX_ERRORS} are listed", all.len()))
            }
            all => (Code::InvalidValue, format!("{} invalid fields", all.len())),
        };
        errors.truncate(MAX_ERRORS);
        Self { errors, ..Self::new(code, detail) }
    }

    /// Turns `response`, such as an HTML page, into the error response of this problem: sets its status, `Retry-After`
    /// and the error that is logged.
    pub fn attach_to(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let error = LoggedError { code: self.code.as_str().into(), cause: self.cause.clone() };
        response.extensions_mut().insert(error);
        response
    }

    /// Returns the HTTP status of the code.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// Returns the response body.
    pub fn body(self, issuer: &str, trace_id: String) -> ProblemBody {
        ProblemBody {
            r#type: format!("{issuer}/problems/{}", self.code),
            title: self.code.title(),
            status: self.status().as_u16(),
            code: self.code,
            detail: self.detail,
            errors: self.errors,
            retry_at: self.retry_at,
            trace_id,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ValidationErrors> for Problem {
    fn from(ValidationErrors(errors): ValidationErrors) -> Self {
        Self::invalid(errors.into_iter().map(InputError::from).collect())
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        Self::invalid(vec![error])
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
            StoreError::ReservationLost => Self::in_progress(IN_PROGRESS_RETRY_AFTER_SECONDS, error.to_string()),
            StoreError::Unavailable(_) | StoreError::Contended => Self::unavailable(error.to_string()),
            StoreError::Rejected(_) | StoreError::UnusableTable { .. } | StoreError::InvalidItem(_) => {
                Self::internal(error.to_string())
            }
        }
    }
}

impl From<RateLimitExceeded> for Problem {
    fn from(limited: RateLimitExceeded) -> Self {
        Self::rate_limited(limited.0.reset_seconds, limited.to_string())
    }
}

impl From<RateLimitError> for Problem {
    fn from(error: RateLimitError) -> Self {
        match error {
            RateLimitError::RateLimitExceeded(limited) => limited.into(),
            RateLimitError::Store(error) => error.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Cursor(error) => InputError::parameter("cursor", Code::CursorInvalid, error.to_string()).into(),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.into(), refusal.to_string())
    }
}

impl From<NotInCatalogError> for Problem {
    fn from(error: NotInCatalogError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<StateConflict> for Problem {
    fn from(conflict: StateConflict) -> Self {
        Self::new(Code::StateConflict, conflict.to_string())
    }
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        // Operators must repair a key that cannot sign; apps retry until then. The cause is logged.
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

impl From<InvalidTokenError> for Problem {
    fn from(invalid: InvalidTokenError) -> Self {
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
            SealError::CannotOpen | SealError::CannotSeal => Self::internal(error.to_string()),
        }
    }
}

impl From<KeyStringError> for Problem {
    fn from(error: KeyStringError) -> Self {
        match error {
            KeyStringError::Token(error) => error.into(),
            KeyStringError::Seal(error) => error.into(),
            KeyStringError::NotStored => Self::new(Code::KeyNotStored, error.to_string()),
            KeyStringError::Store(error) => error.into(),
        }
    }
}
