//! License tokens as an app reads them that has nothing of ours: by josekit and OpenSSL.

use data_encoding::BASE64URL_NOPAD;
use josekit::{
    jwk::Jwk,
    jws::{RS256, deserialize_compact},
};
use openssl::sha::sha256;
use serde_json::{Map, Value};

use crate::Stack;

/// A token whose signature holds.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What its header says.
    pub header: Value,
    /// What it says.
    pub claims: Value,
}

impl Signed {
    /// Verifies a token with one key of a JWK Set: the one that its header names.
    pub fn read(token: &str, jwks: &Value) -> Option<Self> {
        let header = BASE64URL_NOPAD.decode(token.split('.').next()?.as_bytes()).ok()?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        let key = jwks["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
        Some(Self { claims: Self::claims_by(token, key)?, header })
    }

    /// What a token says, if this JWK signed it.
    pub fn claims_by(token: &str, key: &Value) -> Option<Value> {
        let key: Map<String, Value> = key.as_object()?.clone();
        let verifier = RS256.verifier_from_jwk(&Jwk::from_map(key).ok()?).ok()?;
        let (payload, _) = deserialize_compact(token, &verifier).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

/// RFC 7638 §3: the hash of the members that an RSA key must have, in their order, without any space.
pub fn thumbprint(key: &Value) -> String {
    let (e, n) = (key["e"].as_str().expect("e"), key["n"].as_str().expect("n"));
    BASE64URL_NOPAD.encode(&sha256(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()))
}

impl Stack {
    /// What a token says, verified with the published keys.
    #[track_caller]
    pub fn claims(&self, token: &Value) -> impl Future<Output = Value> {
        let token = token.as_str().unwrap_or_else(|| panic!("no token: {token}")).to_owned();
        let client = self.anonymous.clone();
        async move {
            let jwks = client.get("/.well-known/jwks.json").await.expect(200);
            Signed::read(&token, &jwks).expect("the signature holds").claims
        }
    }
}
