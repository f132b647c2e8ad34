//! The OpenAPI document of all functions.
//!
//! This crate does not depend on the other functions, so the document is a generated file: `just generate` writes it,
//! and a test fails if it is out of date.

use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    response::IntoResponse,
};
use shared::http::conditional::etag;

/// The OpenAPI document, as JSON.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// Returns the OpenAPI document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "discovery",
    summary = "Get the OpenAPI document",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json", body = Object, headers(("ETag" = String)))),
)]
pub(crate) async fn handler() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, [(ETAG, etag(DOCUMENT.as_bytes()))], DOCUMENT)
}
