//! Parses submitted values: dates and amounts.

use jiff::civil::DateTime;

/// Parses the value of a `datetime-local` input, such as `2027-01-15T12:00`.
pub(crate) fn parse_date_time(text: &str) -> Option<DateTime> {
    text.parse().ok()
}

/// Converts the value of a `datetime-local` input to RFC 3339 in UTC. Other text is returned unchanged.
pub(crate) fn to_rfc3339(text: &str) -> String {
    match parse_date_time(text) {
        Some(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => text.to_owned(),
    }
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
        assert_eq!(to_rfc3339("soon"), "soon");
        assert_eq!(to_rfc3339("2027-01-15T12:00:00Z"), "2027-01-15T12:00:00Z");
    }
}
