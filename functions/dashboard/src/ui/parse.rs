//! Parses submitted values: dates and amounts.

use jiff::{Timestamp, civil::Date};
use shared::domain::time::parse_time;

use super::format::currency_digits;

/// The length of a `datetime-local` value without seconds, which browsers omit if they are zero.
const LENGTH_WITHOUT_SECONDS: usize = "2027-01-15T12:00".len();

/// The name of the field with the UTC offset of the input with this name.
pub(crate) fn offset_field(name: &str) -> String {
    format!("{name}_offset")
}

/// Converts the value of a `datetime-local` input, such as `2027-01-15T12:00`, and its UTC offset, such as `Z` or
/// `+01:00`, to RFC 3339. Without an offset, the value is in UTC. Returns `None` for other text.
pub(crate) fn parse_date_time(text: &str, offset: &str) -> Option<String> {
    let seconds = if text.len() == LENGTH_WITHOUT_SECONDS { ":00" } else { "" };
    let offset = if offset.is_empty() { "Z" } else { offset };
    let has_parts = text.len() + seconds.len() == LENGTH_WITHOUT_SECONDS + ":00".len()
        && (offset == "Z" || offset.starts_with(['+', '-']));
    Some(format!("{text}{seconds}{offset}")).filter(|time| has_parts && parse_time(time).is_ok())
}

/// The first moment of a day at a UTC offset; `None` if the offset is invalid.
pub(crate) fn start_of_day(day: Date, offset: &str) -> Option<Timestamp> {
    parse_time(&parse_date_time(&format!("{day}T00:00:00"), offset)?).ok()
}

/// Parses an amount in a currency, such as `19` or `19.90`, into its minor unit.
pub(crate) fn parse_price(text: &str, currency: &str) -> Option<i64> {
    parse_minor_units(text, currency_digits(currency))
}

fn parse_minor_units(text: &str, digits: u32) -> Option<i64> {
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = usize::try_from(digits).ok()?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > digits || !is_number(whole) || !is_number(part) {
        return None;
    }
    format!("{whole}{part:0<digits$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_parsed_into_minor_units() {
        for (text, digits, amount) in
            [("19", 2, 1900), ("19.9", 2, 1990), ("0,05", 2, 5), ("1900", 0, 1900), ("1.234", 3, 1234)]
        {
            assert_eq!(parse_minor_units(text, digits), Some(amount), "{text}");
        }
        for (text, digits) in [
            ("", 2),
            ("-1", 2),
            ("1.999", 2),
            ("1.5", 0),
            ("1e3", 2),
            ("1.2.3", 2),
            (".5", 2),
            ("99999999999999999999", 2),
        ] {
            assert_eq!(parse_minor_units(text, digits), None, "{text}");
        }
    }

    #[test]
    fn date_times_are_in_utc_or_at_their_offset() {
        for (text, offset, time) in [
            ("2027-01-15T12:00", "", "2027-01-15T12:00:00Z"),
            ("2027-01-15T12:00", "Z", "2027-01-15T12:00:00Z"),
            ("2027-01-15T12:00:01", "Z", "2027-01-15T12:00:01Z"),
            ("2027-01-15T12:00", "+01:00", "2027-01-15T12:00:00+01:00"),
            ("2027-01-15T12:00", "-09:30", "2027-01-15T12:00:00-09:30"),
            ("9999-12-31T23:59", "-05:00", "9999-12-31T23:59:00-05:00"),
        ] {
            assert_eq!(parse_date_time(text, offset).as_deref(), Some(time), "{text} {offset}");
        }
        let others =
            ["soon", "2027-01-15T12:00:00Z", "2027-01-15 12:00", "2027-01-15", "2027-01-15T12:00[Europe/Berlin]"];
        for text in others {
            assert!(parse_date_time(text, "").is_none(), "{text}");
        }
        for offset in ["UTC", "+1", "+25:00", "Europe/Berlin", ".5Z", "ZZ"] {
            assert!(parse_date_time("2027-01-15T12:00:00", offset).is_none(), "{offset}");
        }
    }
}
