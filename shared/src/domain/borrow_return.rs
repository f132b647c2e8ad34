//! The limit of early returns of borrowed seats.
//!
//! The tokens of a borrowed seat are valid until the borrow ends, also after the seat was returned. So the returns of a license
//! key are counted: in each window, at most as many as it has seats.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::seat::{Borrow, whole_second};

/// The early returns of a license key in a window of time, which starts with the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnWindow {
    /// When it starts, as Unix time.
    pub started_at: i64,
    /// How long it is: the longest time for which one of the returned seats could be borrowed.
    pub seconds: u32,
    /// The number of returns.
    pub returned: u32,
}

/// As many borrowed seats as the license key has were returned early in the present window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many borrowed seats of this license key were returned early: the seat is free when the borrow ends")]
pub struct BorrowReturnLimitError;

impl ReturnWindow {
    /// Counts the early return of a borrow at `now`.
    pub fn count(
        read: Option<Self>,
        borrow: Borrow,
        max_users: u32,
        now: Timestamp,
    ) -> Result<Self, BorrowReturnLimitError> {
        match read.filter(|window| !window.has_ended(now)) {
            None => Ok(Self { started_at: whole_second(now), seconds: borrow.max_seconds, returned: 1 }),
            Some(window) if window.returned >= max_users => Err(BorrowReturnLimitError),
            Some(window) => {
                Ok(Self { seconds: window.seconds.max(borrow.max_seconds), returned: window.returned + 1, ..window })
            }
        }
    }

    fn has_ended(self, now: Timestamp) -> bool {
        self.started_at + i64::from(self.seconds) <= whole_second(now)
    }

    /// Returns when the window ends.
    pub fn ends_at(self) -> Timestamp {
        let start = Timestamp::from_second(self.started_at).unwrap_or(Timestamp::MIN);
        start.checked_add(SignedDuration::from_secs(self.seconds.into())).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The tokens of returned seats that are valid at one moment are at most twice as many as the seats.
        #[test]
        fn returns_are_bounded(
            seats in 1..4_u32,
            steps in proptest::collection::vec((0..50_i64, 1..100_u32, 1..100_u32), 1..80),
        ) {
            let (mut now, mut window, mut ends) = (0, None, Vec::new());
            for (pause, max_seconds, length) in steps {
                now += pause;
                let at = |second| Timestamp::from_second(second).unwrap();
                let until = now + i64::from(length.min(max_seconds));
                let borrow = Borrow { until: at(until), max_seconds };
                if let Ok(next) = ReturnWindow::count(window, borrow, seats, at(now)) {
                    window = Some(next);
                    ends.push(until);
                }
                let valid = ends.iter().filter(|end| **end > now).count();
                prop_assert!(valid <= 2 * seats as usize, "{valid} tokens of {seats} seats");
            }
        }
    }
}
