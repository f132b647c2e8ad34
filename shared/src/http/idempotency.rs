//! `Idempotency-Key`: a POST that is sent again gives the same answer and does nothing again.
//!
//! The key is claimed before the handler runs. The handler's command hands its answer to [`Idempotency::created`] or [`Idempotency::ok`] and writes
//! what comes back in the transaction of its effect, so there is no moment at which one of the two is written alone.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{MatchedPath, OptionalFromRequestParts, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, ETAG, LOCATION},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use futures_util::{FutureExt, future::BoxFuture};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{
    Problem, RequestContext, extractors::read_bytes, log::LoggedError, middleware::write_problem, representation::etag,
};
use crate::{
    AppState,
    auth::Caller,
    domain::{Code, SealingContext, Secret, secret::sha256},
    store::idempotency::{Completion, Reservation, ReserveOutcome},
    tokens::Sealer,
};

const HEADER: &str = "idempotency-key";
/// These are repeatable by nature, and ignore the key.
const REPEATABLE: [&str; 4] = [
    "/api/v1.0/license-keys/validate",
    "/api/v1.0/license-keys/heartbeat",
    "/api/v1.0/license-activations/activate",
    "/api/v1.0/license-activations/{id}/deactivate",
];
/// Far above any answer of a POST.
const MAX_ANSWER_BYTES: usize = 300 * 1024;

/// An answer, as it is sent and as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredResponse {
    status: u16,
    content_type: String,
    location: Option<String>,
    tagged: bool,
    /// Base64, as an answer may be any bytes.
    body: String,
    /// Of the problem that it tells, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl StoredResponse {
    /// 201, where the new resource lies, and the resource.
    pub fn created(location: String, body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::CREATED, Some(location), body)
    }

    /// 200, and the resource.
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, None, body)
    }

    fn json(status: StatusCode, location: Option<String>, body: &impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(body).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Self {
            status: status.as_u16(),
            content_type: "application/json".to_owned(),
            location,
            tagged: true,
            body: BASE64.encode(&bytes),
            code: None,
        })
    }

    fn of(response: &axum::http::response::Parts, body: &Bytes) -> Self {
        let text = |name| response.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self {
            status: response.status.as_u16(),
            content_type: text(CONTENT_TYPE).unwrap_or_default().to_owned(),
            location: text(LOCATION).map(str::to_owned),
            tagged: response.headers.contains_key(ETAG),
            body: BASE64.encode(body),
            code: response.extensions.get::<LoggedError>().map(|refusal| refusal.code.clone().into_owned()),
        }
    }
}

impl IntoResponse for StoredResponse {
    fn into_response(self) -> Response {
        let Ok(body) = BASE64.decode(self.body.as_bytes()) else {
            return Problem::internal("a kept answer is damaged").into_response();
        };
        let mut headers = HeaderMap::new();
        if let Ok(content_type) = HeaderValue::from_str(&self.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            headers.insert(LOCATION, location);
        }
        if self.tagged {
            headers.insert(ETAG, etag(&body));
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, headers, body).into_response();
        if let Some(code) = self.code {
            response.extensions_mut().insert(LoggedError { code: code.into(), cause: None });
        }
        response
    }
}

/// Whether this request is to happen once.
#[derive(Debug, Clone, Default)]
pub struct Idempotency(Option<Arc<Handle>>);

#[derive(Debug)]
struct Handle {
    reservation: Reservation,
    context: SealingContext,
    sealer: Arc<dyn Sealer>,
    /// Whether the answer was kept with the effect, in its transaction.
    kept: Arc<AtomicBool>,
}

impl Idempotency {
    /// What the effect's transaction must write with it, so that a repeat is given 201, where the new resource lies,
    /// and the resource.
    pub fn created(&self, location: String, body: &impl Serialize) -> Sealing<'_> {
        self.done(StoredResponse::created(location, body))
    }

    /// The same with 200 and the resource.
    pub fn ok(&self, body: &impl Serialize) -> Sealing<'_> {
        self.done(StoredResponse::ok(body))
    }

    /// The same with 200 and what is no resource of its own, and so has no `ETag`.
    pub fn untagged(&self, body: &impl Serialize) -> Sealing<'_> {
        self.done(StoredResponse::ok(body).map(|answer| StoredResponse { tagged: false, ..answer }))
    }

    fn done(&self, answer: Result<StoredResponse, Problem>) -> Sealing<'_> {
        let Some(handle) = &self.0 else { return ready(Ok(None)).boxed() };
        async move { handle.completion(&answer?).await.map(Some) }.boxed()
    }
}

/// An answer that is being sealed; none is asked for where a request may happen again.
pub type Sealing<'a> = BoxFuture<'a, Result<Option<Completion>, Problem>>;

impl Handle {
    async fn completion(&self, answer: &StoredResponse) -> Result<Completion, Problem> {
        let text = serde_json::to_string(answer).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(self
            .reservation
            .completion(self.sealer.seal(&self.context, &Secret::new(text)).await?, Arc::clone(&self.kept)))
    }
}

/// Whether requests of a route heed the key.
pub fn applies(method: &Method, route: &str) -> bool {
    method == Method::POST && route.starts_with("/api/") && !REPEATABLE.contains(&route)
}

/// The layer around every handler.
pub(super) async fn pass(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let applies = route.is_some_and(|route| applies(request.method(), route));
    if !applies || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    run_once(&app, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn run_once(app: &AppState, request: Request, next: Next) -> Result<Response, Problem> {
    let key = read_key(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let caller = <Caller as OptionalFromRequestParts<AppState>>::from_request_parts(&mut parts, app).await?;
    let Some(caller) = caller else {
        // Nobody has a right to a record; the handler says who may ask.
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let Some(ctx) = parts.extensions.get::<RequestContext>().cloned() else {
        return Err(Problem::internal("a route outside the edge"));
    };
    parts.extensions.insert(caller.clone());
    // A body that can't be read whole has no hash to be known by, so its refusal is not kept.
    let body = read_bytes(Request::from_parts(parts.clone(), body), &()).await?;

    let reservation =
        Reservation::new(&caller.credential(), parts.method.as_str(), parts.uri.path(), &key, rand::rng().random());
    let context = app.table.response_context(&reservation);
    let reservation = match app.table.reserve(&reservation, &sha256(&body), ctx.now).await? {
        ReserveOutcome::Ours(reservation) => reservation,
        ReserveOutcome::Done(sealed) => return replay(app, &context, &sealed).await,
        ReserveOutcome::Reused => {
            return Err(crate::domain::FieldError::parameter(
                "Idempotency-Key",
                Code::IdempotencyKeyReused,
                "this key was used for another body",
            )
            .into());
        }
        ReserveOutcome::InProgress => {
            return Err(Problem::new(Code::IdempotencyInProgress, "the request of this key is under way: ask again"));
        }
    };
    let handle = Arc::new(Handle { reservation, context, sealer: Arc::clone(&app.sealer), kept: Arc::default() });
    let issuer = app.issuer().to_owned();
    let trace_id = ctx.trace_id.clone();
    parts.extensions.insert(RequestContext { idempotency: Idempotency(Some(Arc::clone(&handle))), ..ctx });
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let may_change = may_change(&response);
    settle(app, &handle, may_change, write_problem(response, &issuer, &trace_id, false)).await
}

fn read_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let key = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bare),
        _ => None,
    };
    let key = key.filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| matches!(b, b' '..=b'~')));
    let detail = "Idempotency-Key is one text of 1 to 255 characters, bare or in double quotes";
    key.map(str::to_owned).ok_or_else(|| Problem::new(Code::IdempotencyKeyInvalid, detail))
}

/// A key without the quotes that may be around it, both or neither.
fn bare(text: &str) -> Option<&str> {
    let text = text.trim();
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(text),
    }
}

async fn replay(app: &AppState, context: &SealingContext, sealed: &[u8]) -> Result<Response, Problem> {
    let text = app.sealer.open(context, sealed).await?;
    let answer: StoredResponse =
        serde_json::from_str(text.expose()).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(answer.into_response())
}

/// Whether a repeat may be told something else: after what passes, and after a refusal for what neither the path nor
/// the body says. Who mends a header, or is given a role, must not be told for a day what was wrong before.
fn may_change(response: &Response) -> bool {
    let status = response.status();
    let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let is_of_header = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let is_of_caller = response.extensions().get::<Problem>().is_some_and(|problem| problem.code == Code::Forbidden);
    passes || is_of_header || is_of_caller
}

/// Keeps what a repeat is to be told.
async fn settle(app: &AppState, handle: &Handle, may_change: bool, response: Response) -> Result<Response, Problem> {
    if may_change {
        // Only what is not done is given back: where an answer was lost, the work may have been done.
        if let Err(error) = app.table.release(&handle.reservation).await {
            tracing::warn!(%error, "an idempotency record stays claimed until it is stale");
        }
        return Ok(response);
    }
    if handle.kept.load(Ordering::SeqCst) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await.map_err(|error| Problem::internal(error.to_string()))?;
    let completion = handle.completion(&StoredResponse::of(&parts, &body)).await?;
    if let Err(error) = app.table.store_response(&completion).await {
        tracing::warn!(%error, "an answer was not kept");
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

    proptest! {
        #[test]
        fn a_key_is_the_same_bare_or_quoted(text in "[!#-~]([ -~]{0,253}[!#-~])?") {
            prop_assert_eq!(key(&[text.as_bytes()]), Some(text.clone()));
            prop_assert_eq!(key(&[format!(" \"{text}\" ").as_bytes()]), Some(text));
        }

        #[test]
        fn any_value_is_a_key_or_refused(value in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
            if let Some(read) = key(&[&value]) {
                prop_assert!((1..=255).contains(&read.len()) && read.is_ascii());
                prop_assert!(key(&[&value, &other]).is_none(), "two are one too many");
            }
        }
    }
}
