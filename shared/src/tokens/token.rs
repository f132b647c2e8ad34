//! Signs and verifies license tokens: JWS (RFC 7515) with RS256.

use std::{sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{KeyRingCache, SignError, Signer};
use crate::{
    domain::{
        Claims, Secret,
        claims::MAX_CLAIMS_BYTES,
        key_ring::{KeyState, SigningKey},
    },
    store::StoreError,
};

/// The `typ` of a license token, which distinguishes it from all other JWTs (RFC 8725 §3.11).
pub const TYPE: &str = "license+jwt";
/// How long a process start waits for the signer's connection. Lambda's INIT phase is limited to ten seconds.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(1);
const NO_CURRENT_KEY: &str = "there is no current signing key";
/// The maximum length of a token, in bytes: the longest claims in base64url, and room for the header and the signature
/// of the largest key. Most tokens have some 1.5 KB.
const MAX_BYTES: usize = MAX_CLAIMS_BYTES.div_ceil(3) * 4 + 1024;

/// The header of a license token. Other parameters are rejected, so that none that a library might act on, such as
/// `jwk` or `crit`, is ever accepted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A parsed token whose signature and claims are not verified yet.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    text: &'a str,
    kid: String,
}

/// The token is malformed, from another issuer, or has an invalid signature. Callers do not learn which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid license token: not signed by this issuer, or altered")]
pub struct InvalidTokenError;

/// An error while verifying a token.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The token is invalid.
    #[error(transparent)]
    Invalid(#[from] InvalidTokenError),
    /// The signature is valid, but its key was condemned. Does not count as a failed authentication attempt.
    #[error("the token's signing key was condemned: activate again with the license key")]
    Condemned,
    /// The key ring cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error while signing a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The claims are too long. The catalog's limits on features prevent that.
    #[error("the claims of license {license} in tier {tier} have {bytes} bytes; the maximum is {MAX_CLAIMS_BYTES}")]
    TooLong {
        /// The license id, `lic_…`.
        license: String,
        /// The tier id, `tier_…`.
        tier: String,
        /// The length of the claims as JSON.
        bytes: usize,
    },
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs and verifies the license tokens of an issuer.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: Arc<str>,
    ring: KeyRingCache,
    signer: Arc<dyn Signer>,
}

impl<'a> UnverifiedToken<'a> {
    /// Parses the token and checks its header.
    pub fn parse(text: &'a str) -> Result<Self, InvalidTokenError> {
        if text.len() > MAX_BYTES {
            return Err(InvalidTokenError);
        }
        let header = text.split('.').next().unwrap_or_default();
        let header = BASE64URL_NOPAD.decode(header.as_bytes()).map_err(|_| InvalidTokenError)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| InvalidTokenError)?;
        if header.alg != "RS256" || header.typ != TYPE {
            return Err(InvalidTokenError);
        }
        Ok(Self { text, kid: header.kid })
    }

    /// Returns the `kid` of the header.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies signature and issuer, and returns the claims. Does not check `exp` and the license; the use case does.
    fn verify(&self, key: &SigningKey, issuer: &str) -> Result<Claims, InvalidTokenError> {
        if key.kid != self.kid {
            return Err(InvalidTokenError);
        }
        let decoding_key = DecodingKey::from_rsa_components(&key.n, &key.e).map_err(|_| InvalidTokenError)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.reject_tokens_expiring_in_less_than = 0;
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        let token =
            jsonwebtoken::decode::<Claims>(self.text, &decoding_key, &validation).map_err(|_| InvalidTokenError)?;
        Ok(token.claims)
    }
}

impl Tokens {
    /// Creates a signer and verifier for an issuer.
    pub fn new(issuer: &str, ring: KeyRingCache, signer: Arc<dyn Signer>) -> Self {
        Self { issuer: issuer.into(), ring, signer }
    }

    /// Returns the `iss` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the cache of the signing keys.
    pub fn ring(&self) -> &KeyRingCache {
        &self.ring
    }

    /// Verifies a token, ignoring its expiry, and returns its claims.
    pub async fn verify(&self, token: &Secret, now: Timestamp) -> Result<Claims, VerifyError> {
        let unverified = UnverifiedToken::parse(token.expose())?;
        let key = self.ring.find(&unverified.kid, now).await?.ok_or(InvalidTokenError)?;
        let claims = unverified.verify(&key, &self.issuer)?;
        if key.state == KeyState::Condemned { Err(VerifyError::Condemned) } else { Ok(claims) }
    }

    /// Opens the signer's connection in advance. Best effort: errors are ignored.
    pub async fn warm_up(&self, now: Timestamp) {
        if let Ok(Some(current)) = self.ring.current(now).await {
            let _ = timeout(WARM_UP_TIMEOUT, self.signer.public_key(&current.handle)).await;
        }
    }

    /// Checks that there is a current key and that the signer can use it, without signing anything.
    pub async fn check_signer(&self, now: Timestamp) -> Result<(), TokenError> {
        let current = self.ring.current(now).await?.ok_or_else(|| rejected(NO_CURRENT_KEY))?;
        self.signer.check(&current.handle).await?;
        Ok(())
    }

    /// Signs claims with the current key, and verifies the signature: a broken or misconfigured signer must not issue
    /// tokens that no app accepts. Claims that are too long are not signed.
    pub async fn sign(&self, claims: &Claims, now: Timestamp) -> Result<Secret, TokenError> {
        check_length(claims)?;
        let lifetime = claims.enforcement.offline_until - claims.iat;
        let key = self.ring.signing_key(lifetime, now).await?.ok_or_else(|| rejected(NO_CURRENT_KEY))?;
        let header = Header { alg: "RS256".to_owned(), typ: TYPE.to_owned(), kid: key.kid.clone() };
        let token = sign(&*self.signer, &key.handle, &header, claims).await?;
        UnverifiedToken::parse(&token)
            .and_then(|unverified| unverified.verify(&key, &self.issuer))
            .map_err(|_| rejected("the signature is invalid"))?;
        Ok(Secret::new(token))
    }
}

fn check_length(claims: &Claims) -> Result<(), TokenError> {
    let bytes = json(claims)?.len();
    if bytes <= MAX_CLAIMS_BYTES {
        return Ok(());
    }
    Err(TokenError::TooLong { license: claims.sub.clone(), tier: claims.tier.id.clone(), bytes })
}

/// Signs a JWS in compact serialization (RFC 7515 §3.1).
pub(super) async fn sign(
    signer: &dyn Signer,
    handle: &str,
    header: &impl Serialize,
    claims: &impl Serialize,
) -> Result<String, SignError> {
    let message = format!("{}.{}", encode(header)?, encode(claims)?);
    let signature = signer.sign(handle, message.as_bytes()).await?;
    Ok(format!("{message}.{}", BASE64URL_NOPAD.encode(&signature)))
}

pub(super) fn rejected(reason: &str) -> SignError {
    SignError::Rejected(reason.to_owned())
}

fn encode(part: &impl Serialize) -> Result<String, SignError> {
    Ok(BASE64URL_NOPAD.encode(&json(part)?))
}

fn json(part: &impl Serialize) -> Result<Vec<u8>, SignError> {
    serde_json::to_vec(part).map_err(|error| SignError::Rejected(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tokens::{PublicKey, local::LocalSigner};

    proptest! {
        #[test]
        fn parsing_any_text_does_not_panic(text in prop_oneof![any::<String>(), "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,5}"]) {
            if let Ok(token) = UnverifiedToken::parse(&text) {
                prop_assert!(text.len() <= MAX_BYTES && !token.kid().is_empty());
            }
        }

        #[test]
        fn only_the_exact_header_parameters_are_accepted(
            alg in prop_oneof![Just("RS256".to_owned()), any::<String>()], typ in prop_oneof![Just(TYPE.to_owned()), any::<String>()],
            kid in any::<String>(), extra in proptest::option::of(any::<String>()),
        ) {
            let mut header = serde_json::json!({ "alg": alg, "typ": typ, "kid": kid });
            if let Some(name) = &extra {
                header[name] = serde_json::Value::Null;
            }
            let is_known = |name: &String| ["alg", "typ", "kid"].contains(&name.as_str());
            let expected = alg == "RS256" && typ == TYPE && extra.is_none();
            prop_assume!(!extra.as_ref().is_some_and(is_known));
            prop_assert_eq!(parsed(&header.to_string()), expected);
        }
    }

    fn parsed(header: &str) -> bool {
        let text = format!("{}.e30.c2ln", BASE64URL_NOPAD.encode(header.as_bytes()));
        UnverifiedToken::parse(&text).is_ok()
    }

    fn signing_key(public: &PublicKey, handle: &str) -> SigningKey {
        let (n, e) = (BASE64URL_NOPAD.encode(&public.n), BASE64URL_NOPAD.encode(&public.e));
        let key = serde_json::json!({
            "kid": public.kid(), "state": "current", "handle": handle, "n": n, "e": e, "created_at": "2026-01-15T12:00:00Z",
        });
        serde_json::from_value(key).unwrap()
    }

    #[tokio::test]
    async fn signatures_of_other_lengths_or_with_changed_bytes_are_invalid() {
        let signer = LocalSigner::in_memory(Vec::new());
        let created = signer.create("a key").await.unwrap();
        let key = signing_key(&created.public, &created.handle);
        let claims = serde_json::json!({
            "iss": "https://a.example", "aud": "atlas", "sub": "lic_1", "iat": 0, "nbf": 0, "exp": 1, "jti": "1",
            "customer_id": "cus_1", "product_id": "prod_1", "tier": {"id": "tier_1", "code": "pro", "name": "Pro"},
            "features": [], "limits": {"max_users": null, "max_tenants": null},
            "enforcement": {"heartbeat_interval_seconds": 1, "offline_until": 1, "license_expires_at": null},
            "generation": 1,
        });
        let header = Header { alg: "RS256".to_owned(), typ: TYPE.to_owned(), kid: key.kid.clone() };
        let token = sign(&signer, &key.handle, &header, &claims).await.unwrap();
        let verified = |token: &str| UnverifiedToken::parse(token)?.verify(&key, "https://a.example");
        verified(&token).unwrap();

        let (message, valid) = token.rsplit_once('.').unwrap();
        let valid = BASE64URL_NOPAD.decode(valid.as_bytes()).unwrap();
        assert_eq!(valid.len(), 256);
        for length in (0..=512).filter(|length| *length != valid.len()) {
            let cut = &valid[..length.min(256)];
            let zeros = vec![0; length - cut.len()];
            for invalid in [[cut, &zeros].concat(), [&zeros, cut].concat()] {
                let token = format!("{message}.{}", BASE64URL_NOPAD.encode(&invalid));
                assert_eq!(verified(&token), Err(InvalidTokenError), "{length} bytes");
            }
        }
        for at in 0..valid.len() {
            let mut invalid = valid.clone();
            invalid[at] ^= 1;
            assert_eq!(verified(&format!("{message}.{}", BASE64URL_NOPAD.encode(&invalid))), Err(InvalidTokenError));
        }
    }

    #[test]
    fn other_headers_are_rejected() {
        assert!(parsed(r#"{"alg":"RS256","typ":"license+jwt","kid":"a"}"#));
        for other in [
            r#"{"alg":"RS256","typ":"JWT","kid":"a"}"#,
            r#"{"alg":"RS256","typ":"at+jwt","kid":"a"}"#,
            r#"{"alg":"RS256","typ":"jwk-set+jwt","kid":"a"}"#,
            r#"{"alg":"RS256","kid":"a"}"#,
            r#"{"alg":"none","typ":"license+jwt","kid":"a"}"#,
            r#"{"alg":"HS256","typ":"license+jwt","kid":"a"}"#,
            r#"{"alg":"RS256","typ":"license+jwt"}"#,
            r#"{"alg":"RS256","typ":"license+jwt","kid":"a","crit":["b64"]}"#,
            r#"{"alg":"RS256","typ":"license+jwt","kid":"a","jwk":{}}"#,
            r#"{"alg":"RS256","typ":"license+jwt","kid":"a","jku":"https://example.com"}"#,
            r#"{"alg":"RS256","typ":"license+jwt","kid":"a","x5c":[]}"#,
            r#"{"alg":"RS256","typ":"license+jwt","kid":"a","kid":"a"}"#,
            r#"{"alg":"RS256","alg":"none","typ":"license+jwt","kid":"a"}"#,
            r#"{"alg":"RS256","typ":"license+jwt","kid":"a","x5u":"https://example.com"}"#,
            "[]",
            "",
        ] {
            assert!(!parsed(other), "{other}");
        }
    }
}
