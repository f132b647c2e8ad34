//! What a vendor sells: products, pricing tiers that include one another, and product features.
//!
//! The whole catalog is small and is held in memory; every rule that spans several of its things is a function over
//! a [`Catalog`], and the store writes only on condition that the catalog is still the one that was checked.

mod arrange;
mod fields;
mod token_size;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Span, Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    arrange::arrange,
    fields::{DEFAULT_TOKEN_TTL, check_seats, check_unchanged},
};
use super::{
    id::{FeatureId, ProductId, TierId},
    license::License,
    validation::{Code, FieldError, ValidationErrors},
};

/// Something that is licensed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// `prod_…`
    pub id: ProductId,
    /// Unique among products; the audience of its tokens and the prefix of its license keys. Never changes.
    #[schema(example = "atlas")]
    pub code: String,
    /// What people call it.
    #[schema(example = "Atlas")]
    pub name: String,
    /// What it is.
    #[schema(required, example = "Maps of anywhere")]
    pub description: Option<String>,
    /// Its place in lists, smallest first.
    #[schema(example = 1)]
    pub sort_order: i32,
    /// Whether it is sold and its licenses are honoured.
    #[schema(example = true)]
    pub is_active: bool,
    /// Whether a new license key of a customer takes the place of the one before.
    #[schema(example = true)]
    pub one_key_per_customer: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A named ability of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ProductFeature)]
pub struct Feature {
    /// `feat_…`
    pub id: FeatureId,
    /// The product that has it.
    pub product_id: ProductId,
    /// What tokens call it; unique within the product. Never changes.
    #[schema(example = "export.pdf")]
    pub key: String,
    /// What people call it.
    #[schema(example = "PDF export")]
    pub name: String,
    /// What it is.
    #[schema(required, example = "Saves a map as PDF")]
    pub description: Option<String>,
    /// For marketing only: never enters a token.
    #[schema(example = false)]
    pub display_only: bool,
    /// Its place in lists, smallest first.
    #[schema(example = 1)]
    pub sort_order: i32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// How often a tier is paid for, and so how long a license key lasts that is issued without saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BillingPeriod {
    /// One calendar month.
    Monthly,
    /// One calendar year.
    Annual,
    /// Once; never ends.
    Perpetual,
}

impl BillingPeriod {
    /// The end of a period that starts at `start`, in UTC; none when it never ends. A month that is too short ends
    /// on its last day.
    pub fn end(self, start: Timestamp) -> Option<Timestamp> {
        let span: Span = match self {
            Self::Monthly => 1.month(),
            Self::Annual => 1.year(),
            Self::Perpetual => return None,
        };
        // Past the calendar's last year there is no end to write down, which is what "never" means.
        start.to_zoned_datetime(TimeZone::UTC).checked_add(span).ok().map(|end| end.timestamp())
    }
}

/// What a customer buys of a product: a price, limits, features, and how its tokens live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PricingTierItself)]
pub struct Tier {
    /// `tier_…`
    pub id: TierId,
    /// The product that is sold.
    pub product_id: ProductId,
    /// Unique within the product. Never changes.
    #[schema(example = "pro")]
    pub code: String,
    /// What people call it.
    #[schema(example = "Pro")]
    pub name: String,
    /// What it is.
    #[schema(required, example = "For small teams")]
    pub description: Option<String>,
    /// The tier whose features it has as well.
    #[schema(required)]
    pub includes_tier_id: Option<TierId>,
    /// In minor units of `currency`.
    #[schema(example = 1900)]
    pub monthly_price: i64,
    /// In minor units of `currency`.
    #[schema(example = 19000)]
    pub annual_price: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// How often it is paid for.
    pub billing_period: BillingPeriod,
    /// Seats; none means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// Tenants, which the consuming app counts; none means no limit.
    #[schema(required)]
    pub max_tenants: Option<u32>,
    /// Its own features, without the inherited ones.
    pub feature_ids: Vec<FeatureId>,
    /// Whether a signed-in customer may take it without an operator.
    #[schema(example = false)]
    pub is_claimable: bool,
    /// Whether it is sold: shown in the public catalog.
    #[schema(example = true)]
    pub is_active: bool,
    /// Its place in lists, smallest first.
    #[schema(example = 2)]
    pub sort_order: i32,
    /// How long a license token lives.
    #[schema(example = 3600)]
    pub token_ttl_seconds: u32,
    /// How often an app should send a heartbeat.
    #[schema(example = 900)]
    pub heartbeat_interval_seconds: u32,
    /// A younger token is handed back; none means half the heartbeat interval.
    #[schema(required)]
    pub renew_after_seconds: Option<u32>,
    /// How long past `exp` an app may go on.
    #[schema(example = 0)]
    pub grace_period_seconds: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Tier {
    /// The age from which a heartbeat makes a new token, in seconds.
    pub fn renew_after(&self) -> u32 {
        self.renew_after_seconds.unwrap_or(self.heartbeat_interval_seconds / 2)
    }
}

/// A feature as a tier has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierFeature<'a> {
    /// The feature.
    pub feature: &'a Feature,
    /// The nearest included tier that brings it; none for the tier's own.
    pub inherited_from: Option<TierId>,
}

/// All products, tiers and features, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By id.
    pub products: BTreeMap<ProductId, Product>,
    /// By id.
    pub tiers: BTreeMap<TierId, Tier>,
    /// By id.
    pub features: BTreeMap<FeatureId, Feature>,
}

impl Catalog {
    /// The tier and the tiers that it includes, nearest first. Ends also if the table were damaged so that tiers
    /// include one another in a circle.
    pub fn lineage(&self, tier: &Tier) -> Vec<TierId> {
        let mut seen = vec![tier.id];
        let mut next = tier.includes_tier_id;
        while let Some(id) = next.filter(|id| !seen.contains(id)) {
            seen.push(id);
            next = self.tiers.get(&id).and_then(|tier| tier.includes_tier_id);
        }
        seen
    }

    /// What a license is of: its product and its tier.
    pub fn product_and_tier(&self, license: &License) -> Option<(&Product, &Tier)> {
        self.products.get(&license.product_id).zip(self.tiers.get(&license.tier_id))
    }

    /// The features of a tier, inherited ones included, in the order of their keys; each once, from the nearest tier
    /// that brings it.
    pub fn features_of(&self, tier: &Tier) -> Vec<TierFeature<'_>> {
        let mut found: BTreeMap<&str, TierFeature<'_>> = BTreeMap::new();
        for id in self.lineage(tier) {
            let own = if id == tier.id { Some(tier) } else { self.tiers.get(&id) };
            for feature in own.into_iter().flat_map(|tier| &tier.feature_ids).filter_map(|id| self.features.get(id)) {
                let inherited_from = (id != tier.id).then_some(id);
                found.entry(&feature.key).or_insert(TierFeature { feature, inherited_from });
            }
        }
        found.into_values().collect()
    }

    /// The keys that a token of the tier carries: own and inherited, sorted, display-only ones left out.
    pub fn feature_keys(&self, tier: &Tier) -> Vec<String> {
        let features = self.features_of(tier).into_iter().map(|had| had.feature);
        features.filter(|feature| !feature.display_only).map(|feature| feature.key.clone()).collect()
    }

    /// The product's code is no other product's.
    pub fn check_product(&self, product: &Product) -> Result<(), FieldError> {
        if self.products.values().any(|other| other.id != product.id && other.code == product.code) {
            return Err(FieldError::at("/code", Code::CodeTaken, "another product has this code"));
        }
        Ok(())
    }

    /// The feature's product exists, its key is no other feature's of that product, and a token has room for it.
    pub fn check_feature(&self, feature: &Feature) -> Result<(), FieldError> {
        self.check_product_exists(feature.product_id)?;
        let taken = |other: &Feature| other.product_id == feature.product_id && other.key == feature.key;
        if self.features.values().any(|other| other.id != feature.id && taken(other)) {
            return Err(FieldError::at("/key", Code::KeyTaken, "another feature of this product has this key"));
        }
        self.check_token_size_for_feature(feature)
    }

    /// The tier's product exists, what it includes and has belongs to the same product, it does not include itself,
    /// however far round, its code is no other tier's of that product, and a token has room for its features.
    pub fn check_tier(&self, tier: &Tier) -> Result<(), ValidationErrors> {
        self.check_product_exists(tier.product_id)?;
        let mut invalid = ValidationErrors::default();
        invalid.0.extend(self.check_inclusion(tier).err());
        self.check_features(&mut invalid, tier);
        invalid.into_result()?;
        let taken = |other: &Tier| other.product_id == tier.product_id && other.code == tier.code;
        if self.tiers.values().any(|other| other.id != tier.id && taken(other)) {
            return Err(FieldError::at("/code", Code::CodeTaken, "another tier of this product has this code").into());
        }
        Ok(self.check_token_size_for_tier(tier)?)
    }

    fn check_features(&self, invalid: &mut ValidationErrors, tier: &Tier) {
        let mut seen = BTreeSet::new();
        for (index, id) in tier.feature_ids.iter().enumerate() {
            let (code, detail) = match self.features.get(id) {
                None => (Code::InvalidValue, "there is no such feature"),
                Some(feature) if feature.product_id != tier.product_id => {
                    (Code::FeatureOfOtherProduct, "this feature belongs to another product")
                }
                Some(_) if !seen.insert(id) => (Code::InvalidValue, "this feature is named twice"),
                Some(_) => continue,
            };
            invalid.push(&format!("/feature_ids/{index}"), code, detail);
        }
    }

    fn check_inclusion(&self, tier: &Tier) -> Result<(), FieldError> {
        let Some(included) = tier.includes_tier_id else { return Ok(()) };
        let at = |code, detail| Err(FieldError::at("/includes_tier_id", code, detail));
        if included == tier.id {
            return at(Code::TierCycle, "a tier can't include itself");
        }
        let Some(other) = self.tiers.get(&included) else {
            return at(Code::InvalidValue, "there is no such tier");
        };
        if other.product_id != tier.product_id {
            return at(Code::TierOfOtherProduct, "this tier belongs to another product");
        }
        if self.lineage(other).contains(&tier.id) {
            return at(Code::TierCycle, "this tier includes, directly or not, the one that would include it");
        }
        Ok(())
    }

    fn check_product_exists(&self, id: ProductId) -> Result<(), FieldError> {
        if self.products.contains_key(&id) {
            return Ok(());
        }
        Err(FieldError::at("/product_id", Code::InvalidValue, "there is no such product"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::domain::id::Id;

    pub(super) fn id<K>(n: usize) -> Id<K> {
        Id::of(ulid::Ulid::from_parts(n as u64, 0))
    }

    pub(super) fn feature(n: usize, display_only: bool) -> Feature {
        Feature {
            id: id(n),
            product_id: id(0),
            key: format!("f{n}"),
            name: "A".to_owned(),
            description: None,
            display_only,
            sort_order: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) fn tier(n: usize, includes: Option<usize>, features: &[usize]) -> Tier {
        Tier {
            id: id(n),
            product_id: id(0),
            code: format!("t{n}"),
            name: "A".to_owned(),
            description: None,
            includes_tier_id: includes.map(id),
            monthly_price: 0,
            annual_price: 0,
            currency: "EUR".to_owned(),
            billing_period: BillingPeriod::Monthly,
            max_users: None,
            max_tenants: None,
            feature_ids: features.iter().map(|n| id(*n)).collect(),
            is_claimable: false,
            is_active: true,
            sort_order: 0,
            token_ttl_seconds: 3600,
            heartbeat_interval_seconds: 900,
            renew_after_seconds: None,
            grace_period_seconds: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) fn product() -> Product {
        Product {
            id: id(0),
            code: "atlas".to_owned(),
            name: "A".to_owned(),
            description: None,
            sort_order: 0,
            is_active: true,
            one_key_per_customer: true,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Up to eight tiers, each offered any inclusion; one that the rules refuse is added without it.
    fn catalogs() -> impl Strategy<Value = Catalog> {
        let tiers = vec((proptest::option::of(0..8_usize), vec(0..6_usize, 0..4)), 8);
        (tiers, vec(any::<bool>(), 6)).prop_map(|(tiers, display_only)| {
            let mut catalog = Catalog::default();
            catalog.products.insert(id(0), product());
            for (n, display_only) in display_only.into_iter().enumerate() {
                catalog.features.insert(id(n), feature(n, display_only));
            }
            for n in 0..8 {
                catalog.tiers.insert(id(n), tier(n, None, &[]));
            }
            for (n, (includes, mut features)) in tiers.into_iter().enumerate() {
                features.sort_unstable();
                features.dedup();
                let wanted = tier(n, includes, &features);
                let put = if catalog.check_tier(&wanted).is_ok() { wanted } else { tier(n, None, &features) };
                catalog.tiers.insert(put.id, put);
            }
            catalog
        })
    }

    proptest! {
        /// Whatever is accepted, one tier at a time, never closes a circle.
        #[test]
        fn accepted_tiers_never_include_themselves(catalog in catalogs()) {
            for start in catalog.tiers.values() {
                let mut at = start.includes_tier_id;
                for _ in 0..=catalog.tiers.len() {
                    prop_assert_ne!(at, Some(start.id));
                    at = at.and_then(|id| catalog.tiers[&id].includes_tier_id);
                }
                prop_assert_eq!(at, None);
            }
        }

        /// A tier has what it names and what the tier that it includes has, and nothing else.
        #[test]
        fn a_tier_has_its_own_and_the_included_features(catalog in catalogs()) {
            for tier in catalog.tiers.values() {
                let keys = |tier: &Tier| -> BTreeSet<String> { catalog.feature_keys(tier).into_iter().collect() };
                let own = tier.feature_ids.iter().map(|id| &catalog.features[id]);
                let mut expected: BTreeSet<String> =
                    own.filter(|feature| !feature.display_only).map(|feature| feature.key.clone()).collect();
                if let Some(included) = tier.includes_tier_id {
                    expected.extend(keys(&catalog.tiers[&included]));
                }
                prop_assert_eq!(keys(tier), expected);
                prop_assert!(catalog.feature_keys(tier).is_sorted());
            }
        }

        /// A feature counts as a tier's own where the tier names it, and else comes from the nearest that does.
        #[test]
        fn a_feature_comes_from_the_nearest_tier(catalog in catalogs()) {
            for tier in catalog.tiers.values() {
                for had in catalog.features_of(tier) {
                    let nearest = catalog.lineage(tier).into_iter()
                        .find(|id| catalog.tiers[id].feature_ids.contains(&had.feature.id));
                    prop_assert_eq!(Some(had.inherited_from.unwrap_or(tier.id)), nearest);
                }
            }
        }
    }

    #[test]
    fn a_damaged_circle_of_tiers_still_resolves() {
        let mut catalog = Catalog::default();
        catalog.features.insert(id(1), feature(1, false));
        catalog.tiers.insert(id(1), tier(1, Some(2), &[1]));
        catalog.tiers.insert(id(2), tier(2, Some(1), &[]));
        assert_eq!(catalog.feature_keys(&catalog.tiers[&id(2)]), ["f1"]);
    }

    #[test]
    fn a_month_that_starts_on_the_31st_ends_on_the_last_day() {
        let end = |period: BillingPeriod, start: &str| period.end(start.parse().unwrap()).unwrap().to_string();
        assert_eq!(end(BillingPeriod::Monthly, "2027-01-31T10:00:00Z"), "2027-02-28T10:00:00Z");
        assert_eq!(end(BillingPeriod::Annual, "2028-02-29T10:00:00Z"), "2029-02-28T10:00:00Z");
    }

    #[test]
    fn a_tier_is_told_all_that_does_not_fit_the_catalog() {
        let mut catalog = Catalog::default();
        catalog.products.insert(id(0), product());
        catalog.products.insert(id(9), Product { id: id(9), ..product() });
        catalog.features.insert(id(1), feature(1, false));
        catalog.features.insert(id(2), Feature { product_id: id(9), ..feature(2, false) });
        catalog.tiers.insert(id(1), tier(1, None, &[]));
        catalog.tiers.insert(id(2), Tier { product_id: id(9), ..tier(2, None, &[]) });
        let faults = |tier: &Tier| -> Vec<(String, Code)> {
            let faults = catalog.check_tier(tier).err().unwrap_or_default().0;
            faults.into_iter().map(|fault| (fault.pointer.unwrap(), fault.code)).collect()
        };
        let at = |pointer: &str, code| (pointer.to_owned(), code);
        assert_eq!(faults(&tier(3, Some(1), &[1])), []);
        assert_eq!(
            faults(&tier(3, Some(2), &[1, 2, 1, 7])),
            [
                at("/includes_tier_id", Code::TierOfOtherProduct),
                at("/feature_ids/1", Code::FeatureOfOtherProduct),
                at("/feature_ids/2", Code::InvalidValue),
                at("/feature_ids/3", Code::InvalidValue),
            ]
        );
        assert_eq!(faults(&tier(1, Some(1), &[])), [at("/includes_tier_id", Code::TierCycle)]);
        assert_eq!(faults(&tier(1, Some(8), &[])), [at("/includes_tier_id", Code::InvalidValue)]);
        let doubled = Tier { code: "t1".to_owned(), ..tier(3, None, &[]) };
        assert_eq!(faults(&doubled), [at("/code", Code::CodeTaken)]);
        let astray = Tier { product_id: id(5), ..tier(3, Some(2), &[1]) };
        assert_eq!(faults(&astray), [at("/product_id", Code::InvalidValue)]);
    }
}
