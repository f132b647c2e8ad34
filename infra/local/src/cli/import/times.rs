//! Times in the files of other systems.

use jiff::{ToSpan, civil::Date};
use shared::domain::time::parse_time;

/// Which end of a day a date without a time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateMeans {
    /// Midnight UTC at the start of the day.
    Start,
    /// Midnight UTC at the end of the day: a license key that expires on a day can be used on this day.
    End,
}

/// Converts a time to RFC 3339 in UTC. Accepts RFC 3339, also with a space in place of the `T` and before the offset, `UTC` as the
/// offset, and a date. Refuses times without an offset, and dates such as `01/02/2026`, of which no one knows the order.
pub(super) fn to_rfc3339(text: &str, date: DateMeans) -> Option<String> {
    let text = text.trim();
    if let Some(day) = parse_date(text) {
        let day = if date == DateMeans::End { day.checked_add(1.day()).ok()? } else { day };
        return Some(format!("{day}T00:00:00Z"));
    }
    let text = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |time| format!("{}Z", time.trim_end()));
    let (day, time) = text.split_once(['T', 't', ' '])?;
    let time = parse_time(&format!("{day}T{}", time.replace(' ', ""))).ok()?;
    Some(time.to_string())
}

/// Parses `2026-01-31`.
fn parse_date(text: &str) -> Option<Date> {
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_date { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_converted_to_utc() {
        for (text, expected) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.123Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
            ("2026-01-31 12:00:00 UTC", "2026-01-31T12:00:00Z"),
            (" 2026-01-31 12:00:00 -01:30 ", "2026-01-31T13:30:00Z"),
            ("2026-12-31", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(to_rfc3339(text, DateMeans::End).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(to_rfc3339("2026-12-31", DateMeans::Start).as_deref(), Some("2026-12-31T00:00:00Z"));
    }

    #[test]
    fn ambiguous_and_invalid_times_are_refused() {
        for text in ["", "01/02/2026", "2026-01-31 12:00:00", "2026-02-30", "31.01.2026", "1769860800", "2026-1-31"] {
            assert_eq!(to_rfc3339(text, DateMeans::Start), None, "{text}");
        }
    }
}
