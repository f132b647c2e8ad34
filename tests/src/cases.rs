//! Loops over many cases: which combinations are tested, every failure instead of only the first, and random cases that
//! can be repeated.

use std::{
    any::Any,
    env,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use futures_util::FutureExt;
use rand::{SeedableRng, rngs::StdRng};

/// One in this many combinations is tested by default.
const DEFAULT_STEP: usize = 5;

/// Returns the columns, such as invalid values, that a test combines with a row, such as the operation at this index. By
/// default it is one in five: every row occurs, and with at least five rows every column. With `SIGNET_ALL_CASES=1`, it
/// is all of them (`just test-all-cases`).
pub fn selected<T>(row: usize, columns: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let step = if all_cases() { 1 } else { DEFAULT_STEP };
    columns.into_iter().enumerate().filter(move |(index, _)| (row + index).is_multiple_of(step)).map(|(_, one)| one)
}

/// Returns whether all cases are tested, because `SIGNET_ALL_CASES` is `1`.
pub fn all_cases() -> bool {
    env::var_os("SIGNET_ALL_CASES").is_some_and(|all| all == "1")
}

/// The seed of a test's random choices. A test that fails prints it; with `SIGNET_SEED` set to it, the test makes the same
/// choices again.
#[derive(Debug)]
pub struct Seed(u64);

impl Seed {
    /// Reads `SIGNET_SEED`, or generates a seed.
    ///
    /// # Panics
    ///
    /// Panics if `SIGNET_SEED` is not a number.
    pub fn generate() -> Self {
        let given = env::var("SIGNET_SEED").ok();
        Self(given.map_or_else(rand::random, |seed| seed.parse().expect("SIGNET_SEED is a number")))
    }

    /// Returns the random generator with this number, such as that of one of several workers.
    pub fn rng(&self, number: u64) -> StdRng {
        StdRng::seed_from_u64(self.0.wrapping_add(number))
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "a failed test must print its seed")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("SIGNET_SEED={}", self.0);
        }
    }
}

/// The failed cases of a loop. Panics with all of them when it is dropped.
#[derive(Debug, Default)]
pub struct Failures {
    checked: usize,
    failed: Vec<String>,
}

impl Failures {
    /// Runs the assertions of a case. If one fails, the loop continues, and the test fails at its end.
    pub fn check<T>(&mut self, case: impl Display, assertions: impl FnOnce() -> T) {
        self.record(case, catch_unwind(AssertUnwindSafe(assertions)));
    }

    fn record<T>(&mut self, case: impl Display, outcome: thread::Result<T>) {
        self.checked += 1;
        if let Err(panic) = outcome {
            self.failed.push(format!("{case}: {}", panic_message(&*panic)));
        }
    }
}

/// Runs assertions for each case, named by its position. If some fail, the loop continues, and the test fails at its end
/// with all failures.
///
/// # Panics
///
/// Panics if an assertion failed.
pub async fn check_each<T>(cases: impl IntoIterator<Item = T>, mut check: impl AsyncFnMut(T)) {
    let mut failures = Failures::default();
    for (index, case) in cases.into_iter().enumerate() {
        let outcome = AssertUnwindSafe(check(case)).catch_unwind().await;
        failures.record(format_args!("case {index}"), outcome);
    }
}

impl Drop for Failures {
    fn drop(&mut self) {
        let Self { checked, failed } = self;
        assert!(
            thread::panicking() || failed.is_empty(),
            "{} of {checked} cases failed:\n{}",
            failed.len(),
            failed.join("\n")
        );
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_reports_every_failed_case_at_the_end() {
        let outcome = catch_unwind(|| {
            let mut failures = Failures::default();
            for number in 1..=4 {
                failures.check(number, || assert!(number % 2 == 0, "{number} is odd"));
            }
        });
        assert_eq!(panic_message(&*outcome.unwrap_err()), "2 of 4 cases failed:\n1: 1 is odd\n3: 3 is odd");
    }

    #[test]
    fn selected_includes_every_row_and_every_column() {
        let columns: Vec<_> = (0..7).map(|row| selected(row, 0..5).collect::<Vec<_>>()).collect();
        assert!(columns.iter().all(|row| !row.is_empty()), "{columns:?}");
        assert!((0..5).all(|column| columns.concat().contains(&column)), "{columns:?}");
    }
}
