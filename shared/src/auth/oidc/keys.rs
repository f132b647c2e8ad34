//! A cache of the issuer's discovery document and its signing keys.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

use super::{
    bearer::KeySelector,
    error::OidcError,
    fetch::{FetchError, IssuerClient},
};
use crate::ttl_cache::{Cached, TtlCache};

/// The age at which the cache is refreshed.
const REFRESH_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// The maximum age of the cache while the issuer is unavailable. Without a limit, an attacker who blocks the issuer
/// could keep a withdrawn key valid.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);
/// The minimum time between two fetches. An unknown kid triggers a fetch, and anyone can invent kids.
const MIN_FETCH_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// The time between two fetches while the issuer is unavailable and the cache is usable, as each attempt delays a
/// request.
const UNAVAILABLE_FETCH_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// The fields of the issuer's discovery document that are used (OpenID Connect Discovery 1.0 §3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Discovery {
    /// The issuer's URL.
    pub issuer: String,
    /// The URL of the issuer's key set.
    pub jwks_uri: String,
    /// The URL to which a browser is sent to sign in.
    pub authorization_endpoint: Option<String>,
    /// The URL that exchanges a code for tokens.
    pub token_endpoint: Option<String>,
    /// The URL that returns the claims of the user of an access token.
    pub userinfo_endpoint: Option<String>,
    /// The URL to which a browser is sent to sign out.
    pub end_session_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct IssuerJwks {
    keys: Vec<serde_json::Value>,
}

struct IssuerKey {
    kid: Option<String>,
    /// The only algorithm that the key may be used with, if restricted.
    algorithm: Option<KeyAlgorithm>,
    is_rsa: bool,
    decoding_key: DecodingKey,
}

impl IssuerKey {
    /// Parses a JWK. Returns `None` for keys of other kinds or uses, which the set may also contain.
    fn parse(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let is_rsa = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => true,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => false,
            _ => return None,
        };
        let common = &jwk.common;
        let is_signing_key = common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let decoding_key = DecodingKey::from_jwk(&jwk).ok()?;
        let Jwk { common, .. } = jwk;
        is_signing_key.then_some(Self { kid: common.key_id, algorithm: common.key_algorithm, is_rsa, decoding_key })
    }

    fn supports(&self, algorithm: Algorithm) -> bool {
        let needs_rsa = algorithm != Algorithm::ES256;
        self.is_rsa == needs_rsa && self.algorithm.is_none_or(|only| only == KeyAlgorithm::from(algorithm))
    }
}

/// The documents of the issuer.
struct IssuerDocuments {
    discovery: Arc<Discovery>,
    keys: Vec<IssuerKey>,
}

impl IssuerDocuments {
    /// Finds the key that `selector` names. Without a kid, there must be exactly one suitable key (OpenID Connect Core
    /// §10.1).
    fn find(&self, selector: &KeySelector) -> Option<DecodingKey> {
        let mut suitable = self.keys.iter().filter(|key| key.supports(selector.algorithm));
        let found = match &selector.kid {
            Some(kid) => suitable.find(|key| key.kid.as_ref() == Some(kid)),
            None => suitable.next().filter(|_| suitable.next().is_none()),
        };
        found.map(|key| key.decoding_key.clone())
    }
}

/// The last fetch from the issuer.
struct LastFetch {
    at: Timestamp,
    /// The minimum time until the next fetch.
    interval: SignedDuration,
    succeeded: bool,
}

/// The issuer's keys.
pub(super) struct IssuerKeys {
    issuer: String,
    client: IssuerClient,
    cache: TtlCache<IssuerDocuments>,
    /// Locked during a fetch, so that concurrent requests share one, and also its failure, unlike the readers of
    /// [`TtlCache::get_or_read`].
    last_fetch: tokio::sync::Mutex<Option<LastFetch>>,
}

impl IssuerKeys {
    pub(super) fn new(issuer: String, client: IssuerClient) -> Self {
        Self { issuer, client, cache: TtlCache::default(), last_fetch: tokio::sync::Mutex::default() }
    }

    /// Finds the key that a token names. Fetches the key set if the cache does not have it.
    pub(super) async fn find(&self, selector: &KeySelector, now: Timestamp) -> Result<Option<DecodingKey>, OidcError> {
        if let Some(key) = self.read(now).await?.find(selector) {
            return Ok(Some(key));
        }
        // Only an up-to-date key set proves that the key does not exist.
        Ok(self.refresh(now).await?.find(selector))
    }

    /// Returns the issuer's discovery document.
    pub(super) async fn discovery(&self, now: Timestamp) -> Result<Arc<Discovery>, OidcError> {
        Ok(Arc::clone(&self.read(now).await?.discovery))
    }

    async fn read(&self, now: Timestamp) -> Result<Arc<IssuerDocuments>, OidcError> {
        let Some(cached) = self.cached(now) else { return self.refresh(now).await };
        if cached.age(now).abs() < REFRESH_AFTER {
            return Ok(cached.value);
        }
        Ok(self.refresh(now).await.unwrap_or(cached.value))
    }

    /// Returns the documents if they are usable, also those of a fetch by a request that started later.
    fn cached(&self, now: Timestamp) -> Option<Cached<IssuerDocuments>> {
        self.cache.latest().filter(|cached| cached.age(now).abs() < MAX_AGE)
    }

    /// Fetches the documents, or returns the result of the last fetch if its interval has not passed.
    async fn refresh(&self, now: Timestamp) -> Result<Arc<IssuerDocuments>, OidcError> {
        let mut last_fetch = self.last_fetch.lock().await;
        if let Some(last) = last_fetch.as_ref().filter(|last| now.duration_since(last.at).abs() < last.interval) {
            let cached = self.cached(now).filter(|_| last.succeeded);
            return cached
                .map(|cached| cached.value)
                .ok_or_else(|| OidcError::Unavailable("the last attempt failed".to_owned()));
        }
        // Set before the fetch, because this future may be dropped before it completes.
        *last_fetch = Some(LastFetch { at: now, interval: MIN_FETCH_INTERVAL, succeeded: false });
        let started = self.cache.start_read();
        match self.fetch().await {
            Ok(fetched) => {
                *last_fetch = Some(LastFetch { at: now, interval: MIN_FETCH_INTERVAL, succeeded: true });
                Ok(self.cache.store(started, fetched, now))
            }
            Err(error) => {
                if self.cached(now).is_some() {
                    *last_fetch = Some(LastFetch { at: now, interval: UNAVAILABLE_FETCH_INTERVAL, succeeded: false });
                }
                tracing::warn!(cause = %error, "failed to fetch the keys of the OIDC issuer");
                Err(OidcError::Unavailable(error.to_string()))
            }
        }
    }

    async fn fetch(&self) -> Result<IssuerDocuments, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = self.client.get_json(&url, None).await?;
        if discovery.issuer != self.issuer {
            return Err(FetchError::Unavailable(format!("{url}: the document names another issuer")));
        }
        let jwks: IssuerJwks = self.client.get_json(&discovery.jwks_uri, None).await?;
        let keys: Vec<_> = jwks.keys.into_iter().filter_map(IssuerKey::parse).collect();
        if keys.is_empty() {
            return Err(FetchError::Unavailable(format!("{}: the key set has no usable key", discovery.jwks_uri)));
        }
        Ok(IssuerDocuments { discovery: Arc::new(discovery), keys })
    }
}
