use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    identity::Identity,
    jwt::{Jwk, Jwt, PublicKey},
};

const TYPE: &str = "jwk-set+jwt";
/// What is wrong with a key set, for messages.
pub(crate) const UNSIGNED: &str = "key set is not signed by a root key of the configuration";

/// A signed key set: the keys that sign tokens.
#[derive(Debug, Clone)]
pub(crate) struct KeySet {
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    keys: HashMap<String, PublicKey>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    keys: Vec<Value>,
}

impl KeySet {
    /// Returns the key set if a root key of the app signed it for this issuer, whatever its times.
    pub(crate) fn verify(text: &str, identity: &Identity) -> Option<Self> {
        let jwt = Jwt::parse_as(text.trim(), TYPE)?;
        let claims: Claims = jwt.verify(root_key(&jwt, identity)?)?;
        if claims.iss != identity.issuer || claims.sub != identity.issuer {
            return None;
        }
        let keys = claims.keys.into_iter().filter_map(parse_key).collect();
        Some(Self { issued_at: claims.iat, expires_at: claims.exp, keys })
    }

    /// Returns whether a root key of the app signed a text, whatever it claims. `None` if it is no JWT.
    pub(crate) fn is_signed(text: &str, identity: &Identity) -> Option<bool> {
        let jwt = Jwt::parse(text.trim())?;
        Some(root_key(&jwt, identity).is_some_and(|key| jwt.is_signed_by(key)))
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.get(kid)
    }
}

/// Returns the root key that a JWT names.
fn root_key<'a>(jwt: &Jwt<'_>, identity: &'a Identity) -> Option<&'a PublicKey> {
    identity.root_keys.get(jwt.kid()?)
}

/// Returns a key with its `kid`, or `None` for a key of another type, which a later version may add.
fn parse_key(value: Value) -> Option<(String, PublicKey)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let key = PublicKey::from_jwk(&jwk)?;
    Some((jwk.kid?, key))
}
