//! The color theme, stored in a cookie.

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

use crate::{cookies::cookie_value, form_data::FormData, links};

const COOKIE: &str = "__Host-signet-theme";

/// The color theme of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// The theme of the operating system.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The value in the cookie, in forms and in the `data-theme` attribute.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Parses a theme. Unknown text is [`Theme::System`].
    fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.as_str() == text).unwrap_or_default()
    }

    /// The theme in the request's cookie.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        cookie_value(headers, COOKIE).map(|text| Self::parse(&text)).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Theme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

/// Stores the selected theme in a cookie and redirects to the previous page.
pub(crate) async fn set_theme(headers: HeaderMap, form: FormData) -> Response {
    let theme = Theme::parse(form.get("theme"));
    let year = cookie::time::Duration::days(365);
    let cookie = Cookie::build((COOKIE, theme.as_str())).path("/").secure(true).http_only(true);
    let cookie = cookie.same_site(SameSite::Lax).max_age(year).build();
    // The session middleware accepts same-origin forms only. Using the path alone also rules out an open redirect.
    let referer = headers.get(REFERER).and_then(|value| Url::parse(value.to_str().ok()?).ok());
    let path = referer.filter(|url| url.path().starts_with(links::OVERVIEW));
    let path = path.map_or_else(|| links::OVERVIEW.to_owned(), |url| url[url::Position::BeforePath..].to_owned());
    (StatusCode::SEE_OTHER, [(LOCATION, path), (SET_COOKIE, cookie.to_string())]).into_response()
}
