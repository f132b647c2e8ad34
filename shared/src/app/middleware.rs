//! The middleware that wraps every route.

mod compression;
pub mod cors;
mod headers;
mod origin;

use std::any::Any;

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{
        HeaderValue, Method, StatusCode, Uri,
        header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
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

pub use self::headers::set_security_headers;
use self::{cors::Cors, headers::PathKind};
use super::{AppState, idempotency};
use crate::{
    clock::Clock,
    http::{
        API_BASE_PATH, Code, Idempotency, Problem, RequestContext,
        context::source_ip,
        extractors::{max_body_bytes, read_bytes},
        log::RequestLog,
        write_problem::write_problem,
    },
    timeouts::Timeouts,
};

const VERSIONS: [&str; 2] = ["v1.0", "v1"];

/// Wraps the routes of a function with the middleware.
pub fn with_middleware(routes: Router<AppState>, app: &AppState) -> Router {
    let lifecycle = Lifecycle { clock: app.clock.clone(), issuer: app.issuer().to_owned() };
    // The last layer is the outermost.
    let router = routes
        .fallback(fallback)
        .layer(from_fn_with_state(app.clone(), idempotency::handle_idempotency_key))
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| {
            Problem::internal("a handler panicked").into_response()
        }))
        .layer(from_fn_with_state(app.settings.timeouts, request_timeout))
        .layer(from_fn(buffer_body))
        .layer(compression::layer())
        .layer(from_fn_with_state(Cors::new(&app.settings.cors_origins), cors::handle_cors))
        // Before CORS, so that a preflight request is refused as well.
        .layer(from_fn_with_state(app.clone(), origin::require_origin_secret))
        .layer(from_fn_with_state(lifecycle, request_lifecycle))
        .with_state(app.clone());
    // The path must be rewritten before routing, so this layer wraps the router instead of being one of its layers.
    Router::new().fallback_service(ServiceBuilder::new().layer(MapRequestLayer::new(normalize_version)).service(router))
}

/// The state of [`request_lifecycle`].
#[derive(Clone)]
struct Lifecycle {
    clock: Clock,
    issuer: String,
}

/// Rewrites `/api/v1/…` to `/api/v1.0/…`.
fn normalize_version(mut request: Request) -> Request {
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

/// Responds to paths without a route. Paths are not normalized: a doubled or trailing slash is not found.
async fn fallback(uri: Uri) -> Problem {
    let version = uri.path().strip_prefix("/api/").map(|rest| rest.split('/').next().unwrap_or_default());
    match version {
        Some(version) if !VERSIONS.contains(&version) => {
            Problem::new(Code::VersionUnknown, format!("unknown API version: use {}", VERSIONS.join(" or ")))
        }
        _ => Problem::not_found(),
    }
}

/// Reads the body into memory. Enforces the limit of 64 KiB for every endpoint but imports and uploads, with or without
/// `Content-Length` and whether or not the handler reads the body.
async fn buffer_body(mut request: Request, next: Next) -> Response {
    DefaultBodyLimit::max(max_body_bytes(&request)).apply(&mut request);
    let (parts, body) = request.into_parts();
    match read_bytes(Request::from_parts(parts.clone(), body), &()).await {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(problem) => problem.into_response(),
    }
}

/// Enforces the request timeout. The request may still take effect, as when a response is lost.
async fn request_timeout(State(timeouts): State<Timeouts>, request: Request, next: Next) -> Response {
    let result = tokio::time::timeout(timeouts.request, next.run(request)).await;
    result.unwrap_or_else(|_| Problem::unavailable("the request timed out").into_response())
}

/// Creates the request context, logs the request, writes problem bodies and completes the response headers.
async fn request_lifecycle(State(lifecycle): State<Lifecycle>, mut request: Request, next: Next) -> Response {
    let now = lifecycle.clock.now();
    let trace_id = trace_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let log = RequestLog::new(&trace_id, &method, route, now, lifecycle.clock);
    let (ip, idempotency, metrics) = (source_ip(&request), Idempotency::default(), log.metrics());
    let recorded = metrics.clone();
    request.extensions_mut().insert(RequestContext { now, ip, trace_id: trace_id.clone(), idempotency, metrics });
    let path_kind = PathKind::from_path(request.uri().path());
    let if_none_match = request.headers().get(IF_NONE_MATCH).cloned();
    let has_authorization = request.headers().contains_key(AUTHORIZATION);
    compression::adjust_accept_encoding(&mut request);

    let mut response = next.run(request).instrument(log.span.clone()).await;
    if method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // OPTIONS asks for the Allow header, which the 405 response already has (RFC 9110 §9.3.7).
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let mut response = write_problem(response, &lifecycle.issuer, &trace_id, has_authorization);
    compression::weaken_etag(&mut response);
    if method == Method::GET || method == Method::HEAD {
        response = not_modified(response, if_none_match);
    }
    headers::add_defaults(response.headers_mut(), path_kind);
    headers::add_request_headers(response.headers_mut(), &trace_id, recorded.rate_limit());
    log.finish(response.status().as_u16(), response.extensions_mut().remove());
    response
}

/// Returns the X-Ray trace id of the request if it has one, so that traces and log lines match; otherwise a random id.
///
/// The id is logged, so only X-Ray's exact format is accepted: `1-5759e988-bd862e3fe1be46a994272793`.
fn trace_id(request: &Request) -> String {
    let header = request.headers().get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let root = header.and_then(|text| text.split(';').find_map(|part| part.trim().strip_prefix("Root=")));
    let is_hex = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_valid = |id: &&str| match id.split('-').collect::<Vec<_>>()[..] {
        ["1", time, random] => is_hex(time, 8) && is_hex(random, 24),
        _ => false,
    };
    root.filter(is_valid).map_or_else(|| HEXLOWER.encode(&rand::rng().random::<[u8; 16]>()), str::to_owned)
}

/// Replaces the response with 304 if `If-None-Match` has its `ETag`, by weak comparison (RFC 9110 §13.1.2).
///
/// Own code for the reason given at [`IfMatch`](crate::http::IfMatch).
fn not_modified(response: Response, if_none_match: Option<HeaderValue>) -> Response {
    let (Some(if_none_match), Some(etag), StatusCode::OK) =
        (if_none_match, response.headers().get(ETAG).cloned(), response.status())
    else {
        return response;
    };
    let (if_none_match, etag) = (if_none_match.to_str().unwrap_or_default(), etag.to_str().unwrap_or("\u{0}"));
    let opaque = |etag: &str| etag.strip_prefix("W/").unwrap_or(etag).to_owned();
    let current = opaque(etag);
    if !if_none_match.split(',').map(str::trim).any(|candidate| candidate == "*" || opaque(candidate) == current) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, Body::empty())
}
