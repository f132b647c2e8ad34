//! License tokens: signing and verifying JWS (RFC 7515) with RS256.

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

/// The `typ` of a license token: keeps any other JWT of ours or of an issuer from passing for one (RFC 8725 §3.11).
pub const TYPE: &str = "license+jwt";
/// How long a start waits for what only saves time: Lambda gives a start ten seconds for all.
const WARMING_UP: Duration = Duration::from_secs(1);
/// No more than this is looked at: the claims at their longest, in base64url, and room for the header and the signature
/// of the largest key. Most tokens are some 1.5 KB.
const MAX_BYTES: usize = MAX_CLAIMS_BYTES.div_ceil(3) * 4 + 1024;

/// The header of a license token: these three and nothing else, so that neither `jwk` nor `crit` nor anything that a
/// library might act upon can stand in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A text that has the form of a license token. Nothing in it is true yet.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    text: &'a str,
    kid: String,
}

/// A token that does not hold; which of the many ways is nobody's business but the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a license token of this issuer, or its signature does not hold")]
pub struct TokenInvalid;

/// Why a token was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not hold.
    #[error(transparent)]
    Invalid(#[from] TokenInvalid),
    /// Its signature holds, by a key that was condemned: not honoured, and no guess.
    #[error("the key that signed this token was condemned: activate again with the license key")]
    Condemned,
    /// The key ring can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It would be longer than any that is taken: the catalog lets no tier have so many features.
    #[error(
        "the claims of license {license} in tier {tier} are {bytes} bytes, more than the {MAX_CLAIMS_BYTES} of a token"
    )]
    TooLong {
        /// `lic_…`
        license: String,
        /// `tier_…`
        tier: String,
        /// Of the claims as JSON.
        bytes: usize,
    },
    /// By the signer.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs and verifies the license tokens of one issuer.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: Arc<str>,
    ring: KeyRingCache,
    signer: Arc<dyn Signer>,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads the form, no more.
    pub fn parse(text: &'a str) -> Result<Self, TokenInvalid> {
        if text.len() > MAX_BYTES {
            return Err(TokenInvalid);
        }
        let header = text.split('.').next().unwrap_or_default();
        let header = BASE64URL_NOPAD.decode(header.as_bytes()).map_err(|_| TokenInvalid)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| TokenInvalid)?;
        if header.alg != "RS256" || header.typ != TYPE {
            return Err(TokenInvalid);
        }
        Ok(Self { text, kid: header.kid })
    }

    /// The key that it says signed it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims, if `key` signed them for `issuer`. Whether the token is still good for anything (its `exp`, its
    /// license) is for the use case to say.
    fn verify(&self, key: &SigningKey, issuer: &str) -> Result<Claims, TokenInvalid> {
        if key.kid != self.kid {
            return Err(TokenInvalid);
        }
        let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).map_err(|_| TokenInvalid)?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.leeway = 0;
        rules.reject_tokens_expiring_in_less_than = 0;
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.validate_aud = false;
        rules.set_issuer(&[issuer]);
        rules.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        let read = jsonwebtoken::decode::<Claims>(self.text, &decoding, &rules).map_err(|_| TokenInvalid)?;
        Ok(read.claims)
    }
}

impl Tokens {
    /// For this issuer's URL.
    pub fn new(issuer: &str, ring: KeyRingCache, signer: Arc<dyn Signer>) -> Self {
        Self { issuer: issuer.into(), ring, signer }
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The signing keys.
    pub fn ring(&self) -> &KeyRingCache {
        &self.ring
    }

    /// The claims of a token that this issuer signed, whatever its age.
    pub async fn verify(&self, token: &Secret, now: Timestamp) -> Result<Claims, VerifyError> {
        let unverified = UnverifiedToken::parse(token.expose())?;
        let key = self.ring.find(&unverified.kid, now).await?.ok_or(TokenInvalid)?;
        let claims = unverified.verify(&key, &self.issuer)?;
        if key.state == KeyState::Condemned { Err(VerifyError::Condemned) } else { Ok(claims) }
    }

    /// Opens the signer's connection, before a request waits for it. Whether a key signs shows when it must.
    pub async fn warm_up(&self, now: Timestamp) {
        if let Ok(Some(current)) = self.ring.current(now).await {
            let _ = timeout(WARMING_UP, self.signer.public(&current.handle)).await;
        }
    }

    /// Asks whether there is a current key and the signer has it ready. It costs no signature.
    pub async fn check_signer(&self, now: Timestamp) -> Result<(), TokenError> {
        let current = self.ring.current(now).await?.ok_or_else(|| refused("there is no current signing key"))?;
        self.signer.check(&current.handle).await?;
        Ok(())
    }

    /// Signs claims with the current key. The signature is verified before the token leaves: a signer that is
    /// broken, or set to another key, must not hand out what no app can use. What would be too long is not signed.
    pub async fn sign(&self, claims: &Claims, now: Timestamp) -> Result<Secret, TokenError> {
        check_length(claims)?;
        let life = claims.exp - claims.iat + i64::from(claims.enforcement.grace_period_seconds);
        let key = self.ring.signing(life, now).await?.ok_or_else(|| refused("there is no current signing key"))?;
        let header = Header { alg: "RS256".to_owned(), typ: TYPE.to_owned(), kid: key.kid.clone() };
        let token = sign(&*self.signer, &key.handle, &header, claims).await?;
        UnverifiedToken::parse(&token)
            .and_then(|unverified| unverified.verify(&key, &self.issuer))
            .map_err(|_| refused("the signature does not hold"))?;
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

/// A JWS in its compact form (RFC 7515 §3.1).
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

pub(super) fn refused(reason: &str) -> SignError {
    SignError::Refused(reason.to_owned())
}

fn encode(part: &impl Serialize) -> Result<String, SignError> {
    Ok(BASE64URL_NOPAD.encode(&json(part)?))
}

fn json(part: &impl Serialize) -> Result<Vec<u8>, SignError> {
    serde_json::to_vec(part).map_err(|error| SignError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tokens::{PublicKey, local::LocalSigner};

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in prop_oneof![any::<String>(), "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,5}"]) {
            if let Ok(token) = UnverifiedToken::parse(&text) {
                prop_assert!(text.len() <= MAX_BYTES && !token.kid().is_empty());
            }
        }

        #[test]
        fn any_header_is_read_or_refused(
            alg in prop_oneof![Just("RS256".to_owned()), any::<String>()], typ in prop_oneof![Just(TYPE.to_owned()), any::<String>()],
            kid in any::<String>(), more in proptest::option::of(any::<String>()),
        ) {
            let mut header = serde_json::json!({ "alg": alg, "typ": typ, "kid": kid });
            if let Some(name) = &more {
                header[name] = serde_json::Value::Null;
            }
            let is_known = |name: &String| ["alg", "typ", "kid"].contains(&name.as_str());
            let expected = alg == "RS256" && typ == TYPE && more.is_none();
            prop_assume!(!more.as_ref().is_some_and(is_known));
            prop_assert_eq!(parsed(&header.to_string()), expected);
        }
    }

    fn parsed(header: &str) -> bool {
        let text = format!("{}.e30.c2ln", BASE64URL_NOPAD.encode(header.as_bytes()));
        UnverifiedToken::parse(&text).is_ok()
    }

    fn signed_by(public: &PublicKey, handle: &str) -> SigningKey {
        let (n, e) = (BASE64URL_NOPAD.encode(&public.n), BASE64URL_NOPAD.encode(&public.e));
        let key = serde_json::json!({
            "kid": public.kid(), "state": "current", "handle": handle, "n": n, "e": e, "created_at": "2026-01-15T12:00:00Z",
        });
        serde_json::from_value(key).unwrap()
    }

    #[tokio::test]
    async fn a_signature_is_as_long_as_its_key_and_no_other_is_taken() {
        let signer = LocalSigner::in_memory(Vec::new());
        let made = signer.create("a key").await.unwrap();
        let key = signed_by(&made.public, &made.handle);
        let claims = serde_json::json!({
            "iss": "https://a.example", "aud": "atlas", "sub": "lic_1", "iat": 0, "nbf": 0, "exp": 1, "jti": "1",
            "customer_id": "cus_1", "product_id": "prod_1", "tier": {"id": "tier_1", "code": "pro", "name": "Pro"},
            "features": [], "limits": {"max_users": null, "max_tenants": null},
            "enforcement": {"heartbeat_interval_seconds": 1, "grace_period_seconds": 0, "license_expires_at": null},
            "generation": 1,
        });
        let header = Header { alg: "RS256".to_owned(), typ: TYPE.to_owned(), kid: key.kid.clone() };
        let token = sign(&signer, &key.handle, &header, &claims).await.unwrap();
        let verified = |token: &str| UnverifiedToken::parse(token)?.verify(&key, "https://a.example");
        verified(&token).unwrap();

        let (message, right) = token.rsplit_once('.').unwrap();
        let right = BASE64URL_NOPAD.decode(right.as_bytes()).unwrap();
        assert_eq!(right.len(), 256);
        for length in (0..=512).filter(|length| *length != right.len()) {
            let cut = &right[..length.min(256)];
            let zeros = vec![0; length - cut.len()];
            for wrong in [[cut, &zeros].concat(), [&zeros, cut].concat()] {
                let token = format!("{message}.{}", BASE64URL_NOPAD.encode(&wrong));
                assert_eq!(verified(&token), Err(TokenInvalid), "{length} bytes");
            }
        }
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_eq!(verified(&format!("{message}.{}", BASE64URL_NOPAD.encode(&wrong))), Err(TokenInvalid));
        }
    }

    #[test]
    fn only_the_one_header_is_looked_at_any_further() {
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
