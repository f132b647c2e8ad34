//! CORS: which web pages may call the API from a browser (Fetch standard).

use std::{convert::Infallible, str::FromStr, time::Duration};

use axum::{
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method,
        header::{
            ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION,
            ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
        },
    },
    middleware::Next,
    response::Response,
};
use reqwest::Url;
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::headers::{PathKind, RATE_LIMIT_LIMIT, RATE_LIMIT_REMAINING, RATE_LIMIT_RESET, X_REQUEST_ID};
use crate::http::idempotency::IDEMPOTENT_REPLAYED;

/// Request headers that a page may send in addition to the CORS-safelisted ones.
const ALLOWED_HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("x-api-key"),
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    IF_MATCH,
    IF_NONE_MATCH,
];
/// Response headers that a page may read in addition to the CORS-safelisted ones.
const EXPOSED_HEADERS: [HeaderName; 10] = [
    ETAG,
    IDEMPOTENT_REPLAYED,
    LINK,
    LOCATION,
    RATE_LIMIT_LIMIT,
    RATE_LIMIT_REMAINING,
    RATE_LIMIT_RESET,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    X_REQUEST_ID,
];
const ALLOWED_METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// How long a browser may cache a preflight response. Chromium caps it at two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

/// A web origin in the exact form that browsers send: `https://shop.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// The text is not a web origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a web origin such as https://shop.example.com, without a path or trailing slash")]
pub struct ParseOriginError;

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, ParseOriginError> {
        let url = Url::parse(text).map_err(|_| ParseOriginError)?;
        // Any other spelling would never equal the Origin header that a browser sends.
        let is_exact = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
        if !is_exact {
            return Err(ParseOriginError);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| ParseOriginError)
    }
}

/// The CORS layers of public documents and of the API.
#[derive(Clone)]
pub(super) struct Cors {
    /// Allows every origin.
    public: CorsLayer,
    /// Allows the configured origins. `None` if there are none: then no page of another origin can read the API.
    api: Option<CorsLayer>,
}

impl Cors {
    pub(super) fn new(origins: &[Origin]) -> Self {
        // The API does not authenticate by cookies, so credentials are never allowed.
        let base = CorsLayer::new()
            .allow_methods(ALLOWED_METHODS)
            .allow_headers(ALLOWED_HEADERS)
            .expose_headers(EXPOSED_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE);
        let configured = AllowOrigin::list(origins.iter().map(|Origin(origin)| origin.clone()));
        let api = (!origins.is_empty()).then(|| base.clone().allow_origin(configured));
        Self { public: base.allow_origin(Any), api }
    }
}

/// Responds to preflight requests and adds the CORS headers to other responses.
pub(super) async fn handle_cors(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    let layer = match PathKind::from_path(request.uri().path()) {
        PathKind::Public => Some(&cors.public),
        PathKind::Api => cors.api.as_ref(),
        PathKind::Other => None,
    };
    // CorsLayer treats every OPTIONS request as a preflight.
    let is_plain_options = request.method() == Method::OPTIONS && !is_preflight(&request);
    let Some(layer) = layer.filter(|_| !is_plain_options) else { return next.run(request).await };
    let response: Result<Response, Infallible> = layer.layer(next).oneshot(request).await;
    response.unwrap_or_else(|never| match never {})
}

fn is_preflight(request: &Request) -> bool {
    let has = |name: HeaderName| request.headers().contains_key(name);
    has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_accepts_only_the_exact_form_that_browsers_send() {
        for valid in ["https://a.example", "http://localhost:5173", "https://a.example:8443", "http://[::1]:5173"] {
            assert!(valid.parse::<Origin>().is_ok(), "{valid}");
        }
        for invalid in [
            "",
            "*",
            "null",
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "https://A.example",
            "https://a.example:443",
            "https://u@a.example",
            "https://a.example?b",
            "ftp://a.example",
            "https://*.a.example ",
        ] {
            assert!(invalid.parse::<Origin>().is_err(), "{invalid}");
        }
    }
}
