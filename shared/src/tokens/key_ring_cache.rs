//! A cache of the signing key ring.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::key_ring::{KeyRing, SigningKey},
    store::{StoreError, Table},
    ttl_cache::{Cached, MAX_STALE, MaybeStale, TtlCache},
};

/// The minimum time between two reads that are triggered by an unknown kid. Anyone can invent kids.
const MIN_READ_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// The maximum number of attempts to find a signing key while the ring is being rotated.
const MAX_ATTEMPTS: usize = 4;

/// The key ring, cached for the refresh interval. All clones share the cache.
#[derive(Debug, Clone)]
pub struct KeyRingCache {
    table: Table,
    refresh: SignedDuration,
    cache: Arc<TtlCache<KeyRing>>,
}

impl KeyRingCache {
    /// Creates an empty cache.
    pub fn new(table: Table, refresh: SignedDuration) -> Self {
        Self { table, refresh, cache: Arc::default() }
    }

    /// Returns the maximum age of the cached ring, which is also how long clients may cache the JWKS.
    pub fn refresh_interval(&self) -> SignedDuration {
        self.refresh
    }

    /// Returns the ring. Reads it from the table if the cached one is older than the refresh interval, by the wall
    /// clock: Lambda may have frozen the instance for hours.
    ///
    /// A ring without a current key or a valid signed set is read again after a few seconds. That happens before the
    /// first keys are created, and after a condemnation.
    pub async fn read(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        match self.cache.fresh(self.refresh, now) {
            Some(cached) if is_complete(&cached.value, now) || cached.age(now) < MIN_READ_INTERVAL => Ok(cached.value),
            _ => self.reload(now).await,
        }
    }

    /// Returns the ring for publication: while the table is unavailable, a copy that is at most a day old. Do not sign
    /// with it or verify with it: a key may have been condemned since.
    pub async fn read_for_publication(&self, now: Timestamp) -> Result<MaybeStale<KeyRing>, StoreError> {
        self.cache.or_stale((self.refresh, MAX_STALE), now, self.read(now)).await
    }

    /// Returns the current signing key.
    pub async fn current(&self, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        Ok(self.read(now).await?.current().cloned())
    }

    /// Returns the key for signing a token that can be used for this time in seconds, online and offline.
    ///
    /// A key must stay published until its last token has ended. If the lifetime exceeds the maximum that the ring has
    /// recorded for the key, the ring is updated first, once per key and maximum.
    pub async fn signing_key(&self, lifetime_seconds: i64, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        let covers = |key: &SigningKey| key.longest_life_seconds >= lifetime_seconds;
        if let Some(key) = self.current(now).await?.filter(covers) {
            return Ok(Some(key));
        }
        for _ in 0..MAX_ATTEMPTS {
            match self.reload(now).await?.current() {
                None => return Ok(None),
                Some(key) if covers(key) => return Ok(Some(key.clone())),
                Some(key) => _ = self.table.extend_max_token_lifetime(key, lifetime_seconds).await?,
            }
        }
        Err(StoreError::Contended)
    }

    /// Finds a key by its kid. Reads the ring from the table if the cached one does not have the key.
    pub async fn find(&self, kid: &str, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        let key = self.read(now).await?.key(kid).cloned();
        if key.is_some() || self.cache.fresh(MIN_READ_INTERVAL, now).is_some() {
            return Ok(key);
        }
        Ok(self.reload(now).await?.key(kid).cloned())
    }

    /// Empties the cache, after this process has condemned a key: it must no longer be published.
    pub fn invalidate(&self) {
        self.cache.invalidate();
    }

    /// Requires that the ring is read again, after this process may have changed it, except that a key was condemned.
    pub fn outdate(&self) {
        self.cache.outdate();
    }

    /// Reads the ring from the table. Concurrent reads may complete out of order, so an older version of the ring,
    /// which may have a key that was condemned since, never replaces a newer one.
    async fn reload(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        let read = self.cache.start_read();
        let ring = self.table.ring().await?;
        let version = ring.version;
        let is_newer = |cached: &Cached<KeyRing>| cached.value.version > version && cached.age(now) < self.refresh;
        Ok(self.cache.store_unless(read, ring, now, is_newer))
    }
}

/// Returns whether the ring has a current key and a valid signed key set.
fn is_complete(ring: &KeyRing, now: Timestamp) -> bool {
    ring.current().is_some() && ring.valid_signed_set(now).is_some()
}
