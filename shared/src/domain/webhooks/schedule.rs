//! When a delivery is attempted again.

use jiff::SignedDuration;

/// The pauses after the failed attempts. The first attempt is made at once.
const PAUSES: [SignedDuration; 10] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(12),
    SignedDuration::from_hours(18),
    SignedDuration::from_hours(24),
];

/// The number of attempts, unless an operator requests more.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
pub const MAX_ATTEMPTS: u32 = PAUSES.len() as u32 + 1;

/// The largest part by which jitter extends a pause.
const MAX_JITTER: f64 = 0.1;

/// Returns the pause after a number of failed attempts; `None` after the last one. `jitter`, from 0 to 1, spreads deliveries
/// that failed at the same time.
pub fn pause(failed_attempts: u32, jitter: f64) -> Option<SignedDuration> {
    let index = usize::try_from(failed_attempts).ok()?.checked_sub(1)?;
    let pause = PAUSES.get(index)?;
    Some(*pause + pause.mul_f64(jitter.clamp(0.0, 1.0) * MAX_JITTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attempts_are_made_over_almost_three_days() {
        let pauses = |jitter| (1..MAX_ATTEMPTS).map(move |failed| pause(failed, jitter).unwrap());
        let first: Vec<_> = pauses(0.0).map(|pause| pause.as_secs()).take(5).collect();
        assert_eq!(first, [5, 30, 120, 600, 3600]);
        let hours = |jitter| pauses(jitter).sum::<SignedDuration>().as_hours();
        assert_eq!([hours(0.0), hours(1.0)], [64, 70]);
        assert_eq!([pause(0, 0.5), pause(MAX_ATTEMPTS, 0.5), pause(u32::MAX, 0.5)], [None; 3]);
    }

    proptest! {
        #[test]
        fn pauses_grow_and_jitter_extends_them_by_at_most_a_tenth(failed in 1..MAX_ATTEMPTS, jitter in 0.0..1.0) {
            let [shortest, jittered, longest] = [0.0, jitter, 1.0].map(|jitter| pause(failed, jitter).unwrap());
            prop_assert!(shortest <= jittered && jittered <= longest);
            prop_assert_eq!(longest, shortest + shortest / 10);
            if failed > 1 {
                prop_assert!(pause(failed - 1, 1.0).unwrap() < shortest);
            }
        }
    }
}
