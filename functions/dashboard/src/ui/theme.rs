//! Light or dark: as the system has it, unless somebody chose.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, StatusCode,
        header::{LOCATION, REFERER, SET_COOKIE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use cookie::{Cookie, SameSite};
use url::Url;

use crate::{enter::cookie_of, form::Sent};

const COOKIE: &str = "__Host-signet-theme";

/// How pages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let chosen = cookie_of(headers, COOKIE);
        Self::ALL.into_iter().find(|theme| chosen.as_deref() == Some(theme.word())).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Theme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// Remembers a choice in this browser, and shows the same page again.
pub(crate) async fn choose(headers: HeaderMap, form: Sent) -> Response {
    let chosen = form.get("theme");
    let theme = Theme::ALL.into_iter().find(|theme| theme.word() == chosen).unwrap_or_default();
    let year = cookie::time::Duration::days(365);
    let cookie = Cookie::build((COOKIE, theme.word())).path("/").secure(true).http_only(true);
    let cookie = cookie.same_site(SameSite::Lax).max_age(year).build();
    // Only a page of this origin gets this far; its path alone is used.
    let before = headers.get(REFERER).and_then(|value| Url::parse(value.to_str().ok()?).ok());
    let path = before.filter(|url| url.path().starts_with("/dashboard"));
    let path = path.map_or_else(|| "/dashboard".to_owned(), |url| url[url::Position::BeforePath..].to_owned());
    (StatusCode::SEE_OTHER, [(LOCATION, path), (SET_COOKIE, cookie.to_string())]).into_response()
}
