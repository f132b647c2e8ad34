use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{fmt::rfc2822, Timestamp};

/// Seconds, of a duration or since 1970.
pub(crate) type Seconds = f64;

pub(crate) const MINUTE: Seconds = 60.0;
pub(crate) const HOUR: Seconds = 3_600.0;
pub(crate) const DAY: Seconds = 86_400.0;

/// The largest time that is supported, the end of the year 9999.
pub(crate) const MAX_UNIX_TIME: Seconds = 253_402_300_799.0;

/// Returns whole seconds, rounded down and limited to the years 1970 to 9999.
pub(crate) fn whole(seconds: Seconds) -> i64 {
    rounded(seconds.max(0.0).floor())
}

/// Returns a difference of times in whole seconds, which may be negative.
#[expect(clippy::cast_possible_truncation, reason = "the value is limited before")]
pub(crate) fn rounded(seconds: Seconds) -> i64 {
    seconds.clamp(-MAX_UNIX_TIME, MAX_UNIX_TIME).round() as i64
}

/// Converts an integer of a claim or a file. Times are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "seconds are below 2^53")]
pub(crate) fn seconds(value: i64) -> Seconds {
    value as Seconds
}

pub(crate) fn to_system_time(value: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(whole(seconds(value))).unwrap_or(0))
}

pub(crate) fn from_system_time(value: SystemTime) -> Seconds {
    value.duration_since(UNIX_EPOCH).map_or(0.0, |duration| duration.as_secs_f64())
}

/// Parses a time of RFC 3339.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Seconds> {
    text.parse::<Timestamp>().ok().map(|time| time.as_duration().as_secs_f64())
}

/// Formats a time as RFC 3339 in UTC, in whole seconds.
pub(crate) fn format_rfc3339(value: i64) -> String {
    Timestamp::from_second(value).map_or_else(|_| value.to_string(), |time| time.to_string())
}

/// Formats a time as RFC 3339 in UTC, in whole seconds.
pub(crate) fn format_system_time(value: SystemTime) -> String {
    format_rfc3339(whole(from_system_time(value)))
}

/// Parses the header `Retry-After`, in seconds or as a date. Returns a delay after `now`.
pub(crate) fn parse_retry_after(header: &str, now: Seconds) -> Option<Seconds> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        return header.parse().ok();
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some((date.as_duration().as_secs_f64() - now).max(0.0))
}
