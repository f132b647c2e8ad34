//! What every request passes on its way in and every answer on its way out.

mod compression;
pub mod cors;
mod headers;

use std::any::Any;

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{
        HeaderValue, Method, StatusCode, Uri,
        header::{
            AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER,
            WWW_AUTHENTICATE,
        },
        uri::PathAndQuery,
    },
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use rand::RngExt;
use tower::{ServiceBuilder, util::MapRequestLayer};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

pub use self::headers::protect;
use self::{cors::Cors, headers::Place};
use super::{
    Idempotency, Problem, RequestContext,
    context::source_ip,
    extractors::read_bytes,
    idempotency,
    log::{LoggedError, RequestLine},
};
use crate::{AppState, Clock, Timeouts, domain::Code};

/// The path that every endpoint of this version begins with.
pub const API_BASE_PATH: &str = "/api/v1.0";
/// The most bytes that a body may have.
const MAX_BODY_BYTES: usize = 64 * 1024;
const VERSIONS: [&str; 2] = ["v1.0", "v1"];

/// Puts the edge around a function's routes.
pub fn with_middleware(routes: Router<AppState>, app: &AppState) -> Router {
    let edge = Edge { clock: app.clock.clone(), issuer: app.issuer().to_owned() };
    // The last is the outermost.
    let inside = routes
        .fallback(nothing_here)
        .layer(from_fn_with_state(app.clone(), idempotency::pass))
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| {
            Problem::internal("a handler panicked").into_response()
        }))
        .layer(from_fn_with_state(app.settings.timeouts, in_time))
        .layer(from_fn(read_whole))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(compression::layer())
        .layer(from_fn_with_state(Cors::new(&app.settings.cors_origins), cors::pass))
        .layer(from_fn_with_state(edge, pass))
        .with_state(app.clone());
    // The path is settled before routes are looked up, so this goes around the router and not into it.
    Router::new().fallback_service(ServiceBuilder::new().layer(MapRequestLayer::new(settle_version)).service(inside))
}

#[derive(Clone)]
struct Edge {
    clock: Clock,
    issuer: String,
}

/// `/api/v1/…` is another name of `/api/v1.0/…`.
fn settle_version(mut request: Request) -> Request {
    if let Some(rest) = request.uri().path_and_query().and_then(|path| path.as_str().strip_prefix("/api/v1/"))
        && let Ok(path) = format!("{API_BASE_PATH}/{rest}").parse::<PathAndQuery>()
    {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// A path means one thing however it is written, so one with a slash too many means nothing.
async fn nothing_here(uri: Uri) -> Problem {
    let version = uri.path().strip_prefix("/api/").map(|rest| rest.split('/').next().unwrap_or_default());
    match version {
        Some(version) if !VERSIONS.contains(&version) => {
            Problem::new(Code::VersionUnknown, format!("known versions are {}", VERSIONS.join(" and ")))
        }
        _ => Problem::not_found(),
    }
}

/// Reads the body before anybody else does: 64 KiB at most, whether its length was told or not, and whether the
/// endpoint reads it or not.
async fn read_whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match read_bytes(Request::from_parts(parts.clone(), body), &()).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whoever asks is told in time, whatever it is that gives no answer. What was asked may have happened, as where an
/// answer is lost.
async fn in_time(State(timeouts): State<Timeouts>, request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(timeouts.request, next.run(request)).await;
    answered.unwrap_or_else(|_| Problem::unavailable("the request took too long").into_response())
}

async fn pass(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let now = edge.clock.now();
    let trace_id = trace_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let line = RequestLine::new(&trace_id, &method, route, now, edge.clock);
    let (ip, idempotency, metrics) = (source_ip(&request), Idempotency::default(), line.metrics());
    request.extensions_mut().insert(RequestContext { now, ip, trace_id: trace_id.clone(), idempotency, metrics });
    let place = Place::of(request.uri().path());
    let seen = request.headers().get(IF_NONE_MATCH).cloned();
    let sent_authorization = request.headers().contains_key(AUTHORIZATION);
    compression::settle(&mut request);

    let mut response = next.run(request).instrument(line.span.clone()).await;
    if method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // The Allow header, which comes with it, is what was asked for (RFC 9110 §9.3.7).
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let mut response = write_problem(response, &edge.issuer, &trace_id, sent_authorization);
    compression::weaken(&mut response);
    if method == Method::GET || method == Method::HEAD {
        response = not_modified(response, seen);
    }
    headers::complete(response.headers_mut(), place);
    line.answered(response.status().as_u16(), response.extensions_mut().remove());
    response
}

/// X-Ray's name for the request where there is one, so that the traces and the log agree. It goes into the log, so it
/// is taken in its own form alone: `1-5759e988-bd862e3fe1be46a994272793`.
fn trace_id(request: &Request) -> String {
    let header = request.headers().get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let root = header.and_then(|text| text.split(';').find_map(|part| part.trim().strip_prefix("Root=")));
    let is_hex = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let usable = |id: &&str| match id.split('-').collect::<Vec<_>>()[..] {
        ["1", time, random] => is_hex(time, 8) && is_hex(random, 24),
        _ => false,
    };
    root.filter(usable).map_or_else(|| HEXLOWER.encode(&rand::rng().random::<[u8; 16]>()), str::to_owned)
}

/// Gives a problem its body, and turns the router's own refusals into problems. What the log is to say of it goes along
/// with the answer.
pub(super) fn write_problem(
    mut response: Response,
    issuer: &str,
    trace_id: &str,
    sent_authorization: bool,
) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = match (problem, response.status()) {
        (Some(problem), _) => problem,
        (None, StatusCode::METHOD_NOT_ALLOWED) => {
            Problem::new(Code::MethodNotAllowed, "see the Allow header for what this path takes")
        }
        (None, _) => return response,
    };
    let (code, retry_after) = (problem.code, problem.retry_after_seconds);
    let refusal = LoggedError { code: code.as_str().into(), cause: problem.cause.clone() };
    let refused_token = (code == Code::Unauthenticated && sent_authorization).then(|| problem.detail.clone());
    let (mut parts, _) = response.into_parts();
    let (_, body) = Json(problem.body(issuer, trace_id.to_owned())).into_response().into_parts();
    parts.extensions.insert(refusal);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if parts.status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(WWW_AUTHENTICATE, bearer_challenge(refused_token.as_deref()));
        parts.headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey header=\"X-Api-Key\""));
    }
    if let Some(seconds) = retry_after {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, body)
}

/// The challenge of RFC 6750 §3: whoever sent a token learns what is wrong with it.
fn bearer_challenge(refused_token: Option<&str>) -> HeaderValue {
    let plain = HeaderValue::from_static("Bearer realm=\"signet\"");
    let Some(detail) = refused_token else { return plain };
    let detail = detail.replace(|letter: char| !matches!(letter, ' '..='~') || matches!(letter, '"' | '\\'), "");
    let text = format!("Bearer realm=\"signet\", error=\"invalid_token\", error_description=\"{detail}\"");
    HeaderValue::from_str(&text).unwrap_or(plain)
}

/// 304 where the caller has seen what would be sent (RFC 9110 §13.1.2), compared weakly, as it demands.
fn not_modified(response: Response, seen: Option<HeaderValue>) -> Response {
    let (Some(seen), Some(tag), StatusCode::OK) = (seen, response.headers().get(ETAG).cloned(), response.status())
    else {
        return response;
    };
    let (seen, tag) = (seen.to_str().unwrap_or_default(), tag.to_str().unwrap_or("\u{0}"));
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let own = opaque(tag);
    if !seen.split(',').map(str::trim).any(|one| one == "*" || opaque(one) == own) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    for of_the_body in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        parts.headers.remove(of_the_body);
    }
    Response::from_parts(parts, Body::empty())
}
