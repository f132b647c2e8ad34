//! Completes a sign-in: exchanges the authorization code for an ID token, and creates a session from its claims.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header::SET_COOKIE},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeVerifier, TokenResponse,
    core::{CoreClient, CoreProviderMetadata},
};
use serde::Deserialize;
use shared::{
    Settings,
    auth::{Oidc, User},
    domain::Secret,
    http::{Code, Problem, RequestContext, Required},
    secrets::{SecretVersions, SessionSecret, SessionValues},
};

use super::{PendingSignIn, configured, issuer_unavailable, redirect_uri};
use crate::{
    cookies::cookie_value,
    session::{COOKIE, SESSION_LIFETIME, Session, open_cookie, removal_cookie, sealed_cookie},
    theme::Theme,
    ui::error_pages,
};

/// The parameters of the authorization response (RFC 6749 §4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(crate) struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// The valid parameters of an authorization response.
struct AuthorizationResponse {
    state: String,
    result: AuthorizationResult,
    iss: Option<String>,
}

/// The result of an authorization request.
enum AuthorizationResult {
    Code(String),
    Error(String),
}

impl AuthorizationResponse {
    /// Returns `None` if a required parameter is missing, or a parameter has a character that RFC 6749 does not allow.
    /// An empty parameter counts as missing.
    fn new(CallbackQuery { state, code, error, iss }: CallbackQuery) -> Option<Self> {
        let is_valid = |value: &String| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if ![&state, &code, &error, &iss].into_iter().flatten().all(is_valid) {
            return None;
        }
        let [state, code, error, iss] = [state, code, error, iss].map(|value| value.filter(|text| !text.is_empty()));
        let result = match (error, code) {
            (Some(error), _) => AuthorizationResult::Error(error),
            (None, code) => AuthorizationResult::Code(code?),
        };
        Some(Self { state: state?, result, iss })
    }
}

/// Completes a sign-in.
pub(crate) async fn handler(
    State(oidc): State<Option<Oidc>>,
    Required(secret): Required<SessionSecret>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
    theme: Theme,
    headers: HeaderMap,
    query: Result<Query<CallbackQuery>, QueryRejection>,
) -> Response {
    let response = async {
        let oidc = configured(oidc)?;
        // The rejection is that of a repeated parameter.
        let Some(authorization) = query.ok().and_then(|Query(query)| AuthorizationResponse::new(query)) else {
            return Ok(error_pages::invalid_sign_in(theme));
        };
        let secrets = secret.read(ctx.now).await;
        let (sign_in, code) = read_authorization_response(&oidc, &secrets, &headers, authorization)?;
        let client_secret = secrets.current.oidc_client_secret.as_ref();
        let user = redeem_code(&oidc, client_secret, &settings.base_url, code, &sign_in, ctx.now).await?;
        start_session(&Session::new(&user, ctx.now), &sign_in, &secrets)
    };
    response.await.unwrap_or_else(|problem| error_pages::sign_in_failed(theme, &problem))
}

/// The pending sign-in of an authorization response, and the authorization code.
fn read_authorization_response(
    oidc: &Oidc,
    secrets: &SecretVersions<SessionValues>,
    headers: &HeaderMap,
    AuthorizationResponse { state, result, iss }: AuthorizationResponse,
) -> Result<(PendingSignIn, String), Problem> {
    let rejected = |detail: &str| Problem::new(Code::Unauthenticated, detail);
    let name = PendingSignIn::cookie_name(&state);
    let sign_in: Option<PendingSignIn> =
        cookie_value(headers, &name).and_then(|text| open_cookie(secrets, &name, &text));
    let is_same = |sign_in: &PendingSignIn| Secret::new(sign_in.state.clone()) == Secret::new(state.clone());
    let sign_in = sign_in
        .filter(is_same)
        .ok_or_else(|| rejected("this sign-in attempt expired or was started in another browser"))?;
    if iss.is_some_and(|iss| iss != oidc.issuer()) {
        return Err(rejected("the response came from another identity provider"));
    }
    match result {
        AuthorizationResult::Code(code) => Ok((sign_in, code)),
        AuthorizationResult::Error(error) if error == "access_denied" => Err(rejected("the sign-in was canceled")),
        AuthorizationResult::Error(_) => Err(rejected("the identity provider rejected the sign-in")),
    }
}

/// Stores the session in its cookie and returns to the page that required it.
fn start_session(
    session: &Session,
    sign_in: &PendingSignIn,
    secrets: &SecretVersions<SessionValues>,
) -> Result<Response, Problem> {
    let cookie = sealed_cookie(secrets, COOKIE.to_owned(), session, SESSION_LIFETIME)?;
    let completed = removal_cookie(PendingSignIn::cookie_name(&sign_in.state));
    let set = AppendHeaders([cookie, completed].map(|cookie| (SET_COOKIE, cookie.to_string())));
    Ok((set, Redirect::to(&sign_in.return_to)).into_response())
}

fn system_time(now: Timestamp) -> SystemTime {
    let since_1970 = u64::try_from(now.as_millisecond()).map_or(Duration::ZERO, Duration::from_millis);
    SystemTime::UNIX_EPOCH + since_1970
}

/// Exchanges the code for tokens, validates the ID token (OpenID Connect Core §3.1.3.7), and reads the user from its
/// claims with the rules of bearer tokens.
async fn redeem_code(
    oidc: &Oidc,
    client_secret: Option<&Secret>,
    base_url: &str,
    code: String,
    sign_in: &PendingSignIn,
    now: Timestamp,
) -> Result<User, Problem> {
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
    let secret = client_secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(oidc.client_id().to_owned()), secret)
        .set_redirect_uri(redirect_uri(base_url)?);
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
