//! The middleware of every page: loads the session and rejects cross-site form submissions.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Extension, Request, State},
    http::{
        HeaderMap, HeaderName, Method, StatusCode,
        header::{ALLOW, ORIGIN},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use shared::{
    Settings,
    app::InProcessClient,
    domain::Timestamp,
    http::{Code, Problem, RequestContext, Required},
    secrets::SessionSecret,
    store::Table,
};
use url::Url;

use crate::{
    api::Api,
    cookies::cookie_value,
    form_data::FormData,
    links,
    session::{COOKIE, Session, open_cookie},
    theme::{Density, Preference, Theme},
    ui::error_pages,
    viewer::Viewer,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Requires a session, protects forms against CSRF, and renders problems as error pages.
pub(crate) async fn require_session(
    State(table): State<Table>,
    Required(secret): Required<SessionSecret>,
    State(settings): State<Arc<Settings>>,
    Extension(client): Extension<InProcessClient>,
    ctx: RequestContext,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let theme = Theme::from_headers(&parts.headers);
    let session = match load_session(&table, &secret, &parts.headers, ctx.now).await {
        Ok(session) => session,
        Err(problem) => return error_pages::error(None, theme, &problem),
    };
    // The outer middleware has buffered the body and enforces its limit.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if !is_safe(&parts.method) && !is_same_origin(&settings.base_url, &parts.headers, session.as_ref(), &body).await {
        let problem = Problem::new(
            Code::Forbidden,
            "the form was not submitted from this dashboard. Go to the dashboard and try again",
        );
        return error_pages::error(session.as_ref(), theme, &problem);
    }
    let Some(session) = session else { return unauthenticated(&parts, &body, theme).await };
    let caller = session.caller();
    ctx.metrics.set_actor(caller.actor());
    let density = Density::from_headers(&parts.headers);
    parts.extensions.insert(Viewer { session: session.clone(), theme, density });
    parts.extensions.insert(Api { client, caller, ctx });
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => error_pages::error(Some(&session), theme, &problem),
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            method_not_allowed(response.headers(), &session, theme)
        }
        None => response,
    }
}

/// The page of a path that only accepts submitted forms.
fn method_not_allowed(headers: &HeaderMap, session: &Session, theme: Theme) -> Response {
    let problem = Problem::new(
        Code::MethodNotAllowed,
        "this address only accepts submitted forms. Go to the dashboard and start there",
    );
    let mut response = error_pages::error(Some(session), theme, &problem);
    if let Some(allow) = headers.get(ALLOW) {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    response
}

/// Whether a method is safe as RFC 9110 §9.2.1 defines it, of those that pages use.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

async fn unauthenticated(parts: &Parts, body: &Bytes, theme: Theme) -> Response {
    if is_safe(&parts.method) {
        let path = parts.uri.path_and_query().map_or(links::OVERVIEW, |path| path.as_str());
        return Redirect::to(&links::sign_in(path)).into_response();
    }
    error_pages::session_expired(parts.uri.path(), &FormData::read(&parts.headers, body).await, theme)
}

/// The session in the request's cookie, if the cookie is authentic and the session has neither expired nor ended.
async fn load_session(
    table: &Table,
    secret: &SessionSecret,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Session>, Problem> {
    let Some(text) = cookie_value(headers, COOKIE) else { return Ok(None) };
    let mut session = open_cookie(&*secret.read(now).await, COOKIE, &text);
    if session.is_none() {
        session = open_cookie(&*secret.read_latest(now).await, COOKIE, &text);
    }
    match session.filter(|session: &Session| session.expires_at > now) {
        Some(session) if table.session_has_ended(&session.id).await? => Ok(None),
        session => Ok(session),
    }
}

/// Whether a form was submitted from a page of this dashboard, according to `Sec-Fetch-Site` and `Origin`. Without both
/// headers, the form must contain the session's CSRF token.
async fn is_same_origin(base_url: &str, headers: &HeaderMap, session: Option<&Session>, body: &Bytes) -> bool {
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
        None => {
            let Some(session) = session else { return false };
            FormData::read(headers, body).await.has_csrf_token(&session.csrf_token)
        }
    }
}

/// The fallback for paths without a page.
pub(crate) async fn not_found(_: Viewer) -> (StatusCode, Problem) {
    (StatusCode::NOT_FOUND, Problem::not_found())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    async fn accepts(headers: &[(HeaderName, &str)], body: &'static str) -> bool {
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
        is_same_origin("https://signet.example/v", &headers.collect(), Some(&session), &body.into()).await
    }

    #[tokio::test]
    async fn cross_site_forms_are_rejected() {
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
            assert_eq!(accepts(&headers, "csrf_token=token").await, is_accepted, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn forms_without_origin_headers_require_the_csrf_token() {
        assert!(accepts(&[], "a=b&csrf_token=token").await);
        assert!(!accepts(&[], "a=b&csrf_token=other").await);
        assert!(!accepts(&[], "a=b").await);
        assert!(!accepts(&[], "").await);
    }
}
