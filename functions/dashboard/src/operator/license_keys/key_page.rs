//! The page that shows a new key string. Operators see it only once.

use axum::response::Response;
use maud::{Markup, html};
use shared::http::resources::{IssuedResource, SupersededResource};

use crate::{
    links,
    ui::{
        components::{Tone, banner, link_button, secret},
        format,
        layout::{NavSection, PageLayout},
    },
    viewer::Viewer,
};

/// Renders the page.
pub(super) fn render(viewer: &Viewer, title: &str, issued: &IssuedResource) -> Response {
    let content = html! {
        div.stack {
            @if let Some(replaced) = &issued.superseded { (replaced_banner(replaced)) }
            p.prose { "Copy it now: you won't see it again. The customer can view it in their portal." }
            (secret(&issued.license_key, "license key"))
            div.actions { (link_button(&links::license_key(issued.license.id), "View license")) }
        }
    };
    PageLayout::new(NavSection::LicenseKeys, title, content).breadcrumb(links::LICENSE_KEYS, "Licenses").render(viewer)
}

/// Says which license the new one has replaced.
fn replaced_banner(replaced: &SupersededResource) -> Markup {
    banner(
        Tone::Info,
        &html! {
            p {
                "Replaced " a href=(links::license_key(replaced.id)) { (replaced.key_hint) } ". Its machines must activate with the new key."
                @if let Some(until) = replaced.last_borrowed_until { " Borrowed seats work offline until " (format::date_time(until)) "." }
            }
        },
    )
}
