//! The authorization endpoint: shows the sign-in page and redirects with an authorization code (OpenID Connect Core
//! §3.1.2).

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{
    grants::Grant,
    page,
    params::{OAuthError, Params},
    state::{CLIENT_ID, DevIssuer},
    user::{DevUser, RequestedScope},
};

/// A valid authorization request.
struct AuthorizationRequest {
    redirect_uri: Url,
    challenge: String,
    scope: RequestedScope,
}

/// An invalid authorization request.
enum AuthorizationError {
    /// The client or its redirect URI is invalid: the error is shown to the user (RFC 6749 §4.1.2.1).
    Page(String),
    /// Any other error is sent to the client by redirect.
    Redirect(Box<Url>, OAuthError),
}

/// `GET`: shows the sign-in page.
pub(super) async fn show_page(State(issuer): State<DevIssuer>, params: Params) -> Response {
    match validate(&issuer, &params) {
        Ok(request) => page::sign_in(&params, &request.scope, &request.redirect_uri, None),
        Err(error) => issuer.error_response(&params, error),
    }
}

/// `POST`: handles the form, which repeats the request parameters. They are validated again.
pub(super) async fn sign_in(State(issuer): State<DevIssuer>, params: Params) -> Response {
    let request = match validate(&issuer, &params) {
        Ok(request) => request,
        Err(error) => return issuer.error_response(&params, error),
    };
    let Some(user) = user(&params, &request.scope) else {
        let error = Some("Enter a valid email address.");
        return page::sign_in(&params, &request.scope, &request.redirect_uri, error);
    };
    let grant = Grant {
        redirect_uri: params.get("redirect_uri").unwrap_or_default().to_owned(),
        challenge: request.challenge,
        nonce: params.get("nonce").map(str::to_owned),
        scope: request.scope,
        user,
    };
    let code = issuer.0.grants.issue_code(grant, issuer.0.clock.now());
    issuer.redirect(request.redirect_uri, &params, &[("code", &code)])
}

/// Returns the user that the form names: a predefined one, or the one entered.
fn user(params: &Params, scope: &RequestedScope) -> Option<DevUser> {
    let is_verified = !scope.has("unverified") && params.get("unverified").is_none();
    if let Some(pick) = params.get("pick") {
        let user = page::PREDEFINED_USERS.iter().find(|user| user.email == pick)?;
        let roles = if user.is_operator { vec!["operator".to_owned()] } else { Vec::new() };
        return DevUser::new(user.email, Some(user.name), roles, is_verified);
    }
    // The scope `role:operator` only sets the initial state of the checkbox.
    let mut roles = scope.roles();
    roles.retain(|role| role != "operator");
    roles.extend(params.get("operator").map(|_| "operator".to_owned()));
    DevUser::new(params.get("email").unwrap_or_default(), params.get("name"), roles, is_verified)
}

fn validate(issuer: &DevIssuer, params: &Params) -> Result<AuthorizationRequest, AuthorizationError> {
    let page_error = |text: &str| AuthorizationError::Page(text.to_owned());
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err(AuthorizationError::Page(format!("client_id must be {CLIENT_ID}")));
    }
    let redirect_uri = params.get("redirect_uri").ok_or_else(|| page_error("redirect_uri is missing"))?;
    let redirect_uri = Url::parse(redirect_uri).map_err(|_| page_error("redirect_uri must be a URL"))?;
    if !issuer.is_allowed_redirect(&redirect_uri) {
        return Err(page_error("redirect_uri must be on this machine"));
    }
    match validate_parameters(params) {
        Ok(challenge) => {
            let scope = RequestedScope::read(params.get("scope").unwrap_or_default());
            Ok(AuthorizationRequest { redirect_uri, challenge, scope })
        }
        Err(error) => Err(AuthorizationError::Redirect(Box::new(redirect_uri), error)),
    }
}

/// Validates the other parameters and returns the code challenge.
fn validate_parameters(params: &Params) -> Result<String, OAuthError> {
    if params.require("response_type")? != "code" {
        return Err(OAuthError::new("unsupported_response_type", "response_type must be code"));
    }
    if params.get("request").is_some() {
        return Err(OAuthError::new(
            "request_not_supported",
            "request objects are not supported: send the parameters directly",
        ));
    }
    if params.get("request_uri").is_some() {
        return Err(OAuthError::new(
            "request_uri_not_supported",
            "request objects are not supported: send the parameters directly",
        ));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OAuthError::invalid_request("response_mode must be query"));
    }
    if params.get("prompt") == Some("none") {
        return Err(OAuthError::new("login_required", "this issuer keeps no sessions"));
    }
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OAuthError::invalid_request("PKCE is required: code_challenge_method must be S256"));
    }
    let challenge = params.require("code_challenge")?;
    let is_base64url = challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if challenge.len() != 43 || !is_base64url {
        return Err(OAuthError::invalid_request("code_challenge must be SHA-256 in base64url"));
    }
    Ok(challenge.to_owned())
}

impl DevIssuer {
    fn error_response(&self, params: &Params, error: AuthorizationError) -> Response {
        match error {
            AuthorizationError::Page(text) => page::error(&text),
            AuthorizationError::Redirect(target, error) => {
                let response = [("error", error.code), ("error_description", &error.description)];
                self.redirect(*target, params, &response)
            }
        }
    }

    /// Redirects to the client with response parameters, the client's `state`, and `iss` (RFC 9207).
    fn redirect(&self, mut target: Url, params: &Params, response: &[(&str, &str)]) -> Response {
        let state = params.get("state").map(|state| ("state", state));
        let response = response.iter().copied().chain(state).chain([("iss", self.0.url.as_str())]);
        target.query_pairs_mut().extend_pairs(response);
        Redirect::to(target.as_str()).into_response()
    }
}
