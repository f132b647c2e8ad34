//! Keys and what is made with them: license tokens, the JWKS, and what is sealed at rest.
//!
//! Signing and sealing are traits, as each is done by KMS where Signet is deployed and by local files on one machine.

pub mod jwe;
pub mod key_ring_cache;
pub mod key_rotator;
pub mod kms;
pub mod local;
#[cfg(test)]
mod rfc_examples;
pub mod sealer;
pub mod signed_key_set;
pub mod signer;
pub mod token;

pub use jwe::{EncodedToken, EncryptError};
pub use key_ring_cache::KeyRingCache;
pub use key_rotator::{KeyRotationError, KeyRotator};
pub use sealer::{SealError, Sealer};
pub use signer::{PublicKey, SignError, Signer};
pub use token::{TokenError, TokenInvalid, Tokens, UnverifiedToken, VerifyError};
