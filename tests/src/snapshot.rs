//! Responses as texts for snapshots. Each random part is replaced by the name of its format, so that a snapshot also
//! asserts the format: a value of another format stays and differs.

use std::fmt::Write;

use data_encoding::BASE64;
use serde_json::Value;

use crate::TestResponse;

/// The headers that a snapshot shows.
const HEADERS: [&str; 5] = ["content-type", "cache-control", "etag", "location", "retry-after"];

impl TestResponse {
    /// Returns the request, the status, some headers and the body.
    pub fn snapshot(&self) -> String {
        let mut text = format!("{}\n{}\n", self.request, self.status);
        for name in HEADERS.into_iter().filter(|name| self.headers.contains_key(*name)) {
            writeln!(text, "{name}: {}", self.header(name)).expect("a string can be written");
        }
        if !self.body.is_null() {
            let mut body = self.body.clone();
            redact_event_data(&mut body);
            redact_webhook_secret(&mut body);
            let body = serde_json::to_string_pretty(&body).expect("JSON");
            writeln!(text, "{body}").expect("a string can be written");
        }
        redacted(&text)
    }
}

/// Sorts the fields of each event's `data`, whose order is random, and replaces the number of the seat, which is too.
fn redact_event_data(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(data)) = fields.get_mut("data") {
                data.sort_keys();
                data.entry("seat")
                    .and_modify(|seat| *seat = if seat.is_u64() { "[number]".into() } else { seat.take() });
            }
            fields.values_mut().for_each(redact_event_data);
        }
        Value::Array(values) => values.iter_mut().for_each(redact_event_data),
        _ => {}
    }
}

/// Replaces the secret of a webhook endpoint: base64, whose symbols delimit words.
fn redact_webhook_secret(body: &mut Value) {
    let bytes =
        body["secret"].as_str().and_then(|secret| BASE64.decode(secret.strip_prefix("whsec_")?.as_bytes()).ok());
    if bytes.is_some_and(|bytes| bytes.len() == 32) {
        body["secret"] = "[webhook secret]".into();
    }
}

fn redacted(text: &str) -> String {
    let is_delimiter = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
    let redact = |part: &str| {
        let word = part.trim_end_matches(is_delimiter);
        redacted_word(word) + &part[word.len()..]
    };
    text.split_inclusive(is_delimiter).map(redact).collect()
}

fn redacted_word(word: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_ulid = |text: &str| text.len() == 26 && text.starts_with("01K");
    let is_base64 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let groups: Vec<&str> = word.split('-').collect();
    let parts = word.split('.').count();
    match (word.rsplit_once('_'), word.rsplit_once('-')) {
        (Some((prefix, id)), _) if is_ulid(id) => format!("{}_[ulid]", redacted_word(prefix)),
        (Some((prefix, secret)), _) if secret.len() == 64 && is_hex(secret) && prefix.starts_with("signet_key_") => {
            "[API key]".to_owned()
        }
        _ if groups.len() > 6 && groups[groups.len() - 6..].iter().all(|group| group.len() == 5) => {
            "[key string]".to_owned()
        }
        (_, Some((prefix, random))) if random.len() == 12 && is_hex(random) => format!("{prefix}-[random]"),
        // A key hint: `ATLAS-…-4EZT5`.
        (_, Some(("", group))) if group.len() == 5 => "-[group]".to_owned(),
        (_, Some((code, ""))) => redacted_word(&code.to_lowercase()).to_uppercase() + "-",
        _ if word.starts_with("act_") && word.len() > 100 => "act_[base64url]".to_owned(),
        _ if word.len() > 100 && parts == 3 && word.split('.').all(is_base64) => "[token]".to_owned(),
        _ if matches!(word.len(), 16 | 32 | 64) && is_hex(word) => format!("[{} hexadecimal digits]", word.len()),
        _ if word.len() >= 43 && is_base64(word) => "[base64url]".to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacted_replaces_random_values_and_keeps_the_others() {
        let id = "prod_01KF0V5XK6Q3R7T2N4M8P9ZBCD";
        assert_eq!(redacted(&format!("{{\"id\": \"{id}\", \"n\": 5}}")), r#"{"id": "prod_[ulid]", "n": 5}"#);
        let delivery = "whd_01KF0V5XK6Q3R7T2N4M8P9ZBCD_01KF0V5XK6Q3R7T2N4M8P9ZBCD";
        assert_eq!(redacted(delivery), "whd_[ulid]_[ulid]");
        assert_eq!(redacted("p-0123456789ab@example.com"), "p-[random]@example.com");
        assert_eq!(redacted("P-0123456789AB-…-4EZT5"), "P-[RANDOM]-…-[group]");
        assert_eq!(redacted("P-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT"), "[key string]");
        for kept in ["prod_01KF0V5XK6Q3R7T2N4M8P9ZBC", "2026-01-15T12:00:00Z", "p-0123456789aB", ""] {
            assert_eq!(redacted(kept), kept);
        }
    }
}
