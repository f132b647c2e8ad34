//! The issuer's discovery document and its keys, fetched now and then.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

use super::{
    OidcError,
    fetch::{Fetch, FetchError},
};

/// How old the copy may get before it is fetched anew.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// How old it may get while the issuer gives no answer. Without an end, whoever keeps us from the issuer could keep
/// alive a key that the issuer has withdrawn.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// A kid that is not in the copy makes it be fetched again, but not more often than this: anybody can make up kids.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// How long an issuer that gave no answer is left alone while there is a copy to go on with: each try makes a caller
/// wait.
const LONG_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// What an issuer says of itself (OpenID Connect Discovery 1.0 §3), as far as it is used here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Discovery {
    /// Its own URL.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where a browser signs in.
    pub authorization_endpoint: Option<String>,
    /// Where a code becomes a token.
    pub token_endpoint: Option<String>,
    /// Where the holder of an access token learns who it speaks for.
    pub userinfo_endpoint: Option<String>,
    /// Where a browser signs out.
    pub end_session_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct KeyDocument {
    keys: Vec<serde_json::Value>,
}

/// Which key a token says it was signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
}

struct IssuerKey {
    kid: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<KeyAlgorithm>,
    is_rsa: bool,
    decoding: DecodingKey,
}

impl IssuerKey {
    /// None where it is no public key for signatures that are taken here: there may be others in the set.
    fn read(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let is_rsa = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => true,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => false,
            _ => return None,
        };
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        signs.then_some(Self { kid: jwk.common.key_id, algorithm: jwk.common.key_algorithm, is_rsa, decoding })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let needs_rsa = algorithm != Algorithm::ES256;
        self.is_rsa == needs_rsa && self.algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
    }
}

struct Copy {
    fetched_at: Timestamp,
    discovery: Arc<Discovery>,
    keys: Vec<IssuerKey>,
}

impl Copy {
    fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.fetched_at).abs()
    }

    /// A token that names no key is taken only if there is one key that it can mean (OpenID Connect Core §10.1).
    fn find(&self, wanted: &WantedKey) -> Option<DecodingKey> {
        let mut fit = self.keys.iter().filter(|key| key.is_for(wanted.algorithm));
        let found = match &wanted.kid {
            Some(kid) => fit.find(|key| key.kid.as_ref() == Some(kid)),
            None => fit.next().filter(|_| fit.next().is_none()),
        };
        found.map(|key| key.decoding.clone())
    }
}

/// The last time that the issuer was asked.
struct Asked {
    at: Timestamp,
    /// How long it is left alone from then on.
    pause: SignedDuration,
    has_answered: bool,
}

/// The issuer's keys.
pub(super) struct IssuerKeys {
    issuer: String,
    fetch: Fetch,
    copy: Mutex<Option<Arc<Copy>>>,
    /// Held while the issuer is asked, so that it is asked once and not by everybody who waits.
    asked: tokio::sync::Mutex<Option<Asked>>,
}

impl IssuerKeys {
    pub(super) fn new(issuer: String, fetch: Fetch) -> Self {
        Self { issuer, fetch, copy: Mutex::default(), asked: tokio::sync::Mutex::default() }
    }

    /// The key that a token names. One that is not in the copy may be new.
    pub(super) async fn find(&self, wanted: &WantedKey, now: Timestamp) -> Result<Option<DecodingKey>, OidcError> {
        let copy = self.copy(now).await?;
        if let Some(key) = copy.find(wanted) {
            return Ok(Some(key));
        }
        // That it has no such key, only an issuer that answers can say.
        Ok(self.ask(now).await?.find(wanted))
    }

    /// What the issuer says of itself.
    pub(super) async fn discovery(&self, now: Timestamp) -> Result<Arc<Discovery>, OidcError> {
        Ok(Arc::clone(&self.copy(now).await?.discovery))
    }

    async fn copy(&self, now: Timestamp) -> Result<Arc<Copy>, OidcError> {
        let Some(kept) = self.kept(now) else { return self.ask(now).await };
        if kept.age(now) < FRESH {
            return Ok(kept);
        }
        Ok(self.ask(now).await.unwrap_or(kept))
    }

    fn kept(&self, now: Timestamp) -> Option<Arc<Copy>> {
        let kept = self.copy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|copy| copy.age(now) < MAX_AGE)
    }

    /// A new copy; within the pause after the last try, what that one has got.
    async fn ask(&self, now: Timestamp) -> Result<Arc<Copy>, OidcError> {
        let mut asked = self.asked.lock().await;
        if let Some(last) = asked.as_ref().filter(|last| now.duration_since(last.at).abs() < last.pause) {
            let got = self.kept(now).filter(|_| last.has_answered);
            return got.ok_or_else(|| OidcError::Unavailable("it gave none a moment ago".to_owned()));
        }
        // Written before it is asked: whoever asked may be gone before it has answered.
        *asked = Some(Asked { at: now, pause: PAUSE, has_answered: false });
        match self.download(now).await {
            Ok(copy) => {
                let copy = Arc::new(copy);
                *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&copy));
                *asked = Some(Asked { at: now, pause: PAUSE, has_answered: true });
                Ok(copy)
            }
            Err(error) => {
                if self.kept(now).is_some() {
                    *asked = Some(Asked { at: now, pause: LONG_PAUSE, has_answered: false });
                }
                tracing::warn!(cause = %error, "no keys from the OIDC issuer");
                Err(OidcError::Unavailable(error.to_string()))
            }
        }
    }

    async fn download(&self, now: Timestamp) -> Result<Copy, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = self.fetch.json(&url, None).await?;
        if discovery.issuer != self.issuer {
            return Err(FetchError::NoAnswer(format!("{url} is the document of another issuer")));
        }
        let document: KeyDocument = self.fetch.json(&discovery.jwks_uri, None).await?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(IssuerKey::read).collect();
        if keys.is_empty() {
            return Err(FetchError::NoAnswer(format!("{} lists no key that can be used", discovery.jwks_uri)));
        }
        Ok(Copy { fetched_at: now, discovery: Arc::new(discovery), keys })
    }
}
