//! Response compression and its effect on `ETag`.
//!
//! GET responses above a minimum size are compressed with gzip. Responses that contain secrets are not: if a response
//! holds both text from the caller and a secret, its compressed length can reveal the secret (BREACH), and POST
//! responses contain license keys and tokens. Private pages of a user are not compressed either.
//!
//! A strong `ETag` identifies exact bytes (RFC 9110 §8.8.3), so the `ETag` of a compressed response is weak, which is
//! sufficient for `If-None-Match`. `If-Match` needs a strong one, so resources that a PUT or PATCH changes are
//! never compressed: the `ETag` of their GET is valid for every content coding.

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

/// The minimum size of a compressed response. Smaller ones fit into one packet anyway.
const MIN_BYTES: u64 = 1024;

/// Returns the compression layer.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(SizeAbove::new(MIN_BYTES).and(is_compressible))
}

fn is_compressible(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let starts_with = |name, prefix: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(prefix))
    };
    let is_public = starts_with(CACHE_CONTROL, "public");
    let is_list = starts_with(CONTENT_TYPE, "application/json") && !headers.contains_key(ETAG);
    (is_public && (starts_with(CONTENT_TYPE, "application/") || starts_with(CONTENT_TYPE, "text/"))) || is_list
}

/// Removes `Accept-Encoding` from all requests but GET, so that only GET responses are compressed. A HEAD response
/// thereby has the `Content-Length` of the uncompressed GET.
pub(super) fn adjust_accept_encoding(request: &mut Request) {
    let is_get = request.method() == Method::GET;
    let headers = request.headers_mut();
    let accepted: Vec<HeaderValue> = headers.get_all(ACCEPT_ENCODING).iter().cloned().collect();
    headers.remove(ACCEPT_ENCODING);
    if !is_get || accepted.is_empty() {
        return;
    }
    // If the client accepts no supported coding, the layer would respond with 406 after the handler has run. Offering
    // `identity` first makes it send the response uncompressed instead.
    headers.append(ACCEPT_ENCODING, HeaderValue::from_static("identity;q=0.001"));
    for value in accepted {
        headers.append(ACCEPT_ENCODING, value);
    }
}

/// Turns the `ETag` of a compressed response into a weak one.
pub(super) fn weaken_etag(response: &mut Response) {
    let headers = response.headers_mut();
    if !headers.contains_key(CONTENT_ENCODING) {
        return;
    }
    let strong = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_str(&format!("W/{tag}")).ok()) {
        headers.insert(ETAG, weak);
    }
}
