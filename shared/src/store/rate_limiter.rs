//! Rate buckets: counted in the table, so that every instance of a function counts together, and remembered here once
//! they are full, so that a flood becomes no writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    keys,
    table::{StoreError, Table},
};
use crate::domain::rate_limit::Bucket;

/// So many full buckets are remembered: with more, some are counted once more than they need.
const MAX_REMEMBERED: usize = 10_000;
/// How long a bucket stays in the table when its window is over. Nothing reads it then.
const AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Something was asked for too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there were too many of these requests: ask again in {seconds} s")]
pub struct RateLimitExceeded {
    /// Until when, from now.
    pub seconds: u64,
}

/// Why a request that was counted goes no further.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// There were too many.
    #[error(transparent)]
    RateLimitExceeded(#[from] RateLimitExceeded),
    /// It could not be counted. What is to be limited does not happen uncounted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which buckets are full, as far as this process has seen. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RateLimiter(Arc<Mutex<HashMap<String, Full>>>);

/// A bucket that was full at a limit, until its window is over. Of a limit that has grown meanwhile it says nothing.
#[derive(Debug, Clone, Copy)]
struct Full {
    most: u64,
    end: i64,
}

impl RateLimiter {
    /// Goes on unless the bucket is known to be full. No I/O.
    pub fn check(&self, bucket: &Bucket, now: Timestamp) -> Result<(), RateLimitExceeded> {
        let full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.get(&bucket.key(now)).is_some_and(|full| full.most >= bucket.limit.most) {
            return Err(RateLimitExceeded { seconds: bucket.window(now).seconds_left(now) });
        }
        Ok(())
    }

    fn remember(&self, bucket: &Bucket, now: Timestamp) {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= MAX_REMEMBERED {
            full.retain(|_, full| full.end > now.as_second());
        }
        if full.len() < MAX_REMEMBERED {
            full.insert(bucket.key(now), Full { most: bucket.limit.most, end: bucket.window(now).end });
        }
    }

    /// Counts one more. Those up to the limit go on; the one that reaches it is the last that is written from here.
    pub async fn count(&self, table: &Table, bucket: &Bucket, now: Timestamp) -> Result<(), CountError> {
        self.check(bucket, now)?;
        let window = bucket.window(now);
        // An answer that was lost is asked for again and may count twice, which harms nobody.
        let counted = table.add_one(keys::rate(&bucket.key(now)), window.end.saturating_add(AFTER.as_secs())).await?;
        if counted >= bucket.limit.most {
            self.remember(bucket, now);
        }
        if counted > bucket.limit.most {
            return Err(RateLimitExceeded { seconds: window.seconds_left(now) }.into());
        }
        Ok(())
    }
}
