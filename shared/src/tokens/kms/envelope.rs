//! The binary format of sealed values, which contain the encrypted data key that opens them.
//!
//! ```text
//! 1 byte     format version: 1
//! 16 bytes   id of the KMS key: the first bytes of the SHA-256 of its ARN
//! 2 bytes    length of the encrypted data key, big-endian
//! n bytes    data key, encrypted by KMS
//! 12 bytes   nonce
//! remainder  ciphertext and tag of AES-256-GCM
//! ```
//!
//! The header, which is everything before the nonce, is authenticated with the ciphertext, so that parts of different
//! values cannot be combined.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::super::{SealError, sealer::associated_data};
use crate::domain::{SealingContext, Secret, secret::sha256};

const VERSION: u8 = 1;

/// The id of the KMS key that encrypted a data key: a truncated hash, so that the table does not contain the ARN, which
/// includes the account id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KmsKeyId([u8; 16]);

impl KmsKeyId {
    pub(super) fn from_arn(arn: &str) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&sha256(arn.as_bytes())[..16]);
        Self(id)
    }
}

/// A parsed sealed value.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) kms_key: KmsKeyId,
    pub(super) encrypted_key: &'a [u8],
    /// Everything before the nonce.
    pub(super) header: &'a [u8],
    nonce: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Parses a sealed value. Returns `None` if it is malformed.
    pub(super) fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (version, rest) = sealed.split_first()?;
        let (kms_key, rest) = rest.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (encrypted_key, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN)?;
        let header = &sealed[..sealed.len() - rest.len()];
        let kms_key = KmsKeyId(*kms_key);
        (*version == VERSION).then_some(Self { kms_key, encrypted_key, header, nonce, ciphertext })
    }
}

/// A decrypted data key with the header of its sealed values. AWS-LC zeroizes the key on drop.
pub(super) struct DataKey {
    pub(super) kms_key: KmsKeyId,
    pub(super) header: Vec<u8>,
    key: RandomizedNonceKey,
}

impl DataKey {
    /// Creates a data key. Returns `None` if the plaintext is not a 256-bit key.
    pub(super) fn new(kms_key: KmsKeyId, encrypted_key: &[u8], plaintext: &Zeroizing<Vec<u8>>) -> Option<Self> {
        let length = u16::try_from(encrypted_key.len()).ok()?;
        let mut header = vec![VERSION];
        header.extend(kms_key.0);
        header.extend(length.to_be_bytes());
        header.extend(encrypted_key);
        let key = RandomizedNonceKey::new(&AES_256_GCM, plaintext).ok()?;
        Some(Self { kms_key, header, key })
    }

    pub(super) fn seal(&self, context: &SealingContext, text: &Secret) -> Result<Vec<u8>, SealError> {
        let mut sealed = text.expose().as_bytes().to_vec();
        let aad = aad(&self.header, context);
        let nonce = self.key.seal_in_place_append_tag(aad, &mut sealed).map_err(|_| SealError::CannotSeal)?;
        Ok([self.header.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    pub(super) fn open(&self, context: &SealingContext, envelope: &Envelope<'_>) -> Result<Secret, SealError> {
        let open = || {
            let nonce = Nonce::try_assume_unique_for_key(envelope.nonce).ok()?;
            let mut text = Zeroizing::new(envelope.ciphertext.to_vec());
            let text = self.key.open_in_place(nonce, aad(envelope.header, context), &mut text).ok()?;
            Some(Secret::new(str::from_utf8(text).ok()?.to_owned()))
        };
        open().ok_or(SealError::CannotOpen)
    }
}

fn aad(header: &[u8], context: &SealingContext) -> Aad<Vec<u8>> {
    Aad::from([header, &associated_data(context)].concat())
}
