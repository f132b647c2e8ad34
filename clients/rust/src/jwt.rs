use base64::{prelude::BASE64_URL_SAFE_NO_PAD, Engine};
use ring::{
    digest,
    signature::{RsaPublicKeyComponents, RSA_PKCS1_2048_8192_SHA256},
};
use serde::{de::DeserializeOwned, Deserialize};
use serde_json::Value;

use crate::json;

/// An RSA public key as a JWK. Other members are ignored.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    pub(crate) kid: Option<String>,
    n: String,
    e: String,
}

/// An RSA public key.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicKey {
    pub(crate) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let is_rsa = jwk.kty == "RSA";
        let modulus = BASE64_URL_SAFE_NO_PAD.decode(&jwk.n).ok()?;
        let exponent = BASE64_URL_SAFE_NO_PAD.decode(&jwk.e).ok()?;
        (is_rsa && modulus.len() >= 256 && !exponent.is_empty()).then_some(Self { modulus, exponent })
    }

    /// Returns the thumbprint of RFC 7638.
    pub(crate) fn thumbprint(&self) -> String {
        let e = BASE64_URL_SAFE_NO_PAD.encode(&self.exponent);
        let n = BASE64_URL_SAFE_NO_PAD.encode(&self.modulus);
        let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    crit: Option<Value>,
}

/// A JWT with an acceptable header, whose signature has not been verified.
pub(crate) struct Jwt<'a> {
    kid: String,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Parses a JWT of this type. Returns `None` unless its algorithm is RS256 and it has a `kid` and no `crit`.
    pub(crate) fn parse(text: &'a str, typ: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = json::parse_object(&BASE64_URL_SAFE_NO_PAD.decode(header).ok()?)?;
        if header.alg != "RS256" || header.typ != typ || header.crit.is_some() {
            return None;
        }
        Some(Self { kid: header.kid, signed, claims, signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()? })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the claims if the signature is valid by this key.
    pub(crate) fn verify<T: DeserializeOwned>(&self, key: &PublicKey) -> Option<T> {
        RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent }
            .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature)
            .ok()?;
        json::parse_object(&BASE64_URL_SAFE_NO_PAD.decode(self.claims).ok()?)
    }
}

/// Encodes a JSON object in base64url.
pub(crate) fn encode_json(object: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(object.to_string())
}
