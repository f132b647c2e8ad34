//! What the tier endpoints and the public catalog share.

use serde::Serialize;
use shared::{
    domain::{Catalog, Tier},
    store::catalog::CatalogEntry,
};
use utoipa::ToSchema;

/// A pricing tier and the keys that its tokens carry.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PricingTier)]
pub struct TierResource {
    /// The tier.
    #[serde(flatten)]
    pub tier: Tier,
    /// Own and inherited, sorted, display-only ones left out.
    #[schema(example = json!(["export.pdf"]))]
    pub feature_keys: Vec<String>,
}

impl TierResource {
    /// A tier, with what it inherits in this catalog.
    pub fn new(catalog: &Catalog, tier: Tier) -> Self {
        Self { feature_keys: catalog.feature_keys(&tier), tier }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> String {
        format!("/api/v1.0/pricing-tiers/{}", self.tier.id)
    }
}

impl<'a> From<&'a TierResource> for CatalogEntry<'a> {
    fn from(resource: &'a TierResource) -> Self {
        Self::Tier(&resource.tier)
    }
}
