//! The lines of an import, and the records of the files that they were made from.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    sync::Arc,
};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use shared::domain::{Secret, Timestamp};
use zeroize::Zeroizing;

use super::tier_reference::TierReference;

/// A record of a file: a row of a CSV file, an object of a JSON file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The name of the file.
    pub(super) file: Arc<str>,
    /// The line in the file, where each record has lines of its own.
    pub(super) line: Option<u64>,
    /// The type and the id in the other system.
    pub(super) name: Option<String>,
}

impl Record {
    /// Returns the record that starts at a line.
    pub(super) fn at_line(file: &Arc<str>, line: u64) -> Self {
        Self { file: Arc::clone(file), line: Some(line), name: None }
    }

    /// Returns the record with a name.
    pub(super) fn named(file: &Arc<str>, name: String) -> Self {
        Self { file: Arc::clone(file), line: None, name: Some(name) }
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ": {name}"))
    }
}

/// A type of line, in the order in which lines are sent: each line after what it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LineType {
    /// A customer.
    Customer,
    /// A license key.
    License,
    /// A machine that uses a license key.
    Activation,
}

/// A line of an import. It can contain a license key.
#[derive(Debug, Clone)]
pub(super) struct ImportLine {
    /// Its type.
    pub(super) line_type: LineType,
    /// The JSON object, without the line break.
    pub(super) text: Secret,
    /// The record that it was made from.
    pub(super) record: Record,
}

/// The content of a line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line {
    /// A customer.
    Customer(CustomerLine),
    /// A license key.
    License(Box<LicenseLine>),
    /// A machine.
    Activation(ActivationLine),
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CustomerLine {
    pub(super) external_id: String,
    pub(super) name: String,
    pub(super) email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) company: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
}

/// A license key. A field that is left out has the value of the pricing tier.
#[derive(Debug, Serialize)]
pub(super) struct LicenseLine {
    pub(super) external_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_external_id: Option<String>,
    /// Found in the file of `--map` for most systems.
    #[serde(flatten)]
    pub(super) tier: Option<TierReference>,
    #[serde(flatten)]
    pub(super) key: LicenseKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issued_at: Option<String>,
    /// A time, or null for a license key that never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Value>,
    /// A number, or null for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_users: Option<Value>,
    /// A number, or null for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tenants: Option<Value>,
    pub(super) status: LicenseStatus,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
}

impl LicenseLine {
    /// Returns an active license key without customer and pricing tier.
    pub(super) fn new(external_id: String, key: LicenseKey) -> Self {
        Self {
            external_id,
            customer_external_id: None,
            tier: None,
            key,
            name: None,
            issued_at: None,
            expires_at: None,
            max_users: None,
            max_tenants: None,
            status: LicenseStatus::Active,
            metadata: BTreeMap::new(),
            tag: None,
        }
    }

    /// Returns whether machines can use the license key at this time, as far as the line tells.
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        let expires_at = self.expires_at.as_ref().and_then(Value::as_str).and_then(|text| text.parse().ok());
        self.status == LicenseStatus::Active && expires_at.is_none_or(|expires_at: Timestamp| now < expires_at)
    }
}

/// The key string of a license key, or its hash.
#[derive(Debug, Serialize)]
pub(super) enum LicenseKey {
    #[serde(rename = "license_key", serialize_with = "expose")]
    Text(Secret),
    #[serde(rename = "license_key_sha256")]
    Hash(String),
}

fn expose<S: Serializer>(key: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose())
}

/// The status of an imported license key. An expired one is `active`, with its time of expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LicenseStatus {
    Active,
    Suspended,
    Revoked,
}

/// A machine that uses a license key.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ActivationLine {
    pub(super) license_external_id: String,
    pub(super) machine_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) machine_name: Option<String>,
}

impl ImportLine {
    /// Returns the line with this content.
    pub(super) fn new(record: &Record, line: &Line) -> Self {
        let line_type = match line {
            Line::Customer(_) => LineType::Customer,
            Line::License(_) => LineType::License,
            Line::Activation(_) => LineType::Activation,
        };
        // Strings, numbers and maps with string keys can always be written as JSON.
        let text = Zeroizing::new(serde_json::to_string(line).unwrap_or_default());
        Self { line_type, text: Secret::new(text.to_string()), record: record.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_license_key() {
        let record = Record::named(&Arc::from("keys.json"), "licenses 1".to_owned());
        let license = LicenseLine {
            tier: Some(TierReference::Id { tier_id: "tier_1".to_owned() }),
            expires_at: Some(Value::Null),
            ..LicenseLine::new("a:1".to_owned(), LicenseKey::Text(Secret::new("SECRET-KEY".to_owned())))
        };
        let line = Line::License(Box::new(license));
        let line = ImportLine::new(&record, &line);
        let expected = r#"{"type":"license","external_id":"a:1","tier_id":"tier_1","license_key":"SECRET-KEY","expires_at":null,"status":"active"}"#;
        assert_eq!(line.text.expose(), expected);
        assert!(!format!("{line:?}").contains("SECRET-KEY"));
    }
}
