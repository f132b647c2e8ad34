//! Access tokens and ID tokens.

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::secret::sha256;

use super::{
    grants::{TokenHolder, random_text},
    params::OAuthError,
    state::{CLIENT_ID, DevIssuer},
    user::{DevUser, RequestedScope},
};

/// Lifetime of access tokens and ID tokens.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The response of the token endpoint (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub(super) struct TokenSet {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
}

impl DevIssuer {
    /// Issues an access token and, if the scope contains `openid`, an ID token.
    pub(super) fn issue_tokens(
        &self,
        user: &DevUser,
        scope: &RequestedScope,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<TokenSet, OAuthError> {
        let failed = |error: jsonwebtoken::errors::Error| OAuthError::new("server_error", error.to_string());
        // Tokens of Amazon Cognito have no `typ`; other access tokens have the one of RFC 9068.
        let is_cognito = scope.has("cognito");
        let typ = |value| (!is_cognito).then_some(value);
        let claims = self.access_claims(user, scope, now);
        let access_token = self.0.key.sign(typ("at+jwt"), &claims).map_err(failed)?;
        let id_token = scope.has("openid").then(|| {
            let claims = self.id_claims(user, scope, nonce, &access_token, now);
            self.0.key.sign(typ("JWT"), &claims)
        });
        let id_token = id_token.transpose().map_err(failed)?;
        let holder = TokenHolder { user: user.clone(), scope: scope.clone() };
        self.0.grants.remember_token(&access_token, holder, now + TOKEN_LIFETIME, now);
        Ok(TokenSet {
            access_token,
            token_type: "Bearer",
            expires_in: TOKEN_LIFETIME.as_secs(),
            id_token,
            scope: scope.text(),
        })
    }

    fn access_claims(&self, user: &DevUser, scope: &RequestedScope, now: Timestamp) -> Value {
        let mut claims = self.common_claims(user, now);
        claims["client_id"] = CLIENT_ID.into();
        claims["scope"] = scope.text().into();
        claims["jti"] = random_text().into();
        if scope.has("cognito") {
            claims["token_use"] = "access".into();
            claims["username"] = user.subject().into();
            claims["cognito:groups"] = json!(user.roles);
            claims["version"] = 2.into();
        } else {
            claims["aud"] = CLIENT_ID.into();
            claims["roles"] = json!(user.roles);
            claims["email"] = user.email.clone().into();
            claims["email_verified"] = user.is_verified.into();
            claims["name"] = user.name.clone().into();
        }
        claims
    }

    fn id_claims(
        &self,
        user: &DevUser,
        scope: &RequestedScope,
        nonce: Option<&str>,
        access: &str,
        now: Timestamp,
    ) -> Value {
        let mut claims = self.common_claims(user, now);
        claims["aud"] = CLIENT_ID.into();
        claims["at_hash"] = BASE64URL_NOPAD.encode(&sha256(access.as_bytes())[..16]).into();
        claims["email"] = user.email.clone().into();
        claims["email_verified"] = user.is_verified.into();
        claims["name"] = user.name.clone().into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        if scope.has("cognito") {
            claims["token_use"] = "id".into();
            claims["cognito:username"] = user.subject().into();
            claims["cognito:groups"] = json!(user.roles);
        } else {
            claims["roles"] = json!(user.roles);
        }
        claims
    }

    /// Returns the claims that all tokens have.
    fn common_claims(&self, user: &DevUser, now: Timestamp) -> Value {
        let iat = now.as_second();
        json!({
            "iss": self.0.url, "sub": user.subject(), "iat": iat, "auth_time": iat, "exp": iat + TOKEN_LIFETIME.as_secs(),
        })
    }
}
