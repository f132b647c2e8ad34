//! How values are shown: times, amounts, numbers, names.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// A time: local where a script runs, and in UTC without. The exact time is at hand either way.
pub(crate) fn time(at: Timestamp) -> Markup {
    stamp(at, "moment")
}

/// A day, as far as it matters.
pub(crate) fn day(at: Timestamp) -> Markup {
    stamp(at, "day")
}

/// A time with its exact form beside it, for a page about one thing.
pub(crate) fn exact_time(at: Timestamp) -> Markup {
    html! {
        (time(at))
        span.utc { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) }
    }
}

fn stamp(at: Timestamp, form: &str) -> Markup {
    let text = if form == "day" { at.strftime("%-d %b %Y") } else { at.strftime("%-d %b %Y, %H:%M UTC") };
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(at.strftime("%Y-%m-%d %H:%M:%S UTC")) data-form=(form) {
            (text)
        }
    }
}

/// How long ago something was, in words.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(at.strftime("%Y-%m-%d %H:%M:%S UTC")) {
            (span(now.duration_since(at))) " ago"
        }
    }
}

/// How long something still is, in words.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(at.strftime("%Y-%m-%d %H:%M:%S UTC")) {
            "in " (span(at.duration_since(now)))
        }
    }
}

/// A span of time, in the largest unit that says enough.
pub(crate) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A number with a space between its thousands.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// How many digits a currency has after its point (ISO 4217).
pub(crate) fn digits_of(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// An amount as it stands in a field: `19.00`.
pub(crate) fn amount(minor: i64, currency: &str) -> String {
    let digits = digits_of(currency) as usize;
    let text = format!("{:0>width$}", minor.max(0), width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// A price: `EUR 19.00`, or that it is free.
pub(crate) fn price(minor: i64, currency: &str) -> String {
    if minor == 0 { "Free".to_owned() } else { format!("{currency} {}", amount(minor, currency)) }
}

/// A limit: a number, or that there is none.
pub(crate) fn limit(limit: Option<u32>, unit: &str) -> String {
    match limit {
        Some(1) => format!("1 {unit}"),
        Some(count) => format!("{} {unit}s", number(count.into())),
        None => format!("No limit of {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        assert_eq!(price(1900, "EUR"), "EUR 19.00");
        assert_eq!(price(5, "EUR"), "EUR 0.05");
        assert_eq!(price(1900, "JPY"), "JPY 1900");
        assert_eq!(price(1, "KWD"), "KWD 0.001");
        assert_eq!(price(0, "EUR"), "Free");
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        let told = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!([told(-5), told(1), told(59), told(60)], ["0 seconds", "1 second", "59 seconds", "1 minute"]);
        assert_eq!([told(7200), told(86_400), told(864_000)], ["2 hours", "1 day", "10 days"]);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(999), "999");
    }
}
