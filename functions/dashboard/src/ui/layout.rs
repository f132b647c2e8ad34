//! The layout of pages: navigation, page header and content.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::{
    forms::hidden_fields,
    icons::{self, Icon},
    notice::Notice,
};
use crate::{
    assets::Asset,
    form_data::CSRF_TOKEN_FIELD,
    links,
    session::Session,
    theme::{Density, Preference, Theme},
    viewer::Viewer,
};

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
    Activity,
    Webhooks,
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

const OPERATOR_NAV: [NavLink; 9] = [
    (NavSection::Overview, links::OVERVIEW, "Overview", icons::overview),
    (NavSection::Products, links::PRODUCTS, "Products", icons::products),
    (NavSection::Customers, links::CUSTOMERS, "Customers", icons::customers),
    (NavSection::LicenseKeys, links::LICENSE_KEYS, "Licenses", icons::license_keys),
    (NavSection::Activity, links::ACTIVITY, "Activity", icons::activity),
    (NavSection::Webhooks, links::WEBHOOKS, "Webhooks", icons::webhooks),
    (NavSection::ApiKeys, links::API_KEYS, "API keys", icons::api_keys),
    (NavSection::SigningKeys, links::SIGNING_KEYS, "Signing keys", icons::signing_keys),
    (NavSection::Health, links::HEALTH, "Health", icons::health),
];
const CUSTOMER_NAV: [NavLink; 2] = [
    (NavSection::Licenses, links::OWN_LICENSES, "Your licenses", icons::license_keys),
    (NavSection::Catalog, links::CATALOG, "Catalog", icons::catalog),
];

/// The URLs and names of the pages in the navigation of operators.
pub(crate) fn operator_pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATOR_NAV.into_iter().map(|(_, href, name, _)| (href, name))
}

/// A page with navigation.
#[derive(Debug)]
pub(crate) struct PageLayout {
    /// The heading, and the title of the browser tab.
    title: String,
    section: NavSection,
    /// The current tab, for the title of the browser tab; empty if the page has no tabs.
    tab: &'static str,
    /// The URLs and names of the parent pages.
    breadcrumbs: Vec<(String, String)>,
    /// A badge beside the heading.
    badge: Markup,
    actions: Markup,
    content: Markup,
    /// A script in addition to the one of every page.
    script: Option<Asset>,
    /// The confirmation of the previous action, and what is shown after its text.
    notice: Option<(Notice, Markup)>,
}

impl PageLayout {
    pub(crate) fn new(section: NavSection, title: impl Into<String>, content: Markup) -> Self {
        let (badge, actions) = (html! {}, html! {});
        Self {
            title: title.into(),
            section,
            tab: "",
            breadcrumbs: Vec::new(),
            badge,
            actions,
            content,
            script: None,
            notice: None,
        }
    }

    /// Adds a link to a parent page, after those of its own parents.
    pub(crate) fn breadcrumb(mut self, href: impl Into<String>, name: impl Into<String>) -> Self {
        self.breadcrumbs.push((href.into(), name.into()));
        self
    }

    /// Names the current tab of a page with several.
    pub(crate) fn tab(self, tab: &'static str) -> Self {
        Self { tab, ..self }
    }

    /// The title of the browser tab: the current tab, the heading, and the parent page.
    fn document_title(&self) -> String {
        let parent = self.breadcrumbs.last().map(|(_, name)| name.as_str());
        let parts = [Some(self.tab), Some(&*self.title), parent];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        parts.join(" – ")
    }

    /// Adds buttons to the page header.
    pub(crate) fn actions(self, actions: Markup) -> Self {
        Self { actions, ..self }
    }

    /// Adds a badge beside the heading.
    pub(crate) fn badge(self, badge: Markup) -> Self {
        Self { badge, ..self }
    }

    /// Replaces the content.
    pub(super) fn content(self, content: Markup) -> Self {
        Self { content, ..self }
    }

    /// Confirms the previous action.
    pub(crate) fn notice(self, notice: Option<Notice>) -> Self {
        self.notice_with(notice, html! {})
    }

    /// Confirms the previous action, with details, a link or a button.
    pub(crate) fn notice_with(self, notice: Option<Notice>, details: Markup) -> Self {
        Self { notice: notice.map(|notice| (notice, details)), ..self }
    }

    /// Adds a script.
    pub(crate) fn script(self, script: Asset) -> Self {
        Self { script: Some(script), ..self }
    }

    /// Renders the page.
    pub(crate) fn render(self, viewer: &Viewer) -> Response {
        let session = &viewer.session;
        let document_title = self.document_title();
        let body = html! {
            a.skip-link href="#main" { "Skip to content" }
            header.topbar {
                a.brand href=(links::OVERVIEW) { (icons::logo()) "Signet" }
                button.button.ghost popovertarget="sidebar" aria-label="Menu" { (icons::menu()) }
            }
            nav.sidebar #sidebar popover aria-label="Main" {
                a.brand href=(links::OVERVIEW) { (icons::logo()) "Signet" }
                @if session.is_operator { (search_form(session)) }
                ul.nav-links {
                    @for (section, href, name, icon) in nav_links(session) {
                        li { a href=(href) aria-current=[(*section == self.section).then_some("page")] { (icon()) (name) } }
                    }
                }
                (account_menu(viewer))
            }
            main #main tabindex="-1" {
                header.page-header {
                    @if !self.breadcrumbs.is_empty() {
                        nav.breadcrumbs aria-label="Breadcrumbs" { ol { @for (href, name) in &self.breadcrumbs { li { a href=(href) { (name) } } } } }
                    }
                    div.page-title {
                        h1 { (self.title) }
                        (self.badge)
                        div.actions { (self.actions) }
                    }
                }
                @if let Some((notice, details)) = &self.notice { (notice.render(details)) }
                (self.content)
            }
            div.toasts role="status" aria-live="polite" data-toasts {}
            @if session.is_operator { (palette(session)) }
        };
        html_document(&document_title, (viewer.theme, viewer.density), self.script, &body)
    }
}

fn nav_links(session: &Session) -> &'static [NavLink] {
    if session.is_operator { &OPERATOR_NAV } else { &CUSTOMER_NAV }
}

/// The search form. It uses POST, because the search text may be a key string, which must not appear in a URL.
fn search_form(session: &Session) -> Markup {
    html! {
        form.search method="post" action=(links::SEARCH) role="search" {
            (hidden_fields(session))
            label.visually-hidden for="search" { "Search by customer, email, license key or ID" }
            (icons::search())
            input #search type="search" name="q" placeholder="Search" autocomplete="off" spellcheck="false" maxlength="254" required;
            kbd aria-hidden="true" { "/" }
        }
    }
}

/// The command palette, which a script opens, and the script. Without it, the search form has the same results.
fn palette(session: &Session) -> Markup {
    html! {
        dialog.palette #palette aria-label="Search" {
            form method="post" action=(links::SEARCH) data-results=(links::SEARCH_RESULTS) {
                input type="hidden" name=(CSRF_TOKEN_FIELD) value=(session.csrf_token);
                (icons::search())
                input type="text" name="q" role="combobox" aria-label="Search" aria-autocomplete="list" aria-expanded="false"
                    aria-controls="palette-results" placeholder="Search customers, licenses, machines and pages" autocomplete="off"
                    autocapitalize="none" spellcheck="false" maxlength="254";
                button.button.ghost type="button" data-close { "Close" }
            }
            div #palette-results {}
            p.visually-hidden role="status" {}
        }
        script type="module" src=(Asset::Palette.url()) {}
    }
}

fn preference_select<P: Preference>(label: &str, current: P) -> Markup {
    html! {
        label.visually-hidden for=(P::FIELD) { (label) }
        select #(P::FIELD) name=(P::FIELD) data-submit-on-change {
            @for one in P::VALUES { option value=(one.value()) selected[*one == current] { (one.label()) } }
        }
    }
}

fn account_menu(viewer: &Viewer) -> Markup {
    let session = &viewer.session;
    html! {
        div.account {
            p.account-name { strong { (session.display_name()) } span.muted { (if session.is_operator { "Operator" } else { "Customer" }) } }
            form.theme-form method="post" action="/dashboard/theme" {
                (hidden_fields(session))
                (preference_select("Theme", viewer.theme))
                (preference_select("Density", viewer.density))
                button.button.ghost data-no-script { "Apply" }
            }
            form method="post" action="/dashboard/sign-out" {
                (hidden_fields(session))
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
    html_document(title, (theme, Density::default()), None, &body)
}

fn html_document(title: &str, (theme, density): (Theme, Density), script: Option<Asset>, body: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme.value()) data-density=(density.value()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Signet" }
                link rel="icon" type="image/svg+xml" href=(Asset::Icon.url());
                link rel="stylesheet" href=(Asset::Style.url());
                // Shows times in the browser's time zone. Blocks rendering, so that no text moves when it does.
                script type="module" blocking="render" src=(Asset::App.url()) {}
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
