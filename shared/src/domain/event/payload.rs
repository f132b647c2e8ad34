//! The `data` of events, a type for each.
//!
//! Events are never deleted, and the erasure of a customer changes only addresses and names of machines in them. Data therefore
//! contain no values of customers, and of license keys no labels: only the names of the changed fields.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::{
    ActivationId, ApiKey, Grant, License, Override, Scopes,
    id::{CustomerId, FeatureId, LicenseId, TierId},
};

/// No details.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = NoEventData)]
pub struct NoData {}

/// The names of changed fields. Their values can be personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ChangedFieldsData)]
pub struct ChangedFields {
    /// The names of the changed fields.
    #[schema(example = json!(["name"]))]
    pub fields: Vec<String>,
}

impl ChangedFields {
    /// Creates the data from the names.
    pub fn new(fields: Vec<&'static str>) -> Self {
        Self { fields: fields.into_iter().map(str::to_owned).collect() }
    }
}

/// A field before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// The value before.
    #[schema(example = "Atlas")]
    pub from: Value,
    /// The value after.
    #[schema(example = "Atlas 2")]
    pub to: Value,
}

/// The changed fields with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ChangesData)]
pub struct Changes {
    /// The changed fields, by name.
    #[schema(example = json!({"name": {"from": "Atlas", "to": "Atlas 2"}}))]
    pub changes: BTreeMap<String, FieldChange>,
}

impl Changes {
    /// Compares the fields of a resource before and after a change. Fields that one of both lacks were not read, and count as
    /// unchanged, as does the time of the change.
    pub fn between<T: Serialize>(before: &T, after: &T) -> Result<Self, serde_json::Error> {
        let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
        let fields = before.as_object().into_iter().flatten().filter(|(name, _)| *name != "updated_at");
        let changed = fields.filter_map(|(name, from)| {
            let to = after.get(name).filter(|to| *to != from)?;
            Some((name.clone(), FieldChange { from: from.clone(), to: to.clone() }))
        });
        Ok(Self { changes: changed.collect() })
    }
}

/// Why an operator suspended, reinstated or revoked a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReasonData)]
pub struct Reason {
    /// The reason that the operator entered.
    #[schema(required, example = "unpaid")]
    pub reason: Option<String>,
}

/// How a customer came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CustomerOrigin {
    /// An operator or its program created the customer.
    Operator,
    /// A user registered.
    Registration,
    /// An import created the customer.
    Import,
}

/// A new customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CustomerCreatedData)]
pub struct CustomerCreated {
    /// How the customer came to be.
    pub origin: CustomerOrigin,
}

/// A new license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseIssuedData)]
pub struct LicenseIssued {
    /// The code of the pricing tier.
    #[schema(example = "pro")]
    pub tier: String,
    /// The customer; null if it belongs to none.
    #[schema(required)]
    pub customer_id: Option<CustomerId>,
    /// True if a customer claimed the pricing tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub claimed: Option<bool>,
    /// The tag of the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "reseller-7")]
    pub tag: Option<String>,
    /// True if it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub imported: Option<bool>,
    /// The state in which it was imported: `active`, `suspended` or `revoked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "active")]
    pub status: Option<String>,
}

impl LicenseIssued {
    /// Creates the data of a license key of a pricing tier that an operator issues.
    pub fn new(tier: &str, customer_id: Option<CustomerId>) -> Self {
        Self { tier: tier.to_owned(), customer_id, claimed: None, tag: None, imported: None, status: None }
    }
}

/// The customer who claimed a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseClaimedData)]
pub struct LicenseClaimed {
    /// The customer.
    pub customer_id: CustomerId,
}

/// The license key that replaced another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseSupersededData)]
pub struct LicenseSuperseded {
    /// The newer license key.
    pub superseded_by: LicenseId,
}

/// The expiry of a license key before and after a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseRenewedData)]
pub struct LicenseRenewed {
    /// The expiry before; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub from: Option<Timestamp>,
    /// The expiry after; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-02-01T00:00:00Z")]
    pub expires_at: Option<Timestamp>,
}

/// The pricing tier and the seats of a license key before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseChangedFrom)]
pub struct TierAndSeats {
    /// The pricing tier.
    pub tier_id: TierId,
    /// The number of seats; null means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
}

/// The pricing tier and the seats of a license key before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseChangedData)]
pub struct LicenseChanged {
    /// Both before the change.
    pub from: TierAndSeats,
    /// The pricing tier after the change.
    pub tier_id: TierId,
    /// The number of seats after the change; null means no limit.
    #[schema(required, example = 10)]
    pub max_users: Option<u32>,
}

impl LicenseChanged {
    /// Compares a license key before and after a change.
    pub fn between(before: &License, after: &License) -> Self {
        let from = TierAndSeats { tier_id: before.tier_id, max_users: before.max_users };
        Self { from, tier_id: after.tier_id, max_users: after.max_users }
    }
}

/// An override of a feature, without its note, which can be personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventOverride)]
pub struct OverrideData {
    /// The feature.
    pub feature_id: FeatureId,
    /// When the override ends; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Timestamp>,
    /// Whether the feature is on. Only for a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = true)]
    pub enabled: Option<bool>,
    /// The number of the feature, where null means unlimited. Only for a limit.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub limit: Option<Option<u64>>,
}

impl From<&Override> for OverrideData {
    fn from(one: &Override) -> Self {
        let (enabled, limit) = match one.grant {
            Grant::Flag(is_on) => (Some(is_on), None),
            Grant::Limit(limit) => (None, Some(limit)),
        };
        Self { feature_id: one.feature_id, expires_at: one.expires_at, enabled, limit }
    }
}

/// Deserializes a field that is present, and may be null.
#[expect(clippy::option_option, reason = "the type of the field")]
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The overrides of a license key before and after they were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseOverriddenData)]
pub struct LicenseOverridden {
    /// The overrides before.
    pub from: Vec<OverrideData>,
    /// The overrides after.
    pub overrides: Vec<OverrideData>,
}

impl LicenseOverridden {
    /// Compares a license key before and after its overrides were replaced.
    pub fn between(before: &License, after: &License) -> Self {
        let overrides = |license: &License| license.overrides.iter().map(OverrideData::from).collect();
        Self { from: overrides(before), overrides: overrides(after) }
    }
}

/// The new generation of a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseRegeneratedData)]
pub struct LicenseRegenerated {
    /// The generation of the new key string. That of the first one is 1.
    #[schema(example = 2)]
    pub generation: u32,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseAuditedData)]
pub struct LicenseAudited {
    /// Whether no inconsistency was found, or is left after a repair.
    #[schema(example = true)]
    pub ok: bool,
    /// Whether the audit could repair inconsistencies.
    #[schema(example = false)]
    pub repair: bool,
}

/// A customer's wish to renew a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseRenewalRequestedData)]
pub struct LicenseRenewalRequested {
    /// The customer.
    pub customer_id: CustomerId,
}

/// A customer's wish for another pricing tier or more seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseUpgradeRequestedData)]
pub struct LicenseUpgradeRequested {
    /// The customer.
    pub customer_id: CustomerId,
    /// The wanted pricing tier; null if the customer named none.
    #[schema(required)]
    pub tier_id: Option<TierId>,
    /// The wanted number of seats; null if the customer named none.
    #[schema(required, example = 10)]
    pub max_users: Option<u32>,
}

/// The expiry that is near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseExpiringData)]
pub struct LicenseExpiring {
    /// When the license key expires.
    #[schema(value_type = String, format = DateTime, example = "2026-02-14T12:00:00Z")]
    pub expires_at: Timestamp,
    /// The threshold in days: 30, 7 or 1.
    #[schema(example = 30)]
    pub days: u32,
}

/// The end of a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseExpiredData)]
pub struct LicenseExpired {
    /// When the license key expired.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it stopped being honoured: later by the grace after the expiry.
    #[schema(value_type = String, format = DateTime)]
    pub honoured_until: Timestamp,
}

/// A machine that found no seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseSeatLimitReachedData)]
pub struct LicenseSeatLimitReached {
    /// The app's identifier of the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// The app's identifier of the process, if processes hold the seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instance_id: Option<String>,
    /// The number of seats of the license key.
    #[schema(example = 5)]
    pub max_users: u32,
}

/// The activation of a machine or process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ActivationCreatedData)]
pub struct ActivationCreated {
    /// The activation.
    pub activation_id: ActivationId,
    /// The app's identifier of the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// The display name of the machine; null after the customer was erased.
    #[schema(required, example = "build-07")]
    pub machine_name: Option<String>,
    /// The version of the app.
    #[schema(required, example = "4.2.1")]
    pub app_version: Option<String>,
    /// The operating system.
    #[schema(required, example = "Windows 11")]
    pub os: Option<String>,
    /// The number of the seat; null if the license key has no limit.
    #[schema(required, example = 0)]
    pub seat: Option<u32>,
    /// The app's identifier of the process, if processes hold the seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instance_id: Option<String>,
    /// True if the machine was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub imported: Option<bool>,
}

/// An activation whose seat was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TakenOverActivation)]
pub struct TakenOverActivation {
    /// The activation.
    pub activation_id: ActivationId,
    /// The app's identifier of its machine.
    #[schema(example = "machine-2")]
    pub machine_id: String,
}

/// The activation of a machine or process in the seat of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ActivationTakenOverData)]
pub struct ActivationTakenOver {
    /// The new activation.
    #[serde(flatten)]
    pub activation: ActivationCreated,
    /// The activation that lost the seat.
    pub taken_from: TakenOverActivation,
}

/// A borrow of a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ActivationBorrowedData)]
pub struct ActivationBorrowed {
    /// The activation.
    pub activation_id: ActivationId,
    /// The app's identifier of the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// Until when the seat is borrowed.
    #[schema(value_type = String, format = DateTime)]
    pub borrowed_until: Timestamp,
    /// Whether a license file was issued.
    #[schema(example = false)]
    pub license_file: bool,
}

/// The end of an activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ActivationDeactivatedData)]
pub struct ActivationDeactivated {
    /// The activation.
    pub activation_id: ActivationId,
    /// The app's identifier of the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// Until when the seat was borrowed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub borrowed_until: Option<Timestamp>,
    /// True if an audit ended an activation that had lost its seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub repair: Option<bool>,
}

impl ActivationDeactivated {
    /// Creates the data of an activation whose seat is not borrowed.
    pub fn new(activation_id: ActivationId, machine_id: &str) -> Self {
        Self { activation_id, machine_id: machine_id.to_owned(), borrowed_until: None, repair: None }
    }
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiKeyData)]
pub struct ApiKeyData {
    /// The display name.
    #[schema(example = "ci")]
    pub name: String,
    /// The permissions.
    pub scopes: Scopes,
    /// When the key expires; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Timestamp>,
}

impl ApiKeyData {
    /// Creates the data of an API key.
    pub fn new(key: &ApiKey) -> Self {
        Self { name: key.name.clone(), scopes: key.scopes.clone(), expires_at: key.expires_at }
    }
}

/// A new signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SigningKeyCreatedData)]
pub struct SigningKeyCreated {
    /// The sequence number of the key, starting at 1.
    #[schema(example = 2)]
    pub serial: u32,
}

/// The signing key that signs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SigningKeyPromotedData)]
pub struct SigningKeyPromoted {
    /// The key that signed before; null for the first key.
    #[schema(required, example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
    pub replaces: Option<String>,
}

/// A webhook endpoint, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookEndpointData)]
pub struct WebhookEndpointData {
    /// The URL that receives events.
    #[schema(example = "https://example.com/webhooks")]
    pub url: String,
    /// The event types that it receives, or patterns of them.
    #[schema(example = json!(["license.*"]))]
    pub event_types: Vec<String>,
    /// Whether events are sent to it.
    #[schema(example = true)]
    pub is_active: bool,
}

/// Why a webhook endpoint was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookDisabledReason {
    /// It responded with 410 Gone.
    Gone,
    /// All deliveries have failed for days.
    Failing,
}

/// A webhook endpoint that Signet has disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookEndpointDisabledData)]
pub struct WebhookEndpointDisabled {
    /// Why it was disabled.
    pub reason: WebhookDisabledReason,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Resource {
        name: &'static str,
        count: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<BTreeMap<&'static str, &'static str>>,
        updated_at: u32,
    }

    #[test]
    fn changes_have_the_values_before_and_after_of_the_fields_that_differ() {
        let metadata = |value| Some(BTreeMap::from([("key", value)]));
        let before = Resource { name: "a", count: None, metadata: metadata("x"), updated_at: 1 };
        let after = Resource { name: "a", count: Some(2), metadata: metadata("y"), updated_at: 2 };
        let changes = Changes::between(&before, &after).unwrap();
        let expected = json!({"changes": {
            "count": {"from": null, "to": 2}, "metadata": {"from": {"key": "x"}, "to": {"key": "y"}},
        }});
        assert_eq!(serde_json::to_value(changes).unwrap(), expected);
        let not_read = Resource { metadata: None, ..after };
        assert_eq!(Changes::between(&before, &not_read).unwrap().changes.len(), 1);
    }

    #[test]
    fn a_limit_that_is_null_differs_from_none() {
        for limit in [json!({}), json!({"limit": null}), json!({"limit": 3})] {
            let mut data = json!({"feature_id": "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "expires_at": null});
            data.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
            let parsed: OverrideData = serde_json::from_value(data.clone()).unwrap();
            assert_eq!(serde_json::to_value(parsed).unwrap(), data);
        }
    }
}
