//! Submitted form data and its conversion to JSON for the API.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};
use shared::http::Problem;

use crate::ui::inputs::{Input, InputKind};

/// The hidden field with the idempotency key, which is new for each rendering of a form.
pub(crate) const IDEMPOTENCY_KEY_FIELD: &str = "idempotency_key";
/// The hidden field with the session's CSRF token.
pub(crate) const CSRF_TOKEN_FIELD: &str = "csrf_token";
/// The hidden field with the `ETag` of the resource that the form edits.
pub(crate) const VERSION_FIELD: &str = "version";

/// The fields of a submitted form, in their order. A name may occur several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormData(Vec<(String, String)>);

impl FormData {
    /// Parses a body of `application/x-www-form-urlencoded`. An invalid body has no fields.
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self(serde_urlencoded::from_bytes(body).unwrap_or_default())
    }

    /// The first value of a field, trimmed; empty if the field is absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// All values of a field, trimmed.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.trim())
    }

    /// Every field, unchanged.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        Some(self.get(IDEMPOTENCY_KEY_FIELD)).filter(|key| !key.is_empty())
    }

    /// The `ETag` of the resource when the form was rendered.
    pub(crate) fn version(&self) -> Option<&str> {
        Some(self.get(VERSION_FIELD)).filter(|version| !version.is_empty())
    }

    pub(crate) fn has_csrf_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.get(CSRF_TOKEN_FIELD).as_bytes(), token.as_bytes()).is_ok()
    }

    /// The request body for the API: the value of each input, by name. Text that can't be converted to the input's type
    /// is passed on as a string, so that the API reports the validation error.
    pub(crate) fn to_json(&self, inputs: &[Input]) -> Value {
        let mut object = Map::new();
        for input in inputs.iter().filter(|input| !["", VERSION_FIELD].contains(&input.name)) {
            if let Some(value) = self.json_value(input) {
                object.insert(input.name.to_owned(), value);
            }
        }
        Value::Object(object)
    }

    /// The JSON value of an input; none omits the field.
    fn json_value(&self, input: &Input) -> Option<Value> {
        let text = self.get(input.name);
        let absent = || (!input.omit_empty).then_some(Value::Null);
        match &input.kind {
            InputKind::Checkbox => Some(Value::Bool(!text.is_empty())),
            InputKind::Checkboxes(_) => Some(self.all(input.name).map(Value::from).collect()),
            _ if text.is_empty() && !input.required => absent(),
            InputKind::Number { .. } => Some(text.parse::<i64>().map_or_else(|_| text.into(), Value::from)),
            InputKind::Money { digits } => {
                Some(parse_minor_units(text, *digits).map_or_else(|| text.into(), Value::from))
            }
            // `datetime-local` has no time zone. The labels of these inputs say UTC.
            InputKind::DateTime => Some(to_rfc3339(text).into()),
            _ => Some(text.into()),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for FormData {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = axum::body::Bytes::from_request(request, state).await;
        Ok(Self::parse(&bytes.map_err(|error| Problem::internal(error.to_string()))?))
    }
}

/// Converts the value of a `datetime-local` input, such as `2027-01-15T12:00`, to RFC 3339 in UTC. Other text is
/// returned unchanged.
fn to_rfc3339(text: &str) -> String {
    match parse_date_time(text) {
        Some(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => text.to_owned(),
    }
}

/// Parses the value of a `datetime-local` input.
pub(crate) fn parse_date_time(text: &str) -> Option<jiff::civil::DateTime> {
    text.parse().ok()
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
