//! Swagger UI over the OpenAPI document. Every byte of it comes from here: the page works where nothing else is reached,
//! and nobody else learns of what is typed into it.

use std::sync::Arc;

use axum::{
    extract::Path,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG},
    },
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, html};
use shared::http::{Problem, representation::etag, responses::PathLookup};
use utoipa_swagger_ui::{Config, serve};

/// Scripts and styles come from our own host, and what is tried out goes nowhere else. Swagger UI sets styles of single
/// elements as it draws, and its pictures are in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What starts it.
const START: &str = include_str!("docs.js");
/// What the page loads of Swagger UI; the rest of its distribution is not shown to anybody.
const FILES: [&str; 3] = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

/// Shows the API's documentation.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "discovery",
    summary = "Read and try the API",
    description = "Swagger UI, a page for people.",
    responses((status = 200, description = "The page", content_type = "text/html", body = String)),
)]
pub(crate) async fn page() -> Response {
    // Relative, so that it works under any path that a gateway puts before it.
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "The API – Signet" }
                link rel="icon" type="image/png" href="docs/favicon-32x32.png";
                link rel="stylesheet" href="docs/swagger-ui.css";
            }
            body {
                div id="swagger-ui" {}
                script src="docs/swagger-ui-bundle.js" {}
                script src="docs/start.js" {}
            }
        }
    };
    ([(CONTENT_SECURITY_POLICY, POLICY)], kept(), Html(page.into_string())).into_response()
}

/// Serves what the page loads.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    tag = "discovery",
    summary = "Get a part of the documentation's page",
    params(("file" = String, Path, description = "As the page names it")),
    responses((status = 200, description = "The file", headers(("ETag" = String))), PathLookup),
)]
pub(crate) async fn file(Path(file): Path<String>) -> Result<Response, Problem> {
    if file == "start.js" {
        let tag = [(ETAG, etag(START.as_bytes()))];
        return Ok(([(CONTENT_TYPE, "text/javascript; charset=utf-8")], kept(), tag, START).into_response());
    }
    if !FILES.contains(&file.as_str()) {
        return Err(Problem::not_found());
    }
    let found = serve(&file, Arc::new(Config::default())).map_err(|error| Problem::internal(error.to_string()))?;
    let found = found.ok_or_else(|| Problem::internal(format!("Swagger UI has no {file}")))?;
    // Packed when it was built: every browser takes gzip, and a quarter of the bytes are in the function and on the wire.
    let packed = found.gzpipped.then_some([(CONTENT_ENCODING, "gzip")]);
    let tag = [(ETAG, etag(&found.bytes))];
    Ok(([(CONTENT_TYPE, found.content_type)], packed, kept(), tag, found.bytes).into_response())
}

/// For five minutes: what a new version brings is soon seen.
fn kept() -> [(axum::http::HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))]
}
