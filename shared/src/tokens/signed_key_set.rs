//! The signed key set: the published signing keys as a JWT that is signed by a root key (the `signed_jwks_uri` of
//! OpenID Federation). An app with the root's public key built in does not have to trust the network.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Serialize;
use serde_json::Value;

use super::{SignError, Signer, token};
use crate::domain::{
    Jwk,
    key_ring::{KeyRing, RootKey, SignedKeySet, SigningKey},
    seat::whole_second,
};

/// The `typ` of a signed set, which distinguishes it from license tokens.
pub const TYPE: &str = "jwk-set+jwt";
/// How long a set is valid. It limits for how long an attacker can replay an old set with a key that was condemned
/// since. Apps that have stored keys keep using them after that.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The age at which an unchanged set is signed again.
const RENEW_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The resolution of `iat`.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[derive(Serialize)]
struct KeySetHeader<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct KeySetClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    keys: Vec<Jwk>,
}

/// Returns whether the stored set is missing, outdated or due for renewal.
pub(super) fn is_due(ring: &KeyRing, root: &RootKey, issuer: &str, now: Timestamp) -> bool {
    ring.signed_set.as_ref().is_none_or(|set| {
        let renews_at = set.issued_at.checked_add(RENEW_AFTER).unwrap_or(Timestamp::MAX);
        set.root_kid != root.kid || set.issuer != issuer || set.kids != kids(ring) || renews_at <= now
    })
}

/// Signs the set and verifies the signature. Apps keep the set with the later `iat`, so the new one is always at least
/// one second later than the stored one, even if the clock is behind.
pub(super) async fn sign(
    signer: &dyn Signer,
    root: &RootKey,
    ring: &KeyRing,
    issuer: &str,
    now: Timestamp,
) -> Result<SignedKeySet, SignError> {
    let earliest = ring.signed_set.as_ref().and_then(|set| set.issued_at.checked_add(SECOND).ok());
    let issued_at = earliest.map_or(now, |earliest| earliest.max(now));
    let expires_at = issued_at.checked_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let keys = ring.published().map(Jwk::from).collect();
    let header = KeySetHeader { alg: "RS256", typ: TYPE, kid: &root.kid };
    let claims =
        KeySetClaims { iss: issuer, sub: issuer, iat: whole_second(issued_at), exp: whole_second(expires_at), keys };
    let jwt = token::sign(signer, &root.handle, &header, &claims).await?;
    verify(&jwt, root, issuer).map_err(|_| token::rejected("the root key's signature is invalid"))?;
    let issuer = issuer.to_owned();
    Ok(SignedKeySet { jwt, issuer, kids: kids(ring), root_kid: root.kid.clone(), issued_at, expires_at })
}

/// Returns the published keys that are not in a stored set with a valid root signature.
pub(super) fn unsigned_keys(ring: &KeyRing) -> Vec<&SigningKey> {
    let claims = ring.signed_set.as_ref().and_then(|set| {
        let root = ring.roots.iter().find(|root| root.kid == set.root_kid)?;
        verify(&set.jwt, root, &set.issuer).ok()
    });
    let signed = claims.as_ref().and_then(|claims| claims["keys"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let is_signed =
        |key: &&SigningKey| signed.iter().any(|jwk| jwk["kid"] == key.kid && jwk["n"] == key.n && jwk["e"] == key.e);
    ring.published().filter(|key| !is_signed(key)).collect()
}

fn verify(jwt: &str, root: &RootKey, issuer: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.set_issuer(&[issuer]);
    jsonwebtoken::decode::<Value>(jwt, &DecodingKey::from_rsa_components(&root.n, &root.e)?, &validation)
        .map(|verified| verified.claims)
}

fn kids(ring: &KeyRing) -> Vec<String> {
    ring.published().map(|key| key.kid.clone()).collect()
}
