//! The middleware of `Idempotency-Key`: reserves the key before the handler runs, replays stored responses, and stores
//! the responses that the handler's command has not stored itself, such as problems.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRef, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::SignedDuration;
use rand::RngExt;

use super::AppState;
use crate::{
    auth::Authenticator,
    domain::{SealingContext, secret::sha256},
    http::{
        Code, Idempotency, InputError, Problem, RequestContext, StoredResponse,
        extractors::read_bytes,
        idempotency::{IDEMPOTENT_REPLAYED, ReservedKey},
        problem::IN_PROGRESS_RETRY_AFTER_SECONDS,
        write_problem::write_problem,
    },
    store::idempotency::{Reservation, ReserveOutcome, STALE_AFTER},
};

const HEADER: &str = "idempotency-key";
/// POST routes that are idempotent by themselves and ignore the key.
const IDEMPOTENT_ROUTES: [&str; 8] = [
    "/api/v1.0/webhook-endpoints/{id}/replay",
    "/api/v1.0/license-keys/batch/revoke",
    "/api/v1.0/license-keys/validate",
    "/api/v1.0/license-keys/heartbeat",
    "/api/v1.0/license-activations/activate",
    "/api/v1.0/license-activations/{id}/deactivate",
    "/api/v1.0/license-keys/{id}/offline-activations",
    "/api/v1.0/imports",
];
/// Routes that store their response before they make their changes, because these do not fit in one transaction. A repeat
/// completes them.
const RESUMED_ROUTES: [&str; 1] = ["/api/v1.0/license-keys/batch"];
/// The maximum size of a stored response body, in bytes, far above that of any POST response.
const MAX_RESPONSE_BYTES: usize = 300 * 1024;

/// Returns whether a route honors `Idempotency-Key`.
pub fn is_supported(method: &Method, route: &str) -> bool {
    method == Method::POST && route.starts_with("/api/") && !IDEMPOTENT_ROUTES.contains(&route)
}

/// The middleware that reserves idempotency keys and replays stored responses.
pub(super) async fn handle_idempotency_key(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_supported = route.is_some_and(|route| is_supported(request.method(), route));
    if !is_supported || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    run_idempotent(&app, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn run_idempotent(app: &AppState, request: Request, next: Next) -> Result<Response, Problem> {
    let key = read_key(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let caller = Authenticator::from_ref(app).caller(&mut parts).await?;
    let Some(caller) = caller else {
        // Records belong to a credential. Without one, the handler decides whether the request is allowed.
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let Some(ctx) = parts.extensions.get::<RequestContext>().cloned() else {
        return Err(Problem::internal("the route is not wrapped by the middleware"));
    };
    parts.extensions.insert(caller.clone());
    // A body that cannot be read completely has no hash, so its error response is not stored.
    let body = read_bytes(Request::from_parts(parts.clone(), body), &()).await?;

    // With the query: a dry run must not use up the key of the real request.
    let target = parts.uri.path_and_query().map_or(parts.uri.path(), |target| target.as_str());
    let reservation =
        Reservation::new(&caller.credential_id(), parts.method.as_str(), target, &key, rand::rng().random());
    let context = app.table.response_context(&reservation);
    let reservation = match app.table.reserve(&reservation, &sha256(&body), ctx.now).await? {
        ReserveOutcome::Reserved(reservation) => reservation,
        ReserveOutcome::Done(sealed) => {
            let stored = open_response(app, &context, &sealed).await?;
            let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
            let is_resumed = stored.is_success() && route.is_some_and(|route| RESUMED_ROUTES.contains(&route));
            let mut response = if is_resumed {
                parts.extensions.insert(RequestContext { idempotency: Idempotency::Stored(Arc::new(stored)), ..ctx });
                next.run(Request::from_parts(parts, Body::from(body))).await
            } else {
                stored.into_response()
            };
            if response.status().is_success() || !is_resumed {
                response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            }
            return Ok(response);
        }
        ReserveOutcome::Reused => {
            return Err(InputError::parameter(
                "Idempotency-Key",
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was already used with a different body: use a new key",
            )
            .into());
        }
        ReserveOutcome::InProgress(age) => {
            let detail = "a request with this Idempotency-Key is in progress: retry later";
            return Err(Problem::in_progress(retry_after_seconds(age, app.settings.timeouts.request), detail));
        }
    };
    let reserved = ReservedKey::new(reservation, context, Arc::clone(&app.sealer));
    let issuer = app.issuer().to_owned();
    let trace_id = ctx.trace_id.clone();
    parts.extensions.insert(RequestContext { idempotency: Idempotency::Reserved(reserved.clone()), ..ctx });
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let is_retryable = is_retryable(&response);
    finish(app, &reserved, is_retryable, write_problem(response, &issuer, &trace_id, false)).await
}

/// Returns when to repeat a request whose first attempt made its reservation `age` ago, in seconds. While that attempt
/// can be running, its response is expected soon. After the request timeout it has crashed or could not release its
/// reservation, so the key stays reserved until the reservation is stale.
fn retry_after_seconds(age: SignedDuration, request_timeout: Duration) -> u64 {
    if age.as_millis() < i128::try_from(request_timeout.as_millis()).unwrap_or(i128::MAX) {
        return IN_PROGRESS_RETRY_AFTER_SECONDS;
    }
    let millis = u64::try_from(STALE_AFTER.saturating_sub(age).as_millis()).unwrap_or(0);
    millis.div_ceil(1000)
}

fn read_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let key = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(unquoted),
        _ => None,
    };
    let key = key.filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| matches!(b, b' '..=b'~')));
    let detail =
        "Idempotency-Key must be one value of 1 to 255 printable ASCII characters, optionally in double quotes";
    key.map(str::to_owned).ok_or_else(|| Problem::new(Code::IdempotencyKeyInvalid, detail))
}

/// Removes the double quotes around a key, if it has them. Returns `None` if the closing one is missing.
fn unquoted(text: &str) -> Option<&str> {
    let text = text.trim();
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(text),
    }
}

async fn open_response(app: &AppState, context: &SealingContext, sealed: &[u8]) -> Result<StoredResponse, Problem> {
    let text = app.sealer.open(context, sealed).await?;
    serde_json::from_str(text.expose()).map_err(|error| Problem::internal(error.to_string()))
}

/// Returns whether a retry with the same key may succeed: after a temporary failure, or an error that depends on
/// something other than path and body. A client that corrects a header or gains a role must not get the stored error
/// for a day.
fn is_retryable(response: &Response) -> bool {
    let status = response.status();
    let is_temporary = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let depends_on_header = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let is_forbidden = response.extensions().get::<Problem>().is_some_and(|problem| problem.code == Code::Forbidden);
    is_temporary || depends_on_header || is_forbidden
}

/// Releases the reservation if the request can be retried; otherwise stores the response for replays.
async fn finish(
    app: &AppState,
    reserved: &ReservedKey,
    is_retryable: bool,
    response: Response,
) -> Result<Response, Problem> {
    if is_retryable {
        // Releases only a record that is not done: if a response of DynamoDB was lost, the effect may have been
        // written.
        if let Err(error) = app.table.release(&reserved.reservation).await {
            tracing::warn!(%error, "failed to release an idempotency record; it stays reserved until it is stale");
        }
        return Ok(response);
    }
    if reserved.is_stored() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_RESPONSE_BYTES).await.map_err(|error| Problem::internal(error.to_string()))?;
    let completion = reserved.completion(&StoredResponse::from_parts(&parts, &body)).await?;
    if let Err(error) = app.table.store_response(&completion).await {
        tracing::warn!(%error, "failed to store the response of an idempotent request");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).ok()?);
        }
        read_key(&headers).ok()
    }

    #[test]
    fn repeats_wait_shortly_for_a_running_request_and_then_until_its_reservation_is_stale() {
        let after = |millis| retry_after_seconds(SignedDuration::from_millis(millis), Duration::from_secs(10));
        assert_eq!([-5000, 0, 9999].map(after), [2, 2, 2]);
        assert_eq!([10_000, 10_001, 29_000, 29_999].map(after), [20, 20, 1, 1]);
    }

    proptest! {
        #[test]
        fn quotes_around_a_key_do_not_count(text in "[!#-~]([ -~]{0,253}[!#-~])?") {
            prop_assert_eq!(key(&[text.as_bytes()]), Some(text.clone()));
            prop_assert_eq!(key(&[format!(" \"{text}\" ").as_bytes()]), Some(text));
        }

        #[test]
        fn read_key_accepts_only_valid_keys(value in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
            if let Some(read) = key(&[&value]) {
                prop_assert!((1..=255).contains(&read.len()) && read.is_ascii());
                prop_assert!(key(&[&value, &other]).is_none(), "a repeated header is invalid");
            }
        }
    }
}
