//! The layout of pages: navigation, page header and content.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use shared::http::Problem;

use super::{Theme, components::notice_banner, forms::hidden_fields, icons, icons::Icon};
use crate::{assets::Asset, page_context::PageContext, session::Session};

/// Resources are loaded from this host only; inline scripts and styles are forbidden.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                              connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A section of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NavSection {
    Overview,
    Products,
    Customers,
    LicenseKeys,
    ApiKeys,
    SigningKeys,
    Health,
    Licenses,
    Catalog,
    /// No section, for example of search results.
    None,
}

/// An entry of the navigation: its section, URL, label and icon.
type NavLink = (NavSection, &'static str, &'static str, Icon);

const OPERATOR_NAV: [NavLink; 7] = [
    (NavSection::Overview, "/dashboard", "Overview", icons::overview),
    (NavSection::Products, "/dashboard/products", "Products", icons::products),
    (NavSection::Customers, "/dashboard/customers", "Customers", icons::customers),
    (NavSection::LicenseKeys, "/dashboard/license-keys", "Licenses", icons::license_keys),
    (NavSection::ApiKeys, "/dashboard/api-keys", "API keys", icons::api_keys),
    (NavSection::SigningKeys, "/dashboard/signing-keys", "Signing keys", icons::signing_keys),
    (NavSection::Health, "/dashboard/health", "Health", icons::health),
];
const CUSTOMER_NAV: [NavLink; 2] = [
    (NavSection::Licenses, "/dashboard/licenses", "Your licenses", icons::license_keys),
    (NavSection::Catalog, "/dashboard/catalog", "Catalog", icons::catalog),
];

/// A page with navigation.
#[derive(Debug)]
pub(crate) struct PageLayout<'a> {
    /// The heading, and the title of the browser tab.
    title: &'a str,
    section: NavSection,
    /// The URLs and names of the parent pages.
    breadcrumbs: &'a [(&'a str, &'a str)],
    /// A badge beside the heading.
    badge: Markup,
    actions: Markup,
    content: Markup,
    /// A script in addition to the one of every page.
    script: Option<Asset>,
    /// The code of a confirmation; see [`notice_banner`].
    notice: &'a str,
}

impl<'a> PageLayout<'a> {
    pub(crate) fn new(section: NavSection, title: &'a str, content: Markup) -> Self {
        let (badge, actions) = (html! {}, html! {});
        Self { title, section, breadcrumbs: &[], badge, actions, content, script: None, notice: "" }
    }

    /// Adds links to the parent pages: their URLs and names.
    pub(crate) fn breadcrumbs(self, breadcrumbs: &'a [(&'a str, &'a str)]) -> Self {
        Self { breadcrumbs, ..self }
    }

    /// Adds buttons to the page header.
    pub(crate) fn actions(self, actions: Markup) -> Self {
        Self { actions, ..self }
    }

    /// Adds a badge beside the heading.
    pub(crate) fn badge(self, badge: Markup) -> Self {
        Self { badge, ..self }
    }

    /// Confirms the previous action by the code in the URL.
    pub(crate) fn notice(self, code: Option<&'a str>) -> Self {
        Self { notice: code.unwrap_or_default(), ..self }
    }

    /// Adds a script.
    pub(crate) fn script(self, script: Asset) -> Self {
        Self { script: Some(script), ..self }
    }

    /// Renders the page with the status of a problem, in response to a rejected form.
    pub(crate) fn render_error(self, page: &PageContext, problem: &Problem) -> Response {
        problem.attach_to(self.render(page))
    }

    /// Renders the page.
    pub(crate) fn render(self, page: &PageContext) -> Response {
        let body = html! {
            a.skip-link href="#main" { "Skip to content" }
            header.topbar {
                a.brand href="/dashboard" { (icons::logo()) "Signet" }
                button.button.ghost popovertarget="sidebar" aria-label="Menu" { (icons::menu()) }
            }
            nav.sidebar #sidebar popover aria-label="Main" {
                a.brand href="/dashboard" { (icons::logo()) "Signet" }
                @if page.session.is_operator { (search_form(page)) }
                ul.nav-links {
                    @for (section, href, name, icon) in nav_links(&page.session) {
                        li { a href=(href) aria-current=[(*section == self.section).then_some("page")] { (icon()) (name) } }
                    }
                }
                (account_menu(page))
            }
            main #main tabindex="-1" {
                header.page-header {
                    @if !self.breadcrumbs.is_empty() {
                        nav.breadcrumbs aria-label="Breadcrumbs" { ol { @for (href, name) in self.breadcrumbs { li { a href=(href) { (name) } } } } }
                    }
                    div.page-title {
                        h1 { (self.title) }
                        (self.badge)
                        div.actions { (self.actions) }
                    }
                }
                (notice_banner(self.notice))
                (self.content)
            }
            div.toasts role="status" aria-live="polite" data-toasts {}
        };
        html_document(self.title, page.theme, self.script, &body)
    }
}

fn nav_links(session: &Session) -> &'static [NavLink] {
    if session.is_operator { &OPERATOR_NAV } else { &CUSTOMER_NAV }
}

/// The search form. It uses POST, because the search text may be a key string, which must not appear in a URL.
fn search_form(page: &PageContext) -> Markup {
    html! {
        form.search method="post" action="/dashboard/search" role="search" {
            (hidden_fields(page))
            label.visually-hidden for="search" { "Search by customer, email, license key or ID" }
            (icons::search())
            input #search type="search" name="q" placeholder="Search" autocomplete="off" spellcheck="false" maxlength="254" aria-keyshortcuts="/" required;
            kbd aria-hidden="true" { "/" }
        }
    }
}

fn account_menu(page: &PageContext) -> Markup {
    let session = &page.session;
    html! {
        div.account {
            p.account-name { strong { (session.display_name()) } span.muted { (if session.is_operator { "Operator" } else { "Customer" }) } }
            form.theme-form method="post" action="/dashboard/theme" {
                (hidden_fields(page))
                label.visually-hidden for="theme" { "Theme" }
                select #theme name="theme" data-submit-on-change {
                    @for theme in Theme::ALL {
                        option value=(theme.as_str()) selected[theme == page.theme] {
                            (match theme { Theme::System => "System theme", Theme::Light => "Light theme", Theme::Dark => "Dark theme" })
                        }
                    }
                }
                button.button.ghost data-no-script { "Apply" }
            }
            form method="post" action="/dashboard/sign-out" {
                (hidden_fields(page))
                button.button.ghost { (icons::sign_out()) "Sign out" }
            }
        }
    }
}

/// A page without navigation, for users who are not signed in and for errors.
pub(crate) fn standalone_page(title: &str, theme: Theme, content: &Markup) -> Response {
    let body = html! {
        main.standalone #main {
            p.brand { (icons::logo()) "Signet" }
            h1 { (title) }
            (content)
        }
    };
    html_document(title, theme, None, &body)
}

fn html_document(title: &str, theme: Theme, script: Option<Asset>, body: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme.as_str()) {
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
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY)),
        // With `no-referrer`, browsers send `Origin: null` with the dashboard's own forms.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (StatusCode::OK, headers, document.into_string()).into_response()
}
