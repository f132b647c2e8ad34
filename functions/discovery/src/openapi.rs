//! The OpenAPI document of every function.
//!
//! This function knows no other, so the document is a file, made from the code of all of them by
//! `UPDATE_OPENAPI=1 cargo test -p signet-local --test openapi`; without the variable that test says whether it agrees.

use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    response::IntoResponse,
};
use shared::http::representation::etag;

/// The document.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// The documentation of every endpoint.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "discovery",
    summary = "Get this document",
    responses((status = 200, description = "The document", content_type = "application/json", body = Object, headers(("ETag" = String)))),
)]
pub async fn handler() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, [(ETAG, etag(DOCUMENT.as_bytes()))], DOCUMENT)
}
