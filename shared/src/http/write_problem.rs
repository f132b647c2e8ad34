//! Writes the bodies of problems, which need the issuer and the trace id of the request.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use super::{Problem, log::LoggedError};
use crate::http::Code;

/// Writes the body of a problem and turns the router's 405 into a problem. Adds a [`LoggedError`] to the response's
/// extensions for the log.
pub(crate) fn write_problem(mut response: Response, issuer: &str, trace_id: &str, has_authorization: bool) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = match (problem, response.status()) {
        (Some(problem), _) => problem,
        // A page of the dashboard has a body, and the error that it stands for.
        (None, StatusCode::METHOD_NOT_ALLOWED) if response.extensions().get::<LoggedError>().is_none() => {
            Problem::new(Code::MethodNotAllowed, "method not allowed: the Allow header lists the supported methods")
        }
        (None, _) => return response,
    };
    let (code, retry_after) = (problem.code, problem.retry_after_seconds);
    let error = LoggedError { code: code.as_str().into(), cause: problem.cause.clone() };
    let token_error = (code == Code::Unauthenticated && has_authorization).then(|| problem.detail.clone());
    let (mut parts, _) = response.into_parts();
    let (_, body) = Json(problem.body(issuer, trace_id.to_owned())).into_response().into_parts();
    parts.extensions.insert(error);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if parts.status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(WWW_AUTHENTICATE, bearer_challenge(token_error.as_deref()));
        parts.headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey header=\"X-Api-Key\""));
    }
    if let Some(seconds) = retry_after {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, body)
}

/// Builds the `WWW-Authenticate` challenge of RFC 6750 §3, with an error description if the request had a token.
fn bearer_challenge(token_error: Option<&str>) -> HeaderValue {
    let plain = HeaderValue::from_static("Bearer realm=\"signet\"");
    let Some(detail) = token_error else { return plain };
    let detail = detail.replace(|char: char| !matches!(char, ' '..='~') || matches!(char, '"' | '\\'), "");
    let text = format!("Bearer realm=\"signet\", error=\"invalid_token\", error_description=\"{detail}\"");
    HeaderValue::from_str(&text).unwrap_or(plain)
}
