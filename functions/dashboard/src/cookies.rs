//! The cookies of a request.

use axum::http::{HeaderMap, header::COOKIE};
use cookie::Cookie;

/// The value of a request cookie.
pub(crate) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// All cookies of a request, in their order. `axum_extra::CookieJar` has no order, but the oldest pending sign-ins are
/// removed first.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(Cookie::split_parse).filter_map(Result::ok)
}
