//! What every request to a page passes: who is signed in, and whether a form was sent from a page of ours.

use std::str::FromStr;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Extension, FromRequestParts, Path, Request, State},
    http::{
        HeaderMap, HeaderName, Method, StatusCode,
        header::{COOKIE as COOKIE_HEADER, IF_MATCH, ORIGIN},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use cookie::Cookie;
use serde_json::Value;
use shared::{
    AppState,
    auth::Caller,
    domain::Code,
    http::{InProcessClient, Problem, RequestContext, in_process_client::RequestIdentity},
};
use url::Url;

use crate::{
    form::Sent,
    session::{COOKIE, Session, opened},
    signing,
    ui::{Theme, refused},
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The edge has read the body, and let nothing longer through.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The API's routes, asked within the process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api(InProcessClient);

impl Api {
    pub(crate) fn new(app: &AppState) -> Self {
        let all = access::routes()
            .merge(activations::routes())
            .merge(catalog::routes())
            .merge(customers::routes())
            .merge(licenses::routes())
            .merge(registration::routes());
        Self(InProcessClient::new(Router::from(all), app))
    }
}

/// A signed-in person's request: what pages are made with.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) app: AppState,
    pub(crate) session: Session,
    pub(crate) caller: Caller,
    pub(crate) ctx: RequestContext,
    pub(crate) theme: Theme,
    api: Api,
}

impl Visit {
    /// Asks the API to do something, as the person who is signed in.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: &Value,
    ) -> Result<Value, Problem> {
        let asker = RequestIdentity { caller: &self.caller, ctx: &self.ctx };
        self.api.0.send(asker, (method, path), headers, body).await
    }

    /// POST, to happen once however often its form is sent.
    pub(crate) async fn post(&self, path: &str, form: &Sent, body: &Value) -> Result<Value, Problem> {
        let once = form.once().map(|key| (IDEMPOTENCY_KEY, key));
        self.ask(Method::POST, path, once.as_slice(), body).await
    }

    /// PUT, if nobody else has changed the thing since the form was made of it.
    pub(crate) async fn put(&self, path: &str, form: &Sent, body: &Value) -> Result<Value, Problem> {
        let seen = form.version().map(|version| (IF_MATCH, version));
        self.ask(Method::PUT, path, seen.as_slice(), body).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal("a page outside the entrance"))
    }
}

/// A visit by an operator; nobody else gets in.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Visit);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let visit = Visit::from_request_parts(parts, state).await?;
        if !visit.session.is_operator {
            return Err(Problem::new(Code::Forbidden, "this page is for operators"));
        }
        Ok(Self(visit))
    }
}

/// The two ids in a path. A text that is none names nothing.
#[derive(Debug)]
pub(crate) struct PathIds<A, B>(pub(crate) A, pub(crate) B);

impl<S: Send + Sync, A: FromStr, B: FromStr> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        let ids = found.and_then(|Path((a, b))| Some(Self(a.parse().ok()?, b.parse().ok()?)));
        ids.ok_or_else(Problem::not_found)
    }
}

/// The layer around every page.
pub(crate) async fn pass(
    State(app): State<AppState>,
    Extension(api): Extension<Api>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let theme = Theme::of(&parts.headers);
    let session = match session(&app, &parts.headers).await {
        Ok(session) => session,
        Err(problem) => return refused::page(None, theme, &problem),
    };
    let Some(ctx) = parts.extensions.get::<RequestContext>().cloned() else {
        return Problem::internal("the route is not wrapped by the middleware").into_response();
    };
    let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    if !matches!(parts.method, Method::GET | Method::HEAD)
        && !came_from_us(&app.settings.base_url, &parts.headers, session.as_ref(), &body)
    {
        let problem = Problem::new(Code::Forbidden, "this form was not sent from a page of this dashboard");
        return refused::page(session.as_ref(), theme, &problem);
    }
    let Some(session) = session else { return not_signed_in(&parts, &body, theme) };
    let caller = session.caller();
    ctx.metrics.set_actor(caller.actor());
    let shown = session.clone();
    parts.extensions.insert(Visit { app, session, caller, ctx, theme, api });
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => refused::page(Some(&shown), theme, &problem),
        None => response,
    }
}

fn not_signed_in(parts: &Parts, body: &Bytes, theme: Theme) -> Response {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        let wanted = parts.uri.path_and_query().map_or("/dashboard", |path| path.as_str());
        return signing::begin::redirect(wanted);
    }
    refused::session_over(parts.uri.path(), &Sent::read(body), theme)
}

/// The session of a cookie that holds, is not over and was not ended.
async fn session(app: &AppState, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    let now = app.clock.now();
    let Some(text) = cookie_of(headers, COOKIE) else { return Ok(None) };
    let mut found = opened(&*app.secrets.read(now).await, COOKIE, &text);
    if found.is_none() {
        found = opened(&*app.secrets.read_latest(now).await, COOKIE, &text);
    }
    match found.filter(|session: &Session| session.ends_at > now) {
        Some(session) if app.table.session_has_ended(&session.id).await? => Ok(None),
        found => Ok(found),
    }
}

/// The value of a cookie.
pub(crate) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies_of(headers).find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// All cookies of a request.
pub(crate) fn cookies_of(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE_HEADER).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(Cookie::split_parse).filter_map(Result::ok)
}

/// Whether a page of ours sent a form, as far as the browser says; where it says nothing, the form has to know what is
/// in the session.
fn came_from_us(base_url: &str, headers: &HeaderMap, session: Option<&Session>, body: &[u8]) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let (site, origin) = (text(&SEC_FETCH_SITE), text(&ORIGIN));
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    match origin {
        // A browser that was told to keep the origin to itself.
        Some("null") => site.is_some(),
        Some(origin) => Url::parse(base_url).is_ok_and(|base| base.origin().ascii_serialization() == origin),
        None if site.is_some() => true,
        None => session.is_some_and(|session| Sent::read(body).has_token(&session.form_token)),
    }
}

/// A page that is not there.
pub(crate) async fn nothing_here(_: Visit) -> (StatusCode, Problem) {
    (StatusCode::NOT_FOUND, Problem::not_found())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_let_in(headers: &[(HeaderName, &str)], body: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let session = Session {
            id: "id".to_owned(),
            form_token: "token".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            subject: "1".to_owned(),
            is_operator: true,
            email: None,
            email_verified: false,
            name: None,
            ends_at: jiff::Timestamp::MAX,
        };
        came_from_us("https://signet.example/v", &headers.collect(), Some(&session), body.as_bytes())
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        let (ours, theirs) = ("https://signet.example", "https://evil.example");
        for (headers, is_ours) in [
            (vec![(SEC_FETCH_SITE, "same-origin"), (ORIGIN, ours)], true),
            (vec![(SEC_FETCH_SITE, "same-origin")], true),
            (vec![(SEC_FETCH_SITE, "same-origin"), (ORIGIN, "null")], true),
            (vec![(ORIGIN, ours)], true),
            (vec![(SEC_FETCH_SITE, "same-site"), (ORIGIN, ours)], false),
            (vec![(SEC_FETCH_SITE, "cross-site"), (ORIGIN, theirs)], false),
            (vec![(SEC_FETCH_SITE, "same-origin"), (ORIGIN, theirs)], false),
            (vec![(SEC_FETCH_SITE, "none")], false),
            (vec![(ORIGIN, theirs)], false),
            (vec![(ORIGIN, "null")], false),
            (vec![(ORIGIN, "https://signet.example.evil.example")], false),
        ] {
            assert_eq!(is_let_in(&headers, "form_token=token"), is_ours, "{headers:?}");
        }
    }

    #[test]
    fn where_the_browser_says_nothing_the_form_has_to_know_the_session() {
        assert!(is_let_in(&[], "a=b&form_token=token"));
        assert!(!is_let_in(&[], "a=b&form_token=other"));
        assert!(!is_let_in(&[], "a=b"));
        assert!(!is_let_in(&[], ""));
    }
}
