//! Losing to other writers: begin again from reading, a little later.

use std::time::Duration;

use rand::RngExt;

use super::StoreError;

/// How often others may come first. Each loss is another's gain, so those who race for one thing are soon through.
const TRIES: u32 = 24;
/// The longest pause, in milliseconds. All pauses of one request come to two seconds, or four at most.
const LONGEST: u64 = 160;

/// What a write keeps count with that begins again when others came first.
///
/// ```no_run
/// # use shared::store::{StoreError, race::Race};
/// # async fn read_and_write() -> Result<bool, StoreError> { Ok(true) }
/// # async fn write() -> Result<(), StoreError> {
/// let mut race = Race::default();
/// while !read_and_write().await? {
///     race.lost().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Backoff {
    lost: u32,
}

impl Backoff {
    /// Pauses, so that those who race draw apart; after too many losses, says that there is no getting through.
    pub async fn retry(&mut self) -> Result<(), StoreError> {
        self.lost += 1;
        if self.lost >= TRIES {
            return Err(StoreError::Contended);
        }
        let pause = pause(self.lost, &mut rand::rng());
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// A random while: up to 5 ms at first, twice as long after each loss. It may be none at all, as of many who wait
/// equally long none draws ahead.
fn pause(lost: u32, random: &mut impl rand::Rng) -> Duration {
    let most = (5_u64 << (lost - 1).min(10)).min(LONGEST);
    Duration::from_micros(random.random_range(0..=most * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_race_comes_to_an_end() {
        let began = tokio::time::Instant::now();
        let mut backoff = Backoff::default();
        for _ in 1..TRIES {
            backoff.retry().await.unwrap();
        }
        assert!(matches!(backoff.retry().await, Err(StoreError::Contended)));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    #[test]
    fn pauses_grow_and_differ() {
        let longest = |lost| (0..200).map(|_| pause(lost, &mut rand::rng())).max().unwrap().as_millis();
        assert!(longest(1) <= 5 && (5..=20).contains(&longest(3)) && (80..=160).contains(&longest(TRIES)));
    }
}
