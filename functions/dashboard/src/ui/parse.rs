//! Parses submitted values: dates and amounts.

use shared::domain::time::parse_time;

/// The length of a `datetime-local` value without seconds, which browsers omit if they are zero.
const LENGTH_WITHOUT_SECONDS: usize = "2027-01-15T12:00".len();

/// Converts the value of a `datetime-local` input, such as `2027-01-15T12:00`, to RFC 3339 in UTC. Returns `None` for
/// other text.
pub(crate) fn parse_date_time(text: &str) -> Option<String> {
    let seconds = if text.len() == LENGTH_WITHOUT_SECONDS { ":00" } else { "" };
    Some(format!("{text}{seconds}Z")).filter(|time| parse_time(time).is_ok())
}

/// Converts the value of a `datetime-local` input to RFC 3339 in UTC. Other text is returned unchanged.
pub(crate) fn to_rfc3339(text: &str) -> String {
    parse_date_time(text).unwrap_or_else(|| text.to_owned())
}

/// Parses an amount, such as `19` or `19.90`, into the currency's minor unit.
pub(crate) fn parse_minor_units(text: &str, digits: u32) -> Option<i64> {
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
    fn date_times_are_converted_to_utc() {
        assert_eq!(to_rfc3339("2027-01-15T12:00"), "2027-01-15T12:00:00Z");
        assert_eq!(to_rfc3339("2027-01-15T12:00:01"), "2027-01-15T12:00:01Z");
        assert_eq!(to_rfc3339("9999-12-31T23:59"), "9999-12-31T23:59:00Z");
        let others =
            ["soon", "2027-01-15T12:00:00Z", "2027-01-15 12:00", "2027-01-15", "2027-01-15T12:00[Europe/Berlin]"];
        for text in others {
            assert_eq!(to_rfc3339(text), text);
            assert!(parse_date_time(text).is_none(), "{text}");
        }
    }
}
