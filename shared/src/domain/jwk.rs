//! Public keys as JOSE writes them.

use serde::Serialize;
use utoipa::ToSchema;

use super::ring::{RootKey, SigningKey};

/// A public key that verifies RS256, as a JWK (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JwkResource)]
pub struct Jwk {
    /// Key type.
    #[schema(example = "RSA")]
    pub kty: &'static str,
    /// What it is for.
    #[schema(example = "sig")]
    pub r#use: &'static str,
    /// With which algorithm.
    #[schema(example = "RS256")]
    pub alg: &'static str,
    /// Its RFC 7638 thumbprint, by which a token names it.
    pub kid: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    #[schema(example = "AQAB")]
    pub e: String,
}

impl Jwk {
    fn rs256(kid: &str, n: &str, e: &str) -> Self {
        Self { kty: "RSA", r#use: "sig", alg: "RS256", kid: kid.to_owned(), n: n.to_owned(), e: e.to_owned() }
    }
}

impl From<&SigningKey> for Jwk {
    fn from(key: &SigningKey) -> Self {
        Self::rs256(&key.kid, &key.n, &key.e)
    }
}

impl From<&RootKey> for Jwk {
    fn from(key: &RootKey) -> Self {
        Self::rs256(&key.kid, &key.n, &key.e)
    }
}
