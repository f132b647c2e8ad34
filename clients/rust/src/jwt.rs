use base64::{prelude::BASE64_URL_SAFE_NO_PAD, Engine};
use ring::{
    digest,
    signature::{RsaPublicKeyComponents, RSA_PKCS1_2048_8192_SHA256},
};
use serde::{de::DeserializeOwned, Deserialize};
use serde_json::{Map, Value};

use crate::json;

/// A JWK, of which [`PublicKey::from_jwk`] accepts an RSA public key. Other members are ignored.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Jwk {
    #[serde(default)]
    kty: String,
    pub(crate) kid: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
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

/// A JWT, whose header has not been checked and whose signature has not been verified.
pub(crate) struct Jwt<'a> {
    header: Map<String, Value>,
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Parses three parts in base64url, of which the first is a JSON object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = json::parse_object(&decode(header)?)?;
        Some(Self { header, signed, claims: decode(claims)?, signature: decode(signature)? })
    }

    /// Parses a JWT of this type. Returns `None` unless its algorithm is RS256 and it has no `crit`.
    pub(crate) fn parse_as(text: &'a str, typ: &str) -> Option<Self> {
        Self::parse(text).filter(|jwt| {
            let header = &jwt.header;
            header.get("alg").is_some_and(|alg| alg == "RS256")
                && header.get("typ").is_some_and(|actual| actual == typ)
                && !header.contains_key("crit")
        })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent }
            .verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature)
            .is_ok()
    }

    /// Returns the claims if the signature is valid by this key.
    pub(crate) fn verify<T: DeserializeOwned>(&self, key: &PublicKey) -> Option<T> {
        if !self.is_signed_by(key) {
            return None;
        }
        json::parse_object(&self.claims)
    }
}

/// Encodes a JSON object in base64url.
pub(crate) fn encode_json(object: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(object.to_string())
}
