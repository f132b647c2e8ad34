//! Takes a browser back from the issuer: the code becomes an ID token, and the ID token a session.

use std::time::{Duration, SystemTime};

use axum::{
    extract::{Query, State},
    http::{
        HeaderMap, StatusCode,
        header::{LOCATION, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse, Response},
};
use jiff::Timestamp;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeVerifier, RedirectUrl, TokenResponse,
    core::{CoreClient, CoreProviderMetadata},
};
use serde::Deserialize;
use shared::{
    AppState,
    auth::{Oidc, User},
    domain::{Code, Secret},
    http::Problem,
};

use super::{CALLBACK, Flight, no_use, oidc};
use crate::{
    enter::cookie_of,
    session::{COOKIE, LIFE, Session, no_cookie, opened, sealed_cookie},
    ui::{Theme, refused},
};

/// What the issuer sends a browser back with (RFC 6749 §4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(crate) struct Back {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Ends a sign-in.
pub(crate) async fn handler(
    State(app): State<AppState>,
    theme: Theme,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response {
    finish(&app, &headers, back).await.unwrap_or_else(|problem| refused::sign_in_failed(theme, &problem))
}

async fn finish(app: &AppState, headers: &HeaderMap, back: Back) -> Result<Response, Problem> {
    let now = app.clock.now();
    let oidc = oidc(app)?;
    let refused = |detail: &str| Problem::new(Code::Unauthenticated, detail);
    let state = back.state.unwrap_or_default();
    let name = Flight::cookie(&state);
    let secrets = app.secrets.read(now).await;
    let flight: Option<Flight> = cookie_of(headers, &name).and_then(|text| opened(&secrets, &name, &text));
    let is_same = |flight: &Flight| Secret::new(flight.state.clone()) == Secret::new(state.clone());
    let flight = flight.filter(is_same).ok_or_else(|| refused("this sign-in was begun elsewhere, or too long ago"))?;
    if back.iss.is_some_and(|iss| iss != oidc.issuer()) {
        return Err(refused("another issuer answered"));
    }
    if back.error.as_deref() == Some("access_denied") {
        return Err(refused("the sign-in was called off"));
    }
    let code = back.code.filter(|_| back.error.is_none());
    let code = code.ok_or_else(|| refused("the issuer did not let you in"))?;
    let user = redeem(app, oidc, code, &flight).await?;
    let session = Session::begin(&user, now);
    let cookie = sealed_cookie(&secrets, COOKIE.to_owned(), &session, LIFE)?;
    let set = [(SET_COOKIE, cookie.to_string()), (SET_COOKIE, no_cookie(name).to_string())];
    Ok((StatusCode::SEE_OTHER, [(LOCATION, flight.to)], AppendHeaders(set)).into_response())
}

fn system_time(now: Timestamp) -> SystemTime {
    let since_1970 = u64::try_from(now.as_millisecond()).map_or(Duration::ZERO, Duration::from_millis);
    SystemTime::UNIX_EPOCH + since_1970
}

/// Who signed in: first the whole protocol is held to, then the token is read as every bearer token is.
async fn redeem(app: &AppState, oidc: &Oidc, code: String, flight: &Flight) -> Result<User, Problem> {
    let now = app.clock.now();
    let own = oidc.clone();
    let send = move |request| {
        let oidc = own.clone();
        async move { oidc.send(request).await }
    };
    let issuer = IssuerUrl::new(oidc.issuer().to_owned()).map_err(|error| no_use("the issuer's URL", &error))?;
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await;
    let metadata = metadata.map_err(|error| no_use("the issuer's discovery document", &error))?;
    let back = RedirectUrl::new(format!("{}{CALLBACK}", app.settings.base_url));
    let back = back.map_err(|error| no_use("the base URL", &error))?;
    let secrets = app.secrets.read(now).await;
    let secret =
        secrets.current.oidc_client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(oidc.client_id().to_owned()), secret)
        .set_redirect_uri(back);
    let exchange = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|error| no_use("the issuer's token endpoint", &error))?
        .set_pkce_verifier(PkceCodeVerifier::new(flight.verifier.clone()));
    let refused =
        |what: &str| Problem::new(Code::Unauthenticated, format!("the issuer's answer does not hold: {what}"));
    let answer = exchange.request_async(&send).await.map_err(|error| match error {
        openidconnect::RequestTokenError::ServerResponse(_) => refused("the code is not taken"),
        error => no_use("the issuer's token endpoint", &error),
    })?;
    let id_token = answer.id_token().ok_or_else(|| refused("no ID token"))?;
    let verifier = client.id_token_verifier().set_time_fn(move || system_time(now).into());
    let claims =
        id_token.claims(&verifier, &Nonce::new(flight.nonce.clone())).map_err(|error| refused(&error.to_string()))?;
    if let Some(hash) = claims.access_token_hash() {
        let signed = id_token.signing_alg().ok().zip(id_token.signing_key(&verifier).ok());
        let (algorithm, key) = signed.ok_or_else(|| refused("its key is not known"))?;
        let own = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
        if !own.is_ok_and(|own| own == *hash) {
            return Err(refused("the access token is another's"));
        }
    }
    let user = oidc.verify(&Secret::new(id_token.to_string()), now).await?;
    let user = User { token: Secret::new(answer.access_token().secret().clone()), ..user };
    Ok(oidc.complete_profile(user, now).await?)
}
