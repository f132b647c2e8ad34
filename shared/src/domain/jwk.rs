//! Public keys as JSON Web Keys (RFC 7517).

use serde::Serialize;
use utoipa::ToSchema;

use super::key_ring::{RootKey, SigningKey};

/// An RS256 public key as a JWK (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwk {
    /// Key type.
    #[schema(example = "RSA")]
    pub kty: &'static str,
    /// Key use.
    #[schema(example = "sig")]
    pub r#use: &'static str,
    /// Algorithm.
    #[schema(example = "RS256")]
    pub alg: &'static str,
    /// Key id: the RFC 7638 thumbprint.
    #[schema(example = "zdsaqFNdsAALygWA6wrpybMhzoAfQlQ9cKmm0n0MxAc")]
    pub kid: String,
    /// Modulus, base64url.
    #[schema(
        example = "rOqpUGDgeaVONkXmiwVAokYCptFSzezrWX8aEHg1FmYuhfeqlBKNUtFjbcfgkw5_5gE0RSb47GC9meyRbFAUePXPzgyYhHbPBh_gfcyHHx2n62vWbxVjOZUgA0_Gm4X4apx5nthicg_U974rjuBGneBWoN49ivqZoyzJQPgenzYyKlenqFef8EtrZataogBrwvZWnoFPMCEHc9ntNCCbfSCAWut4RFFpYuxW_XlhOURS_zCFFEPjxngPPhTfTNHZjaU9a1awiNig9FiCKt-22Mzw3vW9ZdPHUmLBnXtydcDkNIpEGdDHWhb69oY-q6br91nJcu2p8Du7IAKX2tCruQ"
    )]
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
