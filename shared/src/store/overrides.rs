//! The overrides of license keys. They lie in the item of the license key, which heartbeats read, in a compact form; their
//! notes lie in an item beside it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::{error::StoreError, item::attributes};
use crate::domain::{FeatureId, Grant, License, Metadata, Override};

/// The attribute of the overrides.
pub(super) const OVERRIDES: &str = "overrides";

/// An override in the item of its license key. It has one of `enabled` and `limit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OverrideRecord {
    feature_id: FeatureId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    /// Null means unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[expect(clippy::option_option, reason = "absent for a flag; null for an unlimited limit")]
    limit: Option<Option<u64>>,
    /// Unix time in milliseconds; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// Deserializes a null as a value.
#[expect(clippy::option_option, reason = "the type of the field")]
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl OverrideRecord {
    pub(super) fn new(from: &Override) -> Self {
        let (enabled, limit) = match from.grant {
            Grant::Flag(is_on) => (Some(is_on), None),
            Grant::Limit(limit) => (None, Some(limit)),
        };
        let expires_at = from.expires_at.map(Timestamp::as_millisecond);
        Self { feature_id: from.feature_id, enabled, limit, expires_at }
    }

    /// Returns the override without its note.
    pub(super) fn into_override(self) -> Result<Override, StoreError> {
        let invalid = |problem: &str| StoreError::InvalidItem(format!("override of {}: {problem}", self.feature_id));
        let grant = match (self.enabled, self.limit) {
            (Some(is_on), None) => Grant::Flag(is_on),
            (None, Some(limit)) => Grant::Limit(limit),
            _ => return Err(invalid("not one of enabled and limit")),
        };
        let expires_at = self.expires_at.map(Timestamp::from_millisecond).transpose();
        let expires_at = expires_at.map_err(|error| invalid(&error.to_string()))?;
        Ok(Override { feature_id: self.feature_id, grant, expires_at, note: None })
    }
}

/// Returns the notes of the overrides that have one, by the id of the feature.
pub(super) fn notes_of(license: &License) -> Metadata {
    let notes = license.overrides.iter().filter_map(|one| Some((one.feature_id.to_string(), one.note.clone()?)));
    Metadata(notes.collect())
}

/// Adds the notes to the overrides.
pub(super) fn with_notes(mut license: License, notes: &Metadata) -> License {
    for one in &mut license.overrides {
        one.note = notes.0.get(&one.feature_id.to_string()).cloned();
    }
    license
}

/// Returns the attribute of the overrides; `None` without any.
pub(super) fn overrides_attribute(license: &License) -> Result<Option<AttributeValue>, StoreError> {
    #[derive(Serialize)]
    struct Record {
        overrides: Vec<OverrideRecord>,
    }
    let record = Record { overrides: license.overrides.iter().map(OverrideRecord::new).collect() };
    Ok(attributes(&record)?.remove(OVERRIDES).filter(|_| !license.overrides.is_empty()))
}
