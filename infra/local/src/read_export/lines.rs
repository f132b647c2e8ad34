//! The lines that `signet read-export` prints: one JSON object each, without secrets.

use std::io::{self, Write};

use data_encoding::HEXLOWER;
use serde::Serialize;
use shared::domain::{Customer, CustomerId, License, LicenseId, ProductId, State, TierId, Timestamp};

/// A line of the output.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line {
    Customer(Box<Customer>),
    License(Box<LicenseLine>),
}

/// A license key. Sealed values are not printed.
#[derive(Serialize)]
pub(super) struct LicenseLine {
    id: LicenseId,
    customer_id: Option<CustomerId>,
    product_id: ProductId,
    product_code: String,
    tier_id: TierId,
    tier_code: String,
    name: Option<String>,
    external_id: Option<String>,
    tag: Option<String>,
    /// The stored state: an expired license key is `active`.
    status: &'static str,
    superseded_by: Option<LicenseId>,
    revoked_at: Option<Timestamp>,
    revocation_reason: Option<String>,
    key_hint: String,
    license_key_sha256: String,
    generation: u32,
    max_users: Option<u32>,
    max_tenants: Option<u32>,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    anchor_day: Option<i8>,
    expiry_grace_seconds: u32,
    last_borrowed_until: Option<Timestamp>,
}

impl LicenseLine {
    pub(super) fn new(license: License, product_code: String, tier_code: String, key_sha256: &[u8; 32]) -> Self {
        let status = license.state.as_str();
        let (revoked_at, revocation_reason, superseded_by) = match license.state {
            State::Active | State::Suspended => (None, None, None),
            State::Superseded { by } => (None, None, Some(by)),
            State::Revoked { at, reason, superseded_by } => (Some(at), reason, superseded_by),
        };
        Self {
            id: license.id,
            customer_id: license.customer_id,
            product_id: license.product_id,
            product_code,
            tier_id: license.tier_id,
            tier_code,
            name: license.name,
            external_id: license.external_id,
            tag: license.tag,
            status,
            superseded_by,
            revoked_at,
            revocation_reason,
            key_hint: license.key_hint,
            license_key_sha256: HEXLOWER.encode(key_sha256),
            generation: license.generation,
            max_users: license.max_users,
            max_tenants: license.max_tenants,
            issued_at: license.issued_at,
            expires_at: license.expires_at,
            anchor_day: license.anchor_day,
            expiry_grace_seconds: license.expiry_grace_seconds,
            last_borrowed_until: license.borrows.last_until,
        }
    }
}

pub(super) fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
