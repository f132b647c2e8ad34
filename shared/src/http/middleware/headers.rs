//! The headers that every answer has.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use super::API_BASE_PATH;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// What any page of any origin may read: `/.well-known` and what is for sale.
    Everyones,
    /// The rest of the API.
    Api,
    /// Documents and pages.
    Other,
}

impl Place {
    pub(super) fn of(path: &str) -> Self {
        let below = path.strip_prefix(API_BASE_PATH);
        if path.starts_with("/.well-known/") || below == Some("/products/catalog") {
            Self::Everyones
        } else if path.starts_with("/api/") {
            Self::Api
        } else {
            Self::Other
        }
    }
}

/// Adds what is the same for all. An answer that says otherwise of itself knows better: a page has a policy of its own,
/// and a document may be kept.
pub(super) fn complete(headers: &mut HeaderMap, place: Place) {
    let is_everyones = place == Place::Everyones;
    let all = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CROSS_ORIGIN_RESOURCE_POLICY, if is_everyones { "cross-origin" } else { "same-origin" }),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
        (REFERRER_POLICY, "no-referrer"),
        (STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains; preload"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in all {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    join(headers);
}

/// The same for what is beside the API, as the development issuer is.
pub fn protect(headers: &mut HeaderMap) {
    complete(headers, Place::Other);
}

/// One line for each name, as an answer of API Gateway has room for no more, and what comes first would be all that is
/// left. The values of a list may stand in one line (RFC 9110 §5.3). Cookies may not, and travel on their own.
fn join(headers: &mut HeaderMap) {
    let has_several = |name: &&HeaderName| **name != SET_COOKIE && headers.get_all(*name).iter().nth(1).is_some();
    let names: Vec<HeaderName> = headers.keys().filter(has_several).cloned().collect();
    for name in names {
        let values: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(line) = HeaderValue::from_bytes(&values.join(&b", "[..])) {
            headers.insert(name, line);
        }
    }
}
