//! Times in requests, and dates.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

/// The latest time that is stored: the last second of [`Timestamp`], which is in the year 9999 in every time zone.
pub const LATEST_TIME: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// Returns the date of a time in UTC.
pub fn utc_date(time: Timestamp) -> Date {
    time.to_zoned_datetime(TimeZone::UTC).date()
}

/// The text is not a date-time of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 timestamp such as 2026-01-31T12:00:00Z")]
pub struct ParseTimeError;

/// Parses a date-time of RFC 3339, section 5.6, truncated to milliseconds, the precision with which times are stored. A
/// time after [`LATEST_TIME`], such as the common `9999-12-31T23:59:59Z`, becomes [`LATEST_TIME`].
///
/// [`Timestamp`]'s own parser accepts more: a space in place of `T`, a time zone in brackets (RFC 9557), and times
/// without seconds. Leap seconds are refused, because Unix time has none.
pub fn parse_time(text: &str) -> Result<Timestamp, ParseTimeError> {
    let (local, offset) = parse_parts(text.as_bytes()).ok_or(ParseTimeError)?;
    let time = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)) - offset;
    let millis = i64::try_from(time.as_nanos().div_euclid(1_000_000)).map_err(|_| ParseTimeError)?;
    Timestamp::from_millisecond(millis.min(LATEST_TIME.as_millisecond())).map_err(|_| ParseTimeError)
}

/// Returns the local time and its offset from UTC.
fn parse_parts(text: &[u8]) -> Option<(DateTime, SignedDuration)> {
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b't', rest @ ..] = text else { return None };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2, rest @ ..] = rest else { return None };
    let (nanos, offset) = parse_fraction(rest)?;
    let year = i16::from(number(*y1, *y2)?) * 100 + i16::from(number(*y3, *y4)?);
    let (month, day) = (number(*mo1, *mo2)?, number(*d1, *d2)?);
    let (hour, minute, second) = (number(*h1, *h2)?, number(*mi1, *mi2)?, number(*s1, *s2)?);
    let local = DateTime::new(year, month, day, hour, minute, second, nanos).ok()?;
    Some((local, parse_offset(offset)?))
}

/// Parses a fraction of a second of any length, if there is one. Returns it in nanoseconds, and the rest of the text.
fn parse_fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let [b'.', digits @ ..] = text else { return Some((0, text)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(count);
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    (count > 0).then(|| (padded.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0')), rest))
}

fn parse_offset(text: &[u8]) -> Option<SignedDuration> {
    let (sign, hours, minutes) = match text {
        [b'Z' | b'z'] => return Some(SignedDuration::ZERO),
        [b'+', h1, h2, b':', m1, m2] => (1, number(*h1, *h2)?, number(*m1, *m2)?),
        [b'-', h1, h2, b':', m1, m2] => (-1, number(*h1, *h2)?, number(*m1, *m2)?),
        _ => return None,
    };
    let minutes_of_day = i64::from(hours) * 60 + i64::from(minutes);
    (hours < 24 && minutes < 60).then(|| SignedDuration::from_mins(sign * minutes_of_day))
}

/// Returns the number of two ASCII digits.
fn number(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| char::from(byte).to_digit(10).and_then(|digit| i8::try_from(digit).ok());
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<String> {
        parse_time(text).ok().map(|time| time.to_string())
    }

    #[test]
    fn date_times_of_rfc_3339_are_accepted() {
        for (text, time) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
            ("2026-01-01T00:00:00-23:59", "2026-01-01T23:59:00Z"),
            ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00Z"),
            ("2024-02-29T00:00:00.5Z", "2024-02-29T00:00:00.5Z"),
            ("2026-01-31T12:00:00.123999999999999Z", "2026-01-31T12:00:00.123Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00Z"),
            ("9999-12-31T23:59:59.999999999-23:59", "9999-12-30T22:00:00Z"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn other_formats_are_refused() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31 12:00:00Z",
            "2026-01-31_12:00:00Z",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00+02",
            "2026-01-31T12:00:00+0200",
            "2026-01-31T12:00:00+02:00:00",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+02:60",
            "2026-01-31T12:00:00\u{2212}02:00",
            "2026-01-31T12:00:00Z[Europe/Berlin]",
            "2026-01-31T12:00:00+01:00[Europe/Berlin]",
            "2026-01-31T12:00:00Z ",
            " 2026-01-31T12:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-1-31T12:00:00Z",
            "20260131T120000Z",
            "+002026-01-31T12:00:00Z",
            "-0001-01-31T12:00:00Z",
            "10000-01-01T00:00:00Z",
            "2026-W05-6T12:00:00Z",
            "1769860800",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parse_time_never_panics(text in any::<String>()) {
            let _ = parse_time(&text);
        }

        #[test]
        fn times_are_those_that_jiff_parses(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|z|[+-][01][0-9]:[0-5][0-9])",
        ) {
            let expected: Option<Timestamp> = text.parse().ok();
            if let Some(expected) = expected.filter(|time| *time <= LATEST_TIME) {
                let millis = expected.as_nanosecond().div_euclid(1_000_000);
                prop_assert_eq!(i128::from(parse_time(&text).unwrap().as_millisecond()), millis);
            }
        }
    }
}
