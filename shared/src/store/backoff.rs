//! Retries of conditional writes that failed because of concurrent writes.
//!
//! Own code, because retry crates wrap one operation and retry its errors; here, the caller reads and decides again, and
//! a failed condition is no error.

use std::time::Duration;

use rand::RngExt;

use super::error::StoreError;

/// The maximum number of attempts. Each failure means that another write succeeded, so contention ends quickly.
const MAX_ATTEMPTS: u32 = 24;
/// The maximum pause, in milliseconds. The pauses of a request add up to two seconds on average, and four at most.
const MAX_PAUSE_MS: u64 = 160;

/// Counts the failed attempts of a write and pauses between them.
///
/// ```no_run
/// # use shared::store::{Backoff, StoreError};
/// # async fn read_and_write() -> Result<bool, StoreError> { Ok(true) }
/// # async fn write() -> Result<(), StoreError> {
/// let mut backoff = Backoff::default();
/// while !read_and_write().await? {
///     backoff.retry().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns whether [`Self::retry`] allows another attempt.
    pub(super) fn has_attempts(&self) -> bool {
        self.failures + 1 < MAX_ATTEMPTS
    }

    /// Pauses before the next attempt.
    ///
    /// # Errors
    ///
    /// [`StoreError::Contended`] after too many attempts.
    pub async fn retry(&mut self) -> Result<(), StoreError> {
        if !self.has_attempts() {
            return Err(StoreError::Contended);
        }
        self.failures += 1;
        let pause = pause(self.failures, &mut rand::rng());
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Returns a random pause of up to 5 ms after the first failure, doubling with each failure ("full jitter"). It may be
/// zero: concurrent writers that all wait for the same time would conflict again.
fn pause(failures: u32, random: &mut impl rand::Rng) -> Duration {
    let max = (5_u64 << (failures - 1).min(10)).min(MAX_PAUSE_MS);
    Duration::from_micros(random.random_range(0..=max * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn retry_fails_after_the_maximum_number_of_attempts() {
        let started = tokio::time::Instant::now();
        let mut backoff = Backoff::default();
        for _ in 1..MAX_ATTEMPTS {
            backoff.retry().await.unwrap();
        }
        assert!(matches!(backoff.retry().await, Err(StoreError::Contended)));
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }

    #[test]
    fn pauses_grow_and_are_random() {
        let longest = |failures| (0..200).map(|_| pause(failures, &mut rand::rng())).max().unwrap().as_millis();
        assert!(longest(1) <= 5 && (5..=20).contains(&longest(3)) && (80..=160).contains(&longest(MAX_ATTEMPTS)));
    }
}
