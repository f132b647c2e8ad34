//! Signing with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 8017 §8.2), RS256 in JOSE.

use std::fmt::Debug;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, Jwk, KeyAlgorithm, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    ThumbprintHash,
};

/// An error of a signer.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The signer is throttled or unavailable; a retry may succeed.
    #[error("the signer is unavailable: {0}")]
    Unavailable(String),
    /// The key does not exist or cannot be used.
    #[error("the signer rejected the request: {0}")]
    Rejected(String),
}

/// An RSA public key, as big-endian bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The modulus.
    pub n: Vec<u8>,
    /// The public exponent.
    pub e: Vec<u8>,
}

impl PublicKey {
    /// Returns the key as a JWK for RS256, with its RFC 7638 thumbprint as `kid`.
    pub fn jwk(&self) -> Jwk {
        let mut jwk = Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::RS256),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::RSA(RSAKeyParameters {
                key_type: RSAKeyType::RSA,
                n: BASE64URL_NOPAD.encode(&self.n),
                e: BASE64URL_NOPAD.encode(&self.e),
            }),
        };
        // Never fails for RSA keys; only other key types may have no thumbprint.
        jwk.common.key_id = jwk.thumbprint(ThumbprintHash::SHA256).ok();
        jwk
    }

    /// Returns the RFC 7638 thumbprint, which is the key's `kid` in tokens and in the JWKS.
    pub fn kid(&self) -> String {
        self.jwk().common.key_id.unwrap_or_default()
    }
}

/// A newly created key.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The signer's identifier of the key.
    pub handle: String,
    /// The public key.
    pub public: PublicKey,
}

/// Signs with private keys that never leave the signer.
pub trait Signer: Debug + Send + Sync {
    /// Creates an RSA key of 2048 bits. `name` identifies it for [`find`](Self::find).
    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<NewKey, SignError>>;

    /// Finds a key that [`create`](Self::create) created under a name, possibly in a process that crashed before it
    /// recorded the key. A signer whose unused keys cost nothing may always return `None`.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<NewKey>, SignError>>;

    /// Returns the public key.
    fn public_key<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<PublicKey, SignError>>;

    /// Checks that a key exists and can sign, without signing anything.
    fn check<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>>;

    /// Hashes and signs `message`. The signature has the length of the key's modulus.
    fn sign<'a>(&'a self, handle: &'a str, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>>;

    /// Schedules the deletion of a private key. Idempotent.
    fn schedule_deletion<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>>;
}
