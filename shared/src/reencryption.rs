//! Sealing anew what an older sealing key sealed, while everything goes on.
//!
//! KMS rotates a key's material by itself, and what the old material wrapped opens as before: that needs nothing. Where
//! the key itself is replaced, it goes like this:
//!
//! 1. Every function gets the new key in `SIGNET_SEALING_KEY` and the old one's ARN in `SIGNET_OLD_SEALING_KEYS`. From
//!    then on the new key seals, and both open.
//! 2. [`reencrypt`] is called until it has come to the end (`signet reencrypt` does it), and once more from the start if
//!    anything was overtaken or did not open.
//! 3. A day later, when the last kept answer to an `Idempotency-Key` that the old key sealed has ended, the old key is
//!    taken out of the configuration, and may be disabled.

use crate::{
    AppState,
    domain::{LicenseId, Timestamp},
    key_issuance::{LICENSE_KEY, TOKEN},
    store::{
        StoreError,
        licenses::{LicenseFilter, Sealed},
        pagination::{ListError, PageRequest},
    },
    tokens::SealError,
};

/// How many license keys one call looks at: seconds, not minutes, so that a scheduled function can do it in its time.
const AT_ONCE: usize = 100;

/// What one call has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReencryptionSummary {
    /// License keys that were looked at.
    pub looked_at: usize,
    /// License keys whose sealed values were sealed anew.
    pub sealed_anew: usize,
    /// License keys that were regenerated meanwhile. What they have now was sealed by whoever did that.
    pub overtaken: usize,
    /// License keys of which something opens with none of the keys. The log names them.
    pub unopened: usize,
    /// From where to go on; none at the end.
    pub next: Option<String>,
}

/// Seals anew, with the present key, what an older one sealed of some license keys: from where an earlier call ended, or
/// from the newest on. Again, it finds nothing to do; after a crash, it goes on from the last cursor or from the start.
/// It never undoes a regeneration: it writes only over what it has read.
///
/// An operator calls it by `signet reencrypt`. A scheduled function calls it with `after: None` and then, in the same or
/// a later run, with what `next` said.
pub async fn reencrypt(
    app: &AppState,
    after: Option<String>,
    now: Timestamp,
) -> Result<ReencryptionSummary, ReencryptionError> {
    let paging = PageRequest { limit: AT_ONCE, cursor: after, key: app.cursor_key() };
    let page = app.table.licenses(&LicenseFilter::default(), now, &paging).await?;
    let mut done =
        ReencryptionSummary { looked_at: page.items.len(), next: page.next, ..ReencryptionSummary::default() };
    for license in page.items {
        match rewrap_one(app, license.id).await? {
            Outcome::Unchanged => {}
            Outcome::SealedAnew => done.sealed_anew += 1,
            Outcome::Overtaken => done.overtaken += 1,
            Outcome::DoesNotOpen => {
                tracing::error!(license = %license.id, "what is sealed of it does not open");
                done.unopened += 1;
            }
        }
    }
    Ok(done)
}

/// What became of one license key.
enum Outcome {
    Unchanged,
    SealedAnew,
    Overtaken,
    DoesNotOpen,
}

async fn rewrap_one(app: &AppState, id: LicenseId) -> Result<Outcome, ReencryptionError> {
    let Some(read) = app.table.sealed(id).await? else { return Ok(Outcome::Unchanged) };
    let reseal =
        async |purpose, sealed: &[u8]| app.sealer.reseal(&app.table.sealing_context(id, purpose), sealed).await;
    let (token, license_key) = (reseal(TOKEN, &read.token).await, reseal(LICENSE_KEY, &read.license_key).await);
    let (token, license_key) = match (token, license_key) {
        (Ok(token), Ok(license_key)) => (token, license_key),
        (Err(SealError::DoesNotOpen), _) | (_, Err(SealError::DoesNotOpen)) => return Ok(Outcome::DoesNotOpen),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    if token.is_none() && license_key.is_none() {
        return Ok(Outcome::Unchanged);
    }
    let anew = Sealed {
        token: token.unwrap_or_else(|| read.token.clone()),
        license_key: license_key.unwrap_or_else(|| read.license_key.clone()),
    };
    let written = app.table.replace_sealed(id, &read, &anew).await?;
    Ok(if written { Outcome::SealedAnew } else { Outcome::Overtaken })
}

/// Why the walk stopped. What it has done stays done.
#[derive(Debug, thiserror::Error)]
pub enum ReencryptionError {
    /// By the list of license keys: the cursor is not one of it.
    #[error(transparent)]
    List(#[from] ListError),
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// By the sealer.
    #[error(transparent)]
    Seal(#[from] SealError),
}
