//! Signs with RSA keys in KMS.

use std::time::Duration;

use aws_lc_rs::rsa;
use aws_sdk_kms::{
    Client,
    config::{Config, retry::RetryConfig},
    error::SdkError,
    operation::{
        get_public_key::{GetPublicKeyError, GetPublicKeyOutput},
        schedule_key_deletion::ScheduleKeyDeletionError,
    },
    primitives::Blob,
    types::{KeyMetadata, KeySpec, KeyState, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};

use super::super::{PublicKey, SignError, Signer, signer::NewKey};
use crate::{aws::error_chain, domain::secret::sha256};

/// The waiting period before KMS deletes a key, in days: the maximum, during which an operator can cancel the deletion.
const PENDING_WINDOW_DAYS: i32 = 30;
/// The number of concurrent `DescribeKey` requests while searching for a key.
const CONCURRENT_REQUESTS: usize = 8;
/// The number of attempts to read the public key of a new key, and the pause between them. KMS is eventually
/// consistent.
const PUBLIC_KEY_ATTEMPTS: u32 = 6;
const PUBLIC_KEY_PAUSE: Duration = Duration::from_millis(250);
/// The length of a 2048-bit modulus and of its signatures, in bytes.
const MODULUS_BYTES: usize = 256;

/// Signs with the RSA keys of a table in KMS. A key's handle is its ARN.
///
/// The message is hashed here (`MessageType: DIGEST`), because KMS limits messages to 4096 bytes. Signatures are not
/// verified here: [`Tokens::sign`](crate::tokens::Tokens::sign) verifies each one with the public key of the ring.
#[derive(Debug, Clone)]
pub struct KmsSigner {
    client: Client,
    table: String,
    key_policy: Option<String>,
}

impl KmsSigner {
    /// Creates a signer for the keys of a table. New keys have the default key policy of KMS, with which IAM policies of
    /// the account can allow anyone to sign.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned(), key_policy: None }
    }

    /// Sets the key policy of new keys, a JSON document. It need not allow the caller to change it, so KMS does not check
    /// that: make sure that it allows an administrator to.
    #[must_use]
    pub fn with_key_policy(self, key_policy: Option<String>) -> Self {
        Self { key_policy, ..self }
    }

    /// Returns the description of a key. It includes the table, because other installations use the same names.
    fn description(&self, name: &str) -> String {
        format!("Signet, table {}: {name}", self.table)
    }

    /// Creates a key, without retries, as each retry could create another key. If the response is lost,
    /// [`Self::find_key`] finds the key later.
    async fn create_key(&self, name: &str) -> Result<NewKey, SignError> {
        let no_retries = Config::builder().retry_config(RetryConfig::disabled());
        let created = self
            .client
            .create_key()
            .key_spec(KeySpec::Rsa2048)
            .key_usage(KeyUsageType::SignVerify)
            .description(self.description(name))
            .set_policy(self.key_policy.clone())
            .set_bypass_policy_lockout_safety_check(self.key_policy.as_ref().map(|_| true))
            .customize()
            .config_override(no_retries)
            .send()
            .await?;
        let arn = created.key_metadata.and_then(|metadata| metadata.arn);
        let arn = arn.ok_or_else(|| SignError::Rejected("KMS returned no ARN for the new key".to_owned()))?;
        let public = self.wait_for_public_key(&arn).await?;
        self.tag(&arn).await;
        Ok(NewKey { public, handle: arn })
    }

    async fn wait_for_public_key(&self, arn: &str) -> Result<PublicKey, SignError> {
        for _ in 1..PUBLIC_KEY_ATTEMPTS {
            match self.get_public_key(arn).await {
                Err(error) if is_not_yet_known(&error) => tokio::time::sleep(PUBLIC_KEY_PAUSE).await,
                result => return parse_public_key(&result?),
            }
        }
        self.read_public_key(arn).await
    }

    /// Tags a key, for operators and cost reports. Failures are logged, not returned: no permission to sign depends on the
    /// tags.
    ///
    /// The request that creates the key does not contain the tags, because that needs the permission to tag every key of
    /// the account. The permission to tag this key can be in its key policy.
    async fn tag(&self, arn: &str) {
        let tag = |key: &str, value: &str| Tag::builder().tag_key(key).tag_value(value).build().ok();
        let tags: Vec<_> =
            [tag("signet:table", &self.table), tag("signet:use", "sign")].into_iter().flatten().collect();
        if let Err(error) = self.client.tag_resource().key_id(arn).set_tags(Some(tags)).send().await {
            let error = error_chain(&error);
            tracing::warn!(error, "a signing key could not be tagged");
        }
    }

    /// Finds the oldest enabled key with the description of this name.
    ///
    /// It examines every key of the account, so it is meant for the scheduled creation of keys, which is rare. The
    /// description is reliable: it is set by the request that creates the key, and changing it needs permission to
    /// update keys. `ListKeys` is eventually consistent: a process that searches too early creates another key, and
    /// from then on all processes find the oldest. The unused key costs a dollar per month and signs nothing.
    async fn find_key(&self, name: &str) -> Result<Option<NewKey>, SignError> {
        let description = self.description(name);
        let mut entries = self.client.list_keys().into_paginator().items().send();
        let mut arns = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            arns.extend(entry.key_arn);
        }
        let described: Vec<_> = stream::iter(arns)
            .map(|arn| self.describe(arn))
            .buffer_unordered(CONCURRENT_REQUESTS)
            .try_collect()
            .await?;
        let candidates = described.into_iter().flatten().filter(|key| {
            key.description.as_deref() == Some(&description)
                && key.key_state == Some(KeyState::Enabled)
                && key.key_usage == Some(KeyUsageType::SignVerify)
        });
        let created_at = |key: &KeyMetadata| (key.creation_date.map_or(i64::MAX, |date| date.secs()), key.arn.clone());
        let Some(arn) = candidates.min_by_key(created_at).and_then(|key| key.arn) else { return Ok(None) };
        // The process that created the key may have failed before it tagged it.
        self.tag(&arn).await;
        Ok(Some(NewKey { public: self.read_public_key(&arn).await?, handle: arn }))
    }

    /// Returns the metadata of a key; `None` if access is denied or the key was deleted since it was listed.
    async fn describe(&self, arn: String) -> Result<Option<KeyMetadata>, SignError> {
        match self.client.describe_key().key_id(arn).send().await {
            Ok(output) => Ok(output.key_metadata),
            Err(error) => match SignError::from(error) {
                SignError::Rejected(_) => Ok(None),
                unavailable @ SignError::Unavailable(_) => Err(unavailable),
            },
        }
    }

    async fn get_public_key(&self, arn: &str) -> Result<GetPublicKeyOutput, SdkError<GetPublicKeyError>> {
        self.client.get_public_key().key_id(arn).send().await
    }

    async fn read_public_key(&self, arn: &str) -> Result<PublicKey, SignError> {
        parse_public_key(&self.get_public_key(arn).await?)
    }

    async fn check_enabled(&self, handle: &str) -> Result<(), SignError> {
        let metadata = self.client.describe_key().key_id(handle).send().await?.key_metadata;
        let is_enabled = metadata.is_some_and(|key| key.key_state == Some(KeyState::Enabled));
        if is_enabled { Ok(()) } else { Err(rejected("the key is not enabled")) }
    }

    async fn sign_digest(&self, handle: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let output = self
            .client
            .sign()
            .key_id(handle)
            .message(Blob::new(sha256(message)))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
            .send()
            .await?;
        let signature = output.signature.map(Blob::into_inner).unwrap_or_default();
        if signature.len() == MODULUS_BYTES {
            Ok(signature)
        } else {
            Err(rejected("the signature has the wrong length"))
        }
    }

    async fn schedule_key_deletion(&self, handle: &str) -> Result<(), SignError> {
        let request = self.client.schedule_key_deletion().key_id(handle).pending_window_in_days(PENDING_WINDOW_DAYS);
        let Err(error) = request.send().await else { return Ok(()) };
        match error.as_service_error() {
            // The deletion is already scheduled, the only state in which KMS rejects this for a key that it generated,
            // or the key is already deleted.
            Some(
                ScheduleKeyDeletionError::KmsInvalidStateException(_) | ScheduleKeyDeletionError::NotFoundException(_),
            ) => Ok(()),
            _ => Err(error.into()),
        }
    }
}

fn is_not_yet_known(error: &SdkError<GetPublicKeyError>) -> bool {
    let is_not_yet_known =
        |error: &GetPublicKeyError| error.is_not_found_exception() || error.is_kms_invalid_state_exception();
    error.as_service_error().is_some_and(is_not_yet_known)
}

/// Parses the public key of an RSA signing key of 2048 bits; rejects other keys.
fn parse_public_key(output: &GetPublicKeyOutput) -> Result<PublicKey, SignError> {
    if output.key_usage != Some(KeyUsageType::SignVerify) || output.key_spec != Some(KeySpec::Rsa2048) {
        return Err(rejected("the key must be an RSA signing key of 2048 bits"));
    }
    let der = output.public_key.as_ref().map(Blob::as_ref).unwrap_or_default();
    let key = rsa::PublicKey::from_der(der).map_err(|_| rejected("the public key is malformed"))?;
    if key.modulus_len() != MODULUS_BYTES {
        return Err(rejected("the key's modulus must have 2048 bits"));
    }
    Ok(PublicKey {
        n: key.modulus().big_endian_without_leading_zero().to_vec(),
        e: key.exponent().big_endian_without_leading_zero().to_vec(),
    })
}

fn rejected(reason: &str) -> SignError {
    SignError::Rejected(reason.to_owned())
}

impl Signer for KmsSigner {
    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<NewKey, SignError>> {
        self.create_key(name).boxed()
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<NewKey>, SignError>> {
        self.find_key(name).boxed()
    }

    fn public_key<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<PublicKey, SignError>> {
        self.read_public_key(handle).boxed()
    }

    fn check<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        self.check_enabled(handle).boxed()
    }

    fn sign<'a>(&'a self, handle: &'a str, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        self.sign_digest(handle, message).boxed()
    }

    fn schedule_deletion<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        self.schedule_key_deletion(handle).boxed()
    }
}
