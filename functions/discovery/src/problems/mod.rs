//! Pages that explain the error codes: one page per code, which the `type` of a problem links to, and a list.

mod example;
mod page;

use axum::{extract::State, response::Response};
use shared::{
    AppState,
    http::{Code, PathId},
};

pub use self::example::example;

/// Returns the page of an error code.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    operation_id = "get_error_code",
    tag = "discovery",
    summary = "Get the page of an error code",
    description = "An HTML page that explains the cause and the resolution of an error. The `type` of a problem links to it.",
    params(("code" = Code, Path, description = "The `code` of the problem")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String, headers(("ETag" = String)))),
)]
pub(crate) async fn get_code(State(app): State<AppState>, PathId(code): PathId<Code>) -> Response {
    page::code_page(code, app.issuer())
}

/// Returns the list of error codes.
#[utoipa::path(
    get,
    path = "/problems",
    operation_id = "list_error_codes",
    tag = "discovery",
    summary = "List error codes",
    description = "An HTML page with a link to the page of each error code.",
    responses((status = 200, description = "The page", content_type = "text/html", body = String, headers(("ETag" = String)))),
)]
pub(crate) async fn list_codes() -> Response {
    page::list_page()
}
