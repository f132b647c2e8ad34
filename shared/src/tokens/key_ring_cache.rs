//! A warm function's copy of the signing key ring.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::key_ring::{KeyRing, SigningKey},
    store::{StoreError, Table},
};

/// What is not in the copy makes it be read again, but not more often than this: an attacker can make up kids.
const UNKNOWN_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// How often the ring may turn while a key is looked for that signs for so long.
const TRIES: usize = 4;

/// The ring, read from the table and kept for the refresh interval.
#[derive(Debug, Clone)]
pub struct KeyRingCache {
    table: Table,
    refresh: SignedDuration,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    copy: Option<Copy>,
    /// How often it was let go. What was asked for before that may be older than the change behind it.
    drops: u64,
}

#[derive(Debug, Clone)]
struct Copy {
    read_at: Timestamp,
    ring: Arc<KeyRing>,
}

impl Copy {
    fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.read_at)
    }

    /// Whether there is a key that signs, and a set of keys that holds.
    fn is_whole(&self, now: Timestamp) -> bool {
        self.ring.current().is_some() && self.ring.good_set(now).is_some()
    }
}

impl KeyRingCache {
    /// A ring that is not read yet.
    pub fn new(table: Table, refresh: SignedDuration) -> Self {
        Self { table, refresh, kept: Arc::default() }
    }

    /// How old a copy may be, and so how long a JWKS may be kept.
    pub fn refresh_interval(&self) -> SignedDuration {
        self.refresh
    }

    /// The ring. A copy older than the refresh interval, by the wall clock at the time of use, is read anew: an
    /// instance may have been frozen for hours. So is, within
    /// seconds, one without a key that signs or a set that holds: before the first keys are made, after a condemnation.
    pub async fn read(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        match self.kept(now, self.refresh) {
            Some(copy) if copy.is_whole(now) || copy.age(now) < UNKNOWN_PAUSE => Ok(copy.ring),
            _ => self.reload(now).await,
        }
    }

    /// The key that signs.
    pub async fn current(&self, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        Ok(self.read(now).await?.current().cloned())
    }

    /// The key that signs a token of this life, its grace period included. That it signs such is noted in the ring
    /// first, once for each key, as it must stay published until the last of them has ended.
    pub async fn signing(&self, life_seconds: i64, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        let covers = |key: &SigningKey| key.longest_life_seconds >= life_seconds;
        if let Some(key) = self.current(now).await?.filter(covers) {
            return Ok(Some(key));
        }
        for _ in 0..TRIES {
            match self.reload(now).await?.current() {
                None => return Ok(None),
                Some(key) if covers(key) => return Ok(Some(key.clone())),
                Some(key) => _ = self.table.extend_max_token_lifetime(key, life_seconds).await?,
            }
        }
        Err(StoreError::Contended)
    }

    /// The key of a kid. One that is not in the copy may have been made a moment ago.
    pub async fn find(&self, kid: &str, now: Timestamp) -> Result<Option<SigningKey>, StoreError> {
        let known = self.read(now).await?.key(kid).cloned();
        if known.is_some() || self.kept(now, UNKNOWN_PAUSE).is_some() {
            return Ok(known);
        }
        Ok(self.reload(now).await?.key(kid).cloned())
    }

    /// Lets the copy go: this process has changed the ring.
    pub fn forget(&self) {
        let mut kept = self.lock();
        kept.copy = None;
        kept.drops += 1;
    }

    fn kept(&self, now: Timestamp, most: SignedDuration) -> Option<Copy> {
        let copy = self.lock().copy.clone()?;
        let age = copy.age(now);
        (age >= SignedDuration::ZERO && age < most).then_some(copy)
    }

    /// Reads the ring anew. Of several that do so at once, the first to ask may be the last to get an answer: an older
    /// ring, which may have a key that was condemned since, takes no place of a newer one.
    async fn reload(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        let drops = self.lock().drops;
        let ring = Arc::new(self.table.ring().await?);
        let mut kept = self.lock();
        let is_newer = |copy: &Copy| copy.ring.version > ring.version && copy.age(now) < self.refresh;
        if let Some(newer) = kept.copy.as_ref().filter(|copy| is_newer(copy)) {
            return Ok(Arc::clone(&newer.ring));
        }
        if kept.drops == drops {
            kept.copy = Some(Copy { read_at: now, ring: Arc::clone(&ring) });
        }
        Ok(ring)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
