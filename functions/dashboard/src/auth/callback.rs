//! Completes a sign-in: exchanges the authorization code for an ID token, and creates a session from its claims.

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
    domain::Secret,
    http::{Code, Problem},
};

use super::{CALLBACK_PATH, PendingSignIn, issuer_unavailable, oidc};
use crate::{
    session::{COOKIE, SESSION_LIFETIME, Session, open_cookie, removal_cookie, sealed_cookie},
    session_middleware::cookie_value,
    ui::{Theme, error_pages},
};

/// The parameters of the authorization response (RFC 6749 §4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(crate) struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Completes a sign-in.
pub(crate) async fn handler(
    State(app): State<AppState>,
    theme: Theme,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Response {
    let response = complete_sign_in(&app, &headers, query).await;
    response.unwrap_or_else(|problem| error_pages::sign_in_failed(theme, &problem))
}

async fn complete_sign_in(app: &AppState, headers: &HeaderMap, query: CallbackQuery) -> Result<Response, Problem> {
    let now = app.clock.now();
    let oidc = oidc(app)?;
    let rejected = |detail: &str| Problem::new(Code::Unauthenticated, detail);
    let state = query.state.unwrap_or_default();
    let name = PendingSignIn::cookie_name(&state);
    let secrets = app.secrets.read(now).await;
    let sign_in: Option<PendingSignIn> =
        cookie_value(headers, &name).and_then(|text| open_cookie(&secrets, &name, &text));
    let is_same = |sign_in: &PendingSignIn| Secret::new(sign_in.state.clone()) == Secret::new(state.clone());
    let sign_in = sign_in
        .filter(is_same)
        .ok_or_else(|| rejected("this sign-in attempt expired or was started in another browser"))?;
    if query.iss.is_some_and(|iss| iss != oidc.issuer()) {
        return Err(rejected("the response came from another identity provider"));
    }
    if query.error.as_deref() == Some("access_denied") {
        return Err(rejected("the sign-in was canceled"));
    }
    let code = query.code.filter(|_| query.error.is_none());
    let code = code.ok_or_else(|| rejected("the identity provider rejected the sign-in"))?;
    let user = redeem_code(app, oidc, code, &sign_in).await?;
    let session = Session::new(&user, now);
    let cookie = sealed_cookie(&secrets, COOKIE.to_owned(), &session, SESSION_LIFETIME)?;
    let set = [(SET_COOKIE, cookie.to_string()), (SET_COOKIE, removal_cookie(name).to_string())];
    Ok((StatusCode::SEE_OTHER, [(LOCATION, sign_in.return_to)], AppendHeaders(set)).into_response())
}

fn system_time(now: Timestamp) -> SystemTime {
    let since_1970 = u64::try_from(now.as_millisecond()).map_or(Duration::ZERO, Duration::from_millis);
    SystemTime::UNIX_EPOCH + since_1970
}

/// Exchanges the code for tokens, validates the ID token (OpenID Connect Core §3.1.3.7), and reads the user from its
/// claims with the rules of bearer tokens.
async fn redeem_code(app: &AppState, oidc: &Oidc, code: String, sign_in: &PendingSignIn) -> Result<User, Problem> {
    let now = app.clock.now();
    let sender = oidc.clone();
    let send = move |request| {
        let oidc = sender.clone();
        async move { oidc.send(request).await }
    };
    let issuer = IssuerUrl::new(oidc.issuer().to_owned());
    let issuer = issuer.map_err(|error| issuer_unavailable("invalid issuer URL", &error))?;
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await;
    let metadata =
        metadata.map_err(|error| issuer_unavailable("failed to read the issuer's discovery document", &error))?;
    let redirect_uri = RedirectUrl::new(format!("{}{CALLBACK_PATH}", app.settings.base_url));
    let redirect_uri = redirect_uri.map_err(|error| issuer_unavailable("invalid base URL", &error))?;
    let secrets = app.secrets.read(now).await;
    let secret =
        secrets.current.oidc_client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(oidc.client_id().to_owned()), secret)
        .set_redirect_uri(redirect_uri);
    let exchange = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|error| issuer_unavailable("the issuer has no token endpoint", &error))?
        .set_pkce_verifier(PkceCodeVerifier::new(sign_in.verifier.clone()));
    let invalid = |reason: &str| {
        Problem::new(Code::Unauthenticated, format!("the identity provider's response is invalid: {reason}"))
    };
    let response = exchange.request_async(&send).await.map_err(|error| match error {
        openidconnect::RequestTokenError::ServerResponse(_) => invalid("the authorization code was rejected"),
        error => issuer_unavailable("the request to the issuer's token endpoint failed", &error),
    })?;
    let id_token = response.id_token().ok_or_else(|| invalid("the ID token is missing"))?;
    let verifier = client.id_token_verifier().set_time_fn(move || system_time(now).into());
    let claims =
        id_token.claims(&verifier, &Nonce::new(sign_in.nonce.clone())).map_err(|error| invalid(&error.to_string()))?;
    if let Some(hash) = claims.access_token_hash() {
        let signed = id_token.signing_alg().ok().zip(id_token.signing_key(&verifier).ok());
        let (algorithm, key) = signed.ok_or_else(|| invalid("the signing key is unknown"))?;
        let computed = AccessTokenHash::from_token(response.access_token(), algorithm, key);
        if !computed.is_ok_and(|computed| computed == *hash) {
            return Err(invalid("the access token does not match at_hash"));
        }
    }
    let user = oidc.verify(&Secret::new(id_token.to_string()), now).await?;
    let user = User { token: Secret::new(response.access_token().secret().clone()), ..user };
    Ok(oidc.complete_profile(user, now).await?)
}
