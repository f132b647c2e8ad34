//! Checks that the features of a tier fit into a license token.

use super::{Catalog, EntitlementKind, Feature, Grant, Tier};
use crate::domain::{FieldError, FieldErrorCode, Override, ProductId, claims::MAX_FEATURES_BYTES};

impl Catalog {
    /// Checks that the features of the tier, and those of the tiers that include it, fit into a license token.
    pub(super) fn check_token_size_for_tier(&self, tier: &Tier) -> Result<(), FieldError> {
        let mut after = self.clone();
        after.tiers.insert(tier.id, tier.clone());
        let pointer = match (tier.feature_ids.is_empty(), tier.feature_limits.0.is_empty()) {
            (false, _) => "/feature_ids",
            (true, false) => "/feature_limits",
            (true, true) => "/includes_tier_id",
        };
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
            "the features of tier {}, including inherited ones, would take {} bytes of a license token (the length of each \
             key, and 3 bytes for a flag or 20 for a limit); the maximum is {MAX_FEATURES_BYTES}",
            tier.code,
            after.features_bytes(tier),
        );
        Err(FieldError::at(pointer, FieldErrorCode::InvalidValue, detail))
    }

    /// Checks that the features of a license key of this tier, with its overrides, fit into a license token. Overrides that add
    /// no feature are always accepted.
    pub fn check_token_size_for_overrides(&self, tier: &Tier, overrides: &[Override]) -> Result<(), FieldError> {
        let of_tier = self.features_of(tier);
        let is_added = |one: &&Override| {
            one.grant != Grant::Flag(false) && !of_tier.iter().any(|found| found.feature.id == one.feature_id)
        };
        let added = overrides.iter().filter(is_added).filter_map(|one| self.features.get(&one.feature_id));
        let added: usize = added.map(Feature::token_bytes).sum();
        let bytes = self.features_bytes(tier) + added;
        if added == 0 || bytes <= MAX_FEATURES_BYTES {
            return Ok(());
        }
        let detail = format!(
            "the features of tier {}, with those that the overrides add, would take {bytes} bytes of a license token; the \
             maximum is {MAX_FEATURES_BYTES}",
            tier.code,
        );
        Err(FieldError::at("/overrides", FieldErrorCode::InvalidValue, detail))
    }

    /// Returns the size of the tier's features in the JSON of a token.
    fn features_bytes(&self, tier: &Tier) -> usize {
        self.features_of(tier).into_iter().map(|found| found.feature.token_bytes()).sum()
    }
}

impl Feature {
    /// Returns the maximum size of the feature in the JSON of a token. A flag takes its key, two quotes and a comma, and a limit
    /// also a colon and up to 16 digits; no character needs escaping. The size of a limit does not depend on its value, so that
    /// changing a number never makes a token too large.
    pub(in crate::domain) const fn token_bytes(&self) -> usize {
        match self.kind {
            _ if self.display_only => 0,
            EntitlementKind::Flag => self.key.len() + 3,
            EntitlementKind::Limit => self.key.len() + 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            FeatureLimits, MAX_LIMIT,
            tests::{feature, id, limit, product, tier},
        },
        *,
    };
    use crate::domain::{claims::MAX_OVERRIDES_BYTES, entitlements::MAX_OVERRIDES};

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
    fn limits_count_with_their_largest_value() {
        let mut catalog = catalog();
        let largest = format!(r#""{:064}":{MAX_LIMIT},"#, 0).len();
        assert_eq!(limit(0, false).token_bytes(), format!(r#""f0":{MAX_LIMIT},"#).len());
        let count = MAX_FEATURES_BYTES / largest;
        for feature in catalog.features.values_mut() {
            feature.kind = EntitlementKind::Limit;
        }
        let with = |count: usize| {
            let limits = (0..count).map(|n| (id(n), Some(0))).collect();
            Tier { feature_limits: FeatureLimits(limits), ..tier(1, None, &[]) }
        };
        catalog.check_tier(&with(count)).unwrap();
        assert_eq!(error_pointer(catalog.check_tier(&with(count + 1))), "/feature_limits");
    }

    #[test]
    fn features_that_overrides_add_count() {
        let mut catalog = catalog();
        let full = tier(1, None, &indices(0..MAX_FEATURES));
        catalog.tiers.insert(full.id, full.clone());
        let with = |n: usize, grant| Override { feature_id: id(n), grant, expires_at: None, note: None };
        let check = |overrides: &[Override]| catalog.check_token_size_for_overrides(&full, overrides);
        let (on, off) = (Grant::Flag(true), Grant::Flag(false));
        let adds_nothing = [with(0, on), with(1, off), with(MAX_FEATURES, off), with(MAX_FEATURES + 1, on)];
        assert_eq!(check(&adds_nothing), Ok(()));
        assert_eq!(check(&[with(MAX_FEATURES, on)]).unwrap_err().pointer, "/overrides");
        let smaller = tier(1, None, &indices(1..MAX_FEATURES));
        assert_eq!(catalog.check_token_size_for_overrides(&smaller, &[with(MAX_FEATURES, on)]), Ok(()));
        let largest = Feature { key: "a".repeat(64), ..limit(0, false) };
        assert_eq!(largest.token_bytes() * MAX_OVERRIDES, MAX_OVERRIDES_BYTES);
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
