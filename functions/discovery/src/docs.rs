//! API documentation: Swagger UI for the OpenAPI document, and the integration guide. All files are served by this
//! function, so that the page works without access to other hosts and no third party receives what users enter.

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
use shared::http::{Problem, conditional::etag};
use utoipa_swagger_ui::{Config, serve};

/// Allows scripts, styles and requests of the same origin only. Swagger UI sets inline styles, and its style sheet
/// contains images as data URLs.
const CONTENT_SECURITY_POLICY_VALUE: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The script that initializes Swagger UI.
const START_SCRIPT: &str = include_str!("start.js");
/// The files of the Swagger UI distribution that the page loads. Other files are not served.
const FILES: [&str; 3] = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

/// Returns the API documentation page.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "get_docs",
    tag = "discovery",
    summary = "Get the API documentation",
    description = "An HTML page with Swagger UI, to read and try the API.",
    responses((status = 200, description = "The page", content_type = "text/html", body = String)),
)]
pub(crate) async fn page() -> Response {
    // URLs are relative, so that the page works under any path prefix of a gateway.
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "API documentation – Signet" }
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
    ([(CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_VALUE)], cache_control(), Html(page.into_string()))
        .into_response()
}

/// Returns the integration guide, or a file that the documentation page loads.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "get_docs_file",
    tag = "discovery",
    summary = "Get a file of the API documentation",
    description = "`integrate.md`, the integration guide in Markdown, or a script, style sheet or image that the page loads.",
    params(("file" = String, Path, description = "File name")),
    responses((status = 200, description = "The file", headers(("ETag" = String)))),
)]
pub(crate) async fn file(Path(file): Path<String>) -> Result<Response, Problem> {
    if file == "integrate.md" {
        return Ok(crate::llms::guide().into_response());
    }
    if file == "start.js" {
        let tag = [(ETAG, etag(START_SCRIPT.as_bytes()))];
        return Ok(
            ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], cache_control(), tag, START_SCRIPT).into_response()
        );
    }
    if !FILES.contains(&file.as_str()) {
        return Err(Problem::not_found());
    }
    let found = serve(&file, Arc::new(Config::default())).map_err(|error| Problem::internal(error.to_string()))?;
    let found = found.ok_or_else(|| Problem::internal(format!("file {file} is missing in Swagger UI")))?;
    // The files are compressed at build time, to about a quarter of their size. Every browser supports gzip.
    let encoding = found.gzpipped.then_some([(CONTENT_ENCODING, "gzip")]);
    let tag = [(ETAG, etag(&found.bytes))];
    Ok(([(CONTENT_TYPE, found.content_type)], encoding, cache_control(), tag, found.bytes).into_response())
}

/// Allows caching for five minutes, so that a new version becomes visible soon.
fn cache_control() -> [(axum::http::HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))]
}
