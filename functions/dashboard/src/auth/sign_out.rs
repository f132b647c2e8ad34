//! Ends a session of the dashboard and of the issuer (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, header::SET_COOKIE},
    response::{IntoResponse, Response},
};
use shared::{
    Settings,
    auth::Oidc,
    domain::Timestamp,
    http::{Problem, RequestContext},
    store::Table,
};

use super::{SIGNED_OUT_PATH, configured, discover_endpoint};
use crate::{
    session::{COOKIE, removal_cookie},
    theme::Theme,
    ui::error_pages,
    viewer::Viewer,
};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Signs out. The session is marked as ended in the table, which invalidates copies of its cookie.
pub(crate) async fn handler(
    Viewer { session, theme, .. }: Viewer,
    State(table): State<Table>,
    State(oidc): State<Option<Oidc>>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    table.end_session(&session.id, session.expires_at).await?;
    let cookie = [(SET_COOKIE, removal_cookie(COOKIE.to_owned()).to_string())];
    // Signing out works even if the issuer is unreachable.
    let logout_url = logout_url(oidc, &settings.base_url, ctx.now).await.ok().flatten();
    let html = error_pages::signed_out(theme, logout_url.as_deref());
    // The content security policy's `form-action` blocks a redirect of the form to the issuer's host. A refresh is
    // allowed.
    Ok(match logout_url {
        Some(url) => (cookie, [(REFRESH, format!("0; url={url}"))], html).into_response(),
        None => (cookie, html).into_response(),
    })
}

/// The URL that ends the issuer's session and redirects back. It identifies the client by `client_id`; an
/// `id_token_hint` would put a credential into a URL. Amazon Cognito expects `logout_uri` instead of
/// `post_logout_redirect_uri`.
async fn logout_url(oidc: Option<Oidc>, base_url: &str, now: Timestamp) -> Result<Option<String>, Problem> {
    let oidc = configured(oidc)?;
    let endpoint = discover_endpoint(&oidc, now, |discovery| discovery.end_session_endpoint.clone()).await?;
    let Some(mut url) = endpoint else { return Ok(None) };
    let return_url = format!("{base_url}{SIGNED_OUT_PATH}");
    let client = oidc.client_id();
    let values = [("client_id", client), ("post_logout_redirect_uri", &return_url), ("logout_uri", &return_url)];
    url.query_pairs_mut().extend_pairs(values);
    Ok(Some(url.to_string()))
}

/// Confirms a sign-out. The issuer redirects to this page.
pub(crate) async fn signed_out(theme: Theme) -> Response {
    error_pages::signed_out(theme, None)
}

/// Confirms a sign-in in a separate tab, which can then be closed.
pub(crate) async fn signed_in(viewer: Viewer) -> Response {
    error_pages::signed_in(&viewer)
}
