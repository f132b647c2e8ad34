//! The problems that many endpoints share, as their documentation lists them: `responses((status = 200, …), Known,
//! Scoped)`. Each type is a set of statuses; an endpoint names the sets that apply to it.

use utoipa::IntoResponses;

use super::problem::ProblemBody;

/// Any endpoint may be without an answer for a while.
#[derive(Debug, IntoResponses)]
pub enum Always {
    /// Something that we need does not answer; `Retry-After` says when to ask again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// The caller must say who it is.
#[derive(Debug, IntoResponses)]
pub enum Known {
    /// No credential, or one that does not hold.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// Too many credentials that do not hold came from this address; `Retry-After` says when to ask again.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemBody),
}

/// A license key or token is looked at, and what does not hold is counted.
#[derive(Debug, IntoResponses)]
pub enum Limited {
    /// Too many license keys or tokens that do not hold came from this address; `Retry-After` says when to ask again.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemBody),
}

/// The caller must be allowed to do this.
#[derive(Debug, IntoResponses)]
pub enum Scoped {
    /// The caller may not do this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
}

/// The path names one thing.
#[derive(Debug, IntoResponses)]
pub enum ById {
    /// There is no such thing here.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// A query string is read.
#[derive(Debug, IntoResponses)]
pub enum Queried {
    /// A parameter is not known or not acceptable; `errors` says which.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemBody),
}

/// A body is read.
#[derive(Debug, IntoResponses)]
pub enum WithBody {
    /// The body is not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// The body is over 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemBody),
    /// A field is not known or not acceptable; `errors` says which.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemBody),
}

/// `If-Match` is honoured.
#[derive(Debug, IntoResponses)]
pub enum Matched {
    /// It is no longer what `If-Match` names.
    #[response(status = 412, content_type = "application/problem+json")]
    VersionConflict(ProblemBody),
}
