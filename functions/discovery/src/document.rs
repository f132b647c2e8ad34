//! Responses with documents that are the same for all callers.

use std::borrow::Cow;

use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    response::IntoResponse,
};
use shared::http::conditional::etag;

/// Returns a text with an `ETag`. It can be cached for five minutes, so that a new version becomes visible soon.
pub(crate) fn document(content_type: &'static str, text: impl Into<Cow<'static, str>>) -> impl IntoResponse {
    let text = text.into();
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=300")];
    (headers, [(ETAG, etag(text.as_bytes()))], text)
}
