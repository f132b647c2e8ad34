use serde_json::Value;

use crate::{
    error::{Cause, Error},
    ports::{NetworkError, Request, Response},
    problem::{time_field, Problem, MAX_TEXT},
    state::OfflineReason,
    text::single_line,
    time::{parse_retry_after, whole, Seconds},
    token::Claims,
};

/// Refusals of heartbeats and activations.
const LICENSE_CODES: [&str; 6] =
    ["revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"];
/// After a heartbeat with one of these refusals, the client activates again.
const LOST_SEAT_CODES: [&str; 3] = ["not_activated", "token_invalid", "machine_mismatch"];
/// Refusals of activations only.
const ACTIVATION_CODES: [&str; 2] = ["not_found", "seat_limit_reached"];

/// The requests whose successful response is a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Activation,
    Heartbeat,
}

/// What a response means.
pub(crate) enum Outcome {
    Token(Box<TokenResponse>),
    Refusal(Refusal),
    /// The machine has lost its seat, or the token its signing key: activate again.
    LostSeat(Refusal),
    Unreachable(Failure),
}

/// A response with an accepted token.
pub(crate) struct TokenResponse {
    pub(crate) token: String,
    pub(crate) claims: Claims,
    pub(crate) next_heartbeat_at: Option<Seconds>,
    pub(crate) in_grace: bool,
    pub(crate) grace_ends_at: Option<i64>,
}

/// A refusal of the license.
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) retry_at: Option<i64>,
    /// What the problem says to people.
    text: String,
}

impl Refusal {
    /// Returns the error of an operation. `what` says what failed.
    pub(crate) fn to_error(&self, what: &str) -> Error {
        Error::failed(what, &self.code, &self.text, None)
    }
}

/// A response that says nothing about the license, or none.
pub(crate) struct Failure {
    pub(crate) reason: OfflineReason,
    /// Delay of the header `Retry-After`.
    pub(crate) retry_after: Option<Seconds>,
    /// The problem, if there is one with a 4xx status.
    problem: Option<Problem>,
    /// Why there was no response.
    cause: Option<Cause>,
}

impl Failure {
    /// There was no response.
    pub(crate) fn network(error: &NetworkError) -> Self {
        Self { cause: Some(error.0.clone()), ..Self::of(OfflineReason::Network) }
    }

    /// A response with status 200 does not have the content of one of the API.
    pub(crate) fn invalid_response() -> Self {
        Self::of(OfflineReason::InvalidResponse)
    }

    /// A response with another status is no answer about the license.
    pub(crate) fn http(status: u16, problem: Option<Problem>) -> Self {
        Self { problem, ..Self::of(OfflineReason::Http(status)) }
    }

    fn of(reason: OfflineReason) -> Self {
        Self { reason, retry_after: None, problem: None, cause: None }
    }

    /// Returns whether the API says that the request is wrong.
    pub(crate) fn has_problem(&self) -> bool {
        self.problem.is_some()
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.problem.as_ref().is_none_or(|problem| problem.status == 429)
    }

    /// Returns the error of an operation. `what` says what failed.
    pub(crate) fn to_error(&self, what: &str) -> Error {
        let code = self.problem.as_ref().map_or("unreachable", |problem| &problem.code);
        Error::failed(what, code, &self.describe(), self.cause.clone())
    }

    /// Describes what happened, in one line without secrets.
    pub(crate) fn describe(&self) -> String {
        match (&self.problem, &self.cause) {
            (Some(problem), _) => problem.text.clone(),
            (None, Some(cause)) => single_line(&cause.to_string(), MAX_TEXT),
            (None, None) => self.reason.to_string(),
        }
    }
}

impl Outcome {
    /// Classifies the response to a request. `verify` returns the claims of a token that is accepted.
    pub(crate) fn of(
        request: &Request,
        response: &Response,
        kind: RequestKind,
        now: Seconds,
        verify: impl FnOnce(&str) -> Option<Claims>,
    ) -> Self {
        let retry_after = response.retry_after.as_deref().and_then(|header| parse_retry_after(header, now));
        if matches!(response.status, 200 | 201) {
            return match parse_token(&response.body, verify) {
                Some(token) => Self::Token(Box::new(token)),
                None => Self::Unreachable(Failure { retry_after, ..Failure::invalid_response() }),
            };
        }
        let problem = Problem::parse(request, response);
        if let Some(problem) = &problem {
            let code = problem.code.as_str();
            let refusal = || Refusal { code: code.to_owned(), retry_at: problem.retry_at, text: problem.text.clone() };
            let is_activation = kind == RequestKind::Activation;
            if LICENSE_CODES.contains(&code) || (is_activation && ACTIVATION_CODES.contains(&code)) {
                return Self::Refusal(refusal());
            }
            if LOST_SEAT_CODES.contains(&code) {
                return if is_activation { Self::Refusal(refusal()) } else { Self::LostSeat(refusal()) };
            }
        }
        Self::Unreachable(Failure { retry_after, ..Failure::http(response.status, problem) })
    }
}

fn parse_token(body: &[u8], verify: impl FnOnce(&str) -> Option<Claims>) -> Option<TokenResponse> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let token = body.get("token")?.as_str()?;
    Some(TokenResponse {
        claims: verify(token)?,
        token: token.to_owned(),
        next_heartbeat_at: time_field(&body, "next_heartbeat_at"),
        in_grace: body.get("in_grace").and_then(Value::as_bool).unwrap_or(false),
        grace_ends_at: time_field(&body, "grace_ends_at").map(whole),
    })
}
