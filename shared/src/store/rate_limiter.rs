//! The rate limiter. Counters are stored in the table, so that all instances of a function share them. Full buckets are
//! also cached in memory, so that requests above a limit cause no writes.
//!
//! Own code, because crates such as `governor` count in the memory of one process, and a function has many.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{error::StoreError, keys, table::Table};
use crate::domain::rate_limit::{Bucket, RateLimitStatus};

/// The maximum number of cached full buckets. Further full buckets cause writes.
const MAX_CACHED: usize = 10_000;
/// How long a counter is stored after its window ended.
const RETENTION: SignedDuration = SignedDuration::from_hours(1);

/// A rate limit was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; retry after {} seconds", .0.reset_seconds)]
pub struct RateLimitExceeded(pub RateLimitStatus);

/// Why a counted request is rejected.
#[derive(Debug, thiserror::Error)]
pub enum RateLimitError {
    /// The rate limit was exceeded.
    #[error(transparent)]
    RateLimitExceeded(#[from] RateLimitExceeded),
    /// The request could not be counted, so it can't be allowed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A cache of the buckets that this process knows to be full; not a [`TtlCache`](crate::ttl_cache::TtlCache), as each
/// bucket ends at its own time. Clones share the cache.
#[derive(Debug, Clone, Default)]
pub struct RateLimiter(Arc<Mutex<HashMap<String, FullBucket>>>);

/// A bucket that is full until its window ends. It is not full if the limit has been raised since.
#[derive(Debug, Clone, Copy)]
struct FullBucket {
    max: u64,
    end: i64,
}

impl RateLimiter {
    /// Rejects the request if the bucket is known to be full. Performs no I/O.
    pub fn check(&self, bucket: &Bucket, now: Timestamp) -> Result<(), RateLimitExceeded> {
        let full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.get(&bucket.key(now)).is_some_and(|full| full.max >= bucket.limit.max) {
            return Err(RateLimitExceeded(bucket.status(bucket.limit.max, now)));
        }
        Ok(())
    }

    fn mark_full(&self, bucket: &Bucket, now: Timestamp) {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= MAX_CACHED {
            full.retain(|_, full| full.end > now.as_second());
        }
        if full.len() < MAX_CACHED {
            full.insert(bucket.key(now), FullBucket { max: bucket.limit.max, end: bucket.window(now).end });
        }
    }

    /// Counts a request, and rejects it if the limit is exceeded. Once the limit is reached, further requests are
    /// rejected without a write. Returns the state of the counter.
    pub async fn count(
        &self,
        table: &Table,
        bucket: &Bucket,
        now: Timestamp,
    ) -> Result<RateLimitStatus, RateLimitError> {
        self.check(bucket, now)?;
        let expiry = bucket.window(now).end.saturating_add(RETENTION.as_secs());
        // If a response is lost, the SDK retries and the request may be counted twice, which is acceptable.
        let counted = table.increment(keys::rate_limit_counter(&bucket.key(now)), expiry).await?;
        let status = bucket.status(counted, now);
        if counted >= bucket.limit.max {
            self.mark_full(bucket, now);
        }
        if counted > bucket.limit.max {
            return Err(RateLimitExceeded(status).into());
        }
        Ok(status)
    }
}
