//! Verification and decryption of license tokens with josekit and OpenSSL, independent of Signet's own code.

use data_encoding::BASE64URL_NOPAD;
use josekit::{
    jwe::{self, RSA_OAEP},
    jwk::{Jwk, alg::rsa::RsaKeyPair},
    jws::{RS256, deserialize_compact},
};
use openssl::sha::sha256;
use serde_json::{Map, Value};

use crate::Stack;

/// A token with a valid signature.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl VerifiedToken {
    /// Verifies a token with the key of the JWK Set that its `kid` names. Returns `None` if the signature is invalid.
    pub fn verify(token: &str, jwks: &Value) -> Option<Self> {
        let header = BASE64URL_NOPAD.decode(token.split('.').next()?.as_bytes()).ok()?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        let key = jwks["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
        Some(Self { claims: Self::claims_with_key(token, key)?, header })
    }

    /// Returns the claims of a token, if this JWK verifies its signature.
    pub fn claims_with_key(token: &str, key: &Value) -> Option<Value> {
        let key: Map<String, Value> = key.as_object()?.clone();
        let verifier = RS256.verifier_from_jwk(&Jwk::from_map(key).ok()?).ok()?;
        let (payload, _) = deserialize_compact(token, &verifier).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

/// The RSA key pair of an app that requests encrypted tokens.
#[derive(Debug, Clone)]
pub struct AppKey(RsaKeyPair);

impl AppKey {
    /// Generates a key pair with a modulus of this many bits.
    pub fn generate(bits: u32) -> Self {
        Self(RsaKeyPair::generate(bits).expect("a key pair"))
    }

    /// Returns the public key as a JWK.
    pub fn jwk(&self) -> Value {
        jwk_to_json(&self.0.to_jwk_public_key())
    }

    /// Returns the private key as a JWK.
    pub fn private_jwk(&self) -> Value {
        jwk_to_json(&self.0.to_jwk_private_key())
    }

    /// Returns the public key as SPKI PEM.
    pub fn spki(&self) -> String {
        pem(self.0.to_pem_public_key())
    }

    /// Returns the public key as PKCS#1 PEM.
    pub fn pkcs1(&self) -> String {
        pem(self.0.to_traditional_pem_public_key())
    }

    /// Returns the private key as PKCS#8 PEM and as PKCS#1 PEM.
    pub fn private_pems(&self) -> [String; 2] {
        [pem(self.0.to_pem_private_key()), pem(self.0.to_traditional_pem_private_key())]
    }

    /// Decrypts the JWE in a response body. Returns the signed token inside, and the JWE header.
    pub fn decrypt(&self, body: &Value) -> Option<(String, Value)> {
        let jwe = body["token"].as_str().filter(|_| body["token_type"] == "JWE")?;
        let decrypter = RSA_OAEP.decrypter_from_jwk(&self.0.to_jwk_private_key()).ok()?;
        let (token, header) = jwe::deserialize_compact(jwe, &decrypter).ok()?;
        Some((String::from_utf8(token).ok()?, Value::Object(header.claims_set().clone())))
    }
}

fn pem(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("PEM is text")
}

/// Converts a JWK to JSON.
pub fn jwk_to_json(jwk: &Jwk) -> Value {
    let members: &Map<String, Value> = jwk.as_ref();
    Value::Object(members.clone())
}

/// Computes the thumbprint of an RSA key (RFC 7638 §3): the SHA-256 of its required members in lexicographic order.
pub fn thumbprint(key: &Value) -> String {
    let (e, n) = (key["e"].as_str().expect("e"), key["n"].as_str().expect("n"));
    BASE64URL_NOPAD.encode(&sha256(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()))
}

impl Stack {
    /// Verifies a token with the published keys and returns its claims.
    #[track_caller]
    pub fn claims(&self, token: &Value) -> impl Future<Output = Value> {
        let token = token.as_str().unwrap_or_else(|| panic!("no token: {token}")).to_owned();
        let client = self.anonymous.clone();
        async move {
            let jwks = client.get("/.well-known/jwks.json").await.expect_status(200);
            VerifiedToken::verify(&token, &jwks).expect("the signature is valid").claims
        }
    }
}
