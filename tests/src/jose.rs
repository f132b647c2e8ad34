//! License tokens as an app reads them that has nothing of ours: by josekit and OpenSSL.

use data_encoding::BASE64URL_NOPAD;
use josekit::{
    jwe::{self, RSA_OAEP},
    jwk::{Jwk, alg::rsa::RsaKeyPair},
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

/// An RSA key pair of an app, whose tokens are encrypted to it.
#[derive(Debug, Clone)]
pub struct AppKey(RsaKeyPair);

impl AppKey {
    /// A pair of so many bits.
    pub fn of(bits: u32) -> Self {
        Self(RsaKeyPair::generate(bits).expect("a key pair"))
    }

    /// The public part as a JWK.
    pub fn jwk(&self) -> Value {
        json_of(&self.0.to_jwk_public_key())
    }

    /// Both parts as a JWK.
    pub fn private_jwk(&self) -> Value {
        json_of(&self.0.to_jwk_private_key())
    }

    /// The public part as PEM text: SPKI.
    pub fn spki(&self) -> String {
        pem(self.0.to_pem_public_key())
    }

    /// The public part as PEM text: PKCS#1.
    pub fn pkcs1(&self) -> String {
        pem(self.0.to_traditional_pem_public_key())
    }

    /// Both parts as PEM text: PKCS#8 and PKCS#1.
    pub fn private_pems(&self) -> [String; 2] {
        [pem(self.0.to_pem_private_key()), pem(self.0.to_traditional_pem_private_key())]
    }

    /// The token in an answer that is encrypted to this key, and the header of what it is encrypted in.
    pub fn open(&self, answer: &Value) -> Option<(String, Value)> {
        let jwe = answer["token"].as_str().filter(|_| answer["token_type"] == "JWE")?;
        let decrypter = RSA_OAEP.decrypter_from_jwk(&self.0.to_jwk_private_key()).ok()?;
        let (token, header) = jwe::deserialize_compact(jwe, &decrypter).ok()?;
        Some((String::from_utf8(token).ok()?, Value::Object(header.claims_set().clone())))
    }
}

fn pem(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("PEM is text")
}

/// A JWK as JSON.
pub fn json_of(jwk: &Jwk) -> Value {
    let members: &Map<String, Value> = jwk.as_ref();
    Value::Object(members.clone())
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
