//! Default response headers.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use crate::{domain::rate_limit::RateLimitStatus, http::API_BASE_PATH};

/// The id of the request, which its log lines and problem bodies contain as `trace_id`.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum number of requests per window of the rate limit in which the request was counted.
pub(super) const RATE_LIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// The number of further requests that the window allows.
pub(super) const RATE_LIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// The number of seconds until the window ends.
pub(super) const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The kind of a path, which decides CORS and `Cross-Origin-Resource-Policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    /// Readable by pages of every origin: `/.well-known` and the public catalog.
    Public,
    /// The rest of the API.
    Api,
    /// Documents and dashboard pages.
    Other,
}

impl PathKind {
    pub(super) fn from_path(path: &str) -> Self {
        let endpoint = path.strip_prefix(API_BASE_PATH);
        if path.starts_with("/.well-known/") || endpoint == Some("/products/catalog") {
            Self::Public
        } else if path.starts_with("/api/") {
            Self::Api
        } else {
            Self::Other
        }
    }
}

/// Adds the default headers. Headers that the handler has set stay, such as the content security policy of a page or
/// the cache policy of a document.
pub(super) fn add_defaults(headers: &mut HeaderMap, path_kind: PathKind) {
    let is_public = path_kind == PathKind::Public;
    let defaults = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CROSS_ORIGIN_RESOURCE_POLICY, if is_public { "cross-origin" } else { "same-origin" }),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
        (REFERRER_POLICY, "no-referrer"),
        (STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains; preload"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    merge_repeated(headers);
}

/// Adds the headers that describe the request: its id, and the state of the rate limit in which it was counted.
pub(super) fn add_request_headers(headers: &mut HeaderMap, trace_id: &str, rate_limit: Option<RateLimitStatus>) {
    if let Ok(id) = HeaderValue::from_str(trace_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if let Some(RateLimitStatus { limit, remaining, reset_seconds }) = rate_limit {
        let values = [(RATE_LIMIT_LIMIT, limit), (RATE_LIMIT_REMAINING, remaining), (RATE_LIMIT_RESET, reset_seconds)];
        headers.extend(values.map(|(name, value)| (name, HeaderValue::from(value))));
    }
}

/// Adds the default security headers to responses outside the API, such as those of the development issuer.
pub fn set_security_headers(headers: &mut HeaderMap) {
    add_defaults(headers, PathKind::Other);
}

/// Merges repeated headers into one line each (RFC 9110 §5.3), because API Gateway keeps only one value per name.
/// `Set-Cookie` cannot be merged; API Gateway passes cookies separately.
fn merge_repeated(headers: &mut HeaderMap) {
    let is_repeated = |name: &&HeaderName| **name != SET_COOKIE && headers.get_all(*name).iter().nth(1).is_some();
    let names: Vec<HeaderName> = headers.keys().filter(is_repeated).cloned().collect();
    for name in names {
        let values: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(line) = HeaderValue::from_bytes(&values.join(&b", "[..])) {
            headers.insert(name, line);
        }
    }
}
