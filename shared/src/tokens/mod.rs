//! Keys and what is made with them: license tokens, the JWKS, and what is sealed at rest.
//!
//! Signing and sealing are traits, as each is done by KMS where Signet is deployed and by local files on one machine.

pub mod jwe;
pub mod keeper;
pub mod keyring;
pub mod kms;
pub mod local;
#[cfg(test)]
mod rfc_examples;
pub mod sealer;
pub mod signed_set;
pub mod signer;
pub mod token;

pub use jwe::{EncryptError, Handed};
pub use keeper::{KeepError, Keeper};
pub use keyring::KeyRing;
pub use sealer::{SealError, Sealer};
pub use signer::{PublicKey, SignError, Signer};
pub use token::{TokenError, TokenInvalid, Tokens, UnverifiedToken, VerifyError};
