//! The clock.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// The source of the current time, read once per request. Tests use a manual clock.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system clock.
    #[default]
    System,
    /// A clock that only moves when it is advanced, in milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Creates a manual clock that is set to `now`.
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.as_millisecond())))
    }

    /// Advances a manual clock. Has no effect on the system clock.
    pub fn advance(&self, by: SignedDuration) {
        if let Self::Manual(millis) = self {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Returns the current time, truncated to milliseconds.
    pub fn now(&self) -> Timestamp {
        let millis = match self {
            #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
            Self::System => Timestamp::now().as_millisecond(),
            Self::Manual(millis) => millis.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }
}
