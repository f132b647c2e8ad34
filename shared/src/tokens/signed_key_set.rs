//! The published signing keys as a JWT that a root key signed: whoever has the root's public key built in trusts no
//! network for the rest (the `signed_jwks_uri` of OpenID Federation).

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

/// The `typ` of a signed set: keeps it from passing for a license token, and the other way round.
pub const TYPE: &str = "jwk-set+jwt";
/// How long a set holds. An app that gets no newer one goes on with the keys that it has kept; what ends is how long an
/// old set, which may have a key that was condemned since, can be passed off on one.
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// When it is signed anew though nothing in it has changed.
const RENEWAL: SignedDuration = SignedDuration::from_hours(24);

/// An `iat` is a whole one.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    keys: Vec<Jwk>,
}

/// Whether the set that is kept is not the one that there should be.
pub(super) fn is_due(ring: &KeyRing, root: &RootKey, issuer: &str, now: Timestamp) -> bool {
    ring.signed_set.as_ref().is_none_or(|set| {
        let renews_at = set.issued_at.checked_add(RENEWAL).unwrap_or(Timestamp::MAX);
        set.root_kid != root.kid || set.issuer != issuer || set.kids != kids(ring) || renews_at <= now
    })
}

/// Signs the set, and verifies what was signed before it leaves. An app keeps the later of two, so this is later than the
/// one that is kept, though that be of the same second or of a clock that is ahead.
pub(super) async fn sign(
    signer: &dyn Signer,
    root: &RootKey,
    ring: &KeyRing,
    issuer: &str,
    now: Timestamp,
) -> Result<SignedKeySet, SignError> {
    let after = ring.signed_set.as_ref().and_then(|set| set.issued_at.checked_add(SECOND).ok());
    let issued_at = after.map_or(now, |after| after.max(now));
    let expires_at = issued_at.checked_add(LIFE).unwrap_or(Timestamp::MAX);
    let keys = ring.published().map(Jwk::from).collect();
    let header = Header { alg: "RS256", typ: TYPE, kid: &root.kid };
    let claims = Claims { iss: issuer, sub: issuer, iat: whole_second(issued_at), exp: whole_second(expires_at), keys };
    let jwt = token::sign(signer, &root.handle, &header, &claims).await?;
    verify(&jwt, root, issuer).map_err(|_| token::refused("the root key's signature does not hold"))?;
    let issuer = issuer.to_owned();
    Ok(SignedKeySet { jwt, issuer, kids: kids(ring), root_kid: root.kid.clone(), issued_at, expires_at })
}

/// The published keys that the set which is kept does not have, under the signature of a root key.
pub(super) fn not_vouched_for(ring: &KeyRing) -> Vec<&SigningKey> {
    let claims = ring.signed_set.as_ref().and_then(|set| {
        let root = ring.roots.iter().find(|root| root.kid == set.root_kid)?;
        verify(&set.jwt, root, &set.issuer).ok()
    });
    let vouched = claims.as_ref().and_then(|claims| claims["keys"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let is_vouched = |key: &&SigningKey| {
        vouched.iter().any(|known| known["kid"] == key.kid && known["n"] == key.n && known["e"] == key.e)
    };
    ring.published().filter(|key| !is_vouched(key)).collect()
}

fn verify(jwt: &str, root: &RootKey, issuer: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.set_issuer(&[issuer]);
    jsonwebtoken::decode::<Value>(jwt, &DecodingKey::from_rsa_components(&root.n, &root.e)?, &rules)
        .map(|verified| verified.claims)
}

fn kids(ring: &KeyRing) -> Vec<String> {
    ring.published().map(|key| key.kid.clone()).collect()
}
