//! License keys: states, transitions, and the conditions under which they can be used.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    catalog::{Catalog, Product, Tier},
    id::{CustomerId, LicenseId, ProductId, TierId},
};

/// The stored state of a license key. Expiry is not stored; it is derived from `expires_at` and the current time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Can be used until it expires.
    Active,
    /// Can't be used until it is reinstated.
    Suspended,
    /// Permanently replaced by another license key.
    Superseded {
        /// The license key that replaced it.
        by: LicenseId,
    },
    /// Permanently disabled.
    Revoked {
        /// When it was revoked.
        at: Timestamp,
        /// The reason that the operator entered.
        reason: Option<String>,
        /// The license key that had superseded it before it was revoked.
        superseded_by: Option<LicenseId>,
    },
}

/// The status of a license key: its state, or `expired` if it is active and has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LicenseStatus)]
pub enum Status {
    /// Can be used.
    Active,
    /// Can't be used until it is reinstated.
    Suspended,
    /// Permanently replaced by another license key.
    Superseded,
    /// Permanently disabled.
    Revoked,
    /// Active, but past its expiry.
    Expired,
}

/// A license key: the record of what a customer bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// `lic_…`
    pub id: LicenseId,
    /// The customer who owns it.
    pub customer_id: CustomerId,
    /// The licensed product.
    pub product_id: ProductId,
    /// The pricing tier.
    pub tier_id: TierId,
    /// The stored state.
    pub state: State,
    /// The visible part of the key string, by which people recognize it.
    pub key_hint: String,
    /// Number of seats; `None` means no limit.
    pub max_users: Option<u32>,
    /// Number of tenants; `None` means no limit.
    pub max_tenants: Option<u32>,
    /// The generation of the key string, starting at 1. Key strings, tokens and seats of a lower generation are not
    /// valid.
    pub generation: u32,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires; `None` means never.
    pub expires_at: Option<Timestamp>,
}

/// Why a license key can't be used. The order of the variants is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// It was revoked.
    #[error("license key is revoked")]
    Revoked,
    /// It was replaced by another license key.
    #[error("license key is superseded by a newer license key")]
    Superseded,
    /// It is suspended.
    #[error("license key is suspended")]
    Suspended,
    /// It has expired.
    #[error("license key has expired")]
    Expired,
    /// The product is not active.
    #[error("product is not active")]
    ProductInactive,
    /// The key string or token is of a lower generation.
    #[error("license key was regenerated; activate again with the new key string")]
    GenerationOutdated,
}

/// The requested transition is not possible from the current state of the license key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateConflict(pub String);

impl StateConflict {
    fn new(status: &str, rule: &str) -> Self {
        Self(format!("license key is {status}; {rule}"))
    }
}

impl License {
    /// Creates a license key with the tier's limits that is valid for one billing period.
    pub fn issued(id: LicenseId, customer_id: CustomerId, tier: &Tier, key_hint: &str, now: Timestamp) -> Self {
        Self {
            id,
            customer_id,
            product_id: tier.product_id,
            tier_id: tier.id,
            state: State::Active,
            key_hint: key_hint.to_owned(),
            max_users: tier.max_users,
            max_tenants: tier.max_tenants,
            generation: 1,
            issued_at: now,
            expires_at: tier.billing_period.end(now),
        }
    }
}

/// Transitions. Each returns the license key in its new state, or an error if its current state does not allow it.
impl License {
    /// Suspends an active license key.
    pub fn suspend(self) -> Result<Self, StateConflict> {
        match self.state {
            State::Active => Ok(Self { state: State::Suspended, ..self }),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active license key can be suspended")),
        }
    }

    /// Makes a suspended license key active again.
    pub fn reinstate(self) -> Result<Self, StateConflict> {
        match self.state {
            State::Suspended => Ok(Self { state: State::Active, ..self }),
            _ => Err(StateConflict::new(self.state.as_str(), "only a suspended license key can be reinstated")),
        }
    }

    /// Sets the expiry; `None` means never.
    pub fn renew(self, expires_at: Option<Timestamp>) -> Result<Self, StateConflict> {
        match self.state {
            State::Active | State::Suspended => Ok(Self { expires_at, ..self }),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active or suspended license key can be renewed")),
        }
    }

    /// Sets the tier and the limits.
    pub fn change(
        self,
        tier_id: TierId,
        max_users: Option<u32>,
        max_tenants: Option<u32>,
    ) -> Result<Self, StateConflict> {
        match self.state {
            State::Active | State::Suspended => Ok(Self { tier_id, max_users, max_tenants, ..self }),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active or suspended license key can be changed")),
        }
    }

    /// Replaces the key string of an active license key. The previous key string, its tokens and its seats are no
    /// longer valid.
    pub fn regenerate(self, key_hint: String, now: Timestamp) -> Result<Self, StateConflict> {
        match self.status(now) {
            Status::Active => Ok(Self { generation: self.generation + 1, key_hint, ..self }),
            Status::Expired => Err(StateConflict::new("expired", "only an active license key can be regenerated")),
            _ => Err(StateConflict::new(self.state.as_str(), "only an active license key can be regenerated")),
        }
    }

    /// Revokes the license key. A revoked license key is returned unchanged.
    pub fn revoke(self, at: Timestamp, reason: Option<String>) -> Self {
        let superseded_by = match self.state {
            State::Revoked { .. } => return self,
            State::Superseded { by } => Some(by),
            State::Active | State::Suspended => None,
        };
        Self { state: State::Revoked { at, reason, superseded_by }, ..self }
    }
}

impl State {
    /// Returns the name of the state in the table and in messages.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Superseded { .. } => "superseded",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl License {
    /// Returns whether the license key has expired, regardless of its state.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns why a credential of `generation` can't be used, or `None` if it can.
    pub fn refusal(&self, is_product_active: bool, generation: u32, now: Timestamp) -> Option<Refusal> {
        match &self.state {
            State::Revoked { .. } => Some(Refusal::Revoked),
            State::Superseded { .. } => Some(Refusal::Superseded),
            State::Suspended => Some(Refusal::Suspended),
            State::Active if self.is_expired(now) => Some(Refusal::Expired),
            State::Active if !is_product_active => Some(Refusal::ProductInactive),
            State::Active if generation < self.generation => Some(Refusal::GenerationOutdated),
            State::Active => None,
        }
    }

    /// Returns the status at `now`. Only an active license key can become expired.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state {
            State::Active if self.is_expired(now) => Status::Expired,
            State::Active => Status::Active,
            State::Suspended => Status::Suspended,
            State::Superseded { .. } => Status::Superseded,
            State::Revoked { .. } => Status::Revoked,
        }
    }

    /// Returns whether a seat with this number is within the seat limit. Without a limit, every activation is.
    pub fn is_within_seat_limit(&self, seat: Option<u32>) -> bool {
        match (self.max_users, seat) {
            (None, _) => true,
            (Some(max_users), Some(seat)) => seat < max_users,
            (Some(_), None) => false,
        }
    }
}

impl Catalog {
    /// Returns the product and the tier of a license key.
    pub fn product_and_tier(&self, license: &License) -> Option<(&Product, &Tier)> {
        self.products.get(&license.product_id).zip(self.tiers.get(&license.tier_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Id;

    #[test]
    fn refusal_returns_reasons_in_order_of_precedence() {
        let id = |n| Id::from_ulid(ulid::Ulid::from_parts(n, 0));
        let now = Timestamp::constant(1000, 0);
        let mut license = License {
            id: id(1),
            customer_id: Id::from_ulid(ulid::Ulid::nil()),
            product_id: Id::from_ulid(ulid::Ulid::nil()),
            tier_id: Id::from_ulid(ulid::Ulid::nil()),
            state: State::Revoked { at: now, reason: None, superseded_by: None },
            key_hint: String::new(),
            max_users: Some(1),
            max_tenants: None,
            generation: 2,
            issued_at: now,
            expires_at: Some(now),
        };
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Revoked));
        license.state = State::Superseded { by: id(2) };
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Superseded));
        license.state = State::Suspended;
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Suspended));
        license.state = State::Active;
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::Expired));
        assert_eq!(license.status(now), Status::Expired);
        license.expires_at = None;
        assert_eq!(license.refusal(false, 1, now), Some(Refusal::ProductInactive));
        assert_eq!(license.refusal(true, 1, now), Some(Refusal::GenerationOutdated));
        assert_eq!(license.refusal(true, 2, now), None);
    }
}
