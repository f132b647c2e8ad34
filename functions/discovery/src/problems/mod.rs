//! The pages that a problem's `type` leads to: one for each code, and a list of them.

mod page;
mod texts;

use axum::{extract::State, response::Response};
use shared::{
    AppState,
    domain::Code,
    http::{PathId, responses::PathLookup},
};

pub use self::texts::{Explanation, example, explain};

/// Shows the page of a code.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    tag = "discovery",
    summary = "Read what a problem's code means, and how to mend it",
    description = "What a problem's `type` leads to: a page for people.",
    params(("code" = Code, Path, description = "The `code` of a problem")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String, headers(("ETag" = String))), PathLookup),
)]
pub(crate) async fn of_code(State(app): State<AppState>, PathId(code): PathId<Code>) -> Response {
    page::of_code(code, app.issuer())
}

/// Lists the codes.
#[utoipa::path(
    get,
    path = "/problems",
    tag = "discovery",
    summary = "List the codes that a problem may have",
    description = "A page for people, with a link to the page of each code.",
    responses((status = 200, description = "The page", content_type = "text/html", body = String, headers(("ETag" = String)))),
)]
pub(crate) async fn of_all() -> Response {
    page::of_all()
}
