//! The OpenAPI document of all functions, in versions 3.1 and 3.0.
//!
//! This crate does not depend on the other functions, so the documents are generated files: `just generate` writes
//! them, and a test fails if they are out of date.

use axum::response::IntoResponse;
use utoipa::ToSchema;

use crate::document::document;

/// The OpenAPI document in version 3.1, as JSON.
pub const DOCUMENT: &str = include_str!("../openapi.json");
/// The OpenAPI document in version 3.0.3, as JSON.
pub const DOCUMENT_3_0: &str = include_str!("../openapi-3.0.json");

/// An OpenAPI document.
#[derive(ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "only describes the schema")]
pub(crate) struct OpenApiDocument(&'static str);

/// Returns the OpenAPI document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi_document",
    tag = "discovery",
    summary = "Get the OpenAPI document",
    description = "This document, in OpenAPI 3.1.",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json", body = OpenApiDocument, headers(("ETag" = String)))),
)]
pub(crate) async fn handler() -> impl IntoResponse {
    document("application/json", DOCUMENT)
}

/// Returns the OpenAPI document in version 3.0.3.
#[utoipa::path(
    get,
    path = "/openapi-3.0.json",
    operation_id = "get_openapi_3_0_document",
    tag = "discovery",
    summary = "Get the OpenAPI document in version 3.0",
    description = "This document in OpenAPI 3.0.3, for client generators that do not read 3.1.",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json", body = OpenApiDocument, headers(("ETag" = String)))),
)]
pub(crate) async fn handler_3_0() -> impl IntoResponse {
    document("application/json", DOCUMENT_3_0)
}
