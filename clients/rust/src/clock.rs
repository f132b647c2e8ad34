use serde::{Deserialize, Serialize};

use crate::{
    ports::ClockReading,
    time::{format_rfc3339, rounded, seconds, whole, Seconds, DAY, MINUTE},
};

/// Set-backs of the wall clock up to this sum are corrections.
const MAX_SET_BACK: Seconds = DAY;

/// The content of `clock.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockFile {
    pub(crate) last_seen: i64,
    pub(crate) behind: i64,
    pub(crate) set_back: i64,
    pub(crate) reference: i64,
}

/// The time of the client. Setting the wall clock back does not stop it.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// The time `t`.
    pub(crate) now: Seconds,
    /// How far the wall clock is behind `now`. Negative if it is known to be ahead.
    behind: Seconds,
    /// Sum of all set-backs of the wall clock since `reference`.
    set_back: Seconds,
    /// The last signed time. Negative infinity if there is none.
    reference: Seconds,
    /// The wall clock at the last observation.
    wall: Seconds,
    /// The monotonic clock at the last observation.
    monotonic: Option<Seconds>,
}

impl Clock {
    /// Creates a clock that shows the wall clock.
    pub(crate) fn new(wall: Seconds) -> Self {
        Self { now: wall, behind: 0.0, set_back: 0.0, reference: Seconds::NEG_INFINITY, wall, monotonic: None }
    }

    /// Advances the time. It is at least `not_before`, the `nbf` of the accepted token.
    pub(crate) fn observe(&mut self, reading: ClockReading, not_before: Option<Seconds>) {
        self.advance(reading.monotonic);
        self.wall = reading.wall;
        let expected = self.now.max(not_before.unwrap_or(Seconds::NEG_INFINITY));
        let difference = expected - reading.wall;
        if difference >= MINUTE {
            self.observe_behind(expected, difference);
        } else if difference <= -MINUTE && self.behind < 0.0 {
            self.observe_ahead(expected, reading.wall);
        } else {
            self.now = expected.max(reading.wall);
            self.behind = 0.0;
        }
    }

    /// The wall clock is behind by `difference`: counts by how much it is more than before.
    fn observe_behind(&mut self, expected: Seconds, difference: Seconds) {
        let known = self.behind.max(0.0);
        self.now = expected;
        if difference > known + MINUTE {
            self.set_back += difference - known;
            self.behind = difference;
        } else {
            self.behind = difference.min(known);
        }
    }

    /// The wall clock is known to be ahead: corrects it, and counts by how much it was set back.
    fn observe_ahead(&mut self, expected: Seconds, wall: Seconds) {
        let corrected = wall + self.behind;
        if expected - corrected > MINUTE {
            self.set_back += expected - corrected;
        }
        self.now = expected.max(corrected);
        self.behind = self.behind.max(expected - wall);
    }

    /// Adds the time since the last observation.
    fn advance(&mut self, monotonic: Seconds) {
        self.now += (monotonic - self.monotonic.unwrap_or(monotonic)).max(0.0);
        self.monotonic = Some(monotonic);
    }

    /// Sets the time by a token that was signed at `issued_at`, which is later than the reference. The wall clock is right if
    /// it is between then, less a minute, and `plausible_until`.
    pub(crate) fn synchronize(&mut self, issued_at: Seconds, plausible_until: Seconds, wall: Seconds) {
        if (issued_at - MINUTE..=plausible_until).contains(&wall) {
            self.now = wall;
            self.behind = 0.0;
        } else {
            self.now = issued_at;
            self.behind = issued_at - wall;
        }
        self.set_back = 0.0;
        self.reference = issued_at;
    }

    /// Returns the later of the time and the wall clock, by which license files end.
    pub(crate) fn latest(&self) -> Seconds {
        self.now.max(self.wall)
    }

    pub(crate) fn is_tampered(&self) -> bool {
        self.set_back > MAX_SET_BACK
    }

    /// Returns whether a token that was signed then is newer than every other that this clock has seen.
    pub(crate) fn is_later(&self, issued_at: Seconds) -> bool {
        issued_at > self.reference
    }

    /// Returns whether a token that was signed then is too old to be a response to a new request.
    pub(crate) fn is_replay(&self, issued_at: Seconds) -> bool {
        issued_at < self.reference - 300.0
    }

    /// Takes over what another process, or this one before a restart, has stored.
    ///
    /// A newer reference replaces the clock. With the same reference, the later time and the larger set-back count.
    pub(crate) fn merge(&mut self, stored: &ClockFile, monotonic: Seconds) {
        self.advance(monotonic);
        let reference = seconds(stored.reference);
        if reference > self.reference {
            self.now = seconds(stored.last_seen);
            self.behind = seconds(stored.behind);
            self.set_back = seconds(stored.set_back);
            self.reference = reference;
        } else if reference >= self.reference {
            self.now = self.now.max(seconds(stored.last_seen));
            if seconds(stored.set_back) > self.set_back {
                self.set_back = seconds(stored.set_back);
                self.behind = seconds(stored.behind);
            }
        }
    }

    /// Returns what is stored. `end` is the `offline_until` of the token: a clock that is far ahead must not lock out
    /// later tokens.
    pub(crate) fn to_file(&self, end: Option<i64>) -> ClockFile {
        let now = whole(self.now);
        ClockFile {
            last_seen: end.map_or(now, |end| now.min(end + 1)),
            behind: rounded(self.behind),
            set_back: rounded(self.set_back),
            reference: whole(self.reference),
        }
    }

    pub(crate) fn describe(&self) -> String {
        let ClockFile { last_seen, behind, set_back, reference } = self.to_file(None);
        let reference = if reference == 0 { "none".to_owned() } else { format_rfc3339(reference) };
        format!("{}, behind {behind} s, set back {set_back} s, reference {reference}", format_rfc3339(last_seen))
    }
}
