//! A form as it was sent: what was typed, kept for as long as it is not taken.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};
use shared::http::Problem;

use crate::ui::inputs::{Input, Kind};

/// The field that names one filling of a form, so that it happens once however often it is sent.
pub(crate) const ONCE: &str = "once";
/// The field that shows that a form comes from a page of the session.
pub(crate) const TOKEN: &str = "form_token";

/// The field that says of which version of a thing a form was made.
pub(crate) const VERSION: &str = "version";

/// The fields of a form, in their order; one name may stand several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Vec<(String, String)>);

impl Sent {
    /// Reads a body of `application/x-www-form-urlencoded`. What can't be read has no fields.
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(serde_urlencoded::from_bytes(body).unwrap_or_default())
    }

    /// The first value of a field, without the space around it.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// All values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.trim())
    }

    /// Every field, as it was sent.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// By which the API knows the same form when it is sent again.
    pub(crate) fn once(&self) -> Option<&str> {
        Some(self.get(ONCE)).filter(|key| !key.is_empty())
    }

    /// What the form was made of, by its `ETag`.
    pub(crate) fn version(&self) -> Option<&str> {
        Some(self.get(VERSION)).filter(|version| !version.is_empty())
    }

    pub(crate) fn has_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.get(TOKEN).as_bytes(), token.as_bytes()).is_ok()
    }

    /// What the API is asked with: each input's value as JSON, by its name. What is no number where one belongs stays
    /// text, so that the API says what is wrong with it.
    pub(crate) fn json(&self, inputs: &[Input]) -> Value {
        let mut object = Map::new();
        for input in inputs.iter().filter(|input| !["", VERSION].contains(&input.name)) {
            if let Some(value) = self.value(input) {
                object.insert(input.name.to_owned(), value);
            }
        }
        Value::Object(object)
    }

    /// None leaves the field out.
    fn value(&self, input: &Input) -> Option<Value> {
        let text = self.get(input.name);
        let absent = || (!input.omit_empty).then_some(Value::Null);
        match &input.kind {
            Kind::Checkbox => Some(Value::Bool(!text.is_empty())),
            Kind::Checkboxes(_) => Some(self.all(input.name).map(Value::from).collect()),
            _ if text.is_empty() && !input.required => absent(),
            Kind::Number { .. } => Some(text.parse::<i64>().map_or_else(|_| text.into(), Value::from)),
            Kind::Money { digits } => Some(minor_units(text, *digits).map_or_else(|| text.into(), Value::from)),
            // A browser's field of a time has no zone: it is UTC here, as its label says.
            Kind::Time => Some(rfc3339(text).into()),
            _ => Some(text.into()),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = axum::body::Bytes::from_request(request, state).await;
        Ok(Self::read(&bytes.map_err(|error| Problem::internal(error.to_string()))?))
    }
}

/// What a browser's field of a time holds, `2027-01-15T12:00`, as RFC 3339 has it.
fn rfc3339(text: &str) -> String {
    match text.parse::<jiff::civil::DateTime>() {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// An amount as people write it, `19` or `19.90`, in the currency's smallest unit.
pub(crate) fn minor_units(text: &str, digits: u32) -> Option<i64> {
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
    fn an_amount_is_read_to_the_smallest_unit() {
        for (text, digits, amount) in
            [("19", 2, 1900), ("19.9", 2, 1990), ("0,05", 2, 5), ("1900", 0, 1900), ("1.234", 3, 1234)]
        {
            assert_eq!(minor_units(text, digits), Some(amount), "{text}");
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
            assert_eq!(minor_units(text, digits), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_a_field_is_utc() {
        assert_eq!(rfc3339("2027-01-15T12:00"), "2027-01-15T12:00:00Z");
        assert_eq!(rfc3339("soon"), "soon");
        assert_eq!(rfc3339("2027-01-15T12:00:00Z"), "2027-01-15T12:00:00Z");
    }
}
