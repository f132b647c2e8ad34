//! The lines of imports and exports.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use shared::{
    domain::{Metadata, Secret, TierId, secret::sha256},
    http::{
        Code, Problem,
        extractors::{check_syntax, nullable, nullable_time, optional_time, parse_json},
    },
    store::imports::LineHash,
};
use utoipa::ToSchema;

/// The type of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ImportLineType)]
pub enum LineType {
    /// A customer.
    Customer,
    /// A license key.
    License,
    /// A machine that holds a seat of a license key.
    Activation,
}

/// A customer of another system.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = ImportCustomer)]
pub struct CustomerLine {
    /// `customer`.
    pub r#type: LineType,
    /// The id in the other system, 1 to 255 printable ASCII characters; unique among customers.
    #[schema(example = "crm-4711", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub external_id: String,
    /// Name of the person or organization.
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 200)]
    pub name: String,
    /// Email address; unique among customers, ignoring case.
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    /// Company of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Analytical Engines", min_length = 1, max_length = 200)]
    pub company: Option<String>,
    /// Values that your programs store with the customer.
    #[serde(skip_serializing_if = "is_empty")]
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Metadata>,
    /// What an export shows of the customer and an import ignores.
    #[serde(skip_serializing)]
    pub exported: Option<Map<String, Value>>,
}

/// The state of a license key after its import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ImportStatus)]
pub enum ImportedStatus {
    /// Can be used until it expires.
    #[default]
    Active,
    /// Can't be used until it is reinstated.
    Suspended,
    /// Permanently disabled.
    Revoked,
}

/// A license key of another system.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = ImportLicense)]
pub struct LicenseLine {
    /// `license`.
    pub r#type: LineType,
    /// The id in the other system, 1 to 255 printable ASCII characters; unique among license keys.
    #[schema(example = "order-4711", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub external_id: String,
    /// The external id of the customer who owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "crm-4711")]
    pub customer_external_id: Option<String>,
    /// The pricing tier. Either this or `product_code` and `tier_code` are required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_id: Option<TierId>,
    /// The code of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "atlas")]
    pub product_code: Option<String>,
    /// The code of the pricing tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pro")]
    pub tier_code: Option<String>,
    /// The key string that the customer has, of any format: 8 to 255 printable ASCII characters. Without it and
    /// `license_key_sha256`, a key string is generated.
    #[serde(serialize_with = "serialize_hash", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "OLD-1234-5678", min_length = 8, max_length = 255)]
    pub license_key: Option<Secret>,
    /// The SHA-256 hash of the key string in hexadecimal, in place of the key string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    pub license_key_sha256: Option<String>,
    /// Display name, of at most 200 bytes in UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Berlin office", min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// When it was issued. If omitted, now.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2024-01-15T12:00:00Z")]
    pub issued_at: Option<Timestamp>,
    /// When it expires, which can be in the past; null means never. If omitted, one billing period of the tier after
    /// `issued_at`.
    #[serde(default, deserialize_with = "nullable_time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Option<Timestamp>>,
    /// Number of seats; null means no limit. If omitted, the limit of the tier applies.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, example = 5)]
    pub max_users: Option<Option<u32>>,
    /// Number of tenants; null means no limit. If omitted, the limit of the tier applies.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub max_tenants: Option<Option<u32>>,
    /// A tag by which several license keys can be revoked at once, 1 to 255 printable ASCII characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "reseller-2026-01", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub tag: Option<String>,
    /// The state.
    #[serde(default)]
    #[schema(default = "active")]
    pub status: ImportedStatus,
    /// Values that your programs store with the license key.
    #[serde(skip_serializing_if = "is_empty")]
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Metadata>,
    /// What an export shows of the license key and an import ignores.
    #[serde(skip_serializing)]
    pub exported: Option<Map<String, Value>>,
}

/// A machine that was activated in another system.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = ImportActivation)]
pub struct ActivationLine {
    /// `activation`.
    pub r#type: LineType,
    /// The external id of the license key.
    #[schema(example = "order-4711")]
    pub license_external_id: String,
    /// The app's identifier of the machine: 1 to 256 bytes, no control characters.
    #[schema(example = "machine-1", min_length = 1, max_length = 256)]
    pub machine_id: String,
    /// Display name of the machine: 1 to 100 bytes, no control or invisible characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "build-07", min_length = 1, max_length = 100)]
    pub machine_name: Option<String>,
    /// What an export shows of the activation and an import ignores.
    #[serde(skip_serializing)]
    pub exported: Option<Map<String, Value>>,
}

/// A line of an import.
#[derive(Debug)]
pub(crate) enum Line {
    Customer(CustomerLine),
    License(Box<LicenseLine>),
    Activation(ActivationLine),
}

/// An error of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineError {
    /// JSON pointer into the line; empty for the line as a whole.
    pub(crate) pointer: String,
    pub(crate) code: Code,
    pub(crate) detail: String,
}

impl LineError {
    pub(crate) fn new(pointer: &str, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), code, detail: detail.into() }
    }
}

impl Line {
    /// Parses and checks a line, without reading anything.
    pub(crate) fn parse(text: &[u8], now: Timestamp) -> Result<Self, Vec<LineError>> {
        let line = Self::deserialize(text).map_err(errors)?;
        let checked = match &line {
            Self::Customer(line) => line.check(),
            Self::License(line) => line.check(now),
            Self::Activation(line) => line.check(),
        };
        checked.map_err(|invalid| errors(invalid.into())).map(|()| line)
    }

    fn deserialize(text: &[u8]) -> Result<Self, Problem> {
        Ok(match line_type(text)? {
            LineType::Customer => Self::Customer(parse_json(text)?),
            LineType::License => Self::License(parse_json(text)?),
            LineType::Activation => Self::Activation(parse_json(text)?),
        })
    }

    pub(crate) fn line_type(&self) -> LineType {
        match self {
            Self::Customer(line) => line.r#type,
            Self::License(line) => line.r#type,
            Self::Activation(line) => line.r#type,
        }
    }
}

/// Reads the type of a line, before its other fields are known.
fn line_type(text: &[u8]) -> Result<LineType, Problem> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: LineType,
    }
    check_syntax(text)?;
    if !text.starts_with(b"{") {
        return Err(shared::http::InputError::at("", Code::InvalidValue, "expected an object").into());
    }
    let typed = serde_json::from_slice(text).map(|Typed { r#type }| r#type);
    let detail = "must be `customer`, `license` or `activation`, once";
    typed.map_err(|_| shared::http::InputError::at("/type", Code::InvalidValue, detail).into())
}

/// Returns the errors that a problem lists, or else the problem itself as the error of the whole line.
fn errors(problem: Problem) -> Vec<LineError> {
    if problem.errors.is_empty() {
        return vec![LineError::new("", problem.code, problem.detail)];
    }
    let error = |error: shared::http::InputError| LineError {
        pointer: error.pointer.unwrap_or_default(),
        code: error.code,
        detail: error.detail,
    };
    problem.errors.into_iter().map(error).collect()
}

/// Returns the hash of a line in canonical form: its fields in a fixed order, without those that are absent, and with the
/// hash of the key string in place of it.
pub(crate) fn line_hash(line: &impl Serialize) -> Result<LineHash, serde_json::Error> {
    Ok(LineHash(sha256(&serde_json::to_vec(line)?)))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn serialize_hash<S: Serializer>(key: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    let hash = key.as_ref().map(|key| HEXLOWER.encode(&sha256(key.expose().trim().as_bytes())));
    hash.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "the signature that serde requires")]
fn is_empty(metadata: &Option<Metadata>) -> bool {
    metadata.as_ref().is_none_or(Metadata::is_empty)
}
