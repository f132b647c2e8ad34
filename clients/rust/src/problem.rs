use serde_json::Value;

use crate::{
    ports::Response,
    secrets::Secrets,
    time::{parse_rfc3339, whole, Seconds},
};

/// The largest length of a text of a response in an error message, in characters.
pub(crate) const MAX_TEXT: usize = 300;
/// The largest number of `errors` in an error message.
const MAX_ERRORS: usize = 3;

/// A problem document (RFC 9457) with a 4xx status.
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    /// The code in one line without secrets.
    pub(crate) shown_code: String,
    /// When a seat may become free.
    pub(crate) retry_at: Option<i64>,
    /// What it says to people, in one line without secrets.
    pub(crate) text: String,
}

impl Problem {
    /// Parses a response. Pages and JSON of proxies are no problem documents.
    pub(crate) fn parse(response: &Response, secrets: &Secrets) -> Option<Self> {
        let media_type = response.content_type.as_deref()?.split(';').next()?.trim();
        if !(400..500).contains(&response.status) || !media_type.eq_ignore_ascii_case("application/problem+json") {
            return None;
        }
        let body: Value = serde_json::from_slice(&response.body).ok()?;
        let code = body.get("code")?.as_str()?.to_owned();
        let retry_at = time_field(&body, "retry_at").filter(|_| code == "seat_limit_reached").map(whole);
        let shown_code = secrets.redact(&code, MAX_TEXT);
        let text = describe(&body, &shown_code, |text| secrets.redact(text, MAX_TEXT));
        Some(Self { status: response.status, code, shown_code, retry_at, text })
    }
}

/// Returns the `detail`, or without one the code, and for each of the first `errors` its pointer and its detail.
fn describe(body: &Value, code: &str, clean: impl Fn(&str) -> String) -> String {
    let field = |value: &Value, name| {
        value.get(name).and_then(Value::as_str).map(&clean).filter(|text: &String| !text.is_empty())
    };
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let errors = errors
        .iter()
        .filter_map(|error| Some(format!("{}: {}", field(error, "pointer")?, field(error, "detail")?)))
        .take(MAX_ERRORS);
    let detail = field(body, "detail").unwrap_or_else(|| code.to_owned());
    [detail].into_iter().chain(errors).collect::<Vec<_>>().join("; ")
}

/// Returns a field with a time of RFC 3339.
pub(crate) fn time_field(body: &Value, name: &str) -> Option<Seconds> {
    parse_rfc3339(body.get(name)?.as_str()?)
}
