//! One bearer token: its form, its signature, its claims.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::{OPERATOR, User, keys::WantedKey};
use crate::domain::Secret;

/// A token with a few hundred groups has 10 KB; nothing longer is looked at.
const MAX_BYTES: usize = 16 * 1024;
/// By how much the issuer's clock and ours may differ, in seconds.
const LEEWAY: i64 = 60;
/// What signatures are taken: by keys whose public part alone is known here. A verifier that took HS256 would verify
/// with the public key as the secret.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];
/// OpenID Connect Core §2: a subject has at most 255 ASCII characters.
const MAX_SUBJECT_BYTES: usize = 255;

/// Why a bearer token does not hold. The caller may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerTokenError {
    /// It is no JWT, or one with something in its header that is not taken.
    #[error("this bearer token is not a JWT of a kind that is taken here")]
    Form,
    /// Its `typ` says that it is something else, a license token for example.
    #[error("this token is of a type that says nothing of who signed in")]
    Type,
    /// Its `alg` is none of those that are taken.
    #[error("this bearer token is not signed with RS256, PS256 or ES256")]
    Algorithm,
    /// The issuer has no such key.
    #[error("this bearer token names a key that the issuer does not have")]
    UnknownKey,
    /// Its signature does not hold.
    #[error("the signature of this bearer token does not hold")]
    Signature,
    /// Another issuer made it.
    #[error("this bearer token is of another issuer")]
    Issuer,
    /// It was made for somebody else.
    #[error("this bearer token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("this bearer token has expired")]
    Expired,
    /// Its time has not come.
    #[error("this bearer token does not count yet")]
    NotYet,
    /// It may be shown only together with the proof of a key.
    #[error("this token is bound to a key and does not count by itself")]
    Bound,
    /// A claim is missing, or is not what it should be.
    #[error("the claims of this bearer token can't be used")]
    Claims,
}

impl BearerTokenError {
    /// Whether no signature was seen to hold: anybody could have made it up.
    pub fn is_guess(self) -> bool {
        matches!(self, Self::Form | Self::Type | Self::Algorithm | Self::UnknownKey | Self::Signature)
    }
}

/// What a token is held against.
pub(super) struct BearerTokenRules {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) roles_claim: String,
}

/// A text that has the form of a bearer token. Nothing in it is true yet.
pub(super) struct UnverifiedBearer<'a> {
    text: &'a str,
    pub(super) wanted: WantedKey,
}

#[derive(Deserialize)]
struct Claims {
    /// One text: the library would take a list, too.
    iss: String,
    sub: String,
    #[serde(deserialize_with = "seconds")]
    exp: i64,
    #[serde(default, deserialize_with = "maybe_seconds")]
    nbf: Option<i64>,
    aud: Option<Audience>,
    client_id: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
    /// Cognito's word for what a token is: `id` or `access`.
    token_use: Option<String>,
    /// A key that the token is bound to (RFC 7800).
    cnf: Option<Value>,
    /// Makes a token one about something that happened (RFC 8417), a sign-out for example.
    events: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl<'a> UnverifiedBearer<'a> {
    /// Reads the form, no more.
    pub(super) fn parse(text: &'a str) -> Result<Self, BearerTokenError> {
        if text.len() > MAX_BYTES {
            return Err(BearerTokenError::Form);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|error| match error.kind() {
            // An `alg` that the library has no name for, as `none`.
            ErrorKind::Json(error) if error.to_string().contains("unknown variant") => BearerTokenError::Algorithm,
            _ => BearerTokenError::Form,
        })?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(BearerTokenError::Algorithm);
        }
        if header.typ.as_deref().is_some_and(|typ| !is_bearer_type(typ)) {
            return Err(BearerTokenError::Type);
        }
        // A key comes from the issuer, never from the token, and what a header calls critical is not understood here.
        let names_a_key = header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some();
        if names_a_key || header.x5c.is_some() || header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(BearerTokenError::Form);
        }
        Ok(Self { text, wanted: WantedKey { kid: header.kid, algorithm: header.alg } })
    }

    /// Who signed in, if the issuer's key signed it and every claim holds now.
    pub(super) fn verify(
        &self,
        key: &DecodingKey,
        rules: &BearerTokenRules,
        now: Timestamp,
    ) -> Result<User, BearerTokenError> {
        let mut validation = Validation::new(self.wanted.algorithm);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        validation.set_issuer(&[&rules.issuer]);
        validation.sub = None;
        // Times are held against the request's own, and the audience against `client_id` too: below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.aud = None;
        validation.leeway = 0;
        validation.reject_tokens_expiring_in_less_than = 0;
        let read = jsonwebtoken::decode::<Claims>(self.text, key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidIssuer => BearerTokenError::Issuer,
            ErrorKind::InvalidSignature => BearerTokenError::Signature,
            ErrorKind::InvalidAlgorithm => BearerTokenError::Algorithm,
            ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
                BearerTokenError::Claims
            }
            _ => BearerTokenError::Form,
        })?;
        read.claims.check(rules, now)?;
        read.claims.user(rules, Secret::new(self.text.to_owned()))
    }
}

/// What a token of a person may call itself; most say `JWT`, or nothing.
fn is_bearer_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

impl Claims {
    fn check(&self, rules: &BearerTokenRules, now: Timestamp) -> Result<(), BearerTokenError> {
        if self.iss != rules.issuer {
            return Err(BearerTokenError::Issuer);
        }
        let now = now.as_second();
        if now >= self.exp.saturating_add(LEEWAY) {
            return Err(BearerTokenError::Expired);
        }
        if self.nbf.is_some_and(|from| now < from.saturating_sub(LEEWAY)) {
            return Err(BearerTokenError::NotYet);
        }
        let named = match (&self.aud, &self.client_id) {
            (Some(Audience::One(one)), _) => std::slice::from_ref(one),
            (Some(Audience::Several(several)), _) => several,
            (None, Some(client)) => std::slice::from_ref(client),
            (None, None) => &[],
        };
        if !named.iter().any(|audience| rules.audiences.contains(audience)) {
            return Err(BearerTokenError::Audience);
        }
        if self.cnf.is_some() {
            return Err(BearerTokenError::Bound);
        }
        let is_of_a_person = self.token_use.as_deref().is_none_or(|word| matches!(word, "id" | "access"));
        if !is_of_a_person || self.events.is_some() {
            return Err(BearerTokenError::Type);
        }
        Ok(())
    }

    fn user(self, rules: &BearerTokenRules, token: Secret) -> Result<User, BearerTokenError> {
        let is_subject = (1..=MAX_SUBJECT_BYTES).contains(&self.sub.len()) && !self.sub.contains(char::is_control);
        if !is_subject {
            return Err(BearerTokenError::Claims);
        }
        let email = self.email.filter(|email| !email.is_empty());
        Ok(User {
            issuer: rules.issuer.clone(),
            is_operator: roles(&self.rest, &rules.roles_claim).contains(&OPERATOR),
            subject: self.sub,
            email_verified: email.is_some() && is_true(self.email_verified.as_ref()),
            email,
            name: self.name.filter(|name| !name.is_empty()),
            token,
        })
    }
}

/// The roles in a claim: an array of texts, or a text with spaces between them. The claim's name is taken as it
/// stands, and else as a path through objects.
fn roles<'a>(claims: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let value =
        claims.get(name).or_else(|| rest.split('.').try_fold(claims.get(first)?, |value, part| value.get(part)));
    match value {
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(roles)) => roles.split_whitespace().collect(),
        _ => Vec::new(),
    }
}

/// A flag; Cognito's userinfo sends it as text.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// A time in seconds since 1970, which RFC 7519 §2 allows to have a fraction.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, and no time is so far away")]
    let from_fraction = || number.as_f64().map(|seconds| seconds.floor() as i64);
    number.as_i64().or_else(from_fraction).ok_or_else(|| de::Error::custom("no time"))
}

fn maybe_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    seconds(deserializer).map(Some)
}
