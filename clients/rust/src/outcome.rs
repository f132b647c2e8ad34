use serde_json::Value;

use crate::{
    error::Error,
    ports::Response,
    state::OfflineReason,
    time::{parse_retry_after, parse_rfc3339, whole, Seconds},
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
}

/// A response that says nothing about the license, or none.
pub(crate) struct Failure {
    pub(crate) reason: OfflineReason,
    /// Delay of the header `Retry-After`.
    pub(crate) retry_after: Option<Seconds>,
    /// Status and code of a problem with a 4xx status.
    pub(crate) problem: Option<(u16, String)>,
}

impl Failure {
    pub(crate) fn network() -> Self {
        Self { reason: OfflineReason::Network, retry_after: None, problem: None }
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.problem.as_ref().is_none_or(|(status, _)| *status == 429)
    }

    pub(crate) fn to_error(&self) -> Error {
        self.problem.as_ref().map_or_else(Error::unreachable, |(_, code)| Error::api(code))
    }
}

impl Outcome {
    /// Classifies a response. `verify` returns the claims of a token that is accepted.
    pub(crate) fn of(
        response: &Response,
        kind: RequestKind,
        now: Seconds,
        verify: impl FnOnce(&str) -> Option<Claims>,
    ) -> Self {
        let retry_after = response.retry_after.as_deref().and_then(|header| parse_retry_after(header, now));
        if matches!(response.status, 200 | 201) {
            return match parse_token(&response.body, verify) {
                Some(token) => Self::Token(Box::new(token)),
                None => {
                    Self::Unreachable(Failure { reason: OfflineReason::InvalidResponse, retry_after, problem: None })
                }
            };
        }
        let problem = parse_problem(response);
        if let Some(problem) = &problem {
            let code = problem.code.as_str();
            let refusal = || Refusal { code: code.to_owned(), retry_at: problem.retry_at };
            let is_activation = kind == RequestKind::Activation;
            if LICENSE_CODES.contains(&code) || (is_activation && ACTIVATION_CODES.contains(&code)) {
                return Self::Refusal(refusal());
            }
            if LOST_SEAT_CODES.contains(&code) {
                return if is_activation { Self::Refusal(refusal()) } else { Self::LostSeat(refusal()) };
            }
        }
        Self::Unreachable(Failure {
            reason: OfflineReason::Http(response.status),
            retry_after,
            problem: problem.map(|problem| (response.status, problem.code)),
        })
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

/// A problem document with a 4xx status.
pub(crate) struct Problem {
    pub(crate) code: String,
    retry_at: Option<i64>,
}

/// Parses a problem document. Pages and problems of proxies are none.
pub(crate) fn parse_problem(response: &Response) -> Option<Problem> {
    let media_type = response.content_type.as_deref()?.split(';').next()?.trim();
    if !(400..500).contains(&response.status) || !media_type.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    let code = body.get("code")?.as_str()?.to_owned();
    let retry_at = time_field(&body, "retry_at").filter(|_| code == "seat_limit_reached").map(whole);
    Some(Problem { code, retry_at })
}

fn time_field(body: &Value, name: &str) -> Option<Seconds> {
    parse_rfc3339(body.get(name)?.as_str()?)
}
