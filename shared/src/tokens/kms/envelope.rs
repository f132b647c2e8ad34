//! A sealed value with the wrapped key that opens it.
//!
//! ```text
//! 1 byte    the version of this form: 1
//! 16 bytes  which KMS key wrapped the data key: the begin of the SHA-256 of its ARN
//! 2 bytes   how long the wrapped key is, big-endian
//! n bytes   the data key, wrapped by KMS
//! 12 bytes  nonce
//! the rest  ciphertext and tag of AES-256-GCM
//! ```
//!
//! All that stands before the nonce is authenticated with the ciphertext, so no part can be put in place of another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::super::{SealError, sealer::associated_data};
use crate::domain::{SealingContext, Secret, secret::sha256};

const VERSION: u8 = 1;

/// Which KMS key wrapped a data key. Its ARN names an account, and is no part of what lies in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrappedBy([u8; 16]);

impl WrappedBy {
    pub(super) fn arn(arn: &str) -> Self {
        let mut begin = [0; 16];
        begin.copy_from_slice(&sha256(arn.as_bytes())[..16]);
        Self(begin)
    }
}

/// A sealed value, taken apart.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) wrapped_by: WrappedBy,
    pub(super) wrapped_key: &'a [u8],
    /// All that stands before the nonce.
    pub(super) header: &'a [u8],
    nonce: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes a sealed value apart; none where it has another form.
    pub(super) fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (version, rest) = sealed.split_first()?;
        let (wrapped_by, rest) = rest.split_first_chunk::<16>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (wrapped_key, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN)?;
        let header = &sealed[..sealed.len() - rest.len()];
        let wrapped_by = WrappedBy(*wrapped_by);
        (*version == VERSION).then_some(Self { wrapped_by, wrapped_key, header, nonce, ciphertext })
    }
}

/// A data key, and what its sealed values begin with. AWS-LC wipes the key's memory when it is dropped.
pub(super) struct DataKey {
    pub(super) wrapped_by: WrappedBy,
    pub(super) header: Vec<u8>,
    key: RandomizedNonceKey,
}

impl DataKey {
    /// From what KMS answers; none where that is no key.
    pub(super) fn new(wrapped_by: WrappedBy, wrapped_key: &[u8], plain: &Zeroizing<Vec<u8>>) -> Option<Self> {
        let length = u16::try_from(wrapped_key.len()).ok()?;
        let mut header = vec![VERSION];
        header.extend(wrapped_by.0);
        header.extend(length.to_be_bytes());
        header.extend(wrapped_key);
        let key = RandomizedNonceKey::new(&AES_256_GCM, plain).ok()?;
        Some(Self { wrapped_by, header, key })
    }

    pub(super) fn seal(&self, context: &SealingContext, text: &Secret) -> Result<Vec<u8>, SealError> {
        let mut sealed = text.expose().as_bytes().to_vec();
        let bound = bound(&self.header, context);
        let nonce = self.key.seal_in_place_append_tag(bound, &mut sealed).map_err(|_| SealError::DoesNotOpen)?;
        Ok([self.header.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    pub(super) fn open(&self, context: &SealingContext, envelope: &Envelope<'_>) -> Result<Secret, SealError> {
        let open = || {
            let nonce = Nonce::try_assume_unique_for_key(envelope.nonce).ok()?;
            let mut text = Zeroizing::new(envelope.ciphertext.to_vec());
            let text = self.key.open_in_place(nonce, bound(envelope.header, context), &mut text).ok()?;
            Some(Secret::new(str::from_utf8(text).ok()?.to_owned()))
        };
        open().ok_or(SealError::DoesNotOpen)
    }
}

fn bound(header: &[u8], context: &SealingContext) -> Aad<Vec<u8>> {
    Aad::from([header, &associated_data(context)].concat())
}
