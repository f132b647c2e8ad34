//! The page that shows a new key string. Operators see it only once.

use axum::response::Response;
use maud::html;
use shared::http::resources::IssuedResource;

use crate::{
    links,
    ui::{
        components::{link_button, secret},
        layout::{NavSection, PageLayout},
    },
    viewer::Viewer,
};

/// Renders the page.
pub(super) fn render(viewer: &Viewer, title: &str, issued: &IssuedResource) -> Response {
    let content = html! {
        div.stack {
            p.prose { "Copy it now: you won't see it again. The customer can view it in their portal." }
            (secret(&issued.license_key, "license key"))
            div.actions { (link_button(&links::license_key(issued.license.id), "View license")) }
        }
    };
    PageLayout::new(NavSection::LicenseKeys, title, content).breadcrumb(links::LICENSE_KEYS, "Licenses").render(viewer)
}
