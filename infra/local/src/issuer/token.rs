//! The token endpoint: authorization code grant with PKCE, and password grant with any password.

use axum::{Json, extract::State};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use shared::domain::secret::sha256;

use super::{
    params::{OAuthError, Params},
    state::{CLIENT_ID, DevIssuer},
    tokens::TokenSet,
    user::{DevUser, RequestedScope},
};

/// Handles `POST /token`.
pub(super) async fn handler(State(issuer): State<DevIssuer>, params: Params) -> Result<Json<TokenSet>, OAuthError> {
    let now = issuer.0.clock.now();
    let grant_type = params.require("grant_type")?;
    if params.require("client_id")? != CLIENT_ID {
        return Err(OAuthError::new("invalid_client", format!("client_id must be {CLIENT_ID}")));
    }
    match grant_type {
        "authorization_code" => by_code(&issuer, &params, now),
        "password" => by_password(&issuer, &params, now),
        _ => Err(OAuthError::new("unsupported_grant_type", "grant_type must be authorization_code or password")),
    }
    .map(Json)
}

fn by_code(issuer: &DevIssuer, params: &Params, now: Timestamp) -> Result<TokenSet, OAuthError> {
    let code = params.require("code")?;
    let redirect_uri = params.require("redirect_uri")?;
    let verifier = params.require("code_verifier")?;
    let invalid = |description: &str| OAuthError::new("invalid_grant", description);
    // A code is consumed even if the other parameters are invalid.
    let grant = issuer.0.grants.redeem(code, now);
    let grant = grant.ok_or_else(|| invalid("the code is unknown, used or expired"))?;
    if grant.redirect_uri != redirect_uri {
        return Err(invalid("redirect_uri differs from the one of the authorization request"));
    }
    if code_challenge(verifier).as_ref() != Some(&grant.challenge) {
        return Err(invalid("code_verifier does not match code_challenge"));
    }
    issuer.issue_tokens(&grant.user, &grant.scope, grant.nonce.as_deref(), now)
}

/// Returns the S256 challenge of a verifier, or `None` if the verifier is malformed (RFC 7636 §4.1).
fn code_challenge(verifier: &str) -> Option<String> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_verifier = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    is_verifier.then(|| BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes())))
}

fn by_password(issuer: &DevIssuer, params: &Params, now: Timestamp) -> Result<TokenSet, OAuthError> {
    let scope = RequestedScope::read(params.get("scope").unwrap_or_default());
    let email = params.require("username")?;
    let user = DevUser::new(email, None, scope.roles(), !scope.has("unverified"));
    let user = user.ok_or_else(|| OAuthError::new("invalid_grant", "username must be an email address"))?;
    issuer.issue_tokens(&user, &scope, None, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_challenge_matches_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(code_challenge(verifier).as_deref(), Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for wrong in ["", "short", &"a".repeat(129), &format!("{verifier} "), &format!("{verifier}é")] {
            assert_eq!(code_challenge(wrong), None, "{wrong}");
        }
    }
}
