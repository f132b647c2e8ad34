//! A warm function's copy of the signing key ring.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{PublicKey, SignError, Signer, signer::NewKey};
use crate::{
    domain::ring::{KeyState, SigningKey},
    store::{StoreError, Table},
};

/// A kid that is not in the copy makes it be read again, but not more often than this: an attacker can make up kids.
const UNKNOWN_KID_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The signing keys, read from the table and kept for the refresh interval.
#[derive(Debug, Clone)]
pub struct KeyRing {
    table: Table,
    refresh: SignedDuration,
    copy: Arc<Mutex<Option<Copy>>>,
}

#[derive(Debug, Clone)]
struct Copy {
    read_at: Timestamp,
    keys: Arc<[SigningKey]>,
}

impl KeyRing {
    /// A ring that is not read yet.
    pub fn new(table: Table, refresh: SignedDuration) -> Self {
        Self { table, refresh, copy: Arc::default() }
    }

    /// How old a copy may be, and so how long a JWKS may be kept.
    pub fn refresh_interval(&self) -> SignedDuration {
        self.refresh
    }

    /// All keys. A copy older than the refresh interval, by the wall clock at the time of use, is read anew: an
    /// instance may have been frozen for hours.
    pub async fn keys(&self, now: Timestamp) -> Result<Arc<[SigningKey]>, StoreError> {
        match self.kept(now, self.refresh) {
            Some(copy) => Ok(copy.keys),
            None => self.reload(now).await,
        }
    }

    /// The key that signs.
    pub async fn current(&self, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        let current = |keys: &[SigningKey]| keys.iter().find(|key| key.state == KeyState::Current).cloned();
        Ok(current(&self.keys(now).await?))
    }

    /// The key of a kid. One that is not in the copy may have been made a moment ago.
    pub async fn find(&self, kid: &str, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        let find = |keys: &[SigningKey]| keys.iter().find(|key| key.kid == kid).cloned();
        let known = find(&self.keys(now).await?);
        if known.is_some() || self.kept(now, UNKNOWN_KID_PAUSE).is_some() {
            return Ok(known);
        }
        Ok(find(&self.reload(now).await?))
    }

    fn kept(&self, now: Timestamp, most: SignedDuration) -> Option<Copy> {
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let age = now.duration_since(copy.read_at);
        (age >= SignedDuration::ZERO && age < most).then_some(copy)
    }

    async fn reload(&self, now: Timestamp) -> Result<Arc<[SigningKey]>, StoreError> {
        let keys: Arc<[SigningKey]> = self.table.signing_keys().await?.into();
        let copy = Copy { read_at: now, keys: Arc::clone(&keys) };
        *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        Ok(keys)
    }
}

/// Why the first key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// By the signer.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the first signing key where there is none. Of two that begin at once, one does, and both find its key.
pub async fn begin(table: &Table, signer: &dyn Signer, now: Timestamp) -> Result<(), BeginError> {
    if !table.signing_keys().await?.is_empty() {
        return Ok(());
    }
    let NewKey { handle, public } = signer.create("signing key 1").await?;
    table.begin_ring(&first_key(handle, &public, now)).await?;
    Ok(())
}

fn first_key(handle: String, public: &PublicKey, now: Timestamp) -> SigningKey {
    use data_encoding::BASE64URL_NOPAD;
    SigningKey {
        kid: public.kid(),
        state: KeyState::Current,
        handle,
        n: BASE64URL_NOPAD.encode(&public.n),
        e: BASE64URL_NOPAD.encode(&public.e),
        created_at: now,
        published_at: Some(now),
        signs_since: Some(now),
        retires_at: None,
    }
}
