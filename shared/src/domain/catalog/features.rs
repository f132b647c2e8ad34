//! What the features of a tier grant: flags and limits, with those that it inherits.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type},
    },
};

use super::{Catalog, Feature, Tier};
use crate::domain::{FeatureId, FieldErrorCode, ProductId, TierId, ValidationErrors, unique_map};

/// The maximum of a limit: the largest integer that every JSON implementation represents exactly.
pub const MAX_LIMIT: u64 = (1 << 53) - 1;

/// What a product feature grants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProductFeatureKind)]
pub enum EntitlementKind {
    /// A function of the app, which a tier includes or not.
    #[default]
    Flag,
    /// A quantity of something, for which each tier has a number or no limit.
    Limit,
}

impl EntitlementKind {
    /// Returns the name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Limit => "limit",
        }
    }
}

/// The value of a feature, for a tier or a license key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Whether a flag is on.
    Flag(bool),
    /// The number of a limit; `None` means unlimited.
    Limit(Option<u64>),
}

impl Grant {
    /// Returns the kind of the features that can have the value.
    pub const fn kind(self) -> EntitlementKind {
        match self {
            Self::Flag(_) => EntitlementKind::Flag,
            Self::Limit(_) => EntitlementKind::Limit,
        }
    }
}

/// Limits by feature; `None` means unlimited. The tier does not have a limit without an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FeatureLimits(pub BTreeMap<FeatureId, Option<u64>>);

impl<'de> Deserialize<'de> for FeatureLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unique_map::deserialize(deserializer).map(Self)
    }
}

impl FeatureLimits {
    /// The maximum number of limits of a tier. It keeps the item well below DynamoDB's limit of 400 KB.
    const MAX_ENTRIES: usize = 500;

    /// Checks the number of limits and their values.
    pub(super) fn check(&self, errors: &mut ValidationErrors) {
        let max = Self::MAX_ENTRIES;
        errors.check(self.0.len() <= max, "/feature_limits", format!("must have at most {max} entries"));
        for (id, limit) in &self.0 {
            check_limit(errors, &format!("/feature_limits/{id}"), *limit);
        }
    }
}

/// Checks a limit: a number of at most [`MAX_LIMIT`], or `None` for unlimited.
pub fn check_limit(errors: &mut ValidationErrors, pointer: &str, limit: Option<u64>) {
    let rule = format!("must be an integer between 0 and {MAX_LIMIT}, or null for unlimited");
    errors.check(limit.is_none_or(|limit| limit <= MAX_LIMIT), pointer, rule);
}

impl ToSchema for FeatureLimits {}

impl PartialSchema for FeatureLimits {
    fn schema() -> RefOr<Schema> {
        let limit = ObjectBuilder::new()
            .schema_type([Type::Integer, Type::Null].into_iter().collect::<SchemaType>())
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0_u64))
            .maximum(Some(MAX_LIMIT));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Limits by the id of the feature. Null means unlimited."))
            .max_properties(Some(Self::MAX_ENTRIES))
            .property_names(Some(FeatureId::schema()))
            .additional_properties(Some(limit))
            .into()
    }
}

/// A feature of a tier, own or inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierFeature<'a> {
    /// The feature.
    pub feature: &'a Feature,
    /// Its value: a flag that is on, or a limit.
    pub grant: Grant,
    /// The nearest included tier that has the feature; `None` if it is the tier's own.
    pub inherited_from: Option<TierId>,
}

impl Tier {
    /// Returns the tier's own features with their values.
    fn own_grants(&self) -> impl Iterator<Item = (FeatureId, Grant)> {
        let flags = self.feature_ids.iter().map(|id| (*id, Grant::Flag(true)));
        flags.chain(self.feature_limits.0.iter().map(|(id, limit)| (*id, Grant::Limit(*limit))))
    }
}

impl Catalog {
    /// Returns the features of a tier, own and inherited, sorted by key. A feature that several tiers of the lineage
    /// have is returned once, with the value of the nearest tier: flags add up, and the nearest limit applies.
    pub fn features_of(&self, tier: &Tier) -> Vec<TierFeature<'_>> {
        let mut found: BTreeMap<&str, TierFeature<'_>> = BTreeMap::new();
        for id in self.lineage(tier) {
            let own = if id == tier.id { Some(tier) } else { self.tiers.get(&id) };
            for (feature, grant) in own.into_iter().flat_map(Tier::own_grants) {
                let Some(feature) = self.features.get(&feature).filter(|found| found.kind == grant.kind()) else {
                    continue;
                };
                let inherited_from = (id != tier.id).then_some(id);
                found.entry(&feature.key).or_insert(TierFeature { feature, grant, inherited_from });
            }
        }
        found.into_values().collect()
    }

    /// Returns the keys for the `features` claim: own and inherited flags, sorted, without display-only ones.
    pub fn feature_keys(&self, tier: &Tier) -> Vec<String> {
        let flags = self.features_of(tier).into_iter().filter(|found| found.grant.kind() == EntitlementKind::Flag);
        let keys = flags.filter(|found| !found.feature.display_only).map(|found| found.feature.key.clone());
        keys.collect()
    }

    /// Checks that the flags and limits of a tier are different features of its product, and of the right kind.
    pub(super) fn check_features(&self, errors: &mut ValidationErrors, tier: &Tier) {
        let mut seen = BTreeSet::new();
        for (index, id) in tier.feature_ids.iter().enumerate() {
            let error = match self.check_grant(tier, *id, EntitlementKind::Flag) {
                None if !seen.insert(id) => Some((FieldErrorCode::InvalidValue, "duplicate feature")),
                other => other,
            };
            if let Some((code, detail)) = error {
                errors.push(&format!("/feature_ids/{index}"), code, detail);
            }
        }
        for id in tier.feature_limits.0.keys() {
            if let Some((code, detail)) = self.check_grant(tier, *id, EntitlementKind::Limit) {
                errors.push(&format!("/feature_limits/{id}"), code, detail);
            }
        }
    }

    /// Returns why a tier cannot have a feature as one of this kind.
    fn check_grant(&self, tier: &Tier, id: FeatureId, kind: EntitlementKind) -> Option<(FieldErrorCode, &'static str)> {
        match self.feature_of(tier.product_id, id) {
            Err(error) => Some(error),
            Ok(feature) if feature.kind == kind => None,
            Ok(_) if kind == EntitlementKind::Flag => {
                Some((FieldErrorCode::InvalidValue, "the feature is a limit: set it in feature_limits"))
            }
            Ok(_) => Some((FieldErrorCode::InvalidValue, "the feature is a flag: list it in feature_ids")),
        }
    }

    /// Returns a feature of a product, or what is wrong with its id.
    pub fn feature_of(&self, product: ProductId, id: FeatureId) -> Result<&Feature, (FieldErrorCode, &'static str)> {
        let feature = self.features.get(&id).ok_or((FieldErrorCode::InvalidValue, "feature not found"))?;
        if feature.product_id != product {
            return Err((FieldErrorCode::FeatureOfOtherProduct, "feature belongs to another product"));
        }
        Ok(feature)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{catalogs, feature, id, limit, product, tier},
        *,
    };
    use crate::domain::Product;

    fn grant(tier: &Tier, id: FeatureId) -> Option<Grant> {
        tier.own_grants().find(|(own, _)| *own == id).map(|(_, grant)| grant)
    }

    proptest! {
        /// A tier has its own flags and limits and those of the tier that it includes, and no others. Its own limit applies
        /// before an inherited one.
        #[test]
        fn flags_add_up_and_the_nearest_limit_applies(catalog in catalogs()) {
            let grants = |tier: &Tier| -> BTreeMap<FeatureId, Grant> {
                catalog.features_of(tier).into_iter().map(|found| (found.feature.id, found.grant)).collect()
            };
            for tier in catalog.tiers.values() {
                let mut expected = tier.includes_tier_id.map(|id| grants(&catalog.tiers[&id])).unwrap_or_default();
                expected.extend(tier.own_grants());
                prop_assert_eq!(grants(tier), expected);
                let keys = catalog.features_of(tier).into_iter().map(|found| found.feature.key.clone());
                prop_assert!(keys.collect::<Vec<_>>().is_sorted());
            }
        }

        /// A feature is the tier's own if the tier lists it, and otherwise inherited from the nearest tier that does.
        #[test]
        fn feature_is_inherited_from_the_nearest_tier(catalog in catalogs()) {
            for tier in catalog.tiers.values() {
                for found in catalog.features_of(tier) {
                    let has_it = |id: &TierId| grant(&catalog.tiers[id], found.feature.id).is_some();
                    let nearest = catalog.lineage(tier).into_iter().find(has_it).unwrap();
                    prop_assert_eq!(found.inherited_from.unwrap_or(tier.id), nearest);
                    prop_assert_eq!(Some(found.grant), grant(&catalog.tiers[&nearest], found.feature.id));
                }
            }
        }

        /// Tokens list the flags of a tier, sorted, without display-only ones.
        #[test]
        fn feature_keys_are_the_flags_that_are_not_display_only(catalog in catalogs()) {
            for tier in catalog.tiers.values() {
                let found = catalog.features_of(tier).into_iter();
                let flags = found.filter(|found| found.grant == Grant::Flag(true) && !found.feature.display_only);
                let keys: Vec<_> = flags.map(|found| found.feature.key.clone()).collect();
                prop_assert_eq!(catalog.feature_keys(tier), keys);
            }
        }
    }

    #[test]
    fn limits_must_be_features_of_the_product_and_of_their_kind() {
        let mut catalog = Catalog::default();
        catalog.products.insert(id(0), product());
        catalog.products.insert(id(9), Product { id: id(9), ..product() });
        catalog.features.insert(id(1), feature(1, false));
        catalog.features.insert(id(2), limit(2, false));
        catalog.features.insert(id(3), Feature { product_id: id(9), ..limit(3, false) });
        let with = |flags: &[usize], limits: &[usize]| {
            let limits = limits.iter().map(|n| (id(*n), None)).collect();
            let tier = Tier { feature_limits: FeatureLimits(limits), ..tier(1, None, flags) };
            let errors = catalog.check_tier(&tier).err().unwrap_or_default().0;
            errors.into_iter().map(|error| (error.pointer, error.code)).collect::<Vec<_>>()
        };
        let at = |n: usize, code| (format!("/feature_limits/{}", id::<crate::domain::id::FeatureKind>(n)), code);
        assert_eq!(with(&[1], &[2]), []);
        assert_eq!(with(&[2], &[]), [("/feature_ids/0".to_owned(), FieldErrorCode::InvalidValue)]);
        let expected = [
            at(1, FieldErrorCode::InvalidValue),
            at(3, FieldErrorCode::FeatureOfOtherProduct),
            at(7, FieldErrorCode::InvalidValue),
        ];
        assert_eq!(with(&[], &[1, 2, 3, 7]), expected);
    }
}
