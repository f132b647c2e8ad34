//! Re-encryption: seals stored values with the current sealing key, without downtime.
//!
//! Automatic rotation of KMS key material needs no re-encryption. To replace the sealing key itself:
//!
//! 1. Configure the new key as `SIGNET_SEALING_KEY` and the ARN of the old key in `SIGNET_OLD_SEALING_KEYS` for all
//!    functions. From then on, new values are sealed with the new key, and values that either key sealed can be opened.
//! 2. Call [`reencrypt`] until it reaches the end, and [`reencrypt_webhook_secrets`] once, as `signet reencrypt` does. Repeat
//!    them if anything was skipped or failed.
//! 3. After 24 hours, when the last stored response of an `Idempotency-Key` that was sealed with the old key has
//!    expired, remove the old key from the configuration. Then it can be disabled.

use super::{
    SealError, Sealer,
    key_strings::{LICENSE_KEY, TOKEN},
};
use crate::{
    domain::{LicenseId, Timestamp},
    store::{
        StoreError, Table,
        licenses::{LicenseFilter, SealedValues},
        pagination::{CursorKey, ListError, PageRequest},
        webhooks::SealedWebhookSecrets,
    },
};

/// The number of license keys per call. A call takes seconds, so that a scheduled function can make it within its
/// timeout.
const BATCH_SIZE: usize = 100;

/// The result of one call of [`reencrypt`] or [`reencrypt_webhook_secrets`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReencryptionSummary {
    /// The number of license keys that were examined.
    pub examined: usize,
    /// The number of license keys whose sealed values were re-encrypted.
    pub reencrypted: usize,
    /// The number of license keys that were regenerated concurrently, which sealed new values.
    pub skipped: usize,
    /// The number of license keys with a value that no configured key opens. They are logged.
    pub failed: usize,
    /// The cursor of the next call; `None` at the end.
    pub next: Option<String>,
}

/// Re-encrypts a batch of license keys with the current sealing key, starting at the cursor `after` of an earlier call (which `key` verifies),
/// or at the newest license key.
///
/// Idempotent: after a crash, continue at the last cursor or start again. It never undoes a regeneration, because it
/// only replaces the values that it has read.
///
/// Operators run it with `signet reencrypt`. A scheduled function can call it with `after: None` and then, in the same
/// or a later run, with `next` of the previous call.
pub async fn reencrypt(
    table: &Table,
    sealer: &dyn Sealer,
    (after, key): (Option<String>, CursorKey),
    now: Timestamp,
) -> Result<ReencryptionSummary, ReencryptionError> {
    let paging = PageRequest { limit: BATCH_SIZE, cursor: after, key };
    let page = table.licenses(&LicenseFilter::default(), now, &paging).await?;
    let mut summary =
        ReencryptionSummary { examined: page.items.len(), next: page.next, ..ReencryptionSummary::default() };
    for license in page.items {
        match reencrypt_license(table, sealer, license.id).await? {
            LicenseOutcome::Unchanged => {}
            LicenseOutcome::Reencrypted => summary.reencrypted += 1,
            LicenseOutcome::Skipped => summary.skipped += 1,
            LicenseOutcome::Failed => {
                tracing::error!(license = %license.id, "no configured key opens the sealed values of the license key");
                summary.failed += 1;
            }
        }
    }
    Ok(summary)
}

/// Re-encrypts the secrets of all webhook endpoints with the current sealing key. Idempotent, like [`reencrypt`].
pub async fn reencrypt_webhook_secrets(
    table: &Table,
    sealer: &dyn Sealer,
) -> Result<ReencryptionSummary, ReencryptionError> {
    let mut summary = ReencryptionSummary::default();
    for read in table.webhook_endpoints().await? {
        summary.examined += 1;
        let context = table.webhook_secret_context(read.endpoint.id);
        let current = sealer.reseal(&context, &read.sealed.current).await;
        let previous = match &read.sealed.previous {
            Some(previous) => sealer.reseal(&context, previous).await,
            None => Ok(None),
        };
        let (current, previous) = match (current, previous) {
            (Ok(None), Ok(None)) => continue,
            (Ok(current), Ok(previous)) => (current, previous),
            (Err(SealError::CannotOpen), _) | (_, Err(SealError::CannotOpen)) => {
                tracing::error!(endpoint = %read.endpoint.id, "no configured key opens the secrets of the webhook endpoint");
                summary.failed += 1;
                continue;
            }
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        let sealed = SealedWebhookSecrets {
            current: current.unwrap_or_else(|| read.sealed.current.clone()),
            previous: previous.or_else(|| read.sealed.previous.clone()),
        };
        if table.replace_sealed_webhook_secrets(&read, &sealed).await? {
            summary.reencrypted += 1;
        } else {
            summary.skipped += 1;
        }
    }
    Ok(summary)
}

/// The outcome of one license key.
enum LicenseOutcome {
    Unchanged,
    Reencrypted,
    Skipped,
    Failed,
}

async fn reencrypt_license(
    table: &Table,
    sealer: &dyn Sealer,
    id: LicenseId,
) -> Result<LicenseOutcome, ReencryptionError> {
    let Some(read) = table.sealed(id).await? else { return Ok(LicenseOutcome::Unchanged) };
    let reseal = async |purpose, sealed: &[u8]| sealer.reseal(&table.sealing_context(id, purpose), sealed).await;
    let token = match &read.token {
        Some(token) => reseal(TOKEN, token).await,
        None => Ok(None),
    };
    let license_key = reseal(LICENSE_KEY, &read.license_key).await;
    let (token, license_key) = match (token, license_key) {
        (Ok(token), Ok(license_key)) => (token, license_key),
        (Err(SealError::CannotOpen), _) | (_, Err(SealError::CannotOpen)) => return Ok(LicenseOutcome::Failed),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    if token.is_none() && license_key.is_none() {
        return Ok(LicenseOutcome::Unchanged);
    }
    let reencrypted = SealedValues {
        token: token.or_else(|| read.token.clone()),
        license_key: license_key.unwrap_or_else(|| read.license_key.clone()),
    };
    let written = table.replace_sealed(id, &read, &reencrypted).await?;
    Ok(if written { LicenseOutcome::Reencrypted } else { LicenseOutcome::Skipped })
}

/// An error that stops the re-encryption. License keys that were re-encrypted before remain re-encrypted.
#[derive(Debug, thiserror::Error)]
pub enum ReencryptionError {
    /// Listing the license keys failed, for example because the cursor is invalid.
    #[error(transparent)]
    List(#[from] ListError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealer failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}
