//! Seals with data keys that KMS makes and wraps: envelope encryption.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_kms::{Client, operation::decrypt::DecryptOutput, primitives::Blob, types::DataKeySpec};
use futures_util::{FutureExt, future::BoxFuture};
use zeroize::Zeroizing;

use super::{
    super::{SealError, Sealer},
    data_keys::DataKeys,
    envelope::{DataKey, Envelope, WrappedBy},
};
use crate::{
    Clock,
    aws::{Failure, failure},
    domain::{SealingContext, Secret},
};

/// Seals with AES-256-GCM, by data keys that only KMS can unwrap.
///
/// Each value is bound to its place. What all values of an installation have in common, the table and what the key is
/// for, is the encryption context that KMS enforces and writes to its log. The item and the purpose are authenticated
/// data of AES-GCM instead: with them in KMS's context, each value would need a data key of its own, and a request to
/// KMS at every sealing and opening. What is bound is the same, as whoever unwraps a data key here opens nothing with it
/// but through [`Sealer::open`].
pub struct KmsSealer {
    client: Client,
    /// Ids, ARNs or aliases. The first wraps; all unwrap.
    keys: Vec<String>,
    table: String,
    clock: Clock,
    data_keys: Mutex<DataKeys>,
}

impl KmsSealer {
    /// With the KMS key of this id, ARN or alias. What `old_keys` wrapped still opens, and is no longer made.
    pub fn new(client: Client, table: &str, key: &str, old_keys: &[String], clock: Clock) -> Self {
        let keys = std::iter::once(key.to_owned()).chain(old_keys.iter().cloned()).collect();
        Self { client, keys, table: table.to_owned(), clock, data_keys: Mutex::default() }
    }

    fn data_keys(&self) -> MutexGuard<'_, DataKeys> {
        self.data_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data key for one more value. Of several requests that find none at once, each has one made: that costs a
    /// little, and none of them waits for another's.
    async fn key_for_sealing(&self) -> Result<Arc<DataKey>, SealError> {
        let now = self.clock.now();
        if let Some(key) = self.data_keys().for_sealing(now) {
            return Ok(key);
        }
        let asked = self
            .client
            .generate_data_key()
            .set_key_id(self.keys.first().cloned())
            .key_spec(DataKeySpec::Aes256)
            .encryption_context("signet:table", &self.table)
            .encryption_context("signet:use", "seal");
        let made = asked.send().await.map_err(|error| SealError::Unavailable(text(failure(&error))))?;
        let key = made.key_id.zip(made.ciphertext_blob).and_then(|(arn, wrapped)| {
            let plain = Zeroizing::new(made.plaintext?.into_inner());
            DataKey::new(WrappedBy::arn(&arn), wrapped.as_ref(), &plain)
        });
        let key = Arc::new(key.ok_or_else(|| SealError::Unavailable("KMS made no data key".to_owned()))?);
        self.data_keys().seal_with(&key, now);
        Ok(key)
    }

    async fn key_for_opening(&self, envelope: &Envelope<'_>) -> Result<Arc<DataKey>, SealError> {
        let now = self.clock.now();
        if let Some(key) = self.data_keys().for_opening(envelope.header, now) {
            return Ok(key);
        }
        let key = Arc::new(self.unwrap(envelope).await?);
        self.data_keys().open_with(&key, now);
        Ok(key)
    }

    /// Has KMS unwrap a data key. Each key that may have wrapped it is named to KMS, so that no other one that our role
    /// happens to be allowed is ever used, and the answer must be by the key that the value itself names.
    async fn unwrap(&self, envelope: &Envelope<'_>) -> Result<DataKey, SealError> {
        let mut refused = None;
        for key in &self.keys {
            let asked = self
                .client
                .decrypt()
                .key_id(key)
                .ciphertext_blob(Blob::new(envelope.wrapped_key))
                .encryption_context("signet:table", &self.table)
                .encryption_context("signet:use", "seal");
            match asked.send().await {
                Ok(answer) => {
                    if let Some(key) = unwrapped(answer, envelope) {
                        return Ok(key);
                    }
                }
                Err(error) => {
                    let of_another = |error: &aws_sdk_kms::operation::decrypt::DecryptError| {
                        error.is_incorrect_key_exception() || error.is_invalid_ciphertext_exception()
                    };
                    let of_another = error.as_service_error().is_some_and(of_another);
                    match failure(&error) {
                        Failure::Passing(text) => return Err(SealError::Unavailable(text)),
                        Failure::Lasting(text) if !of_another => refused = Some(text),
                        Failure::Lasting(_) => {}
                    }
                }
            }
        }
        // A key that is disabled may be the one: then it opens again when it is enabled.
        Err(refused.map_or(SealError::DoesNotOpen, SealError::Unavailable))
    }

    async fn seal_text(&self, context: &SealingContext, text: &Secret) -> Result<Vec<u8>, SealError> {
        self.key_for_sealing().await?.seal(context, text)
    }

    async fn open_sealed(&self, context: &SealingContext, sealed: &[u8]) -> Result<Secret, SealError> {
        let envelope = Envelope::parse(sealed).ok_or(SealError::DoesNotOpen)?;
        self.key_for_opening(&envelope).await?.open(context, &envelope)
    }

    async fn seal_anew(&self, context: &SealingContext, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let envelope = Envelope::parse(sealed).ok_or(SealError::DoesNotOpen)?;
        let key = self.key_for_sealing().await?;
        if envelope.wrapped_by == key.wrapped_by {
            return Ok(None);
        }
        let text = self.key_for_opening(&envelope).await?.open(context, &envelope)?;
        key.seal(context, &text).map(Some)
    }
}

/// The data key in KMS's answer, if it is by the key that the envelope names.
fn unwrapped(answer: DecryptOutput, envelope: &Envelope<'_>) -> Option<DataKey> {
    let wrapped_by = WrappedBy::arn(answer.key_id.as_deref()?);
    let plain = Zeroizing::new(answer.plaintext?.into_inner());
    (wrapped_by == envelope.wrapped_by).then(|| DataKey::new(wrapped_by, envelope.wrapped_key, &plain)).flatten()
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Passing(text) | Failure::Lasting(text) => text,
    }
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
        self.seal_anew(context, sealed).boxed()
    }
}

impl fmt::Debug for KmsSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsSealer").field("keys", &self.keys).finish_non_exhaustive()
    }
}
