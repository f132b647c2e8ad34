//! The catalog: products, pricing tiers and product features.
//!
//! The catalog is small and is cached in memory as a whole. Rules that involve several entries are checked against a
//! [`Catalog`], and the store writes an entry only if the catalog is still the version that was checked.

mod features;
mod fields;
mod reorder;
mod token_size;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Span, Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    features::{EntitlementKind, FeatureLimits, Grant, MAX_LIMIT, TierFeature, check_limit},
    fields::{DEFAULT_OFFLINE_GRACE, DEFAULT_TOKEN_TTL, MAX_PRICE, check_seats, check_unchanged, is_code},
    reorder::reorder,
};
use super::{
    id::{FeatureId, ProductId, TierId},
    metadata::Metadata,
    validation::{FieldError, FieldErrorCode, ValidationErrors},
};

/// A product that license keys are issued for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// `prod_…`
    pub id: ProductId,
    /// Unique among products. The `aud` claim of license tokens and, in upper case, the prefix of key strings.
    /// Immutable.
    #[schema(example = "atlas")]
    pub code: String,
    /// Display name.
    #[schema(example = "Atlas")]
    pub name: String,
    /// Description for people.
    #[schema(required, example = "Maps of anywhere")]
    pub description: Option<String>,
    /// Position in lists, in ascending order.
    #[schema(example = 1)]
    pub sort_order: i32,
    /// Whether the product is available and its license keys can be used.
    #[schema(example = true)]
    pub is_active: bool,
    /// Whether issuing a license key supersedes the customer's current license key for the product.
    #[schema(example = true)]
    pub one_key_per_customer: bool,
    /// The values that the operator's programs store with the product; omitted in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
    /// When the product was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the product was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A feature of a product that tiers can include.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ProductFeature)]
pub struct Feature {
    /// `feat_…`
    pub id: FeatureId,
    /// The product that the feature belongs to.
    pub product_id: ProductId,
    /// The name in the `features` or `feature_limits` claim; unique within the product. Immutable.
    #[schema(example = "export.pdf")]
    pub key: String,
    /// What the feature grants. Immutable.
    #[serde(default)]
    #[schema(required)]
    pub kind: EntitlementKind,
    /// The unit of a limit, for people; null for a flag.
    #[serde(default)]
    #[schema(required)]
    pub unit: Option<String>,
    /// Display name.
    #[schema(example = "PDF export")]
    pub name: String,
    /// Description for people.
    #[schema(required, example = "Saves a map as PDF")]
    pub description: Option<String>,
    /// Whether the feature is for display only, such as in a price list. Tokens do not contain such features.
    #[schema(example = false)]
    pub display_only: bool,
    /// Position in lists, in ascending order.
    #[schema(example = 1)]
    pub sort_order: i32,
    /// When the feature was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the feature was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The billing period of a tier. It determines when a license key expires that is issued without an expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BillingPeriod {
    /// One calendar month.
    Monthly,
    /// One calendar year.
    Annual,
    /// Billed once; the license key never expires.
    Perpetual,
}

impl BillingPeriod {
    /// Returns the end of a period that starts at `start`, in UTC; `None` if it never ends. It is on `anchor_day`, or on
    /// the last day of the month if the month has fewer days, so that the periods after a short month are on the anchor
    /// day again.
    pub fn end(self, start: Timestamp, anchor_day: i8) -> Option<Timestamp> {
        let span: Span = match self {
            Self::Monthly => 1.month(),
            Self::Annual => 1.year(),
            Self::Perpetual => return None,
        };
        // An end after the calendar's last year can't be represented and is treated as never.
        let end = start.to_zoned_datetime(TimeZone::UTC).checked_add(span).ok()?;
        let day = anchor_day.clamp(1, end.days_in_month());
        end.with().day(day).build().ok().map(|end| end.timestamp())
    }
}

/// What holds a seat of a license key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeatUnit {
    /// A machine, however many processes of the app run on it.
    #[default]
    Machine,
    /// A running process of the app, which sends an `instance_id`: a floating license.
    Process,
}

impl SeatUnit {
    /// Returns the name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Process => "process",
        }
    }
}

/// A pricing tier of a product: prices, limits, features and token lifetimes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PricingTierProperties)]
pub struct Tier {
    /// `tier_…`
    pub id: TierId,
    /// The product that the tier belongs to.
    pub product_id: ProductId,
    /// Unique within the product. Immutable.
    #[schema(example = "pro")]
    pub code: String,
    /// Display name.
    #[schema(example = "Pro")]
    pub name: String,
    /// Description for people.
    #[schema(required, example = "For small teams")]
    pub description: Option<String>,
    /// The tier whose features this tier inherits.
    #[schema(required)]
    pub includes_tier_id: Option<TierId>,
    /// Monthly price in minor units of `currency`.
    #[schema(example = 1900)]
    pub monthly_price: i64,
    /// Annual price in minor units of `currency`.
    #[schema(example = 19000)]
    pub annual_price: i64,
    /// ISO 4217 currency code.
    #[schema(example = "EUR")]
    pub currency: String,
    /// How often the tier is billed.
    pub billing_period: BillingPeriod,
    /// Number of seats; null means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// What holds a seat. Immutable.
    #[serde(default)]
    pub seat_unit: SeatUnit,
    /// How long a machine may borrow a seat, in seconds; 0 means not at all.
    #[serde(default)]
    #[schema(example = 0)]
    pub max_borrow_seconds: u32,
    /// Number of tenants, which the app enforces; null means no limit.
    #[schema(required, format = Int64)]
    pub max_tenants: Option<u32>,
    /// The tier's own flags, without inherited ones.
    pub feature_ids: Vec<FeatureId>,
    /// The tier's own limits, without inherited ones.
    #[serde(default)]
    #[schema(required)]
    pub feature_limits: FeatureLimits,
    /// Whether a signed-in customer can claim a license key of this tier without an operator.
    #[schema(example = false)]
    pub is_claimable: bool,
    /// Whether the tier is available and listed in the public catalog.
    #[schema(example = true)]
    pub is_active: bool,
    /// Position in lists, in ascending order.
    #[schema(example = 2)]
    pub sort_order: i32,
    /// Lifetime of a license token, in seconds.
    #[schema(example = 3600)]
    pub token_ttl_seconds: u32,
    /// How often an app should send a heartbeat, in seconds.
    #[schema(example = 900)]
    pub heartbeat_interval_seconds: u32,
    /// Heartbeats return the same token until it has this age, in seconds. Null means half the token lifetime, or less if a
    /// token could otherwise expire within a heartbeat interval.
    #[schema(required)]
    pub renew_after_seconds: Option<u32>,
    /// How long an app may continue after the `exp` of its token while it cannot reach the API, in seconds.
    #[schema(example = 259_200)]
    pub offline_grace_seconds: u32,
    /// How long a license key is still honoured after its `expires_at`, online and offline, in seconds. License keys have the
    /// value that the tier had when they were issued or changed to it.
    #[schema(example = 0)]
    pub expiry_grace_seconds: u32,
    /// The values that the operator's programs store with the tier; omitted in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
    /// When the tier was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the tier was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Tier {
    /// Returns the age, in seconds, from which a heartbeat issues a new token.
    ///
    /// By default, half the token lifetime, so that few heartbeats sign, but early enough that an app which misses one heartbeat
    /// sends the next one before its token expires. That needs a lifetime of two and a half intervals; in a shorter one, every
    /// regular heartbeat issues a new token.
    pub fn renew_after(&self) -> u32 {
        let (ttl, interval) = (self.token_ttl_seconds, self.heartbeat_interval_seconds);
        let default = (ttl / 2).min(ttl.saturating_sub(interval.saturating_mul(2))).max(interval / 2);
        self.renew_after_seconds.unwrap_or(default)
    }

    /// Returns when an app that has received a token at `now` sends its next heartbeat.
    pub fn next_heartbeat_at(&self, now: Timestamp) -> Timestamp {
        let interval = SignedDuration::from_secs(i64::from(self.heartbeat_interval_seconds));
        now.checked_add(interval).unwrap_or(Timestamp::MAX)
    }
}

/// All products, tiers and features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Products by id.
    pub products: BTreeMap<ProductId, Product>,
    /// Tiers by id.
    pub tiers: BTreeMap<TierId, Tier>,
    /// Features by id.
    pub features: BTreeMap<FeatureId, Feature>,
}

impl Catalog {
    /// Returns the tier and the tiers that it includes, nearest first. Also terminates if the stored tiers include one
    /// another in a cycle.
    pub fn lineage(&self, tier: &Tier) -> Vec<TierId> {
        let mut seen = vec![tier.id];
        let mut next = tier.includes_tier_id;
        while let Some(id) = next.filter(|id| !seen.contains(id)) {
            seen.push(id);
            next = self.tiers.get(&id).and_then(|tier| tier.includes_tier_id);
        }
        seen
    }

    /// Checks that no other product has the same code.
    pub fn check_product(&self, product: &Product) -> Result<(), FieldError> {
        if self.products.values().any(|other| other.id != product.id && other.code == product.code) {
            return Err(FieldError::at("/code", FieldErrorCode::CodeTaken, "already used by another product"));
        }
        Ok(())
    }

    /// Checks that the product exists, that no other feature of it has the same key, and that license tokens with the
    /// feature do not become too large.
    pub fn check_feature(&self, feature: &Feature) -> Result<(), FieldError> {
        self.check_product_exists(feature.product_id)?;
        let taken = |other: &Feature| other.product_id == feature.product_id && other.key == feature.key;
        if self.features.values().any(|other| other.id != feature.id && taken(other)) {
            return Err(FieldError::at(
                "/key",
                FieldErrorCode::KeyTaken,
                "already used by another feature of this product",
            ));
        }
        self.check_token_size_for_feature(feature)
    }

    /// Checks that the product exists, that the included tier and the features belong to it, that the tier does not
    /// include itself directly or indirectly, that no other tier of the product has the same code, and that license
    /// tokens with the features do not become too large.
    pub fn check_tier(&self, tier: &Tier) -> Result<(), ValidationErrors> {
        self.check_product_exists(tier.product_id)?;
        let mut errors = ValidationErrors::default();
        errors.0.extend(self.check_inclusion(tier).err());
        self.check_features(&mut errors, tier);
        let taken = |other: &Tier| other.product_id == tier.product_id && other.code == tier.code;
        if self.tiers.values().any(|other| other.id != tier.id && taken(other)) {
            errors.push("/code", FieldErrorCode::CodeTaken, "already used by another tier of this product");
        }
        errors.into_result()?;
        Ok(self.check_token_size_for_tier(tier)?)
    }

    fn check_inclusion(&self, tier: &Tier) -> Result<(), FieldError> {
        let Some(included) = tier.includes_tier_id else { return Ok(()) };
        let at = |code, detail| Err(FieldError::at("/includes_tier_id", code, detail));
        if included == tier.id {
            return at(FieldErrorCode::TierCycle, "a tier can't include itself");
        }
        let Some(other) = self.tiers.get(&included) else {
            return at(FieldErrorCode::InvalidValue, "tier not found");
        };
        if other.product_id != tier.product_id {
            return at(FieldErrorCode::TierOfOtherProduct, "tier belongs to another product");
        }
        if self.lineage(other).contains(&tier.id) {
            return at(FieldErrorCode::TierCycle, "the included tier includes this tier, directly or indirectly");
        }
        Ok(())
    }

    fn check_product_exists(&self, id: ProductId) -> Result<(), FieldError> {
        if self.products.contains_key(&id) {
            return Ok(());
        }
        Err(FieldError::at("/product_id", FieldErrorCode::InvalidValue, "product not found"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };

    use super::*;
    use crate::domain::id::Id;

    pub(in crate::domain) fn id<K>(n: usize) -> Id<K> {
        Id::from_ulid(ulid::Ulid::from_parts(n as u64, 0))
    }

    pub(in crate::domain) fn feature(n: usize, display_only: bool) -> Feature {
        Feature {
            id: id(n),
            product_id: id(0),
            key: format!("f{n}"),
            kind: EntitlementKind::Flag,
            unit: None,
            name: "A".to_owned(),
            description: None,
            display_only,
            sort_order: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(in crate::domain) fn tier(n: usize, includes: Option<usize>, features: &[usize]) -> Tier {
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
            seat_unit: SeatUnit::Machine,
            max_borrow_seconds: 0,
            max_tenants: None,
            feature_ids: features.iter().map(|n| id(*n)).collect(),
            feature_limits: FeatureLimits::default(),
            is_claimable: false,
            is_active: true,
            sort_order: 0,
            token_ttl_seconds: 3600,
            heartbeat_interval_seconds: 900,
            renew_after_seconds: None,
            offline_grace_seconds: 0,
            expiry_grace_seconds: 0,
            metadata: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(in crate::domain) fn product() -> Product {
        Product {
            id: id(0),
            code: "atlas".to_owned(),
            name: "A".to_owned(),
            description: None,
            sort_order: 0,
            is_active: true,
            one_key_per_customer: true,
            metadata: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(in crate::domain) fn limit(n: usize, display_only: bool) -> Feature {
        Feature { kind: EntitlementKind::Limit, ..feature(n, display_only) }
    }

    /// Up to eight tiers with random inclusions, six flags and four limits; inclusions that the checks reject are left out.
    pub(in crate::domain) fn catalogs() -> impl Strategy<Value = Catalog> {
        let limits = btree_map((6..10_usize).prop_map(id), proptest::option::of(0..100_u64), 0..4);
        let tiers = vec((proptest::option::of(0..8_usize), vec(0..6_usize, 0..4), limits), 8);
        (tiers, vec(any::<bool>(), 10)).prop_map(|(tiers, display_only)| {
            let mut catalog = Catalog::default();
            catalog.products.insert(id(0), product());
            for (n, display_only) in display_only.into_iter().enumerate() {
                let feature = if n < 6 { feature(n, display_only) } else { limit(n, display_only) };
                catalog.features.insert(id(n), feature);
            }
            for n in 0..8 {
                catalog.tiers.insert(id(n), tier(n, None, &[]));
            }
            for (n, (includes, mut features, limits)) in tiers.into_iter().enumerate() {
                features.sort_unstable();
                features.dedup();
                let own = Tier { feature_limits: FeatureLimits(limits), ..tier(n, None, &features) };
                let wanted = Tier { includes_tier_id: includes.map(id), ..own.clone() };
                let tier = if catalog.check_tier(&wanted).is_ok() { wanted } else { own };
                catalog.tiers.insert(tier.id, tier);
            }
            catalog
        })
    }

    proptest! {
        /// By default, a token is renewed at most once in half of its lifetime, and an app that misses one heartbeat sends the
        /// next one before the token expires.
        #[test]
        fn default_renewal_leaves_time_for_a_missed_heartbeat(ttl in 1..=31_536_000_u32, share in 1..=1000_u32) {
            let interval = u32::try_from((u64::from(ttl) * u64::from(share) / 1000).max(1)).unwrap();
            let tier = Tier { token_ttl_seconds: ttl, heartbeat_interval_seconds: interval, ..tier(0, None, &[]) };
            prop_assert!(tier.renew_after() <= ttl / 2);
            if u64::from(ttl) * 2 >= u64::from(interval) * 5 {
                // The youngest token that is renewed has this age; the oldest that is not is younger.
                prop_assert!(tier.renew_after() <= ttl - 2 * interval);
            } else {
                // Every regular heartbeat renews the token.
                prop_assert!(tier.renew_after() <= interval);
            }
        }

        /// Tiers that pass the check, added one by one, never form a cycle.
        #[test]
        fn accepted_tiers_never_include_themselves(catalog in catalogs()) {
            for start in catalog.tiers.values() {
                let mut next = start.includes_tier_id;
                for _ in 0..=catalog.tiers.len() {
                    prop_assert_ne!(next, Some(start.id));
                    next = next.and_then(|id| catalog.tiers[&id].includes_tier_id);
                }
                prop_assert_eq!(next, None);
            }
        }
    }

    #[test]
    fn features_of_a_stored_tier_cycle_are_resolved() {
        let mut catalog = Catalog::default();
        catalog.features.insert(id(1), feature(1, false));
        catalog.tiers.insert(id(1), tier(1, Some(2), &[1]));
        catalog.tiers.insert(id(2), tier(2, Some(1), &[]));
        assert_eq!(catalog.feature_keys(&catalog.tiers[&id(2)]), ["f1"]);
    }

    #[test]
    fn periods_end_on_the_anchor_day_or_on_the_last_day_of_a_shorter_month() {
        let end = |period: BillingPeriod, start: &str, day| period.end(start.parse().unwrap(), day);
        for (period, start, day, expected) in [
            (BillingPeriod::Monthly, "2027-01-31T10:00:00Z", 31, Some("2027-02-28T10:00:00Z")),
            (BillingPeriod::Monthly, "2027-02-28T10:00:00Z", 31, Some("2027-03-31T10:00:00Z")),
            (BillingPeriod::Monthly, "2027-02-28T10:00:00Z", 28, Some("2027-03-28T10:00:00Z")),
            (BillingPeriod::Annual, "2028-02-29T10:00:00Z", 29, Some("2029-02-28T10:00:00Z")),
            (BillingPeriod::Annual, "2031-02-28T10:00:00Z", 29, Some("2032-02-29T10:00:00Z")),
            (BillingPeriod::Monthly, "9999-11-30T10:00:00Z", 30, Some("9999-12-30T10:00:00Z")),
            (BillingPeriod::Monthly, "9999-11-30T10:00:00Z", 31, None),
            (BillingPeriod::Annual, "9999-11-30T10:00:00Z", 30, None),
            (BillingPeriod::Perpetual, "2027-01-31T10:00:00Z", 31, None),
        ] {
            let expected = expected.map(|time| time.parse().unwrap());
            assert_eq!(end(period, start, day), expected, "{period:?} {start} {day}");
        }
    }

    #[test]
    fn check_tier_returns_all_errors() {
        let mut catalog = Catalog::default();
        catalog.products.insert(id(0), product());
        catalog.products.insert(id(9), Product { id: id(9), ..product() });
        catalog.features.insert(id(1), feature(1, false));
        catalog.features.insert(id(2), Feature { product_id: id(9), ..feature(2, false) });
        catalog.tiers.insert(id(1), tier(1, None, &[]));
        catalog.tiers.insert(id(2), Tier { product_id: id(9), ..tier(2, None, &[]) });
        let errors = |tier: &Tier| -> Vec<(String, FieldErrorCode)> {
            let errors = catalog.check_tier(tier).err().unwrap_or_default().0;
            errors.into_iter().map(|error| (error.pointer, error.code)).collect()
        };
        let at = |pointer: &str, code| (pointer.to_owned(), code);
        assert_eq!(errors(&tier(3, Some(1), &[1])), []);
        assert_eq!(
            errors(&tier(3, Some(2), &[1, 2, 1, 7])),
            [
                at("/includes_tier_id", FieldErrorCode::TierOfOtherProduct),
                at("/feature_ids/1", FieldErrorCode::FeatureOfOtherProduct),
                at("/feature_ids/2", FieldErrorCode::InvalidValue),
                at("/feature_ids/3", FieldErrorCode::InvalidValue),
            ]
        );
        assert_eq!(errors(&tier(1, Some(1), &[])), [at("/includes_tier_id", FieldErrorCode::TierCycle)]);
        assert_eq!(errors(&tier(1, Some(8), &[])), [at("/includes_tier_id", FieldErrorCode::InvalidValue)]);
        let duplicate = Tier { code: "t1".to_owned(), ..tier(3, None, &[]) };
        assert_eq!(errors(&duplicate), [at("/code", FieldErrorCode::CodeTaken)]);
        let duplicate = Tier { feature_ids: vec![id(2)], ..duplicate };
        assert_eq!(
            errors(&duplicate),
            [at("/feature_ids/0", FieldErrorCode::FeatureOfOtherProduct), at("/code", FieldErrorCode::CodeTaken)]
        );
        let unknown_product = Tier { product_id: id(5), ..tier(3, Some(2), &[1]) };
        assert_eq!(errors(&unknown_product), [at("/product_id", FieldErrorCode::InvalidValue)]);
    }
}
