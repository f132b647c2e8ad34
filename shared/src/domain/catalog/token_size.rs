//! Checks that the features of a tier fit into a license token.

use super::{Catalog, Feature, Tier};
use crate::domain::{FieldError, FieldErrorCode, ProductId, claims::MAX_FEATURES_BYTES};

impl Catalog {
    /// Checks that the features of the tier, and those of the tiers that include it, fit into a license token.
    pub(super) fn check_token_size_for_tier(&self, tier: &Tier) -> Result<(), FieldError> {
        let mut after = self.clone();
        after.tiers.insert(tier.id, tier.clone());
        let pointer = if tier.feature_ids.is_empty() { "/includes_tier_id" } else { "/feature_ids" };
        self.check_token_size(&after, tier.product_id, pointer)
    }

    /// Checks that license tokens do not become too large with the feature, for every tier that has it.
    pub(super) fn check_token_size_for_feature(&self, feature: &Feature) -> Result<(), FieldError> {
        let mut after = self.clone();
        after.features.insert(feature.id, feature.clone());
        self.check_token_size(&after, feature.product_id, "/display_only")
    }

    /// Checks every tier of the product. A tier that already exceeds the limit can be changed as long as it does not
    /// grow.
    fn check_token_size(&self, after: &Self, product: ProductId, pointer: &str) -> Result<(), FieldError> {
        let is_too_large = |tier: &&Tier| {
            let bytes = after.features_bytes(tier);
            let grows = self.tiers.get(&tier.id).is_none_or(|now| bytes > self.features_bytes(now));
            bytes > MAX_FEATURES_BYTES && grows
        };
        let Some(tier) = after.tiers.values().filter(|tier| tier.product_id == product).find(is_too_large) else {
            return Ok(());
        };
        let detail = format!(
            "the feature keys of tier {}, including inherited ones, would take {} bytes of a license token (3 bytes of \
             overhead per key); the maximum is {MAX_FEATURES_BYTES}",
            tier.code,
            after.features_bytes(tier),
        );
        Err(FieldError::at(pointer, FieldErrorCode::InvalidValue, detail))
    }

    /// Returns the size of the features in the JSON of a token. Each key takes two quotes and a comma; no character
    /// needs escaping.
    fn features_bytes(&self, tier: &Tier) -> usize {
        let features = self.features_of(tier).into_iter().map(|tier_feature| tier_feature.feature);
        features.filter(|feature| !feature.display_only).map(|feature| feature.key.len() + 3).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{feature, id, product, tier},
        *,
    };

    /// Features with keys of 64 characters. The last feature is for display only.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.products.insert(id(0), product());
        for n in 0..=MAX_FEATURES + 1 {
            let key = format!("{n:064}");
            catalog.features.insert(id(n), Feature { key, ..feature(n, n == MAX_FEATURES + 1) });
        }
        catalog
    }

    /// The number of features with keys of 64 characters that fit into a token.
    const MAX_FEATURES: usize = MAX_FEATURES_BYTES / 67;

    fn indices(range: impl IntoIterator<Item = usize>) -> Vec<usize> {
        range.into_iter().collect()
    }

    fn error_pointer(check: Result<(), crate::domain::ValidationErrors>) -> String {
        check.unwrap_err().0.remove(0).pointer
    }

    #[test]
    fn tier_with_features_that_exceed_the_token_size_is_rejected() {
        let catalog = catalog();
        let all = indices(0..MAX_FEATURES);
        assert!(serde_json::to_vec(&vec!["a".repeat(64); MAX_FEATURES]).unwrap().len() <= MAX_FEATURES_BYTES);
        catalog.check_tier(&tier(1, None, &all)).unwrap();
        catalog.check_tier(&tier(1, None, &[all.clone(), indices([MAX_FEATURES + 1])].concat())).unwrap();
        assert_eq!(error_pointer(catalog.check_tier(&tier(1, None, &indices(0..=MAX_FEATURES)))), "/feature_ids");
    }

    #[test]
    fn inherited_features_count_in_both_directions() {
        let mut catalog = catalog();
        for tier in
            [tier(1, None, &[0]), tier(2, Some(1), &indices(1..MAX_FEATURES)), tier(3, Some(2), &[MAX_FEATURES + 1])]
        {
            catalog.check_tier(&tier).unwrap();
            catalog.tiers.insert(tier.id, tier);
        }
        assert_eq!(error_pointer(catalog.check_tier(&tier(1, None, &[0, MAX_FEATURES]))), "/feature_ids");
        assert_eq!(error_pointer(catalog.check_tier(&tier(3, Some(2), &[MAX_FEATURES]))), "/feature_ids");
        catalog.tiers.insert(id(4), tier(4, None, &[0, MAX_FEATURES]));
        assert_eq!(error_pointer(catalog.check_tier(&tier(1, Some(4), &[]))), "/includes_tier_id");
        let displayed = Feature { display_only: false, ..catalog.features[&id(MAX_FEATURES + 1)].clone() };
        assert_eq!(catalog.check_feature(&displayed).unwrap_err().pointer, "/display_only");
    }

    #[test]
    fn oversized_tier_can_become_smaller() {
        let mut catalog = catalog();
        catalog.features.get_mut(&id(MAX_FEATURES + 1)).unwrap().display_only = false;
        let large = tier(1, None, &indices(0..MAX_FEATURES + 2));
        catalog.tiers.insert(large.id, large.clone());
        catalog.check_tier(&large).unwrap();
        catalog.check_tier(&tier(1, None, &indices(0..=MAX_FEATURES))).unwrap();
        catalog.check_feature(&feature(MAX_FEATURES, false)).unwrap();
    }
}
