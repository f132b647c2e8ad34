//! Response types that several endpoints share. Their schema names are those of the API.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extractors::nullable;
use crate::{
    domain::{
        ActivationId, CustomerId, DescribedActivation, FeatureId, Grant, License, LicenseId, Metadata, Override,
        ProductId, SeatStatus, State, Status, TierId,
    },
    tokens::IssuedLicense,
};

/// An exception for one license key: the value of a feature in place of that of the tier.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseOverride)]
pub struct OverrideResource {
    /// The feature.
    pub feature_id: FeatureId,
    /// Whether a flag is on; omitted for a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = true)]
    pub enabled: Option<bool>,
    /// The number of a limit, where null means unlimited; omitted for a flag.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub limit: Option<Option<u64>>,
    /// When the override ends; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Timestamp>,
    /// A note of the operator.
    #[schema(required, example = "Until the new contract is signed")]
    pub note: Option<String>,
}

impl From<&Override> for OverrideResource {
    fn from(from: &Override) -> Self {
        let (enabled, limit) = match from.grant {
            Grant::Flag(is_on) => (Some(is_on), None),
            Grant::Limit(limit) => (None, Some(limit)),
        };
        let Override { feature_id, expires_at, note, .. } = from.clone();
        Self { feature_id, enabled, limit, expires_at, note }
    }
}

/// A license key: the record of what a customer bought, without the secret key string.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = License)]
pub struct LicenseResource {
    /// The license id, `lic_…`.
    pub id: LicenseId,
    /// The customer; null until a customer claims the license key or an operator assigns it, omitted in responses to apps.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    #[schema(value_type = Option<CustomerId>)]
    pub customer_id: Option<Option<CustomerId>>,
    /// The product.
    pub product_id: ProductId,
    /// The pricing tier.
    pub tier_id: TierId,
    /// Display name; null if there is none, omitted in responses to apps.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "Berlin office")]
    pub name: Option<Option<String>>,
    /// The id in another system of the operator, unique among license keys; null if there is none, omitted in responses to
    /// apps.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "order-4711")]
    pub external_id: Option<Option<String>>,
    /// The tag of the batch; null if the license key is not of a batch, omitted in responses to apps.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "reseller-7")]
    pub tag: Option<Option<String>>,
    /// The values that the operator's programs store with the license key; omitted in lists and in responses to apps and
    /// customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
    /// The exceptions to the features of the tier, also those that have ended; omitted in lists and in responses to apps and
    /// customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!([{
        "feature_id": "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "limit": 5000, "expires_at": "2027-01-15T12:00:00Z",
        "note": "Until the new contract is signed",
    }]))]
    pub overrides: Option<Vec<OverrideResource>>,
    /// The current status.
    pub status: Status,
    /// A masked form of the key string, to recognize it.
    #[schema(example = "ATLAS-…-9QXZT")]
    pub key_hint: String,
    /// The maximum number of seats; null means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// The maximum number of tenants; null means no limit.
    #[schema(required, format = Int64)]
    pub max_tenants: Option<u32>,
    /// The number of seats in use; null where it was not counted.
    #[schema(required, example = 2)]
    pub seats_used: Option<usize>,
    /// The number of the current key string, starting at 1. It increases when the key is regenerated.
    #[schema(example = 1)]
    pub generation: u32,
    /// When the license key was issued.
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// When the license key expires; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Timestamp>,
    /// How long the license key is honoured after `expires_at`, in seconds.
    #[serde(default)]
    #[schema(example = 0)]
    pub expiry_grace_seconds: u32,
    /// Whether the license key is past its expiry and still honoured.
    #[serde(default)]
    #[schema(example = false)]
    pub in_grace: bool,
    /// When a license key that is in grace stops being honoured; null if it is not in grace.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub grace_ends_at: Option<Timestamp>,
    /// Until when tokens of borrowed seats can be valid, whatever happens to the license key; null if no seat was ever borrowed.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_borrowed_until: Option<Timestamp>,
    /// When the license key was revoked.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub revoked_at: Option<Timestamp>,
    /// The reason of the revocation, as the operator entered it.
    #[schema(required)]
    pub revocation_reason: Option<String>,
    /// The license key that replaced this one.
    #[schema(required)]
    pub superseded_by: Option<LicenseId>,
}

impl LicenseResource {
    /// Returns the license as operators and its customer see it.
    pub fn new(license: &License, seats_used: Option<usize>, now: Timestamp) -> Self {
        let (revoked_at, revocation_reason, superseded_by) = match &license.state {
            State::Active | State::Suspended => (None, None, None),
            State::Superseded { by } => (None, None, Some(*by)),
            State::Revoked { at, reason, superseded_by } => (Some(*at), reason.clone(), *superseded_by),
        };
        let grace_ends_at = license.grace_ends_at(now);
        Self {
            id: license.id,
            customer_id: Some(license.customer_id),
            product_id: license.product_id,
            tier_id: license.tier_id,
            name: Some(license.name.clone()),
            external_id: Some(license.external_id.clone()),
            tag: Some(license.tag.clone()),
            metadata: license.metadata.clone(),
            // The notes are read together with the metadata.
            overrides: license.metadata.as_ref().map(|_| license.overrides.iter().map(Into::into).collect()),
            status: license.status(now),
            key_hint: license.key_hint.clone(),
            max_users: license.max_users,
            max_tenants: license.max_tenants,
            seats_used,
            generation: license.generation,
            issued_at: license.issued_at,
            expires_at: license.expires_at,
            expiry_grace_seconds: license.expiry_grace_seconds,
            in_grace: grace_ends_at.is_some(),
            grace_ends_at,
            last_borrowed_until: license.borrows.last_until,
            revoked_at,
            revocation_reason,
            superseded_by,
        }
    }

    /// Removes the metadata and the overrides, which contain texts of the operator, for responses to customers.
    #[must_use]
    pub fn without_operator_data(self) -> Self {
        Self { metadata: None, overrides: None, ..self }
    }

    /// Removes the fields about the customer, for responses to apps.
    #[must_use]
    pub fn without_customer(self) -> Self {
        let (customer_id, name, external_id, tag) = (None, None, None, None);
        Self { customer_id, name, external_id, tag, revocation_reason: None, ..self.without_operator_data() }
    }
}

/// A new license key with its key string, which no other response contains.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = IssuedLicense)]
pub struct IssuedResource {
    /// The key string: the secret that a user enters in the app.
    #[schema(example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: String,
    /// The license.
    pub license: LicenseResource,
    /// A license token that is not bound to a machine.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// Always `JWT`.
    #[schema(value_type = String, example = "JWT")]
    pub token_type: Cow<'static, str>,
    /// When the token expires (its `exp`).
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T13:00:00Z")]
    pub token_expires_at: Timestamp,
    /// The license key that this one supersedes; null if there is none.
    pub superseded: Option<SupersededResource>,
}

/// A license key that another one supersedes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = SupersededLicense)]
pub struct SupersededResource {
    /// The license key.
    #[schema(example = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub id: LicenseId,
    /// The first and the last characters of its key string.
    #[schema(example = "ATLAS-…-9QXZT")]
    pub key_hint: String,
    /// Until when tokens of borrowed seats and license files of the license key work; null if none does.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-02-15T12:00:00Z")]
    pub last_borrowed_until: Option<Timestamp>,
}

impl SupersededResource {
    fn new(license: &License, now: Timestamp) -> Self {
        let LicenseResource { id, key_hint, last_borrowed_until, .. } = LicenseResource::new(license, None, now);
        Self { id, key_hint, last_borrowed_until }
    }
}

impl IssuedResource {
    /// Returns the license key as the person who receives it sees it.
    pub fn new(issued: &IssuedLicense, now: Timestamp) -> Self {
        Self {
            license_key: issued.key.expose().to_owned(),
            license: LicenseResource::new(&issued.license, None, now),
            token: issued.token.expose().to_owned(),
            token_type: "JWT".into(),
            token_expires_at: issued.claims.expires_at(),
            superseded: issued.superseded.as_ref().map(|license| SupersededResource::new(license, now)),
        }
    }

    /// Returns the path of the license key.
    pub fn path(&self) -> String {
        format!("/api/v1.0/license-keys/{}", self.license.id)
    }
}

/// The status of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActivationStatus {
    /// The machine holds its seat.
    Active,
    /// The lease has expired: the machine holds its seat until another machine needs it.
    Lapsed,
    /// The activation has ended.
    Deactivated,
}

/// A machine that holds or held a seat of a license key.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Activation)]
pub struct ActivationResource {
    /// The activation id, `act_…`.
    #[schema(value_type = ActivationId)]
    pub id: String,
    /// The license key.
    pub license_id: LicenseId,
    /// The app's identifier of the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// The app's identifier of the process that holds the seat; null if the machine holds it.
    #[schema(required)]
    pub instance_id: Option<String>,
    /// The display name of the machine.
    #[schema(required, example = "build-07")]
    pub machine_name: Option<String>,
    /// The version of the app that it has reported last.
    #[schema(required, example = "4.2.1")]
    pub app_version: Option<String>,
    /// The operating system that the app has reported last.
    #[schema(required, example = "Windows 11")]
    pub os: Option<String>,
    /// The name of the machine in its network that the app has reported last.
    #[schema(required, example = "build-07.example.com")]
    pub hostname: Option<String>,
    /// The IP address at the activation. This and the following fields are null for an activation that ended so long
    /// ago that its record was deleted.
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    /// The IP address of the last heartbeat.
    #[schema(required, example = "203.0.113.7")]
    pub last_ip: Option<String>,
    /// When the machine was activated.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T12:00:00Z")]
    pub activated_at: Option<Timestamp>,
    /// When the machine last sent a heartbeat.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T12:00:00Z")]
    pub last_heartbeat_at: Option<Timestamp>,
    /// Until when no other machine can take the seat.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T13:00:00Z")]
    pub lease_expires_at: Option<Timestamp>,
    /// When the borrow of the seat ends; null if it is not borrowed. Until then, the tokens of the activation are valid, also
    /// offline and whatever happens to the seat.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub borrowed_until: Option<Timestamp>,
    /// The current status.
    pub status: ActivationStatus,
}

impl ActivationResource {
    /// Returns an activation with its current status under its license.
    pub fn new(
        described: &DescribedActivation,
        license: &License,
        clock_margin: SignedDuration,
        now: Timestamp,
    ) -> Self {
        let activation = &described.activation;
        let status = match activation.seat_status(license) {
            SeatStatus::NotLive => ActivationStatus::Deactivated,
            SeatStatus::Live | SeatStatus::Newer if activation.is_lapsed(clock_margin, now) => ActivationStatus::Lapsed,
            SeatStatus::Live | SeatStatus::Newer => ActivationStatus::Active,
        };
        Self { status, ..Self::ended(described, now) }
    }

    /// Returns an activation that has ended.
    pub fn ended(DescribedActivation { activation, facts }: &DescribedActivation, now: Timestamp) -> Self {
        let facts = facts.as_ref();
        Self {
            id: activation.id.to_string(),
            license_id: activation.id.license,
            machine_id: activation.machine_id.clone(),
            instance_id: activation.instance_id.clone(),
            machine_name: facts.and_then(|facts| facts.name.clone()),
            app_version: facts.and_then(|facts| facts.app_version.clone()),
            os: facts.and_then(|facts| facts.os.clone()),
            hostname: facts.and_then(|facts| facts.hostname.clone()),
            ip: facts.map(|facts| facts.ip.clone()),
            last_ip: Some(activation.last_ip.clone()),
            activated_at: facts.map(|facts| facts.activated_at),
            last_heartbeat_at: Some(activation.last_heartbeat_at),
            lease_expires_at: Some(activation.lease_expires_at),
            borrowed_until: activation.borrowed_until(now),
            status: ActivationStatus::Deactivated,
        }
    }
}
