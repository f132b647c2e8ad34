//! Who signs: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2), which JOSE calls RS256.

use std::fmt::Debug;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, Jwk, KeyAlgorithm, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    ThumbprintHash,
};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The signer is slow, throttled or away: asking again may help.
    #[error("the signer gave no answer: {0}")]
    Unavailable(String),
    /// There is no such key, or it can't sign.
    #[error("the signer refused: {0}")]
    Refused(String),
}

/// The public part of an RSA key: modulus and exponent, as big-endian bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Modulus.
    pub n: Vec<u8>,
    /// Public exponent.
    pub e: Vec<u8>,
}

impl PublicKey {
    /// The key as a JWK for verifying RS256, named by its RFC 7638 thumbprint.
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
        // An RSA key always has a thumbprint: only key types that have none fail here.
        jwk.common.key_id = jwk.thumbprint(ThumbprintHash::SHA256).ok();
        jwk
    }

    /// The RFC 7638 thumbprint, by which tokens and the JWKS name the key.
    pub fn kid(&self) -> String {
        self.jwk().common.key_id.unwrap_or_default()
    }
}

/// A key that a signer made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// By which the signer knows it.
    pub handle: String,
    /// What verifies its signatures.
    pub public: PublicKey,
}

/// Holds private keys and signs with them. The private part never comes out.
pub trait Signer: Debug + Send + Sync {
    /// Makes a key of 2048 bits. `name` says what it is for, and finds it again.
    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<NewKey, SignError>>;

    /// A key that was made under this name by a process that may have died before it could write it down. None where
    /// there is none, or where one that nobody knows of harms nobody.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<NewKey>, SignError>>;

    /// The public part of a key.
    fn public<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<PublicKey, SignError>>;

    /// Tells whether a key is there and ready to sign, and signs nothing for that.
    fn check<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>>;

    /// Signs `message`, which the signer hashes. The signature is as long as the key's modulus.
    fn sign<'a>(&'a self, handle: &'a str, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>>;

    /// Lets a private key end that signs no more; again, and of one that is gone: the same.
    fn end<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>>;
}
