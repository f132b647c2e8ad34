//! Whether a token has room for the features of a tier.

use super::{Catalog, Feature, Tier};
use crate::domain::{Code, FieldError, ProductId, claims::MAX_FEATURES_BYTES};

impl Catalog {
    /// A token has room for the features of the tier, and for those of each tier that includes it.
    pub(super) fn check_token_size_for_tier(&self, tier: &Tier) -> Result<(), FieldError> {
        let mut after = self.clone();
        after.tiers.insert(tier.id, tier.clone());
        let pointer = if tier.feature_ids.is_empty() { "/includes_tier_id" } else { "/feature_ids" };
        self.check_room(&after, tier.product_id, pointer)
    }

    /// A token has room for the feature, in whatever tiers it is.
    pub(super) fn check_token_size_for_feature(&self, feature: &Feature) -> Result<(), FieldError> {
        let mut after = self.clone();
        after.features.insert(feature.id, feature.clone());
        self.check_room(&after, feature.product_id, "/display_only")
    }

    /// No tier of the product outgrows a token. One that is too large already may become smaller step by step.
    fn check_room(&self, after: &Self, product: ProductId, pointer: &str) -> Result<(), FieldError> {
        let outgrows = |tier: &&Tier| {
            let bytes = after.features_bytes(tier);
            let is_more = self.tiers.get(&tier.id).is_none_or(|now| bytes > self.features_bytes(now));
            bytes > MAX_FEATURES_BYTES && is_more
        };
        let Some(tier) = after.tiers.values().filter(|tier| tier.product_id == product).find(outgrows) else {
            return Ok(());
        };
        let detail = format!(
            "the feature keys of the tier {}, inherited ones included, would take {} bytes of its license tokens, \
             each with the 3 around it; there is room for {MAX_FEATURES_BYTES}",
            tier.code,
            after.features_bytes(tier),
        );
        Err(FieldError::at(pointer, Code::InvalidValue, detail))
    }

    /// What the features take in the JSON of a token: each key has quotes and a comma, and no letter to escape.
    fn features_bytes(&self, tier: &Tier) -> usize {
        let keys = self.features_of(tier).into_iter().map(|had| had.feature).filter(|feature| !feature.display_only);
        keys.map(|feature| feature.key.len() + 3).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{feature, id, product, tier},
        *,
    };

    /// Features of 64 characters, the last of which is for display only, and a tier of some of them.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.products.insert(id(0), product());
        for n in 0..=FIT + 1 {
            let key = format!("{n:064}");
            catalog.features.insert(id(n), Feature { key, ..feature(n, n == FIT + 1) });
        }
        catalog
    }

    /// How many features of 64 characters there is room for.
    const FIT: usize = MAX_FEATURES_BYTES / 67;

    fn of(features: impl IntoIterator<Item = usize>) -> Vec<usize> {
        features.into_iter().collect()
    }

    fn refused(check: Result<(), crate::domain::ValidationErrors>) -> String {
        check.unwrap_err().0.remove(0).pointer.unwrap()
    }

    #[test]
    fn a_tier_has_as_many_features_as_a_token_has_room_for() {
        let catalog = catalog();
        let all = of(0..FIT);
        assert!(serde_json::to_vec(&vec!["a".repeat(64); FIT]).unwrap().len() <= MAX_FEATURES_BYTES);
        catalog.check_tier(&tier(1, None, &all)).unwrap();
        catalog.check_tier(&tier(1, None, &[all.clone(), of([FIT + 1])].concat())).unwrap();
        assert_eq!(refused(catalog.check_tier(&tier(1, None, &of(0..=FIT)))), "/feature_ids");
    }

    #[test]
    fn what_is_inherited_counts_and_counts_for_those_that_inherit() {
        let mut catalog = catalog();
        for own in [tier(1, None, &[0]), tier(2, Some(1), &of(1..FIT)), tier(3, Some(2), &[FIT + 1])] {
            catalog.check_tier(&own).unwrap();
            catalog.tiers.insert(own.id, own);
        }
        assert_eq!(refused(catalog.check_tier(&tier(1, None, &[0, FIT]))), "/feature_ids");
        assert_eq!(refused(catalog.check_tier(&tier(3, Some(2), &[FIT]))), "/feature_ids");
        catalog.tiers.insert(id(4), tier(4, None, &[0, FIT]));
        assert_eq!(refused(catalog.check_tier(&tier(1, Some(4), &[]))), "/includes_tier_id");
        let shown = Feature { display_only: false, ..catalog.features[&id(FIT + 1)].clone() };
        assert_eq!(catalog.check_feature(&shown).unwrap_err().pointer.unwrap(), "/display_only");
    }

    #[test]
    fn a_tier_that_is_too_large_may_become_smaller() {
        let mut catalog = catalog();
        catalog.features.get_mut(&id(FIT + 1)).unwrap().display_only = false;
        let large = tier(1, None, &of(0..FIT + 2));
        catalog.tiers.insert(large.id, large.clone());
        catalog.check_tier(&large).unwrap();
        catalog.check_tier(&tier(1, None, &of(0..=FIT))).unwrap();
        catalog.check_feature(&feature(FIT, false)).unwrap();
    }
}
