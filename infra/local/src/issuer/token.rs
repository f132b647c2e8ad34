//! `POST /token`: a code, or a name and any password, becomes tokens.

use axum::{Json, extract::State};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use shared::domain::secret::sha256;

use super::{
    CLIENT_ID, DevIssuer,
    mint::Tokens,
    params::{OAuthError, Params},
    person::{Person, Words},
};

/// Makes tokens.
pub(super) async fn handler(State(issuer): State<DevIssuer>, params: Params) -> Result<Json<Tokens>, OAuthError> {
    let now = issuer.0.clock.now();
    let grant_type = params.require("grant_type")?;
    if params.require("client_id")? != CLIENT_ID {
        return Err(OAuthError::new("invalid_client", format!("the one client is {CLIENT_ID}")));
    }
    match grant_type {
        "authorization_code" => by_code(&issuer, &params, now),
        "password" => by_password(&issuer, &params, now),
        _ => Err(OAuthError::new("unsupported_grant_type", "authorization_code and password are taken")),
    }
    .map(Json)
}

fn by_code(issuer: &DevIssuer, params: &Params, now: Timestamp) -> Result<Tokens, OAuthError> {
    let code = params.require("code")?;
    let redirect_uri = params.require("redirect_uri")?;
    let verifier = params.require("code_verifier")?;
    let invalid = |description: &str| OAuthError::new("invalid_grant", description);
    // Whatever is wrong with the rest, the code has been seen, and works no more.
    let grant = issuer.0.grants.redeem(code, now);
    let grant = grant.ok_or_else(|| invalid("there is no such code, or it was used, or its time is over"))?;
    if grant.redirect_uri != redirect_uri {
        return Err(invalid("redirect_uri is not the one that the code was sent to"));
    }
    if challenge_of(verifier).as_ref() != Some(&grant.challenge) {
        return Err(invalid("code_verifier does not fit the code_challenge"));
    }
    issuer.tokens(&grant.person, &grant.words, grant.nonce.as_deref(), now)
}

/// The challenge that belongs to a verifier; none if it is no verifier (RFC 7636 §4.1).
fn challenge_of(verifier: &str) -> Option<String> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_verifier = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    is_verifier.then(|| BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes())))
}

fn by_password(issuer: &DevIssuer, params: &Params, now: Timestamp) -> Result<Tokens, OAuthError> {
    let words = Words::read(params.get("scope").unwrap_or_default());
    let email = params.require("username")?;
    let person = Person::new(email, None, words.roles(), !words.has("unverified"));
    let person = person.ok_or_else(|| OAuthError::new("invalid_grant", "username is an e-mail address"))?;
    issuer.tokens(&person, &words, None, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_the_one_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge_of(verifier).as_deref(), Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for wrong in ["", "short", &"a".repeat(129), &format!("{verifier} "), &format!("{verifier}é")] {
            assert_eq!(challenge_of(wrong), None, "{wrong}");
        }
    }
}
