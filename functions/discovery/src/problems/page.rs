//! Renders the error pages as plain HTML without scripts.

use axum::{
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::http::{Code, code::Entry, conditional::etag};

use super::example::example;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 44rem; margin: 6vh auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.3; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
code, pre { font: .9em/1.5 ui-monospace, monospace; }
pre { padding: 1rem; border: 1px solid GrayText; border-radius: .4rem; overflow-x: auto; }
td { padding: .15rem 1.5rem .15rem 0; vertical-align: top; }
footer { margin-top: 3rem; border-top: 1px solid GrayText; padding-top: .5rem; }
";

/// Renders the page of a code, with an example as the given issuer would send it.
pub(super) fn code_page(code: Code, issuer: &str) -> Response {
    let Entry { cause, resolution, .. } = code.entry();
    let example = serde_json::to_string_pretty(&example(code, issuer)).unwrap_or_default();
    let content = html! {
        h1 { (code.title()) }
        p { code { (code) } ", HTTP status " (code.status().as_u16()) }
        h2 { "What happened" }
        p { (prose(cause)) }
        h2 { "What to do" }
        p { (prose(resolution)) }
        h2 { "Example" }
        @for header in headers(code) { p { "Header: " code { (header) } } }
        pre { (example) }
        p {
            code { "trace_id" } " identifies the request in the log. The wording of " code { "detail" } " may change; use "
            code { "code" } " in programs."
        }
        footer { p { a href="../problems" { "All error codes" } " · " a href="../docs" { "API documentation" } } }
    };
    respond(code.title(), &content)
}

/// Renders the list of all codes.
pub(super) fn list_page() -> Response {
    let content = html! {
        h1 { "Error codes" }
        p {
            "Every error response has the content type " code { "application/problem+json" } " (RFC 9457). Its "
            code { "code" } " is for programs and never changes."
        }
        table {
            @for code in Code::ALL {
                tr {
                    td { (code.status().as_u16()) }
                    td { a href={ "problems/" (code) } { code { (code) } } }
                    td { (code.title()) }
                }
            }
        }
        footer { p { a href="docs" { "API documentation" } } }
    };
    respond("Error codes", &content)
}

/// Returns examples of the response headers that accompany a code.
fn headers(code: Code) -> &'static [&'static str] {
    match code.status().as_u16() {
        401 => &["WWW-Authenticate: Bearer realm=\"signet\"", "WWW-Authenticate: ApiKey header=\"X-Api-Key\""],
        405 => &["Allow: GET,HEAD,POST"],
        _ if code.has_retry_after() => &["Retry-After: 2"],
        _ => &[],
    }
}

/// Renders text, with parts in backquotes as code.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn respond(title: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – Signet" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    };
    let page = page.into_string();
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (ETAG, etag(page.as_bytes())),
    ];
    (headers, page).into_response()
}
