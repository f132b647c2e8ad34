//! Pages that explain the error codes: one page per code, which the `type` of a problem links to, and a list.

mod page;

use axum::{extract::State, response::Response};
use shared::{
    AppState,
    http::{
        Code, InputError, PathId, Problem,
        code::{Entry, ErrorLocation},
        problem::ProblemBody,
    },
};

/// Returns the page of an error code.
#[utoipa::path(
    get,
    path = "/problems/{code}",
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
    tag = "discovery",
    summary = "List error codes",
    description = "An HTML page with a link to the page of each error code.",
    responses((status = 200, description = "The page", content_type = "text/html", body = String, headers(("ETag" = String)))),
)]
pub(crate) async fn list_codes() -> Response {
    page::list_page()
}

/// Returns an example of a problem with this code, as the given issuer would send it.
pub fn example(code: Code, issuer: &str) -> ProblemBody {
    let Entry { detail, location, .. } = code.entry();
    let problem: Problem = match location {
        ErrorLocation::Request => Problem::new(code, detail),
        ErrorLocation::Body(pointer) => InputError::at(pointer, code, detail).into(),
        ErrorLocation::Parameter(name) => InputError::parameter(name, code, detail).into(),
    };
    problem.body(issuer, "1-69a0c1f2-5d0b7e3a9c4f8e21b6d3a071".to_owned())
}
