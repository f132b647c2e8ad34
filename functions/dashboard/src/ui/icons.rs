//! Decorative SVG icons in the color of the surrounding text.

use maud::{Markup, html};

/// An icon with a view box of 16 by 16, from its SVG path.
fn icon(path: &str) -> Markup {
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" { path d=(path) {} }
    }
}

/// A function that renders an icon.
pub(crate) type Icon = fn() -> Markup;

pub(crate) fn overview() -> Markup {
    icon("M2.5 13.5h11M4 11V7.5M8 11V3M12 11V5.5")
}

pub(crate) fn products() -> Markup {
    icon("M8 1.8 13.8 5v6L8 14.2 2.2 11V5zM2.2 5 8 8.2 13.8 5M8 8.2v6")
}

pub(crate) fn customers() -> Markup {
    icon("M8 7.5a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2M2.8 13.8c.5-2.7 2.6-4 5.2-4s4.7 1.3 5.2 4")
}

pub(crate) fn license_keys() -> Markup {
    icon("M5.5 12.8a3 3 0 1 0 0-6 3 3 0 0 0 0 6M7.7 7.7 13.5 2M11 4.5l1.8 1.8")
}

pub(crate) fn activity() -> Markup {
    icon("M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4M8 4.8V8l2.2 1.6")
}

pub(crate) fn webhooks() -> Markup {
    icon("M2 8h8M7.5 4.5 11 8l-3.5 3.5M13.8 2.5v11")
}

pub(crate) fn api_keys() -> Markup {
    icon("M5 4.5 1.8 8 5 11.5M11 4.5 14.2 8 11 11.5M9.2 3l-2.4 10")
}

pub(crate) fn signing_keys() -> Markup {
    icon("M8 1.8 13 3.8v4c0 3-2 5.2-5 6.4-3-1.2-5-3.4-5-6.4v-4zM5.8 8l1.6 1.6 2.9-3.1")
}

pub(crate) fn health() -> Markup {
    icon("M1.5 8.5h3l1.7-4.7 3 8.4 1.8-3.7h3.5")
}

pub(crate) fn catalog() -> Markup {
    icon("M2.5 3h4.5v10H2.5zM9 3h4.5v10H9zM4 6h1.5M10.5 6H12")
}

pub(crate) fn search() -> Markup {
    icon("M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10M10.7 10.7 14 14")
}

pub(crate) fn menu() -> Markup {
    icon("M2.5 4.5h11M2.5 8h11M2.5 11.5h11")
}

pub(crate) fn copy() -> Markup {
    icon("M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z")
}

pub(crate) fn plus() -> Markup {
    icon("M8 3v10M3 8h10")
}

pub(crate) fn up() -> Markup {
    icon("M8 13V3.5M4 7l4-4 4 4")
}

pub(crate) fn down() -> Markup {
    icon("M8 3v9.5M4 9l4 4 4-4")
}

pub(crate) fn drag_handle() -> Markup {
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" fill="currentColor" aria-hidden="true" {
            @for (x, y) in [(5.5, 3.5), (10.5, 3.5), (5.5, 8.0), (10.5, 8.0), (5.5, 12.5), (10.5, 12.5)] {
                circle cx=(x) cy=(y) r="1.3" {}
            }
        }
    }
}

pub(crate) fn sign_out() -> Markup {
    icon("M6.5 2.5h-4v11h4M10 5l3.5 3-3.5 3M13.5 8h-7")
}

pub(crate) fn check() -> Markup {
    icon("M3 8.5 6.5 12 13 4.5")
}

pub(crate) fn warning() -> Markup {
    icon("M8 2 14.5 13.5h-13zM8 6.5v3M8 11.6v.1")
}

pub(crate) fn download() -> Markup {
    icon("M8 2.5v8M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11")
}

/// The logo: a key on a rounded square.
pub(crate) fn logo() -> Markup {
    html! {
        svg.logo viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" {
            rect.logo-background width="32" height="32" rx="8" {}
            circle cx="16" cy="13" r="6.5" fill="none" stroke="#fff" stroke-width="2.5" {}
            path d="M16 19.5V27M16 23h3.5M16 27h3.5" stroke="#fff" stroke-width="2.5" stroke-linecap="round" fill="none" {}
        }
    }
}
