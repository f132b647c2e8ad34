//! Making tokens.

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::secret::sha256;

use super::{
    CLIENT_ID, DevIssuer,
    grants::{Issued, random_text},
    params::OAuthError,
    person::{Person, Words},
};

/// How long a token counts.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// The token endpoint's answer.
#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
}

impl DevIssuer {
    /// The tokens of a person: for access, and, where `openid` is asked for, the one that says who signed in.
    pub(super) fn tokens(
        &self,
        person: &Person,
        words: &Words,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Tokens, OAuthError> {
        let failed = |error: jsonwebtoken::errors::Error| OAuthError::new("server_error", error.to_string());
        // Cognito's tokens have no `typ`; other access tokens have that of RFC 9068.
        let is_cognitos = words.has("cognito");
        let typ = |own| (!is_cognitos).then_some(own);
        let claims = self.access_claims(person, words, now);
        let access_token = self.0.key.sign(typ("at+jwt"), &claims).map_err(failed)?;
        let id_token = words.has("openid").then(|| {
            let claims = self.id_claims(person, words, nonce, &access_token, now);
            self.0.key.sign(typ("JWT"), &claims)
        });
        let id_token = id_token.transpose().map_err(failed)?;
        let issued = Issued { person: person.clone(), words: words.clone() };
        self.0.grants.remember(&access_token, issued, now + LIFE, now);
        Ok(Tokens { access_token, token_type: "Bearer", expires_in: LIFE.as_secs(), id_token, scope: words.text() })
    }

    fn access_claims(&self, person: &Person, words: &Words, now: Timestamp) -> Value {
        let mut claims = self.claims(person, now);
        claims["client_id"] = CLIENT_ID.into();
        claims["scope"] = words.text().into();
        claims["jti"] = random_text().into();
        if words.has("cognito") {
            claims["token_use"] = "access".into();
            claims["username"] = person.subject().into();
            claims["cognito:groups"] = json!(person.roles);
            claims["version"] = 2.into();
        } else {
            claims["aud"] = CLIENT_ID.into();
            claims["roles"] = json!(person.roles);
            claims["email"] = person.email.clone().into();
            claims["email_verified"] = person.is_verified.into();
            claims["name"] = person.name.clone().into();
        }
        claims
    }

    fn id_claims(&self, person: &Person, words: &Words, nonce: Option<&str>, access: &str, now: Timestamp) -> Value {
        let mut claims = self.claims(person, now);
        claims["aud"] = CLIENT_ID.into();
        claims["at_hash"] = BASE64URL_NOPAD.encode(&sha256(access.as_bytes())[..16]).into();
        claims["email"] = person.email.clone().into();
        claims["email_verified"] = person.is_verified.into();
        claims["name"] = person.name.clone().into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        if words.has("cognito") {
            claims["token_use"] = "id".into();
            claims["cognito:username"] = person.subject().into();
            claims["cognito:groups"] = json!(person.roles);
        } else {
            claims["roles"] = json!(person.roles);
        }
        claims
    }

    /// What every token says.
    fn claims(&self, person: &Person, now: Timestamp) -> Value {
        let iat = now.as_second();
        json!({
            "iss": self.0.url, "sub": person.subject(), "iat": iat, "auth_time": iat, "exp": iat + LIFE.as_secs(),
        })
    }
}
