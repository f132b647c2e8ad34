//! A cache of the signing key ring.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::key_ring::{KeyRing, SigningKey},
    store::{StoreError, Table},
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
    state: Arc<Mutex<CacheState>>,
}

#[derive(Debug, Default)]
struct CacheState {
    cached: Option<CachedRing>,
    /// The number of invalidations. A read that started before an invalidation may return outdated data, so its result
    /// is not cached.
    invalidations: u64,
}

#[derive(Debug, Clone)]
struct CachedRing {
    read_at: Timestamp,
    ring: Arc<KeyRing>,
}

impl CachedRing {
    fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.read_at)
    }

    /// Returns whether the ring has a current key and a valid signed key set.
    fn is_complete(&self, now: Timestamp) -> bool {
        self.ring.current().is_some() && self.ring.valid_signed_set(now).is_some()
    }
}

impl KeyRingCache {
    /// Creates an empty cache.
    pub fn new(table: Table, refresh: SignedDuration) -> Self {
        Self { table, refresh, state: Arc::default() }
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
        match self.cached(now, self.refresh) {
            Some(cached) if cached.is_complete(now) || cached.age(now) < MIN_READ_INTERVAL => Ok(cached.ring),
            _ => self.reload(now).await,
        }
    }

    /// Returns the current signing key.
    pub async fn current(&self, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        Ok(self.read(now).await?.current().cloned())
    }

    /// Returns the key for signing a token with this lifetime in seconds, grace period included.
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
        if key.is_some() || self.cached(now, MIN_READ_INTERVAL).is_some() {
            return Ok(key);
        }
        Ok(self.reload(now).await?.key(kid).cloned())
    }

    /// Empties the cache, after this process has changed the ring.
    pub fn invalidate(&self) {
        let mut state = self.lock();
        state.cached = None;
        state.invalidations += 1;
    }

    fn cached(&self, now: Timestamp, max_age: SignedDuration) -> Option<CachedRing> {
        let cached = self.lock().cached.clone()?;
        let age = cached.age(now);
        (age >= SignedDuration::ZERO && age < max_age).then_some(cached)
    }

    /// Reads the ring from the table. Concurrent reads may complete out of order, so an older version of the ring,
    /// which may have a key that was condemned since, never replaces a newer one.
    async fn reload(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        let invalidations = self.lock().invalidations;
        let ring = Arc::new(self.table.ring().await?);
        let mut state = self.lock();
        let is_newer = |cached: &CachedRing| cached.ring.version > ring.version && cached.age(now) < self.refresh;
        if let Some(newer) = state.cached.as_ref().filter(|cached| is_newer(cached)) {
            return Ok(Arc::clone(&newer.ring));
        }
        if state.invalidations == invalidations {
            state.cached = Some(CachedRing { read_at: now, ring: Arc::clone(&ring) });
        }
        Ok(ring)
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
