//! Signs with RSA keys of KMS.

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
use crate::domain::secret::sha256;

/// How long KMS keeps a key that is to be deleted, in days: the longest that it can, in which an operator can take the
/// deletion back.
const DAYS_BEFORE_DELETION: i32 = 30;
/// How many keys are looked at at once, when one is looked for.
const AT_ONCE: usize = 8;
/// How often, and after what pause, a key that was just made is asked for: KMS knows it everywhere a little later.
const LOOKS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(250);
/// The bytes of a modulus of 2048 bits, and of a signature by it.
const MODULUS_BYTES: usize = 256;

/// Signs with RSA keys of KMS, of which it is allowed to use those of one table. A key's handle is its ARN.
///
/// KMS is sent the SHA-256 of what is signed (`MessageType: DIGEST`), so a message may be longer than the 4096 bytes
/// that KMS takes. What comes back is not checked here: [`Tokens::sign`](crate::tokens::Tokens::sign) verifies each
/// signature with the public key that the ring has.
#[derive(Debug, Clone)]
pub struct KmsSigner {
    client: Client,
    table: String,
}

impl KmsSigner {
    /// The signing keys of the installation that has this table.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }

    /// What a key is described as: its name, and of which table it is, as other installations have keys of this name.
    fn description(&self, name: &str) -> String {
        format!("Signet, table {}: {name}", self.table)
    }

    /// Asked for once only: each request that KMS serves makes another key. Where its answer is lost, [`Self::look_for`]
    /// finds the key later.
    async fn make(&self, name: &str) -> Result<NewKey, SignError> {
        let tag = |key: &str, value: &str| Tag::builder().tag_key(key).tag_value(value).build();
        let damaged = |error: aws_sdk_kms::error::BuildError| SignError::Refused(error.to_string());
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let made = self
            .client
            .create_key()
            .key_spec(KeySpec::Rsa2048)
            .key_usage(KeyUsageType::SignVerify)
            .description(self.description(name))
            // By which an operator's policies can say that a function may sign with these keys, and with no others.
            .tags(tag("signet:table", &self.table).map_err(damaged)?)
            .tags(tag("signet:use", "sign").map_err(damaged)?)
            .customize()
            .config_override(once)
            .send()
            .await?;
        let arn = made.key_metadata.and_then(|metadata| metadata.arn);
        let arn = arn.ok_or_else(|| SignError::Refused("KMS made a key and did not name it".to_owned()))?;
        for _ in 1..LOOKS {
            match self.ask_for_public_key(&arn).await {
                Err(error) if is_unknown(&error) => tokio::time::sleep(PAUSE).await,
                found => return Ok(NewKey { public: public_key(&found?)?, handle: arn }),
            }
        }
        Ok(NewKey { public: public_key(&self.ask_for_public_key(&arn).await?)?, handle: arn })
    }

    /// The oldest enabled key with the description that a key of this name gets.
    ///
    /// Every key of the account is looked at, so this is for the scheduled step that makes keys, which runs rarely. That
    /// is enough: a description is set in the request that makes a key, so there is none without it; it can be changed
    /// only by whoever may update keys, who could as well delete them; and a key by whose name nobody asks again costs
    /// a dollar a month and signs nothing. KMS lists a new key a little later: who asks within that time makes another,
    /// and both ask for the oldest from then on.
    async fn look_for(&self, name: &str) -> Result<Option<NewKey>, SignError> {
        let description = self.description(name);
        let mut all = self.client.list_keys().into_paginator().items().send();
        let mut arns = Vec::new();
        while let Some(listed) = all.try_next().await? {
            arns.extend(listed.key_arn);
        }
        let described: Vec<_> =
            stream::iter(arns).map(|arn| self.describe(arn)).buffer_unordered(AT_ONCE).try_collect().await?;
        let ours = described.into_iter().flatten().filter(|key| {
            key.description.as_deref() == Some(&description)
                && key.key_state == Some(KeyState::Enabled)
                && key.key_usage == Some(KeyUsageType::SignVerify)
        });
        let age = |key: &KeyMetadata| (key.creation_date.map_or(i64::MAX, |date| date.secs()), key.arn.clone());
        let Some(arn) = ours.min_by_key(age).and_then(|key| key.arn) else { return Ok(None) };
        Ok(Some(NewKey { public: self.ask_for_public(&arn).await?, handle: arn }))
    }

    /// What KMS knows of a key; none where it is not ours to see, or gone since it was listed.
    async fn describe(&self, arn: String) -> Result<Option<KeyMetadata>, SignError> {
        match self.client.describe_key().key_id(arn).send().await {
            Ok(answer) => Ok(answer.key_metadata),
            Err(error) => match SignError::from(error) {
                SignError::Refused(_) => Ok(None),
                unavailable @ SignError::Unavailable(_) => Err(unavailable),
            },
        }
    }

    async fn ask_for_public_key(&self, arn: &str) -> Result<GetPublicKeyOutput, SdkError<GetPublicKeyError>> {
        self.client.get_public_key().key_id(arn).send().await
    }

    async fn ask_for_public(&self, arn: &str) -> Result<PublicKey, SignError> {
        public_key(&self.ask_for_public_key(arn).await?)
    }

    async fn look_at(&self, handle: &str) -> Result<(), SignError> {
        let described = self.client.describe_key().key_id(handle).send().await?.key_metadata;
        let is_ready = described.is_some_and(|key| key.key_state == Some(KeyState::Enabled));
        if is_ready { Ok(()) } else { Err(refused("the key is not enabled")) }
    }

    async fn sign_hash(&self, handle: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signed = self
            .client
            .sign()
            .key_id(handle)
            .message(Blob::new(sha256(message)))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
            .send()
            .await?;
        let signature = signed.signature.map(Blob::into_inner).unwrap_or_default();
        if signature.len() == MODULUS_BYTES { Ok(signature) } else { Err(refused("the signature has another length")) }
    }

    async fn schedule_deletion(&self, handle: &str) -> Result<(), SignError> {
        let asked = self.client.schedule_key_deletion().key_id(handle).pending_window_in_days(DAYS_BEFORE_DELETION);
        let Err(error) = asked.send().await else { return Ok(()) };
        match error.as_service_error() {
            // It waits for its deletion: of a key that KMS made, that is the one state in which this is refused. Or it
            // is gone.
            Some(
                ScheduleKeyDeletionError::KmsInvalidStateException(_) | ScheduleKeyDeletionError::NotFoundException(_),
            ) => Ok(()),
            _ => Err(error.into()),
        }
    }
}

fn is_unknown(error: &SdkError<GetPublicKeyError>) -> bool {
    let unknown = |error: &GetPublicKeyError| error.is_not_found_exception() || error.is_kms_invalid_state_exception();
    error.as_service_error().is_some_and(unknown)
}

/// The public part of a key, if it is one that makes RS256 signatures of 2048 bits.
fn public_key(answer: &GetPublicKeyOutput) -> Result<PublicKey, SignError> {
    if answer.key_usage != Some(KeyUsageType::SignVerify) || answer.key_spec != Some(KeySpec::Rsa2048) {
        return Err(refused("the key is not an RSA key of 2048 bits that signs"));
    }
    let der = answer.public_key.as_ref().map(Blob::as_ref).unwrap_or_default();
    let key = rsa::PublicKey::from_der(der).map_err(|_| refused("the public key can't be read"))?;
    if key.modulus_len() != MODULUS_BYTES {
        return Err(refused("the key's modulus has not 2048 bits"));
    }
    Ok(PublicKey {
        n: key.modulus().big_endian_without_leading_zero().to_vec(),
        e: key.exponent().big_endian_without_leading_zero().to_vec(),
    })
}

fn refused(reason: &str) -> SignError {
    SignError::Refused(reason.to_owned())
}

impl Signer for KmsSigner {
    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<NewKey, SignError>> {
        self.make(name).boxed()
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<NewKey>, SignError>> {
        self.look_for(name).boxed()
    }

    fn public<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<PublicKey, SignError>> {
        self.ask_for_public(handle).boxed()
    }

    fn check<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        self.look_at(handle).boxed()
    }

    fn sign<'a>(&'a self, handle: &'a str, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        self.sign_hash(handle, message).boxed()
    }

    fn end<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        self.schedule_deletion(handle).boxed()
    }
}
