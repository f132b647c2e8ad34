//! Envelope encryption: seals values with data keys that KMS generates and encrypts.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_kms::{Client, operation::decrypt::DecryptOutput, primitives::Blob, types::DataKeySpec};
use futures_util::{FutureExt, future::BoxFuture};
use zeroize::Zeroizing;

use super::{
    super::{SealError, Sealer},
    data_keys::DataKeyCache,
    envelope::{DataKey, Envelope, KmsKeyId},
};
use crate::{
    Clock,
    aws::{AwsFailure, classify},
    domain::{SealingContext, Secret},
};

/// Seals with AES-256-GCM and data keys that only KMS can decrypt.
///
/// Each value is bound to its context. The part that all values of an installation share, the table and the use of the
/// key, is the encryption context of KMS, which enforces it and records it in CloudTrail. Item and purpose are
/// associated data of AES-GCM: in the encryption context of KMS, they would need a data key and KMS requests per value.
/// The binding is equally strong, because a decrypted data key is only used through [`Sealer::open`].
pub struct KmsSealer {
    client: Client,
    /// The ids, ARNs or aliases of the KMS keys. The first encrypts data keys; all decrypt them.
    keys: Vec<String>,
    table: String,
    clock: Clock,
    data_keys: Mutex<DataKeyCache>,
}

impl KmsSealer {
    /// Creates a sealer with the KMS key of this id, ARN or alias. The `old_keys` only open existing values.
    pub fn new(client: Client, table: &str, key: &str, old_keys: &[String], clock: Clock) -> Self {
        let keys = std::iter::once(key.to_owned()).chain(old_keys.iter().cloned()).collect();
        Self { client, keys, table: table.to_owned(), clock, data_keys: Mutex::default() }
    }

    fn data_keys(&self) -> MutexGuard<'_, DataKeyCache> {
        self.data_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the data key for one more value. Concurrent requests without a cached key generate one each, so that
    /// none waits for another; the additional cost is small.
    async fn sealing_key(&self) -> Result<Arc<DataKey>, SealError> {
        let now = self.clock.now();
        if let Some(key) = self.data_keys().sealing_key(now) {
            return Ok(key);
        }
        let request = self
            .client
            .generate_data_key()
            .set_key_id(self.keys.first().cloned())
            .key_spec(DataKeySpec::Aes256)
            .encryption_context("signet:table", &self.table)
            .encryption_context("signet:use", "seal");
        let output = request.send().await.map_err(|error| SealError::Unavailable(classify(&error).into_message()))?;
        let key = output.key_id.zip(output.ciphertext_blob).and_then(|(arn, encrypted)| {
            let plaintext = Zeroizing::new(output.plaintext?.into_inner());
            DataKey::new(KmsKeyId::from_arn(&arn), encrypted.as_ref(), &plaintext)
        });
        let key = Arc::new(key.ok_or_else(|| SealError::Unavailable("KMS returned no data key".to_owned()))?);
        self.data_keys().add_sealing_key(&key, now);
        Ok(key)
    }

    async fn opening_key(&self, envelope: &Envelope<'_>) -> Result<Arc<DataKey>, SealError> {
        let now = self.clock.now();
        if let Some(key) = self.data_keys().opening_key(envelope.header, now) {
            return Ok(key);
        }
        let key = Arc::new(self.decrypt_data_key(envelope).await?);
        self.data_keys().add_opening_key(&key, now);
        Ok(key)
    }

    /// Decrypts a data key with KMS. Tries each configured key by name, so that no other key that the role may use is
    /// ever accepted. The key in the response must be the one that the value names.
    async fn decrypt_data_key(&self, envelope: &Envelope<'_>) -> Result<DataKey, SealError> {
        let mut rejected = None;
        for key in &self.keys {
            let request = self
                .client
                .decrypt()
                .key_id(key)
                .ciphertext_blob(Blob::new(envelope.encrypted_key))
                .encryption_context("signet:table", &self.table)
                .encryption_context("signet:use", "seal");
            match request.send().await {
                Ok(output) => {
                    if let Some(key) = data_key(output, envelope) {
                        return Ok(key);
                    }
                }
                Err(error) => {
                    let is_other_key = |error: &aws_sdk_kms::operation::decrypt::DecryptError| {
                        error.is_incorrect_key_exception() || error.is_invalid_ciphertext_exception()
                    };
                    let is_other_key = error.as_service_error().is_some_and(is_other_key);
                    match classify(&error) {
                        AwsFailure::Transient(message) => return Err(SealError::Unavailable(message)),
                        AwsFailure::Permanent(message) if !is_other_key => rejected = Some(message),
                        AwsFailure::Permanent(_) => {}
                    }
                }
            }
        }
        // If a key is disabled, it may be the right one, and the value opens once it is enabled again.
        Err(rejected.map_or(SealError::CannotOpen, SealError::Unavailable))
    }

    async fn seal_text(&self, context: &SealingContext, text: &Secret) -> Result<Vec<u8>, SealError> {
        self.sealing_key().await?.seal(context, text)
    }

    async fn open_sealed(&self, context: &SealingContext, sealed: &[u8]) -> Result<Secret, SealError> {
        let envelope = Envelope::parse(sealed).ok_or(SealError::CannotOpen)?;
        self.opening_key(&envelope).await?.open(context, &envelope)
    }

    async fn reencrypt(&self, context: &SealingContext, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let envelope = Envelope::parse(sealed).ok_or(SealError::CannotOpen)?;
        let key = self.sealing_key().await?;
        if envelope.kms_key == key.kms_key {
            return Ok(None);
        }
        let text = self.opening_key(&envelope).await?.open(context, &envelope)?;
        key.seal(context, &text).map(Some)
    }
}

/// Returns the data key of KMS's response if it was decrypted with the KMS key that the envelope names.
fn data_key(output: DecryptOutput, envelope: &Envelope<'_>) -> Option<DataKey> {
    let kms_key = KmsKeyId::from_arn(output.key_id.as_deref()?);
    let plaintext = Zeroizing::new(output.plaintext?.into_inner());
    (kms_key == envelope.kms_key).then(|| DataKey::new(kms_key, envelope.encrypted_key, &plaintext)).flatten()
}

impl Sealer for KmsSealer {
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        self.seal_text(context, text).boxed()
    }

    fn open<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> BoxFuture<'a, Result<Secret, SealError>> {
        self.open_sealed(context, sealed).boxed()
    }

    fn reseal<'a>(
        &'a self,
        context: &'a SealingContext,
        sealed: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, SealError>> {
        self.reencrypt(context, sealed).boxed()
    }
}

impl fmt::Debug for KmsSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsSealer").field("keys", &self.keys).finish_non_exhaustive()
    }
}
