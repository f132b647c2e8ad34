//! The middleware of every page: loads the session and rejects cross-site form submissions.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Extension, Request, State},
    http::{
        HeaderMap, HeaderName, Method, StatusCode,
        header::{COOKIE as COOKIE_HEADER, ORIGIN},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use cookie::Cookie;
use shared::{
    AppState,
    http::{Code, Problem, RequestContext},
};
use url::Url;

use crate::{
    auth::sign_in,
    form_data::FormData,
    page_context::{ApiClient, PageContext},
    session::{COOKIE, Session, open_cookie},
    ui::{Theme, error_pages},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The outer middleware has buffered the body and enforces the same limit.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Requires a session, protects forms against CSRF, and renders problems as error pages.
pub(crate) async fn require_session(
    State(app): State<AppState>,
    Extension(api): Extension<ApiClient>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let theme = Theme::from_headers(&parts.headers);
    let session = match load_session(&app, &parts.headers).await {
        Ok(session) => session,
        Err(problem) => return error_pages::error(None, theme, &problem),
    };
    let Some(ctx) = parts.extensions.get::<RequestContext>().cloned() else {
        return Problem::internal("the request context is missing").into_response();
    };
    let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    if !is_safe(&parts.method) && !is_same_origin(&app.settings.base_url, &parts.headers, session.as_ref(), &body) {
        let problem = Problem::new(
            Code::Forbidden,
            "the form was not submitted from this dashboard. Go to the dashboard and try again",
        );
        return error_pages::error(session.as_ref(), theme, &problem);
    }
    let Some(session) = session else { return unauthenticated(&parts, &body, theme) };
    let caller = session.caller();
    ctx.metrics.set_actor(caller.actor());
    let page = PageContext { app, session: session.clone(), caller, ctx, theme, api };
    parts.extensions.insert(page);
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => error_pages::error(Some(&session), theme, &problem),
        None => response,
    }
}

/// Whether a method is safe as RFC 9110 §9.2.1 defines it, of those that pages use.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn unauthenticated(parts: &Parts, body: &Bytes, theme: Theme) -> Response {
    if is_safe(&parts.method) {
        let path = parts.uri.path_and_query().map_or("/dashboard", |path| path.as_str());
        return sign_in::redirect_to_sign_in(path);
    }
    error_pages::session_expired(parts.uri.path(), &FormData::parse(body), theme)
}

/// The session in the request's cookie, if the cookie is authentic and the session has neither expired nor ended.
async fn load_session(app: &AppState, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    let now = app.clock.now();
    let Some(text) = cookie_value(headers, COOKIE) else { return Ok(None) };
    let mut session = open_cookie(&*app.secrets.read(now).await, COOKIE, &text);
    if session.is_none() {
        session = open_cookie(&*app.secrets.read_latest(now).await, COOKIE, &text);
    }
    match session.filter(|session: &Session| session.expires_at > now) {
        Some(session) if app.table.session_has_ended(&session.id).await? => Ok(None),
        session => Ok(session),
    }
}

/// The value of a request cookie.
pub(crate) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// All cookies of a request.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE_HEADER).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(Cookie::split_parse).filter_map(Result::ok)
}

/// Whether a form was submitted from a page of this dashboard, according to `Sec-Fetch-Site` and `Origin`. Without both
/// headers, the form must contain the session's CSRF token.
fn is_same_origin(base_url: &str, headers: &HeaderMap, session: Option<&Session>, body: &[u8]) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let (site, origin) = (text(&SEC_FETCH_SITE), text(&ORIGIN));
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    match origin {
        // Browsers that hide the origin, for example because of a privacy setting, send `null`.
        Some("null") => site.is_some(),
        Some(origin) => Url::parse(base_url).is_ok_and(|base| base.origin().ascii_serialization() == origin),
        None if site.is_some() => true,
        None => session.is_some_and(|session| FormData::parse(body).has_csrf_token(&session.csrf_token)),
    }
}

/// The fallback for paths without a page.
pub(crate) async fn not_found(_: PageContext) -> (StatusCode, Problem) {
    (StatusCode::NOT_FOUND, Problem::not_found())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepts(headers: &[(HeaderName, &str)], body: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let session = Session {
            id: "id".to_owned(),
            csrf_token: "token".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            subject: "1".to_owned(),
            is_operator: true,
            email: None,
            email_verified: false,
            name: None,
            expires_at: jiff::Timestamp::MAX,
        };
        is_same_origin("https://signet.example/v", &headers.collect(), Some(&session), body.as_bytes())
    }

    #[test]
    fn cross_site_forms_are_rejected() {
        let (own, other) = ("https://signet.example", "https://evil.example");
        for (headers, is_accepted) in [
            (vec![(SEC_FETCH_SITE, "same-origin"), (ORIGIN, own)], true),
            (vec![(SEC_FETCH_SITE, "same-origin")], true),
            (vec![(SEC_FETCH_SITE, "same-origin"), (ORIGIN, "null")], true),
            (vec![(ORIGIN, own)], true),
            (vec![(SEC_FETCH_SITE, "same-site"), (ORIGIN, own)], false),
            (vec![(SEC_FETCH_SITE, "cross-site"), (ORIGIN, other)], false),
            (vec![(SEC_FETCH_SITE, "same-origin"), (ORIGIN, other)], false),
            (vec![(SEC_FETCH_SITE, "none")], false),
            (vec![(ORIGIN, other)], false),
            (vec![(ORIGIN, "null")], false),
            (vec![(ORIGIN, "https://signet.example.evil.example")], false),
        ] {
            assert_eq!(accepts(&headers, "csrf_token=token"), is_accepted, "{headers:?}");
        }
    }

    #[test]
    fn forms_without_origin_headers_require_the_csrf_token() {
        assert!(accepts(&[], "a=b&csrf_token=token"));
        assert!(!accepts(&[], "a=b&csrf_token=other"));
        assert!(!accepts(&[], "a=b"));
        assert!(!accepts(&[], ""));
    }
}
