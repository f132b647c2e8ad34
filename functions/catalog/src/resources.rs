//! Response types shared by the tier endpoints and the public catalog.

use serde::Serialize;
use shared::{
    domain::{Catalog, Tier},
    store::catalog::CatalogEntry,
};
use utoipa::ToSchema;

/// A pricing tier with the feature keys of its license tokens.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PricingTier)]
pub struct TierResource {
    /// The tier.
    #[serde(flatten)]
    pub tier: Tier,
    /// Keys of the own and inherited features, sorted, without display-only ones: the `features` claim of license
    /// tokens.
    #[schema(example = json!(["export.pdf"]))]
    pub feature_keys: Vec<String>,
}

impl TierResource {
    /// Creates the resource of a tier, with inherited features from `catalog`.
    pub fn new(catalog: &Catalog, tier: Tier) -> Self {
        Self { feature_keys: catalog.feature_keys(&tier), tier }
    }

    /// Returns the path of the tier.
    pub(crate) fn path(&self) -> String {
        format!("/api/v1.0/pricing-tiers/{}", self.tier.id)
    }
}

impl<'a> From<&'a TierResource> for CatalogEntry<'a> {
    fn from(resource: &'a TierResource) -> Self {
        Self::Tier(&resource.tier)
    }
}
