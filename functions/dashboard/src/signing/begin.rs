//! Sends a browser to the issuer.

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

use super::{CALLBACK, FLIGHT, Flight, MAX_FLIGHTS, endpoint, no_use, oidc};
use crate::{
    enter::cookies_of,
    session::{no_cookie, sealed_cookie},
    ui::{Theme, refused},
};

/// How long a person may take at the issuer.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    to: String,
}

/// Sends a browser to sign in, and then to the page that it wanted.
pub(crate) fn redirect(wanted: &str) -> Response {
    let query = serde_urlencoded::to_string([("to", wanted)]).unwrap_or_default();
    (StatusCode::SEE_OTHER, [(LOCATION, format!("/dashboard/sign-in?{query}"))]).into_response()
}

/// Begins a sign-in.
pub(crate) async fn handler(
    State(app): State<AppState>,
    theme: Theme,
    headers: HeaderMap,
    Query(Wanted { to }): Query<Wanted>,
) -> Response {
    begin(&app, &headers, to).await.unwrap_or_else(|problem| refused::page(None, theme, &problem))
}

async fn begin(app: &AppState, headers: &HeaderMap, to: String) -> Result<Response, Problem> {
    let now = app.clock.now();
    let oidc = oidc(app)?;
    let authorize = endpoint(app, |discovery| discovery.authorization_endpoint.clone()).await?;
    let authorize = authorize.ok_or_else(|| Problem::unavailable("the issuer has no authorization endpoint"))?;
    let issuer = IssuerUrl::new(oidc.issuer().to_owned()).map_err(|error| no_use("the issuer's URL", &error))?;
    let back = RedirectUrl::new(format!("{}{CALLBACK}", app.settings.base_url));
    let back = back.map_err(|error| no_use("the base URL", &error))?;
    let client = CoreClient::new(ClientId::new(oidc.client_id().to_owned()), issuer, CoreJsonWebKeySet::default())
        .set_auth_uri(AuthUrl::from_url(authorize))
        .set_redirect_uri(back);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scopes = ["email", "profile"].map(|scope| Scope::new(scope.to_owned()));
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(scopes)
        .set_pkce_challenge(challenge)
        .url();
    let flight = Flight {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        to: of_ours(to),
    };
    let secrets = app.secrets.read(now).await;
    let cookie = sealed_cookie(&secrets, Flight::cookie(state.secret()), &flight, PATIENCE)?;
    // A browser names the oldest first (RFC 6265 §5.4).
    let flights = cookies_of(headers).map(|cookie| cookie.name().to_owned()).filter(|name| name.starts_with(FLIGHT));
    let flights: Vec<String> = flights.collect();
    let too_many = flights.len().saturating_sub(MAX_FLIGHTS - 1);
    let given_up = flights.into_iter().take(too_many).map(no_cookie);
    let set: Vec<_> = given_up.chain([cookie]).map(|cookie| (SET_COOKIE, cookie.to_string())).collect();
    Ok((StatusCode::SEE_OTHER, [(LOCATION, url.to_string())], AppendHeaders(set)).into_response())
}

/// A path of the dashboard, whatever was asked for: nobody is sent elsewhere from here.
fn of_ours(to: String) -> String {
    let is_path = to == "/dashboard" || to.starts_with("/dashboard/") || to.starts_with("/dashboard?");
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    // A cookie has 4 KB; a path that long is no page's.
    if is_path && is_plain && to.len() <= 1500 { to } else { "/dashboard".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for good in ["/dashboard", "/dashboard/customers?q=a%20b", "/dashboard?a=b"] {
            assert_eq!(of_ours(good.to_owned()), good);
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/dashboard",
            "/dashboardx",
            "/dashboard/\\evil",
            "/dashboard/\r\nx: y",
        ] {
            assert_eq!(of_ours(bad.to_owned()), "/dashboard", "{bad}");
        }
    }
}
