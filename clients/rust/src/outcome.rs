use std::time::Duration;

use serde_json::Value;

use crate::{
    error::{Cause, Error},
    key_set,
    ports::{NetworkError, Request, RequestKind, Response},
    problem::{time_field, Problem, MAX_TEXT},
    requests,
    secrets::Secrets,
    state::OfflineReason,
    text::{quote_product, single_line, MAX_PRODUCT},
    time::{parse_retry_after, whole, Seconds},
    token::Claims,
};

/// Refusals of heartbeats and activations.
const LICENSE_CODES: [&str; 6] =
    ["revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"];
/// After a heartbeat with one of these refusals, the client activates again.
const LOST_SEAT_CODES: [&str; 3] = ["not_activated", "token_invalid", "machine_mismatch"];
/// Refusals of activations only.
const ACTIVATION_CODES: [&str; 3] = [NOT_FOUND, WRONG_PRODUCT, "seat_limit_reached"];
/// What was requested does not exist.
pub(crate) const NOT_FOUND: &str = "not_found";
/// The license key is for another product. Not a code of the API.
pub(crate) const WRONG_PRODUCT: &str = "wrong_product";

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
    pub(crate) body: TokenBody,
    pub(crate) claims: Claims,
}

impl TokenResponse {
    /// Returns the request that frees the seat.
    pub(crate) fn deactivation(&self, timeout: Option<Duration>) -> Request {
        requests::deactivate(&self.claims.activation.id, &self.body.token, timeout)
    }
}

/// The body of a response with a token, which has not been verified.
pub(crate) struct TokenBody {
    pub(crate) token: String,
    pub(crate) next_heartbeat_at: Option<Seconds>,
    pub(crate) in_grace: bool,
    pub(crate) grace_ends_at: Option<i64>,
}

/// Whether a token of a response is accepted.
pub(crate) enum TokenCheck {
    Accepted(Claims),
    /// It is accepted in all but its product, whatever its times.
    WrongProduct(Claims),
    Invalid,
}

/// A refusal of the license.
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) retry_at: Option<i64>,
    /// What the problem says to people.
    text: String,
    /// Frees the seat of another product that the activation took.
    pub(crate) deactivation: Option<Request>,
}

impl Refusal {
    fn new(problem: &Problem) -> Self {
        let code = problem.code.clone();
        let text = if code == NOT_FOUND { "there is no such license key".to_owned() } else { problem.text.clone() };
        Self { code, retry_at: problem.retry_at, text, deactivation: None }
    }

    /// The license key is for `other` and not for `product`. `deactivation` frees its seat if the activation took it.
    pub(crate) fn wrong_product(other: &str, product: &str, secrets: &Secrets, deactivation: Option<Request>) -> Self {
        let other = quote_product(&secrets.redact(other, MAX_PRODUCT));
        let text = format!("it is for the product {other}, not {}", quote_product(product));
        Self { code: WRONG_PRODUCT.to_owned(), retry_at: None, text, deactivation }
    }

    /// Returns the error of an operation. `what` says what failed.
    pub(crate) fn to_error(&self, what: &str) -> Error {
        Error::failed(what, &self.code, &self.text, None)
    }
}

/// A response that is no success of its request, or none.
pub(crate) struct Failure {
    pub(crate) reason: OfflineReason,
    /// Delay of the header `Retry-After`.
    pub(crate) retry_after: Option<Seconds>,
    /// No root key of the app signed the key set that was fetched.
    pub(crate) is_key_set_unsigned: bool,
    /// The problem, if there is one with a 4xx status.
    problem: Option<Box<Problem>>,
    /// Why there was no response.
    cause: Option<Cause>,
}

impl Failure {
    /// There was no response.
    pub(crate) fn network(error: &NetworkError) -> Self {
        Self { cause: Some(error.0.clone()), ..Self::new(OfflineReason::Network) }
    }

    /// The response does not have the content of a success, or has another status.
    pub(crate) fn of(response: &Response, secrets: &Secrets, now: Seconds) -> Self {
        let reason = match response.status {
            200 | 201 => OfflineReason::InvalidResponse,
            status => OfflineReason::Http(status),
        };
        let retry_after = response.retry_after.as_deref().and_then(|header| parse_retry_after(header, now));
        Self { retry_after, problem: Problem::parse(response, secrets).map(Box::new), ..Self::new(reason) }
    }

    /// A key set that was fetched is not acceptable.
    pub(crate) fn invalid_key_set(is_key_set_unsigned: bool) -> Self {
        Self { is_key_set_unsigned, ..Self::new(OfflineReason::InvalidResponse) }
    }

    fn new(reason: OfflineReason) -> Self {
        Self { reason, retry_after: None, is_key_set_unsigned: false, problem: None, cause: None }
    }

    /// Returns whether the API says that the request is wrong.
    pub(crate) fn has_problem(&self) -> bool {
        self.problem.is_some()
    }

    /// Returns whether the API says that what was requested does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == NOT_FOUND)
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.problem.as_ref().is_none_or(|problem| problem.status == 429)
    }

    /// Returns the error of an operation. `what` says what failed.
    pub(crate) fn to_error(&self, what: &str) -> Error {
        let code = self.problem.as_ref().map_or("unreachable", |problem| &problem.code);
        let why = match (&self.problem, &self.cause) {
            (Some(problem), _) => problem.text.clone(),
            (None, Some(cause)) => show_cause(cause),
            (None, None) => self.describe_reason(),
        };
        Error::failed(what, code, &why, self.cause.clone())
    }

    /// Returns what happened for support, in one line without secrets.
    pub(crate) fn describe(&self) -> String {
        match (&self.problem, &self.cause) {
            (Some(problem), _) => problem.shown_code.clone(),
            (None, Some(cause)) => format!("network: {}", show_cause(cause)),
            (None, None) => self.describe_reason(),
        }
    }

    fn describe_reason(&self) -> String {
        let detail = if self.is_key_set_unsigned { format!(": the {}", key_set::UNSIGNED) } else { String::new() };
        format!("{}{detail}", self.reason)
    }
}

fn show_cause(cause: &Cause) -> String {
    single_line(&cause.to_string(), MAX_TEXT)
}

impl Outcome {
    /// Classifies a response without an accepted token, or none, to a request of this kind.
    pub(crate) fn of_failure(failure: Failure, kind: RequestKind) -> Self {
        let Some(problem) = &failure.problem else { return Self::Unreachable(failure) };
        let is_one_of = |codes: &[&str]| codes.contains(&problem.code.as_str());
        let is_activation = kind == RequestKind::Activate;
        if is_one_of(&LOST_SEAT_CODES) && !is_activation {
            return Self::LostSeat(Refusal::new(problem));
        }
        let is_refusal_of_key = is_one_of(&ACTIVATION_CODES) || is_one_of(&LOST_SEAT_CODES);
        if is_one_of(&LICENSE_CODES) || (is_activation && is_refusal_of_key) {
            return Self::Refusal(Refusal::new(problem));
        }
        Self::Unreachable(failure)
    }

    /// Returns the response if its token is accepted.
    pub(crate) fn token(&self) -> Option<&TokenResponse> {
        match self {
            Self::Token(response) => Some(response),
            _ => None,
        }
    }

    /// Returns why the request did not succeed, for support. `None` if it did.
    pub(crate) fn describe_failure(&self) -> Option<String> {
        match self {
            Self::Token(_) => None,
            Self::Refusal(refusal) | Self::LostSeat(refusal) => Some(refusal.code.clone()),
            Self::Unreachable(failure) => Some(failure.describe()),
        }
    }
}

impl TokenBody {
    /// Parses a response. Returns `None` unless it is a success with a token.
    pub(crate) fn parse(response: &Response) -> Option<Self> {
        let body: Value = serde_json::from_slice(&response.body).ok()?;
        let token = body.get("token").filter(|_| matches!(response.status, 200 | 201))?.as_str()?;
        Some(Self {
            token: token.to_owned(),
            next_heartbeat_at: time_field(&body, "next_heartbeat_at"),
            in_grace: body.get("in_grace").and_then(Value::as_bool).unwrap_or(false),
            grace_ends_at: time_field(&body, "grace_ends_at").map(whole),
        })
    }
}
