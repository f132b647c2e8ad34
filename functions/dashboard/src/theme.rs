//! The look of pages that a user selects: the color theme and the density, each stored in a cookie.

use std::{convert::Infallible, iter::once};

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, StatusCode,
        header::{LOCATION, REFERER, SET_COOKIE},
        request::Parts,
    },
    response::{AppendHeaders, IntoResponse, Response},
};
use cookie::{Cookie, SameSite};
use url::Url;

use crate::{cookies::cookie_value, form_data::FormData, links};

/// A preference with a fixed set of values, which is stored in a cookie.
pub(crate) trait Preference: Copy + Default + PartialEq + 'static {
    const COOKIE: &'static str;
    /// The name of the form field.
    const FIELD: &'static str;
    const VALUES: &'static [Self];

    /// The value in the cookie, in forms and in the data attribute of pages.
    fn value(self) -> &'static str;

    /// The text of its option.
    fn label(self) -> &'static str;

    /// Parses a value. Unknown text is the default.
    fn parse(text: &str) -> Self {
        Self::VALUES.iter().copied().find(|one| one.value() == text).unwrap_or_default()
    }

    /// The preference in the request's cookie.
    fn from_headers(headers: &HeaderMap) -> Self {
        cookie_value(headers, Self::COOKIE).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// The cookie that stores the selected value, if the form has the field.
    fn cookie(form: &FormData) -> Option<String> {
        let text = Some(form.get(Self::FIELD)).filter(|text| !text.is_empty())?;
        let year = cookie::time::Duration::days(365);
        let cookie = Cookie::build((Self::COOKIE, Self::parse(text).value())).path("/").secure(true).http_only(true);
        Some(cookie.same_site(SameSite::Lax).max_age(year).build().to_string())
    }
}

/// The color theme of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// The theme of the operating system.
    #[default]
    System,
    Light,
    Dark,
}

impl Preference for Theme {
    const COOKIE: &'static str = "__Host-signet-theme";
    const FIELD: &'static str = "theme";
    const VALUES: &'static [Self] = &[Self::System, Self::Light, Self::Dark];

    fn value(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::System => "System theme",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
        }
    }
}

/// The height of table rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Density {
    #[default]
    Comfortable,
    Compact,
}

impl Preference for Density {
    const COOKIE: &'static str = "__Host-signet-density";
    const FIELD: &'static str = "density";
    const VALUES: &'static [Self] = &[Self::Comfortable, Self::Compact];

    fn value(self) -> &'static str {
        match self {
            Self::Comfortable => "comfortable",
            Self::Compact => "compact",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Comfortable => "Comfortable rows",
            Self::Compact => "Compact rows",
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Theme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

/// Stores the selected theme and density in cookies and redirects to the previous page.
pub(crate) async fn set_theme(headers: HeaderMap, form: FormData) -> Response {
    let cookies = [Theme::cookie(&form), Density::cookie(&form)].into_iter().flatten();
    // The session middleware accepts same-origin forms only. Using the path alone also rules out an open redirect.
    let referer = headers.get(REFERER).and_then(|value| Url::parse(value.to_str().ok()?).ok());
    let path = referer.filter(|url| url.path().starts_with(links::OVERVIEW));
    let path = path.map_or_else(|| links::OVERVIEW.to_owned(), |url| url[url::Position::BeforePath..].to_owned());
    (StatusCode::SEE_OTHER, AppendHeaders(cookies.map(|cookie| (SET_COOKIE, cookie)).chain(once((LOCATION, path)))))
        .into_response()
}
