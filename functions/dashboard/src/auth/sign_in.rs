//! Starts a sign-in: redirects to the issuer's authorization endpoint.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header::SET_COOKIE},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use jiff::SignedDuration;
use openidconnect::{
    AuthUrl, ClientId, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, Scope,
    core::{CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet},
    url::Url,
};
use serde::Deserialize;
use shared::{
    Settings,
    auth::Oidc,
    domain::Timestamp,
    http::{Problem, RequestContext, Required},
    secrets::{SecretVersions, SessionSecret, SessionValues},
};

use super::{
    MAX_PENDING_SIGN_INS, PENDING_SIGN_IN_COOKIE_PREFIX, PendingSignIn, configured, discover_endpoint,
    issuer_unavailable, redirect_uri,
};
use crate::{
    cookies::cookies,
    links,
    session::{removal_cookie, sealed_cookie},
    theme::Theme,
    ui::error_pages,
};

/// The time that a user has to sign in at the issuer.
const PENDING_SIGN_IN_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// The maximum length of the path to return to, in bytes. It is stored in a cookie, whose limit is 4 KB.
const MAX_RETURN_PATH: usize = 1500;

#[derive(Deserialize)]
pub(crate) struct SignInQuery {
    #[serde(default)]
    return_to: String,
}

/// Starts a sign-in.
pub(crate) async fn handler(
    State(oidc): State<Option<Oidc>>,
    Required(secret): Required<SessionSecret>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
    theme: Theme,
    headers: HeaderMap,
    query: Result<Query<SignInQuery>, QueryRejection>,
) -> Response {
    // A repeated path is as good as none: the user signs in and gets to the overview.
    let return_to = query.map(|Query(SignInQuery { return_to })| return_to).unwrap_or_default();
    let response = async {
        let (sign_in, url) = new_sign_in(&configured(oidc)?, &settings.base_url, return_to, ctx.now).await?;
        redirect_to_issuer(&url, &sign_in, &*secret.read(ctx.now).await, &headers)
    };
    response.await.unwrap_or_else(|problem| error_pages::error(None, theme, &problem))
}

/// A new sign-in, and the URL at which the issuer performs it.
async fn new_sign_in(
    oidc: &Oidc,
    base_url: &str,
    return_to: String,
    now: Timestamp,
) -> Result<(PendingSignIn, Url), Problem> {
    let authorize = discover_endpoint(oidc, now, |discovery| discovery.authorization_endpoint.clone()).await?;
    let authorize = authorize.ok_or_else(|| Problem::unavailable("the issuer has no authorization endpoint"))?;
    let issuer = IssuerUrl::new(oidc.issuer().to_owned());
    let issuer = issuer.map_err(|error| issuer_unavailable("invalid issuer URL", &error))?;
    let client = CoreClient::new(ClientId::new(oidc.client_id().to_owned()), issuer, CoreJsonWebKeySet::default())
        .set_auth_uri(AuthUrl::from_url(authorize))
        .set_redirect_uri(redirect_uri(base_url)?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scopes = ["email", "profile"].map(|scope| Scope::new(scope.to_owned()));
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(scopes)
        .set_pkce_challenge(challenge)
        .url();
    let sign_in = PendingSignIn {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        return_to: safe_redirect(return_to),
    };
    Ok((sign_in, url))
}

/// Redirects to the issuer. The cookie of the sign-in replaces the oldest ones.
fn redirect_to_issuer(
    url: &Url,
    sign_in: &PendingSignIn,
    secrets: &SecretVersions<SessionValues>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let name = PendingSignIn::cookie_name(&sign_in.state);
    let cookie = sealed_cookie(secrets, name, sign_in, PENDING_SIGN_IN_LIFETIME)?;
    // Browsers send the oldest cookie first (RFC 6265 §5.4).
    let pending = cookies(headers).map(|cookie| cookie.name().to_owned());
    let pending: Vec<String> = pending.filter(|name| name.starts_with(PENDING_SIGN_IN_COOKIE_PREFIX)).collect();
    let excess = pending.len().saturating_sub(MAX_PENDING_SIGN_INS - 1);
    let removed = pending.into_iter().take(excess).map(removal_cookie);
    let set: Vec<_> = removed.chain([cookie]).map(|cookie| (SET_COOKIE, cookie.to_string())).collect();
    Ok((AppendHeaders(set), Redirect::to(url.as_str())).into_response())
}

/// Returns `path` if it is a path of the dashboard, and the overview otherwise. Prevents open redirects.
fn safe_redirect(path: String) -> String {
    let is_dashboard = path == links::OVERVIEW || path.starts_with("/dashboard/") || path.starts_with("/dashboard?");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_dashboard && is_plain && path.len() <= MAX_RETURN_PATH { path } else { links::OVERVIEW.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_within_the_dashboard() {
        for path in ["/dashboard", "/dashboard/customers?q=a%20b", "/dashboard?a=b"] {
            assert_eq!(safe_redirect(path.to_owned()), path);
        }
        for path in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/dashboard",
            "/dashboardx",
            "/dashboard/\\evil",
            "/dashboard/\r\nx: y",
        ] {
            assert_eq!(safe_redirect(path.to_owned()), "/dashboard", "{path}");
        }
    }
}
