//! What several endpoints answer with, named as callers see it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    Activation, ActivationId, Claims, CustomerId, License, LicenseId, ProductId, SeatStatus, Secret, State, Status,
    TierId,
};

/// The record of what a customer bought.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = License)]
pub struct LicenseResource {
    /// `lic_…`
    pub id: LicenseId,
    /// Who bought; left out where the caller is a consuming app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub customer_id: Option<CustomerId>,
    /// What.
    pub product_id: ProductId,
    /// In which tier.
    pub tier_id: TierId,
    /// What it is good for now.
    pub status: Status,
    /// By which its owner knows the key string again.
    #[schema(example = "ATLAS-…-9QXZT")]
    pub key_hint: String,
    /// Seats; null means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// Tenants; null means no limit.
    #[schema(required)]
    pub max_tenants: Option<u32>,
    /// Seats that are held; null where it was not counted.
    #[schema(required, example = 2)]
    pub seats_used: Option<usize>,
    /// Counts key strings.
    #[schema(example = 1)]
    pub generation: u32,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// When it ends; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub revoked_at: Option<Timestamp>,
    /// Why, in the operator's words.
    #[schema(required)]
    pub revocation_reason: Option<String>,
    /// The license key that took its place.
    #[schema(required)]
    pub superseded_by: Option<LicenseId>,
}

impl LicenseResource {
    /// A license as an operator, or its customer, sees it now.
    pub fn new(license: &License, seats_used: Option<usize>, now: Timestamp) -> Self {
        let (revoked_at, revocation_reason, superseded_by) = match &license.state {
            State::Active | State::Suspended => (None, None, None),
            State::Superseded { by } => (None, None, Some(*by)),
            State::Revoked { at, reason, superseded_by } => (Some(*at), reason.clone(), *superseded_by),
        };
        Self {
            id: license.id,
            customer_id: Some(license.customer_id),
            product_id: license.product_id,
            tier_id: license.tier_id,
            status: license.status(now),
            key_hint: license.key_hint.clone(),
            max_users: license.max_users,
            max_tenants: license.max_tenants,
            seats_used,
            generation: license.generation,
            issued_at: license.issued_at,
            expires_at: license.expires_at,
            revoked_at,
            revocation_reason,
            superseded_by,
        }
    }

    /// The same without what it says of its customer: as a consuming app sees it.
    #[must_use]
    pub fn without_customer(self) -> Self {
        Self { customer_id: None, revocation_reason: None, ..self }
    }
}

/// A license key that was just made: the one answer that shows its key string.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IssuedLicense)]
pub struct IssuedResource {
    /// The secret that a person types.
    #[schema(example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: String,
    /// What was bought.
    pub license: LicenseResource,
    /// A license token that names no machine.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// Always `JWT`.
    #[schema(example = "JWT")]
    pub token_type: &'static str,
    /// The token's `exp`.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T13:00:00Z")]
    pub token_expires_at: Timestamp,
}

impl IssuedResource {
    /// What is shown of a new key string and its token.
    pub fn new(license_key: &str, license: LicenseResource, token: &Secret, claims: &Claims) -> Self {
        Self {
            license_key: license_key.to_owned(),
            license,
            token: token.expose().to_owned(),
            token_type: "JWT",
            token_expires_at: seconds(claims.exp),
        }
    }

    /// Where the license key lies.
    pub fn path(&self) -> String {
        format!("/api/v1.0/license-keys/{}", self.license.id)
    }
}

/// Whether an activation holds its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActivationStatus {
    /// It does.
    Active,
    /// It does until another machine needs the seat.
    Lapsed,
    /// It has ended.
    Deactivated,
}

/// One machine that holds a seat, or held one.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Activation)]
pub struct ActivationResource {
    /// `act_…`
    #[schema(value_type = ActivationId)]
    pub id: String,
    /// The license whose seat it holds.
    pub license_id: LicenseId,
    /// What the app calls the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// What people call it.
    #[schema(required, example = "build-07")]
    pub machine_name: Option<String>,
    /// Where it was when it activated; null, as the rest, where it ended so long ago that nothing else is known.
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    /// Where it last was.
    #[schema(required, example = "203.0.113.7")]
    pub last_ip: Option<String>,
    /// When it activated.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T12:00:00Z")]
    pub activated_at: Option<Timestamp>,
    /// When it last gave a sign of life.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T12:00:00Z")]
    pub last_heartbeat_at: Option<Timestamp>,
    /// Until when no other machine may have the seat.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-01-15T13:00:00Z")]
    pub lease_expires_at: Option<Timestamp>,
    /// Whether it holds its seat.
    pub status: ActivationStatus,
}

impl ActivationResource {
    /// An activation as it stands under its license now.
    pub fn new(activation: &Activation, license: &License, clock_margin: SignedDuration, now: Timestamp) -> Self {
        let status = match activation.seat_status(license) {
            SeatStatus::Dead => ActivationStatus::Deactivated,
            SeatStatus::Live | SeatStatus::Newer if activation.is_lapsed(clock_margin, now) => ActivationStatus::Lapsed,
            SeatStatus::Live | SeatStatus::Newer => ActivationStatus::Active,
        };
        Self { status, ..Self::ended(activation) }
    }

    /// An activation that has ended.
    pub fn ended(activation: &Activation) -> Self {
        Self {
            id: activation.id.to_string(),
            license_id: activation.id.license,
            machine_id: activation.machine_id.clone(),
            machine_name: activation.machine_name.clone(),
            ip: Some(activation.ip.clone()),
            last_ip: Some(activation.last_ip.clone()),
            activated_at: Some(activation.activated_at),
            last_heartbeat_at: Some(activation.last_heartbeat_at),
            lease_expires_at: Some(activation.lease_expires_at),
            status: ActivationStatus::Deactivated,
        }
    }
}

/// A time that a token states in seconds.
pub fn seconds(since_1970: i64) -> Timestamp {
    Timestamp::from_second(since_1970).unwrap_or(Timestamp::MAX)
}
