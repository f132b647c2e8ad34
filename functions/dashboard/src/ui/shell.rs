//! The frame around every page.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use shared::http::Problem;

use super::{Theme, components::notice_of, icons, icons::Icon, inputs::secrets};
use crate::{assets::Asset, enter::Visit, session::Session};

/// Everything comes from this host, and nothing is written into a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where in the dashboard a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Products,
    Customers,
    LicenseKeys,
    ApiKeys,
    SigningKeys,
    Health,
    Licenses,
    Catalog,
    Nowhere,
}

type Link = (Place, &'static str, &'static str, Icon);

const OPERATOR: [Link; 7] = [
    (Place::Overview, "/dashboard", "Overview", icons::overview),
    (Place::Products, "/dashboard/products", "Products", icons::products),
    (Place::Customers, "/dashboard/customers", "Customers", icons::customers),
    (Place::LicenseKeys, "/dashboard/license-keys", "License keys", icons::keys),
    (Place::ApiKeys, "/dashboard/api-keys", "API keys", icons::access),
    (Place::SigningKeys, "/dashboard/signing-keys", "Signing keys", icons::seal),
    (Place::Health, "/dashboard/health", "Health", icons::health),
];
const CUSTOMER: [Link; 2] = [
    (Place::Licenses, "/dashboard/licenses", "Your licenses", icons::keys),
    (Place::Catalog, "/dashboard/catalog", "Catalog", icons::catalog),
];

/// A page.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// Its heading, and in the browser's tab.
    pub(crate) title: &'a str,
    pub(crate) place: Place,
    /// The pages above it: their addresses and names.
    pub(crate) trail: &'a [(&'a str, &'a str)],
    /// Beside the heading: what it is about, in a few words or a badge.
    pub(crate) aside: Markup,
    /// What can be done here.
    pub(crate) actions: Markup,
    pub(crate) content: Markup,
    /// A script besides the one that every page has.
    pub(crate) script: Option<Asset>,
    /// What was just done, by its word in the address.
    pub(crate) done: &'a str,
}

impl<'a> Page<'a> {
    /// A page with a heading and nothing around it.
    pub(crate) fn new(place: Place, title: &'a str, content: Markup) -> Self {
        Self { title, place, trail: &[], aside: html! {}, actions: html! {}, content, script: None, done: "" }
    }

    /// Below other pages: their addresses and names.
    pub(crate) fn below(self, trail: &'a [(&'a str, &'a str)]) -> Self {
        Self { trail, ..self }
    }

    /// With what can be done here.
    pub(crate) fn actions(self, actions: Markup) -> Self {
        Self { actions, ..self }
    }

    /// With a word beside the heading.
    pub(crate) fn aside(self, aside: Markup) -> Self {
        Self { aside, ..self }
    }

    /// With what was just done.
    pub(crate) fn done(self, done: Option<&'a str>) -> Self {
        Self { done: done.unwrap_or_default(), ..self }
    }

    /// With a script of its own.
    pub(crate) fn script(self, script: Asset) -> Self {
        Self { script: Some(script), ..self }
    }

    /// The page, as an answer to a form that was refused.
    pub(crate) fn refused(self, visit: &Visit, problem: &Problem) -> Response {
        problem.attach_to(self.render(visit))
    }

    /// The page, framed for a visit.
    pub(crate) fn render(self, visit: &Visit) -> Response {
        let body = html! {
            a.skip href="#main" { "Skip to the content" }
            header.bar {
                a.brand href="/dashboard" { (icons::mark()) "Signet" }
                button.button.quiet popovertarget="side" aria-label="Menu" { (icons::menu()) }
            }
            nav.side #side popover aria-label="Main" {
                a.brand href="/dashboard" { (icons::mark()) "Signet" }
                @if visit.session.is_operator { (search(visit)) }
                ul.links {
                    @for (place, href, name, icon) in links(&visit.session) {
                        li { a href=(href) aria-current=[(*place == self.place).then_some("page")] { (icon()) (name) } }
                    }
                }
                (account(visit))
            }
            main #main tabindex="-1" {
                header.head {
                    @if !self.trail.is_empty() {
                        nav.trail aria-label="Above" { ol { @for (href, name) in self.trail { li { a href=(href) { (name) } } } } }
                    }
                    div.head-row {
                        h1 { (self.title) }
                        (self.aside)
                        div.actions { (self.actions) }
                    }
                }
                (notice_of(self.done))
                (self.content)
            }
            div.toasts role="status" aria-live="polite" data-toasts {}
        };
        document(self.title, visit.theme, self.script, &body)
    }
}

fn links(session: &Session) -> &'static [Link] {
    if session.is_operator { &OPERATOR } else { &CUSTOMER }
}

/// Sent as a form: what is looked for may be a key string, which no address may hold.
fn search(visit: &Visit) -> Markup {
    html! {
        form.search method="post" action="/dashboard/search" role="search" {
            (secrets(visit))
            label.unseen for="search" { "Search by customer, e-mail, license key or id" }
            (icons::search())
            input #search type="search" name="q" placeholder="Search" autocomplete="off" spellcheck="false" maxlength="254" aria-keyshortcuts="/" required;
            kbd aria-hidden="true" { "/" }
        }
    }
}

fn account(visit: &Visit) -> Markup {
    let session = &visit.session;
    html! {
        div.account {
            p.who { strong { (session.called()) } span.muted { (if session.is_operator { "Operator" } else { "Customer" }) } }
            form.theme method="post" action="/dashboard/theme" {
                (secrets(visit))
                label.unseen for="theme" { "Light or dark" }
                select #theme name="theme" data-send {
                    @for theme in Theme::ALL {
                        option value=(theme.word()) selected[theme == visit.theme] {
                            (match theme { Theme::System => "System theme", Theme::Light => "Light", Theme::Dark => "Dark" })
                        }
                    }
                }
                button.button.quiet data-no-script { "Set" }
            }
            form method="post" action="/dashboard/sign-out" {
                (secrets(visit))
                button.button.quiet { (icons::sign_out()) "Sign out" }
            }
        }
    }
}

/// A page outside the frame: nobody is signed in.
pub(crate) fn bare(title: &str, theme: Theme, content: &Markup) -> Response {
    let body = html! {
        main.bare #main {
            p.brand { (icons::mark()) "Signet" }
            h1 { (title) }
            (content)
        }
    };
    document(title, theme, None, &body)
}

fn document(title: &str, theme: Theme, script: Option<Asset>, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme.word()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Signet" }
                link rel="icon" type="image/svg+xml" href=(Asset::Icon.url());
                link rel="stylesheet" href=(Asset::Style.url());
                script type="module" src=(Asset::App.url()) {}
                @if let Some(script) = script { script type="module" src=(script.url()) {} }
            }
            body { (body) }
        }
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // With `no-referrer`, a browser would send our own forms with the origin `null`.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (StatusCode::OK, headers, page.into_string()).into_response()
}
