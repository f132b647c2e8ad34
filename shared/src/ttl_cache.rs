//! Values that are read from elsewhere and reused for a time.
//!
//! No function here reads the clock, and only [`TtlCache::get_or_read`] and [`TtlCache::or_stale`] wait for a read, which
//! the caller passes.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// The maximum age of a value that is published although its source is unavailable.
pub const MAX_STALE: SignedDuration = SignedDuration::from_hours(24);
/// How long outdated values are used without another attempt after a read has failed. An attempt takes seconds while its
/// source is unavailable.
const RETRY_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// How long a caller waits for a read if there is an outdated value. A source that hangs would delay it by several
/// attempts.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A value and when it was read.
#[derive(Debug)]
pub struct Cached<T> {
    /// The value.
    pub value: Arc<T>,
    /// When the value was read.
    pub read_at: Timestamp,
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), read_at: self.read_at }
    }
}

impl<T> Cached<T> {
    /// Creates a value that was read at `read_at`.
    pub fn new(value: T, read_at: Timestamp) -> Self {
        Self { value: Arc::new(value), read_at }
    }

    /// Returns the age by the wall clock, because Lambda may freeze a process for hours. It is negative if the clock
    /// was set back, or if a request that started later has read the value.
    pub fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.read_at)
    }

    /// Returns whether the value is younger than `max_age`. With a negative age, the real age is unknown, so the value
    /// is not fresh.
    pub fn is_fresh(&self, max_age: SignedDuration, now: Timestamp) -> bool {
        let age = self.age(now);
        age >= SignedDuration::ZERO && age < max_age
    }
}

/// A cache of one value.
///
/// A value that is too old stays in the cache until it is replaced or invalidated. [`Self::fresh`] does not return it;
/// [`Self::latest`] does, with its age, for owners that may use an outdated value while its source is unavailable.
pub struct TtlCache<T> {
    state: Mutex<State<T>>,
    /// Locked during a read that concurrent callers share.
    shared_read: tokio::sync::Mutex<()>,
    /// Locked during a read after a failed one. Concurrent callers use an outdated value in place of it.
    refresh: tokio::sync::Mutex<()>,
}

struct State<T> {
    cached: Option<Cached<T>>,
    /// Whether the value must be read again, however young it is.
    is_outdated: bool,
    /// The number of stored values, to recognize those of a shared read.
    stored: u64,
    /// The number of invalidations. A read that started before an invalidation may return outdated data, so its result
    /// is not stored.
    invalidations: u64,
    /// When a read failed and an outdated value was used instead.
    failed_at: Option<Timestamp>,
}

/// A value that may be outdated.
#[derive(Debug)]
pub struct MaybeStale<T> {
    /// The value.
    pub value: Arc<T>,
    /// Whether the value is outdated, because its source is unavailable.
    pub is_stale: bool,
}

/// The start of a read whose result is to be stored.
#[derive(Debug, Clone, Copy)]
pub struct StartedRead {
    invalidations: u64,
}

impl<T> Default for TtlCache<T> {
    fn default() -> Self {
        let state = State { cached: None, is_outdated: false, stored: 0, invalidations: 0, failed_at: None };
        Self {
            state: Mutex::new(state),
            shared_read: tokio::sync::Mutex::default(),
            refresh: tokio::sync::Mutex::default(),
        }
    }
}

impl<T> fmt::Debug for TtlCache<T> {
    /// Omits the value, which may be large or secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlCache").finish_non_exhaustive()
    }
}

impl<T> TtlCache<T> {
    /// Returns the value if it is younger than `max_age`.
    pub fn fresh(&self, max_age: SignedDuration, now: Timestamp) -> Option<Cached<T>> {
        let state = self.lock();
        state.cached.clone().filter(|cached| !state.is_outdated && cached.is_fresh(max_age, now))
    }

    /// Returns the value, however old it is.
    pub fn latest(&self) -> Option<Cached<T>> {
        self.lock().cached.clone()
    }

    /// Returns a token for [`Self::store`]. Call it before the read starts.
    pub fn start_read(&self) -> StartedRead {
        StartedRead { invalidations: self.lock().invalidations }
    }

    /// Stores a value that was read at `now`, unless the cache was invalidated since the read started. Returns the
    /// value.
    pub fn store(&self, read: StartedRead, value: T, now: Timestamp) -> Arc<T> {
        self.store_unless(read, value, now, |_| false)
    }

    /// Stores a value like [`Self::store`], unless `is_newer` returns true for the cached value. Returns the newer of
    /// the two. Concurrent reads may complete out of order.
    pub fn store_unless(
        &self,
        read: StartedRead,
        value: T,
        now: Timestamp,
        is_newer: impl FnOnce(&Cached<T>) -> bool,
    ) -> Arc<T> {
        let mut state = self.lock();
        if let Some(newer) = state.cached.as_ref().filter(|cached| is_newer(cached)) {
            return Arc::clone(&newer.value);
        }
        let read_now = Cached::new(value, now);
        if state.invalidations == read.invalidations {
            state.cached = Some(read_now.clone());
            state.is_outdated = false;
            state.stored += 1;
        }
        read_now.value
    }

    /// Removes the value, after this process has changed its source. The result of a read that has already started is
    /// not stored.
    pub fn invalidate(&self) {
        let mut state = self.lock();
        state.cached = None;
        state.invalidations += 1;
    }

    /// Requires that the value is read again, after this process may have changed its source. Unlike after
    /// [`Self::invalidate`], the outdated value is still used where its source is unavailable, so its publication must do
    /// no harm.
    pub fn outdate(&self) {
        let mut state = self.lock();
        state.is_outdated = true;
        state.invalidations += 1;
    }

    /// Returns the value if it is younger than `max_age`, otherwise the result of `read`. Concurrent callers wait for
    /// the same read. If it fails or its caller is cancelled, the next caller reads.
    ///
    /// # Errors
    ///
    /// The error of `read`.
    pub async fn get_or_read<E>(
        &self,
        max_age: SignedDuration,
        now: Timestamp,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let stored_before = self.lock().stored;
        let _shared_read = self.shared_read.lock().await;
        let shared = self.shared_result(stored_before);
        if let Some(cached) = shared.or_else(|| self.fresh(max_age, now)) {
            return Ok(cached.value);
        }
        let started = self.start_read();
        Ok(self.store(started, read.await?, now))
    }

    /// Returns the result of `read`, which may use this cache, too. If it fails or takes more than a second, returns the
    /// cached value if it is younger than `max_stale`, and does not call `read` for the next five seconds. Then one caller
    /// tries again, while the others get such a value at once.
    ///
    /// # Errors
    ///
    /// The error of `read`, if there is no such value.
    pub async fn or_stale<E: fmt::Display>(
        &self,
        (max_age, max_stale): (SignedDuration, SignedDuration),
        now: Timestamp,
        read: impl Future<Output = Result<Arc<T>, E>>,
    ) -> Result<MaybeStale<T>, E> {
        let Some(cached) = self.latest().filter(|cached| cached.is_fresh(max_stale, now)) else {
            return Ok(MaybeStale { value: read.await?, is_stale: false });
        };
        let cached = MaybeStale { value: cached.value, is_stale: self.fresh(max_age, now).is_none() };
        let failed_at = self.lock().failed_at;
        let is_paused = failed_at.is_some_and(|at| now.duration_since(at).abs() < RETRY_INTERVAL);
        let retry = self.refresh.try_lock();
        if is_paused || (failed_at.is_some() && retry.is_err()) {
            return Ok(cached);
        }
        match tokio::time::timeout(MAX_WAIT, read).await {
            Ok(Ok(value)) => {
                self.lock().failed_at = None;
                return Ok(MaybeStale { value, is_stale: false });
            }
            Ok(Err(error)) => tracing::warn!(%error, "a value cannot be refreshed; the outdated one stays in use"),
            Err(_) => tracing::warn!("refreshing a value takes too long; the outdated one stays in use"),
        }
        self.lock().failed_at = Some(now);
        Ok(cached)
    }

    /// Returns the value if it was stored while the caller waited.
    fn shared_result(&self, stored_before: u64) -> Option<Cached<T>> {
        let state = self.lock();
        state.cached.clone().filter(|_| state.stored > stored_before)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicU32, Ordering},
    };

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const TTL: SignedDuration = SignedDuration::from_secs(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A use of the cache. Times are in seconds.
    #[derive(Debug, Clone)]
    enum Use {
        StartRead,
        /// Stores the version of the source that the oldest started read has seen.
        Store(i64),
        /// Changes the source and invalidates the cache.
        Change,
        /// Changes the source and keeps the outdated value.
        Outdate,
        Fresh(i64),
    }

    fn any_use() -> impl Strategy<Value = Use> {
        prop_oneof![
            Just(Use::StartRead),
            (0..40_i64).prop_map(Use::Store),
            Just(Use::Change),
            Just(Use::Outdate),
            (0..40_i64).prop_map(Use::Fresh),
        ]
    }

    proptest! {
        #[test]
        fn fresh_values_are_young_and_never_older_than_the_last_invalidation(uses in vec(any_use(), 0..60)) {
            let cache = TtlCache::default();
            let (mut source, mut reads, mut last_stored, mut is_outdated) = (0_u32, Vec::new(), None, false);
            for used in uses {
                match used {
                    Use::StartRead => reads.insert(0, (cache.start_read(), source)),
                    Use::Store(second) => if let Some((read, seen)) = reads.pop() {
                        prop_assert_eq!(*cache.store(read, seen, at(second)), seen);
                        if seen == source {
                            (last_stored, is_outdated) = (Some(second), false);
                        }
                    },
                    Use::Change => {
                        source += 1;
                        last_stored = None;
                        cache.invalidate();
                    }
                    Use::Outdate => {
                        source += 1;
                        is_outdated = true;
                        cache.outdate();
                    }
                    Use::Fresh(second) => {
                        let is_young = last_stored.is_some_and(|stored| (stored..stored + 10).contains(&second));
                        let found = cache.fresh(TTL, at(second)).map(|cached| *cached.value);
                        prop_assert_eq!(found, (is_young && !is_outdated).then_some(source));
                    }
                }
                prop_assert_eq!(cache.latest().map(|cached| cached.read_at), last_stored.map(at));
            }
        }

        #[test]
        fn reads_that_complete_out_of_order_never_replace_a_newer_version(versions in vec(0..5_u32, 1..20)) {
            let cache = TtlCache::default();
            let started = cache.start_read();
            let mut newest = 0;
            for version in versions {
                newest = newest.max(version);
                let returned = cache.store_unless(started, version, at(0), |cached| *cached.value > version);
                prop_assert_eq!(*returned, newest);
                prop_assert_eq!(cache.latest().map(|cached| *cached.value), Some(newest));
            }
        }

        #[test]
        fn concurrent_callers_share_one_read(nows in vec(0..40_i64, 1..20)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (cache, reads) = (TtlCache::default(), AtomicU32::new(0));
            let read = async || {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(7)
            };
            let callers = nows.iter().map(|second| cache.get_or_read(TTL, at(*second), read()));
            let values = runtime.block_on(futures_util::future::join_all(callers));
            prop_assert!(values.iter().all(|value| *value.as_ref().unwrap().as_ref() == 7));
            prop_assert_eq!(reads.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn after_a_failed_read_the_next_caller_reads() {
        let cache = TtlCache::default();
        let (failing, working) = tokio::join!(
            cache.get_or_read(TTL, at(0), async { Err("unavailable") }),
            cache.get_or_read(TTL, at(0), async { Ok::<_, &str>(1) }),
        );
        assert_eq!((failing, working.map(|value| *value)), (Err("unavailable"), Ok(1)));
        assert_eq!(cache.get_or_read(TTL, at(9), async { Err("unread") }).await.map(|value| *value), Ok(1));
        assert_eq!(cache.get_or_read(TTL, at(10), async { Err("unavailable") }).await, Err("unavailable"));
        assert_eq!(cache.latest().map(|cached| *cached.value), Some(1), "a failure keeps the outdated value");
    }
}
