//! Which answers are made smaller, and what that means for their `ETag`.
//!
//! Compressed are answers to GET that are large enough, in gzip, which everybody reads. None is that shows a secret:
//! the length of one in which a caller's text stands beside a secret tells of the secret (BREACH), and answers to POST
//! have license keys and tokens in them. Nor is a page that is one person's alone.
//!
//! A strong `ETag` names bytes (RFC 9110 §8.8.3), and compressed ones are others. So a compressed answer's is weak,
//! which is all that `If-None-Match` needs. `If-Match` needs a strong one, so what it is good for, a resource that a
//! PUT replaces, is never compressed: what its GET answered holds, whatever coding the caller takes.

use axum::{
    extract::Request,
    http::{
        Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version,
        header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG},
    },
    response::Response,
};
use tower_http::compression::{
    CompressionLayer,
    predicate::{Predicate, SizeAbove},
};

/// Less fits into one packet either way.
const MIN_BYTES: u64 = 1024;

/// Compresses what is worth it.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(SizeAbove::new(MIN_BYTES).and(is_worth_it))
}

fn is_worth_it(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let begins = |name, with: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(with))
    };
    let is_public = begins(CACHE_CONTROL, "public");
    let is_list = begins(CONTENT_TYPE, "application/json") && !headers.contains_key(ETAG);
    (is_public && (begins(CONTENT_TYPE, "application/") || begins(CONTENT_TYPE, "text/"))) || is_list
}

/// Asks the layer only where the answer may be compressed. A HEAD is answered as the GET that takes no coding, so that
/// it can tell a length.
pub(super) fn settle(request: &mut Request) {
    let is_get = request.method() == Method::GET;
    let headers = request.headers_mut();
    let wanted: Vec<HeaderValue> = headers.get_all(ACCEPT_ENCODING).iter().cloned().collect();
    headers.remove(ACCEPT_ENCODING);
    if !is_get || wanted.is_empty() {
        return;
    }
    // Who takes nothing that there is gets it as it is: the layer would make a 406 of an answer that was given. It goes
    // by what stands first.
    headers.append(ACCEPT_ENCODING, HeaderValue::from_static("identity;q=0.001"));
    for value in wanted {
        headers.append(ACCEPT_ENCODING, value);
    }
}

/// The `ETag` of a compressed answer is weak.
pub(super) fn weaken(response: &mut Response) {
    let headers = response.headers_mut();
    if !headers.contains_key(CONTENT_ENCODING) {
        return;
    }
    let strong = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_str(&format!("W/{tag}")).ok()) {
        headers.insert(ETAG, weak);
    }
}
