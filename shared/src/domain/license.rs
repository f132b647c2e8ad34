//! What a customer bought, and when it is honoured.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    catalog::Tier,
    id::{CustomerId, LicenseId, ProductId, TierId},
    validation::Code,
};

/// What was decided about a license key. That it has expired is never stored: it follows from the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Honoured, until it expires.
    Active,
    /// Not honoured until it is reinstated.
    Suspended,
    /// Replaced for good by another key.
    Superseded {
        /// The key that replaced it.
        by: LicenseId,
    },
    /// Ended for good.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// The key that had replaced it before.
        superseded_by: Option<LicenseId>,
    },
}

/// A status as callers see it: a state, or that its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LicenseStatus)]
pub enum Status {
    /// Honoured.
    Active,
    /// Not until it is reinstated.
    Suspended,
    /// Replaced.
    Superseded,
    /// Ended.
    Revoked,
    /// Active, but its time is over.
    Expired,
}

/// The record of what a customer bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// `lic_…`
    pub id: LicenseId,
    /// Who bought.
    pub customer_id: CustomerId,
    /// What.
    pub product_id: ProductId,
    /// In which tier.
    pub tier_id: TierId,
    /// What was decided about it.
    pub state: State,
    /// By which its owner knows the key string again.
    pub key_hint: String,
    /// Seats that were bought; none means no limit.
    pub max_users: Option<u32>,
    /// Tenants that were bought; none means no limit.
    pub max_tenants: Option<u32>,
    /// Counts key strings: those of a lower generation, their tokens and their seats no longer count.
    pub generation: u32,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends; none means never.
    pub expires_at: Option<Timestamp>,
}

/// Why a license key is not honoured. The order of the variants is the order in which reasons are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// It was ended for good.
    #[error("this license key was revoked")]
    Revoked,
    /// Another key took its place.
    #[error("a newer license key took this one's place")]
    Superseded,
    /// It is suspended.
    #[error("this license key is suspended")]
    Suspended,
    /// Its time is over.
    #[error("this license key has expired")]
    Expired,
    /// The product is switched off.
    #[error("the product of this license key is not active")]
    ProductInactive,
    /// The key string or token is of an older generation.
    #[error("this license key was regenerated since: the machine must activate with the new key string")]
    GenerationOutdated,
}

impl Refusal {
    /// The code that callers rely on.
    pub const fn code(self) -> Code {
        match self {
            Self::Revoked => Code::Revoked,
            Self::Superseded => Code::Superseded,
            Self::Suspended => Code::Suspended,
            Self::Expired => Code::Expired,
            Self::ProductInactive => Code::ProductInactive,
            Self::GenerationOutdated => Code::GenerationOutdated,
        }
    }
}

/// Why a license key can't be taken from the state that it is in to the one that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateConflict(pub String);

impl StateConflict {
    fn is(status: &str, wanted: &str) -> Self {
        Self(format!("this license key is {status}: {wanted}"))
    }
}

impl License {
    /// A license key as a tier has it: with the tier's limits, for one billing period from now on.
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

/// Steps from one state to the next. Each gives the license as it will be, or says why it can't.
impl License {
    /// Not honoured until it is reinstated.
    pub fn suspend(self) -> Result<Self, StateConflict> {
        match self.state {
            State::Active => Ok(Self { state: State::Suspended, ..self }),
            _ => Err(StateConflict::is(self.state.word(), "only an active one can be suspended")),
        }
    }

    /// Honoured again.
    pub fn reinstate(self) -> Result<Self, StateConflict> {
        match self.state {
            State::Suspended => Ok(Self { state: State::Active, ..self }),
            _ => Err(StateConflict::is(self.state.word(), "only a suspended one can be reinstated")),
        }
    }

    /// Ends at another time, or never.
    pub fn renew(self, expires_at: Option<Timestamp>) -> Result<Self, StateConflict> {
        match self.state {
            State::Active | State::Suspended => Ok(Self { expires_at, ..self }),
            _ => Err(StateConflict::is(self.state.word(), "it can't be renewed")),
        }
    }

    /// Is of another tier, or has other limits.
    pub fn change(
        self,
        tier_id: TierId,
        max_users: Option<u32>,
        max_tenants: Option<u32>,
    ) -> Result<Self, StateConflict> {
        match self.state {
            State::Active | State::Suspended => Ok(Self { tier_id, max_users, max_tenants, ..self }),
            _ => Err(StateConflict::is(self.state.word(), "it can't be changed")),
        }
    }

    /// Has a new key string; the one before, its tokens and its seats no longer count.
    pub fn regenerate(self, key_hint: String, now: Timestamp) -> Result<Self, StateConflict> {
        match self.status(now) {
            Status::Active => Ok(Self { generation: self.generation + 1, key_hint, ..self }),
            Status::Expired => Err(StateConflict::is("expired", "only an active one can have a new key string")),
            _ => Err(StateConflict::is(self.state.word(), "only an active one can have a new key string")),
        }
    }

    /// Ended for good; one that was ended before stays as it ended.
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
    /// The state as it is stored.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Superseded { .. } => "superseded",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl License {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The first reason not to honour a credential of `generation`, if any.
    pub fn refusal(&self, product_active: bool, generation: u32, now: Timestamp) -> Option<Refusal> {
        match &self.state {
            State::Revoked { .. } => Some(Refusal::Revoked),
            State::Superseded { .. } => Some(Refusal::Superseded),
            State::Suspended => Some(Refusal::Suspended),
            State::Active if self.is_expired(now) => Some(Refusal::Expired),
            State::Active if !product_active => Some(Refusal::ProductInactive),
            State::Active if generation < self.generation => Some(Refusal::GenerationOutdated),
            State::Active => None,
        }
    }

    /// The status as callers see it: expiry shows where nothing stronger was decided.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state {
            State::Active if self.is_expired(now) => Status::Expired,
            State::Active => Status::Active,
            State::Suspended => Status::Suspended,
            State::Superseded { .. } => Status::Superseded,
            State::Revoked { .. } => Status::Revoked,
        }
    }

    /// Whether a seat of this number counts: every activation of a license without a limit does.
    pub fn seat_counts(&self, seat: Option<u32>) -> bool {
        match (self.max_users, seat) {
            (None, _) => true,
            (Some(max_users), Some(seat)) => seat < max_users,
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Id;

    #[test]
    fn reasons_come_in_their_order() {
        let id = |n| Id::of(ulid::Ulid::from_parts(n, 0));
        let now = Timestamp::constant(1000, 0);
        let mut license = License {
            id: id(1),
            customer_id: Id::of(ulid::Ulid::nil()),
            product_id: Id::of(ulid::Ulid::nil()),
            tier_id: Id::of(ulid::Ulid::nil()),
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
