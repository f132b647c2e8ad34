//! The licenses of the signed-in customer, which decide what the catalog offers.

use std::collections::BTreeSet;

use shared::{
    domain::{Catalog, License, LicenseId, Status, Tier, TierId, Timestamp},
    http::Problem,
    store::{Table, licenses::LicenseFilter},
};

use super::current::current_customer;
use crate::session::Session;

/// The licenses of a customer; empty for users who have not registered.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// The active and suspended licenses.
    in_use: Vec<License>,
    /// The claimed tiers whose licenses are no longer in use. Each tier can be claimed once.
    claimed: BTreeSet<TierId>,
}

/// Why a customer can't claim a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The customer has this license of the tier.
    Owned(LicenseId),
    /// The customer has this license of another tier of the product.
    OtherTier(LicenseId),
    /// The customer claimed the tier before.
    Claimed,
}

impl Owned {
    /// Reads the customer's licenses: a query, and a read for each claimable tier of which a license has ended.
    pub(super) async fn read(
        table: &Table,
        session: &Session,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let Some(customer) = current_customer(table, session).await? else { return Ok(Self::default()) };
        let licenses = table.licenses_of(customer.id, LicenseFilter::default(), now).await?;
        let is_in_use = |license: &License| matches!(license.status(now), Status::Active | Status::Suspended);
        let (in_use, ended): (Vec<_>, Vec<_>) = licenses.into_iter().partition(is_in_use);
        let is_claimable = |id: &TierId| catalog.tiers.get(id).is_some_and(|tier| tier.is_claimable);
        let ended: BTreeSet<TierId> = ended.iter().map(|license| license.tier_id).filter(is_claimable).collect();
        let mut claimed = BTreeSet::new();
        for id in ended {
            if table.claimed_license(customer.id, id).await?.is_some() {
                claimed.insert(id);
            }
        }
        Ok(Self { in_use, claimed })
    }

    /// Why the customer can't claim the tier, by the rules of the API; `None` if nothing speaks against it.
    pub(super) fn obstacle(&self, tier: &Tier) -> Option<Obstacle> {
        let of_product: Vec<_> = self.in_use.iter().filter(|license| license.product_id == tier.product_id).collect();
        if let Some(license) = of_product.iter().find(|license| license.tier_id == tier.id) {
            return Some(Obstacle::Owned(license.id));
        }
        let other = of_product.first().map(|license| Obstacle::OtherTier(license.id));
        other.or_else(|| self.claimed.contains(&tier.id).then_some(Obstacle::Claimed))
    }
}
