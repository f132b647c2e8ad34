//! Parses and verifies bearer tokens.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::user::{OPERATOR_ROLE, User};
use crate::domain::Secret;

/// The maximum length of a token, in bytes. A token with a few hundred groups has 10 KB.
const MAX_BYTES: usize = 16 * 1024;
/// The allowed difference between the issuer's clock and the local one, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// The accepted algorithms, all asymmetric. With HS256, an attacker could sign tokens with the public key as the
/// secret.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];
/// The maximum length of a subject (OpenID Connect Core §2).
const MAX_SUBJECT_BYTES: usize = 255;

/// An error in a bearer token. The response contains its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerTokenError {
    /// The token is not a JWT, is too long, or has an unsupported header parameter.
    #[error("malformed or unsupported bearer token")]
    Malformed,
    /// The `typ` header or another marker identifies a different kind of token, such as a license token.
    #[error("the token is not an ID token or access token")]
    Type,
    /// The `alg` is not one of the accepted algorithms.
    #[error("the bearer token must be signed with RS256, PS256 or ES256")]
    Algorithm,
    /// The issuer's key set does not have the key.
    #[error("the signing key of the bearer token is unknown")]
    UnknownKey,
    /// The signature is invalid.
    #[error("the signature of the bearer token is invalid")]
    Signature,
    /// The `iss` is a different issuer.
    #[error("the bearer token is from another issuer")]
    Issuer,
    /// Neither `aud` nor `client_id` has an accepted audience.
    #[error("the bearer token is for another audience")]
    Audience,
    /// The `exp` has passed.
    #[error("the bearer token has expired")]
    Expired,
    /// The `nbf` is in the future.
    #[error("the bearer token is not valid yet")]
    NotYetValid,
    /// The token has a `cnf` claim and would need a proof of possession (RFC 7800), which is not supported.
    #[error("sender-constrained bearer tokens are not supported")]
    SenderConstrained,
    /// A required claim is missing, or a claim has the wrong type.
    #[error("the bearer token has missing or invalid claims")]
    Claims,
}

impl BearerTokenError {
    /// Returns whether the token failed before its signature was verified, so that anyone could have made it. Such
    /// errors count as failed authentication attempts.
    pub fn is_unverified(self) -> bool {
        matches!(self, Self::Malformed | Self::Type | Self::Algorithm | Self::UnknownKey | Self::Signature)
    }
}

/// The requirements that a token must meet.
pub(super) struct BearerTokenRules {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) roles_claim: String,
}

/// The key that a token's header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeySelector {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
}

/// A parsed token whose signature and claims are not verified yet.
pub(super) struct UnverifiedBearer<'a> {
    text: &'a str,
    pub(super) key: KeySelector,
}

#[derive(Deserialize)]
struct BearerClaims {
    /// A single issuer. `jsonwebtoken` alone would also accept an array.
    iss: String,
    sub: String,
    #[serde(deserialize_with = "numeric_date")]
    exp: i64,
    #[serde(default, deserialize_with = "optional_numeric_date")]
    nbf: Option<i64>,
    aud: Option<Audience>,
    client_id: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
    /// The kind of a Cognito token: `id` or `access`.
    token_use: Option<String>,
    /// The key that a sender-constrained token is bound to (RFC 7800).
    cnf: Option<Value>,
    /// Present in security event tokens (RFC 8417), such as logout tokens.
    events: Option<Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl<'a> UnverifiedBearer<'a> {
    /// Parses the token and checks its header.
    pub(super) fn parse(text: &'a str) -> Result<Self, BearerTokenError> {
        if text.len() > MAX_BYTES {
            return Err(BearerTokenError::Malformed);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|error| match error.kind() {
            // An algorithm that jsonwebtoken does not know, such as `none`.
            ErrorKind::Json(error) if error.to_string().contains("unknown variant") => BearerTokenError::Algorithm,
            _ => BearerTokenError::Malformed,
        })?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(BearerTokenError::Algorithm);
        }
        if header.typ.as_deref().is_some_and(|typ| !is_bearer_type(typ)) {
            return Err(BearerTokenError::Type);
        }
        // Keys come from the issuer only, never from the token. No critical header extensions are supported.
        let has_key = header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some();
        if has_key || header.x5c.is_some() || header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(BearerTokenError::Malformed);
        }
        Ok(Self { text, key: KeySelector { kid: header.kid, algorithm: header.alg } })
    }

    /// Verifies the signature and the claims, and returns the user.
    pub(super) fn verify(
        &self,
        key: &DecodingKey,
        rules: &BearerTokenRules,
        now: Timestamp,
    ) -> Result<User, BearerTokenError> {
        let mut validation = Validation::new(self.key.algorithm);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        validation.set_issuer(&[&rules.issuer]);
        validation.sub = None;
        // `BearerClaims::check` checks the times against the request's time, and the audience also against `client_id`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.aud = None;
        validation.leeway = 0;
        validation.reject_tokens_expiring_in_less_than = 0;
        let token =
            jsonwebtoken::decode::<BearerClaims>(self.text, key, &validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidIssuer => BearerTokenError::Issuer,
                ErrorKind::InvalidSignature => BearerTokenError::Signature,
                ErrorKind::InvalidAlgorithm => BearerTokenError::Algorithm,
                ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
                    BearerTokenError::Claims
                }
                _ => BearerTokenError::Malformed,
            })?;
        token.claims.check(rules, now)?;
        token.claims.into_user(rules, Secret::new(self.text.to_owned()))
    }
}

/// Returns whether `typ` is that of an ID token or access token. Most issuers send `JWT` or omit it.
fn is_bearer_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

impl BearerClaims {
    fn check(&self, rules: &BearerTokenRules, now: Timestamp) -> Result<(), BearerTokenError> {
        if self.iss != rules.issuer {
            return Err(BearerTokenError::Issuer);
        }
        let now = now.as_second();
        if now >= self.exp.saturating_add(LEEWAY_SECONDS) {
            return Err(BearerTokenError::Expired);
        }
        if self.nbf.is_some_and(|nbf| now < nbf.saturating_sub(LEEWAY_SECONDS)) {
            return Err(BearerTokenError::NotYetValid);
        }
        let audiences = match (&self.aud, &self.client_id) {
            (Some(Audience::One(one)), _) => std::slice::from_ref(one),
            (Some(Audience::Many(many)), _) => many,
            (None, Some(client)) => std::slice::from_ref(client),
            (None, None) => &[],
        };
        if !audiences.iter().any(|audience| rules.audiences.contains(audience)) {
            return Err(BearerTokenError::Audience);
        }
        if self.cnf.is_some() {
            return Err(BearerTokenError::SenderConstrained);
        }
        let is_user_token = self.token_use.as_deref().is_none_or(|token_use| matches!(token_use, "id" | "access"));
        if !is_user_token || self.events.is_some() {
            return Err(BearerTokenError::Type);
        }
        Ok(())
    }

    fn into_user(self, rules: &BearerTokenRules, token: Secret) -> Result<User, BearerTokenError> {
        let is_valid_subject =
            (1..=MAX_SUBJECT_BYTES).contains(&self.sub.len()) && !self.sub.contains(char::is_control);
        if !is_valid_subject {
            return Err(BearerTokenError::Claims);
        }
        let email = self.email.filter(|email| !email.is_empty());
        Ok(User {
            issuer: rules.issuer.clone(),
            is_operator: roles(&self.other, &rules.roles_claim).contains(&OPERATOR_ROLE),
            subject: self.sub,
            email_verified: email.is_some() && is_true(self.email_verified.as_ref()),
            email,
            name: self.name.filter(|name| !name.is_empty()),
            token,
        })
    }
}

/// Reads the roles from a claim: an array with one role per string, or a string of roles separated by ASCII spaces,
/// like the scopes of OAuth (RFC 6749 §3.3). Any other space is part of a role. `name` is the exact name of a claim, or
/// else a dotted path through objects.
fn roles<'a>(claims: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let value =
        claims.get(name).or_else(|| rest.split('.').try_fold(claims.get(first)?, |value, part| value.get(part)));
    match value {
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(roles)) => roles.split(' ').collect(),
        _ => Vec::new(),
    }
}

/// Reads a boolean claim. Cognito's userinfo endpoint sends booleans as strings.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// Deserializes a `NumericDate`: seconds since 1970, possibly with a fraction (RFC 7519 §2).
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let from_fraction = || number.as_f64().map(|seconds| seconds.floor() as i64);
    number.as_i64().or_else(from_fraction).ok_or_else(|| de::Error::custom("expected a NumericDate"))
}

fn optional_numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    numeric_date(deserializer).map(Some)
}
