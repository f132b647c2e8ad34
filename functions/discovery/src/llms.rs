//! Documents for coding assistants: `/llms.txt` (<https://llmstxt.org>), which lists the public documents of this
//! installation, and the integration guide as Markdown.

use axum::{extract::State, response::IntoResponse};
use shared::AppState;

use crate::document::document;

/// The list of documents. `{issuer}` is the base URL of the installation.
const LIST: &str = include_str!("llms.txt");
/// The integration guide: a page of the documentation, which is useful on its own.
const GUIDE: &str = include_str!("../../../docs/how-to/integrate.md");
/// The line of the guide that includes [`APP_RESPONSES`].
const INCLUDE_APP_RESPONSES: &str = "--8<-- \"docs/includes/app-responses.md\"";
const APP_RESPONSES: &str = include_str!("../../../docs/includes/app-responses.md");

/// Returns the list of documents for coding assistants.
#[utoipa::path(
    get,
    path = "/llms.txt",
    operation_id = "get_llms_txt",
    tag = "discovery",
    summary = "Get the list of documents for coding assistants",
    description = "The documents that this installation serves, in the format of <https://llmstxt.org>.",
    responses((status = 200, description = "The list, in Markdown", content_type = "text/plain", body = String, headers(("ETag" = String)))),
)]
pub(crate) async fn handler(State(app): State<AppState>) -> impl IntoResponse {
    document("text/plain; charset=utf-8", LIST.replace("{issuer}", app.issuer()))
}

/// Returns the integration guide.
pub(crate) fn guide() -> impl IntoResponse {
    document("text/markdown; charset=utf-8", GUIDE.replace(INCLUDE_APP_RESPONSES, APP_RESPONSES.trim_end()))
}
