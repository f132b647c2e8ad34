//! The fields of a license key that operators and their programs use to recognize it.

use shared::domain::{FieldError, FieldErrorCode, License, Metadata, ValidationErrors, metadata::check_external_id};

/// Returns the field error of an external id that another license key has.
pub(crate) fn external_id_taken(error: &impl ToString) -> FieldError {
    FieldError::at("/external_id", FieldErrorCode::ExternalIdTaken, error.to_string())
}

/// Checks the name, the external id and the metadata of a license key.
pub fn check_labels(
    errors: &mut ValidationErrors,
    name: Option<&str>,
    external_id: Option<&str>,
    metadata: Option<&Metadata>,
) {
    errors.check_short_text("/name", name, License::MAX_NAME_BYTES);
    check_external_id(errors, external_id);
    if let Some(metadata) = metadata {
        metadata.check(errors);
    }
}
