//! Starts a sign-in: redirects to the issuer's authorization endpoint.

use axum::{
    extract::{Query, State},
    http::{
        HeaderMap, StatusCode,
        header::{LOCATION, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse, Response},
};
use jiff::SignedDuration;
use openidconnect::{
    AuthUrl, ClientId, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, RedirectUrl, Scope,
    core::{CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet},
};
use serde::Deserialize;
use shared::{AppState, http::Problem};

use super::{
    CALLBACK_PATH, MAX_PENDING_SIGN_INS, PENDING_SIGN_IN_COOKIE_PREFIX, PendingSignIn, discover_endpoint,
    issuer_unavailable, oidc,
};
use crate::{
    session::{removal_cookie, sealed_cookie},
    session_middleware::cookies,
    ui::{Theme, error_pages},
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

/// Redirects to the sign-in, which returns to `path`.
pub(crate) fn redirect_to_sign_in(path: &str) -> Response {
    let query = serde_urlencoded::to_string([("return_to", path)]).unwrap_or_default();
    (StatusCode::SEE_OTHER, [(LOCATION, format!("/dashboard/sign-in?{query}"))]).into_response()
}

/// Starts a sign-in.
pub(crate) async fn handler(
    State(app): State<AppState>,
    theme: Theme,
    headers: HeaderMap,
    Query(SignInQuery { return_to }): Query<SignInQuery>,
) -> Response {
    let response = start_sign_in(&app, &headers, return_to).await;
    response.unwrap_or_else(|problem| error_pages::error(None, theme, &problem))
}

async fn start_sign_in(app: &AppState, headers: &HeaderMap, return_to: String) -> Result<Response, Problem> {
    let now = app.clock.now();
    let oidc = oidc(app)?;
    let authorize = discover_endpoint(app, |discovery| discovery.authorization_endpoint.clone()).await?;
    let authorize = authorize.ok_or_else(|| Problem::unavailable("the issuer has no authorization endpoint"))?;
    let issuer = IssuerUrl::new(oidc.issuer().to_owned());
    let issuer = issuer.map_err(|error| issuer_unavailable("invalid issuer URL", &error))?;
    let redirect_uri = RedirectUrl::new(format!("{}{CALLBACK_PATH}", app.settings.base_url));
    let redirect_uri = redirect_uri.map_err(|error| issuer_unavailable("invalid base URL", &error))?;
    let client = CoreClient::new(ClientId::new(oidc.client_id().to_owned()), issuer, CoreJsonWebKeySet::default())
        .set_auth_uri(AuthUrl::from_url(authorize))
        .set_redirect_uri(redirect_uri);
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
    let secrets = app.secrets.read(now).await;
    let cookie =
        sealed_cookie(&secrets, PendingSignIn::cookie_name(state.secret()), &sign_in, PENDING_SIGN_IN_LIFETIME)?;
    // Browsers send the oldest cookie first (RFC 6265 §5.4).
    let pending = cookies(headers).map(|cookie| cookie.name().to_owned());
    let pending: Vec<String> = pending.filter(|name| name.starts_with(PENDING_SIGN_IN_COOKIE_PREFIX)).collect();
    let excess = pending.len().saturating_sub(MAX_PENDING_SIGN_INS - 1);
    let removed = pending.into_iter().take(excess).map(removal_cookie);
    let set: Vec<_> = removed.chain([cookie]).map(|cookie| (SET_COOKIE, cookie.to_string())).collect();
    Ok((StatusCode::SEE_OTHER, [(LOCATION, url.to_string())], AppendHeaders(set)).into_response())
}

/// Returns `path` if it is a path of the dashboard, and `/dashboard` otherwise. Prevents open redirects.
fn safe_redirect(path: String) -> String {
    let is_dashboard = path == "/dashboard" || path.starts_with("/dashboard/") || path.starts_with("/dashboard?");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_dashboard && is_plain && path.len() <= MAX_RETURN_PATH { path } else { "/dashboard".to_owned() }
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
