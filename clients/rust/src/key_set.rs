use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    identity::Identity,
    jwt::{Jwk, Jwt, PublicKey},
};

const TYPE: &str = "jwk-set+jwt";

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
        let jwt = Jwt::parse(text.trim(), TYPE)?;
        let claims: Claims = jwt.verify(identity.root_keys.get(jwt.kid())?)?;
        if claims.iss != identity.issuer || claims.sub != identity.issuer {
            return None;
        }
        let keys = claims.keys.into_iter().filter_map(parse_key).collect();
        Some(Self { issued_at: claims.iat, expires_at: claims.exp, keys })
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.get(kid)
    }
}

/// Returns a key with its `kid`, or `None` for a key of another type, which a later version may add.
fn parse_key(value: Value) -> Option<(String, PublicKey)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let key = PublicKey::from_jwk(&jwk)?;
    Some((jwk.kid?, key))
}
