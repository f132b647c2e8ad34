//! Cryptographic keys: license tokens, signing keys, and the encryption of stored values.
//!
//! [`Signer`] and [`Sealer`] are traits with two implementations each: KMS for deployed installations and files for
//! local ones.

pub mod jwe;
pub mod key_ring_cache;
pub mod key_rotator;
pub mod key_strings;
pub mod kms;
pub mod local;
pub mod reencryption;
#[cfg(test)]
mod rfc_examples;
pub mod sealer;
pub mod signed_key_set;
pub mod signer;
pub mod token;

pub use jwe::{EncodedToken, EncryptError};
pub use key_ring_cache::KeyRingCache;
pub use key_rotator::{KeyRotationError, KeyRotator};
pub use key_strings::{KeyStringError, KeyStrings, NewKeyString, RefreshOutcome};
pub use sealer::{SealError, Sealer};
pub use signer::{PublicKey, SignError, Signer};
pub use token::{InvalidTokenError, TokenError, Tokens, UnverifiedToken, VerifyError};
