//! Validation errors of input fields.

use super::text::has_invisible_chars;

/// The code of a field error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorCode {
    /// The value is not allowed.
    InvalidValue,
    /// The code is already used.
    CodeTaken,
    /// The feature key is already used.
    KeyTaken,
    /// The email address is already used by another customer.
    EmailTaken,
    /// The external id is already used by another resource of the kind.
    ExternalIdTaken,
    /// The field can't be changed.
    Immutable,
    /// The tier would include itself.
    TierCycle,
    /// The tier belongs to another product.
    TierOfOtherProduct,
    /// The feature belongs to another product.
    FeatureOfOtherProduct,
    /// The public key is not suitable for encryption.
    PublicKeyInvalid,
}

/// An error of one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer into the input (RFC 6901), such as `/max_users`.
    pub pointer: String,
    /// Machine-readable error code.
    pub code: FieldErrorCode,
    /// Human-readable description of the error.
    pub detail: String,
}

impl FieldError {
    /// Creates an error of a field.
    pub fn at(pointer: impl Into<String>, code: FieldErrorCode, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// All validation errors of a request, so that the caller can correct them at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} validation errors", .0.len())]
pub struct ValidationErrors(pub Vec<FieldError>);

impl ValidationErrors {
    /// Adds an error of a field in the request body.
    pub fn push(&mut self, pointer: &str, code: FieldErrorCode, detail: impl Into<String>) {
        self.0.push(FieldError::at(pointer, code, detail));
    }

    /// Adds an `invalid_value` error unless `is_valid` is true.
    pub fn check(&mut self, is_valid: bool, pointer: &str, detail: impl Into<String>) {
        if !is_valid {
            self.push(pointer, FieldErrorCode::InvalidValue, detail);
        }
    }

    /// Checks a name: not blank, at most `max` characters, [no invisible characters](has_invisible_chars).
    pub fn check_name(&mut self, pointer: &str, text: &str, max: usize) {
        let is_valid = !text.trim().is_empty() && text.chars().count() <= max && !has_invisible_chars(text);
        let rule = format!("must be 1 to {max} characters, not blank, without control or invisible characters");
        self.check(is_valid, pointer, rule);
    }

    /// Checks an optional short text: not blank, at most `max` bytes in UTF-8, no invisible characters.
    pub fn check_short_text(&mut self, pointer: &str, text: Option<&str>, max: usize) {
        let is_valid = |text: &str| !text.trim().is_empty() && text.len() <= max && !has_invisible_chars(text);
        let rule = format!(
            "must be 1 to {max} bytes in UTF-8, not blank, without control or invisible characters, or null for none"
        );
        self.check(text.is_none_or(is_valid), pointer, rule);
    }

    /// Checks an optional text: at most `max` characters, no invisible characters except line breaks and tabs.
    pub fn check_text(&mut self, pointer: &str, text: Option<&str>, max: usize) {
        let is_valid = text
            .is_none_or(|text| text.chars().count() <= max && !text.split(['\n', '\r', '\t']).any(has_invisible_chars));
        let rule = format!(
            "must be at most {max} characters, without control or invisible characters except line breaks and tabs"
        );
        self.check(is_valid, pointer, rule);
    }

    /// Returns these errors together with those of another check, without those inside a field that has an error itself, such
    /// as a list that is too long.
    ///
    /// # Errors
    ///
    /// All of them, if there are any.
    pub fn and(mut self, checked: Result<(), impl Into<Self>>) -> Result<(), Self> {
        let mut others = checked.err().map(Into::into).unwrap_or_default().0;
        let is_inside = |error: &FieldError, field: &FieldError| {
            error.pointer.strip_prefix(&field.pointer).is_some_and(|rest| rest.starts_with('/'))
        };
        others.retain(|error| !self.0.iter().any(|field| is_inside(error, field)));
        self.0.extend(others);
        self.into_result()
    }

    /// Returns an error if any was added.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<FieldError> for ValidationErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}
