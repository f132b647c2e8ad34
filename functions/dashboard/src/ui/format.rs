//! Formats values for people: times, durations, numbers and amounts.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use shared::domain::{Customer, Grant, Tier};

/// A date and time. Rendered in UTC, which the text says; the script converts it to the browser's time zone. The tooltip
/// shows UTC.
pub(crate) fn date_time(at: Timestamp) -> Markup {
    html! { (time_element(at, Some("datetime"), &date_time_text(at))) }
}

/// A date. Rendered in UTC, which the text says; the script converts it to the browser's time zone.
pub(crate) fn date(at: Timestamp) -> Markup {
    html! { (time_element(at, Some("date"), &date_text(at))) }
}

/// A date and time to the second, for detail pages. The script adds the time zone.
pub(crate) fn exact_date_time(at: Timestamp) -> Markup {
    time_element(at, Some("exact"), &at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string())
}

/// A date and time in UTC as plain text.
fn date_time_text(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// The value of an input of a date and time, in UTC. As in browsers, seconds that are zero are omitted.
pub(crate) fn date_time_input(at: Timestamp) -> String {
    let format = if at.as_second() % 60 == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    at.strftime(format).to_string()
}

/// A date in UTC as plain text.
pub(crate) fn date_text(at: Timestamp) -> String {
    at.strftime("%-d %b %Y UTC").to_string()
}

/// A past time relative to `now`, such as `3 hours ago`.
pub(crate) fn time_ago(at: Timestamp, now: Timestamp) -> Markup {
    time_element(at, None, &format!("{} ago", duration(now.duration_since(at))))
}

/// A future time relative to `now`, such as `in 3 hours`.
pub(crate) fn time_until(at: Timestamp, now: Timestamp) -> Markup {
    time_element(at, None, &format!("in {}", duration(at.duration_since(now))))
}

/// A `<time>` element. The script replaces its text with the local time in this format.
fn time_element(at: Timestamp, format: Option<&str>, text: &str) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(at.strftime("%Y-%m-%d %H:%M:%S UTC")) data-format=[format] {
            (text)
        }
    }
}

/// A formatted value, or the text that stands for none.
pub(crate) fn or(value: Option<Markup>, text: &str) -> Markup {
    value.unwrap_or_else(|| html! { (text) })
}

/// When a license expires, in a format, and until when it is honoured if it has expired.
pub(crate) fn expiry(
    end: Option<Timestamp>,
    grace_ends_at: Option<Timestamp>,
    format: fn(Timestamp) -> Markup,
) -> Markup {
    html! {
        (or(end.map(format), "Never"))
        @if let Some(until) = grace_ends_at { span.subtext { "In grace until " (format(until)) } }
    }
}

/// A duration in its largest unit, rounded down. Negative durations are shown as zero.
pub(crate) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A number with thousands separators.
pub(crate) fn number(number: u64) -> String {
    group_thousands(&number.to_string())
}

fn group_thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its unit, such as `1 seat` or `12 seats`.
pub(crate) fn count(count: u64, unit: &str) -> String {
    format!("{} {unit}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A limit with its unit, such as `12 seats` or `Unlimited seats`.
pub(crate) fn limit(limit: Option<u32>, unit: &str) -> String {
    limit.map_or_else(|| format!("Unlimited {unit}s"), |limit| count(limit.into(), unit))
}

/// The value of a feature, such as `1,000 rows`, `Unlimited`, `On` or `Off`.
pub(crate) fn grant(grant: Grant, unit: Option<&str>) -> String {
    match grant {
        Grant::Flag(true) => "On".to_owned(),
        Grant::Flag(false) => "Off".to_owned(),
        Grant::Limit(None) => "Unlimited".to_owned(),
        Grant::Limit(Some(limit)) => [&number(limit), unit.unwrap_or_default()].join(" ").trim_end().to_owned(),
    }
}

/// A feature with its limit, if it has one, such as `PDF export` or `Exported rows: 1,000 rows`.
pub(crate) fn granted(name: &str, value: Grant, unit: Option<&str>) -> String {
    match value {
        Grant::Flag(_) => name.to_owned(),
        Grant::Limit(_) => format!("{name}: {}", grant(value, unit)),
    }
}

/// The number of decimal digits of a currency (ISO 4217). The exceptions to two are few enough to need no crate.
pub(crate) fn currency_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The rule of an amount input: what is allowed in a currency.
pub(crate) fn amount_rule(currency: &str) -> String {
    if currency.len() != 3 {
        return "Enter an amount, such as 19.90.".to_owned();
    }
    match currency_digits(currency) {
        0 => format!("Enter an amount in {currency} without decimals, such as 1990."),
        digits => {
            let example = decimal_amount(199 * 10_i64.pow(digits - 1), currency);
            format!("Enter an amount in {currency} with at most {digits} decimals, such as {example}.")
        }
    }
}

/// The symbol of a currency in English text, if it has an unambiguous one.
fn currency_symbol(currency: &str) -> Option<&'static str> {
    Some(match currency {
        "AUD" => "A$",
        "BRL" => "R$",
        "CAD" => "CA$",
        "CNY" => "CN¥",
        "EUR" => "€",
        "GBP" => "£",
        "HKD" => "HK$",
        "ILS" => "₪",
        "INR" => "₹",
        "JPY" => "¥",
        "KRW" => "₩",
        "MXN" => "MX$",
        "NZD" => "NZ$",
        "PHP" => "₱",
        "USD" => "$",
        "VND" => "₫",
        _ => return None,
    })
}

/// The value of an amount input, such as `19.00`.
pub(crate) fn decimal_amount(minor: i64, currency: &str) -> String {
    let (whole, part) = split_amount(minor, currency);
    if part.is_empty() { whole } else { format!("{whole}.{part}") }
}

/// Whether a tier costs nothing, whatever its term.
pub(crate) fn is_free(tier: &Tier) -> bool {
    tier.monthly_price == 0 && tier.annual_price == 0
}

/// The prices of a tier, such as `€19 / month · €190 / year` or `Free`.
pub(crate) fn prices(tier: &Tier) -> String {
    let price = |amount| price(amount, &tier.currency);
    if is_free(tier) {
        return price(0);
    }
    format!("{} / month · {} / year", price(tier.monthly_price), price(tier.annual_price))
}

/// A price, such as `€2,490`, `€19.90`, `CHF 19` or `Free`.
pub(crate) fn price(minor: i64, currency: &str) -> String {
    if minor == 0 {
        return "Free".to_owned();
    }
    let (whole, part) = split_amount(minor, currency);
    let whole = group_thousands(&whole);
    let amount = if part.bytes().all(|digit| digit == b'0') { whole } else { format!("{whole}.{part}") };
    match currency_symbol(currency) {
        Some(symbol) => format!("{symbol}{amount}"),
        None => format!("{currency} {amount}"),
    }
}

/// Splits an amount in minor units into its whole and its decimal digits.
fn split_amount(minor: i64, currency: &str) -> (String, String) {
    let digits = currency_digits(currency) as usize;
    let text = format!("{:0>width$}", minor.max(0), width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    (whole.to_owned(), part.to_owned())
}

/// The name of a customer.
pub(crate) fn customer_name(customer: &Customer) -> &str {
    customer.name.as_deref().unwrap_or("Erased customer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        assert_eq!(price(1900, "EUR"), "€19");
        assert_eq!(price(249_050, "EUR"), "€2,490.50");
        assert_eq!(price(5, "EUR"), "€0.05");
        assert_eq!(price(1900, "JPY"), "¥1,900");
        assert_eq!(price(1, "KWD"), "KWD 0.001");
        assert_eq!(price(1900, "CHF"), "CHF 19");
        assert_eq!(price(0, "EUR"), "Free");
        assert_eq!(decimal_amount(190_000, "EUR"), "1900.00");
        assert_eq!(decimal_amount(1900, "JPY"), "1900");
    }

    #[test]
    fn durations_use_their_largest_unit() {
        let text = |seconds| duration(SignedDuration::from_secs(seconds));
        assert_eq!([text(-5), text(1), text(59), text(60)], ["0 seconds", "1 second", "59 seconds", "1 minute"]);
        assert_eq!([text(7200), text(86_400), text(864_000)], ["2 hours", "1 day", "10 days"]);
    }

    #[test]
    fn limits_of_features_have_their_unit() {
        assert_eq!(grant(Grant::Limit(Some(1000)), Some("rows")), "1,000 rows");
        assert_eq!(grant(Grant::Limit(Some(0)), None), "0");
        assert_eq!(grant(Grant::Limit(None), Some("rows")), "Unlimited");
        assert_eq!([grant(Grant::Flag(true), None), grant(Grant::Flag(false), None)], ["On", "Off"]);
    }

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(999), "999");
        assert_eq!([limit(Some(1), "seat"), limit(Some(1200), "seat")], ["1 seat", "1,200 seats"]);
        assert_eq!(limit(None, "seat"), "Unlimited seats");
    }
}
