//! Which web pages may read an answer, in a browser (the Fetch standard's CORS protocol).

use std::{convert::Infallible, str::FromStr, time::Duration};

use axum::{
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method,
        header::{
            ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION,
            ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
        },
    },
    middleware::Next,
    response::Response,
};
use reqwest::Url;
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::headers::Place;

/// What a page may send besides what every page may.
const SENT: [HeaderName; 6] = [
    HeaderName::from_static("x-api-key"),
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    IF_MATCH,
    IF_NONE_MATCH,
];
/// What a page may read besides what every page may.
const READ: [HeaderName; 4] = [ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE];
const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
/// How long a browser may remember what it was told; none does for longer.
const REMEMBERED: Duration = Duration::from_hours(2);

/// The origin of web pages, exactly as a browser says it: `https://shop.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin of web pages, as in https://shop.example.com, without a path or a slash")]
pub struct ParseOriginError;

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, ParseOriginError> {
        let url = Url::parse(text).map_err(|_| ParseOriginError)?;
        // Whatever a browser would write otherwise would never be equal to what it sends.
        let is_exact = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
        if !is_exact {
            return Err(ParseOriginError);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| ParseOriginError)
    }
}

/// The two rules there are.
#[derive(Clone)]
pub(super) struct Cors {
    everyone: CorsLayer,
    /// None where no origin is configured: then no page of another origin reads the API.
    configured: Option<CorsLayer>,
}

impl Cors {
    pub(super) fn new(origins: &[Origin]) -> Self {
        // No cookie is a credential here, so none is ever allowed along.
        let rules =
            CorsLayer::new().allow_methods(METHODS).allow_headers(SENT).expose_headers(READ).max_age(REMEMBERED);
        let listed = AllowOrigin::list(origins.iter().map(|Origin(origin)| origin.clone()));
        let configured = (!origins.is_empty()).then(|| rules.clone().allow_origin(listed));
        Self { everyone: rules.allow_origin(Any), configured }
    }
}

/// Answers what a browser asks before it sends, and says on every answer who may read it.
pub(super) async fn pass(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    let rules = match Place::of(request.uri().path()) {
        Place::Everyones => Some(&cors.everyone),
        Place::Api => cors.configured.as_ref(),
        Place::Other => None,
    };
    // The layer takes every OPTIONS for a browser's.
    let is_plain_options = request.method() == Method::OPTIONS && !is_preflight(&request);
    let Some(rules) = rules.filter(|_| !is_plain_options) else { return next.run(request).await };
    let answered: Result<Response, Infallible> = rules.layer(next).oneshot(request).await;
    answered.unwrap_or_else(|never| match never {})
}

fn is_preflight(request: &Request) -> bool {
    let has = |name: HeaderName| request.headers().contains_key(name);
    has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_says_to_the_letter() {
        for good in ["https://a.example", "http://localhost:5173", "https://a.example:8443", "http://[::1]:5173"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in [
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
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
