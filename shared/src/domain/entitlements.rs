//! What a license key grants: the features of its tier, and the overrides that an operator has set for it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    catalog::{Catalog, Feature, Grant, Tier},
    id::{FeatureId, TierId},
};

/// The maximum number of overrides of a license key. It keeps the license item below 4 KB, which one read unit reads.
pub const MAX_OVERRIDES: usize = 20;

/// An exception for one license key: the value of a feature in place of that of the tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The feature, of the product of the license key.
    pub feature_id: FeatureId,
    /// The value, of the kind of the feature.
    pub grant: Grant,
    /// When the override ends; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The note of the operator; `None` if there is none or if notes were not read.
    pub note: Option<String>,
}

/// Where the value of an entitlement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntitlementSource {
    /// The tier.
    Tier {
        /// The nearest included tier that has the feature; `None` if it is the tier's own.
        inherited_from: Option<TierId>,
    },
    /// An override.
    Override {
        /// When it ends; `None` means never.
        until: Option<Timestamp>,
    },
}

/// A feature of a license key, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entitlement<'a> {
    /// The feature.
    pub feature: &'a Feature,
    /// The value. A flag that an override has switched off is contained, too.
    pub grant: Grant,
    /// Where the value comes from.
    pub source: EntitlementSource,
}

impl Catalog {
    /// Returns what a license key of this tier grants at `now`, sorted by key. An override applies before the tier until it
    /// ends.
    ///
    /// `long_lived_until` is the `exp` of a token that is not renewed regularly, because its machine is offline: nothing can
    /// take back what it grants. An override that grants more than the tier therefore applies to it only if it lasts until
    /// then. `None` is for tokens that heartbeats renew.
    pub fn entitlements(
        &self,
        tier: &Tier,
        overrides: &[Override],
        now: Timestamp,
        long_lived_until: Option<Timestamp>,
    ) -> Vec<Entitlement<'_>> {
        let of_tier = self.features_of(tier).into_iter().map(|found| {
            let source = EntitlementSource::Tier { inherited_from: found.inherited_from };
            (&*found.feature.key, Entitlement { feature: found.feature, grant: found.grant, source })
        });
        let mut found: BTreeMap<&str, Entitlement<'_>> = of_tier.collect();
        for one in overrides.iter().filter(|one| one.lasts_past(now)) {
            let Some(feature) = self.features.get(&one.feature_id).filter(|found| found.kind == one.grant.kind())
            else {
                continue;
            };
            let present = found.get(&*feature.key).map(|present| present.grant);
            let is_granted_too_long = one.grant.is_more_than(present)
                && long_lived_until.is_some_and(|exp| one.expires_at.is_some_and(|end| end < exp));
            if !is_granted_too_long {
                let source = EntitlementSource::Override { until: one.expires_at };
                found.insert(&feature.key, Entitlement { feature, grant: one.grant, source });
            }
        }
        found.into_values().collect()
    }
}

/// Returns the values of the claims `features` and `feature_limits`. Features for display only are in neither.
pub fn feature_claims(entitlements: &[Entitlement<'_>]) -> (Vec<String>, BTreeMap<String, Option<u64>>) {
    let in_token = || entitlements.iter().filter(|one| !one.feature.display_only);
    let flags = in_token().filter(|one| one.grant == Grant::Flag(true)).map(|one| one.feature.key.clone());
    let limits = in_token().filter_map(|one| match one.grant {
        Grant::Limit(limit) => Some((one.feature.key.clone(), limit)),
        Grant::Flag(_) => None,
    });
    (flags.collect(), limits.collect())
}

impl Override {
    /// Returns whether the override has not ended at `now`.
    pub fn lasts_past(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

impl Grant {
    /// Returns whether the value grants more than another one of the same feature, or than none.
    fn is_more_than(self, other: Option<Self>) -> bool {
        match (self, other) {
            (Self::Flag(is_on), None) => is_on,
            (Self::Flag(is_on), Some(Self::Flag(was_on))) => is_on && !was_on,
            (Self::Limit(Some(limit)), Some(Self::Limit(Some(other)))) => limit > other,
            (Self::Limit(_), Some(Self::Limit(None))) => false,
            (Self::Limit(_), _) | (_, Some(Self::Limit(_))) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, option, prelude::*};

    use super::{
        super::catalog::{EntitlementKind, tests::catalogs, tests::id},
        *,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A catalog, and overrides of its features, six flags and four limits, which end between the seconds 0 and 20 or never.
    fn cases() -> impl Strategy<Value = (Catalog, Vec<Override>)> {
        let values = (any::<bool>(), option::of(0..100_u64), option::of(0..20_i64));
        (catalogs(), btree_map(0..10_usize, values, 0..6)).prop_map(|(catalog, overrides)| {
            let make = |(n, (is_on, limit, end)): (usize, (bool, Option<u64>, Option<i64>))| {
                let grant = match catalog.features[&id(n)].kind {
                    EntitlementKind::Flag => Grant::Flag(is_on),
                    EntitlementKind::Limit => Grant::Limit(limit),
                };
                Override { feature_id: id(n), grant, expires_at: end.map(at), note: None }
            };
            let overrides = overrides.into_iter().map(make).collect();
            (catalog, overrides)
        })
    }

    fn grants(entitlements: Vec<Entitlement<'_>>) -> BTreeMap<FeatureId, Grant> {
        entitlements.into_iter().map(|one| (one.feature.id, one.grant)).collect()
    }

    proptest! {
        /// An override applies until it ends, and otherwise the tier.
        #[test]
        fn an_override_applies_before_the_tier_until_it_ends((catalog, overrides) in cases(), now in 0..20_i64) {
            for tier in catalog.tiers.values() {
                let mut expected = grants(catalog.entitlements(tier, &[], at(now), None));
                let of_tier = catalog.features_of(tier).into_iter().map(|found| (found.feature.id, found.grant));
                prop_assert_eq!(&expected, &of_tier.collect());
                for one in overrides.iter().filter(|one| one.expires_at.is_none_or(|end| end > at(now))) {
                    expected.insert(one.feature_id, one.grant);
                }
                let found = catalog.entitlements(tier, &overrides, at(now), None);
                let keys: Vec<_> = found.iter().map(|one| &one.feature.key).collect();
                prop_assert!(keys.is_sorted());
                let (features, limits) = feature_claims(&found);
                let is_in_token = |one: &Entitlement<'_>| features.contains(&one.feature.key) || limits.contains_key(&one.feature.key);
                for one in &found {
                    prop_assert_eq!(is_in_token(one), !one.feature.display_only && one.grant != Grant::Flag(false));
                }
                prop_assert_eq!(grants(found), expected);
            }
        }

        /// A token that nothing renews grants at no time until its end more than a token that is signed at that time, and as
        /// much as an ordinary one if all overrides last until its end.
        #[test]
        fn a_long_lived_token_never_grants_more_than_an_ordinary_one(
            (catalog, overrides) in cases(), now in 0..20_i64, life in 0..20_i64,
        ) {
            for tier in catalog.tiers.values() {
                let exp = at(now + life);
                let long_lived = grants(catalog.entitlements(tier, &overrides, at(now), Some(exp)));
                for second in now..now + life {
                    let ordinary = grants(catalog.entitlements(tier, &overrides, at(second), None));
                    for (feature, grant) in &long_lived {
                        prop_assert!(!grant.is_more_than(ordinary.get(feature).copied()), "{grant:?} {ordinary:?}");
                    }
                }
                if overrides.iter().all(|one| one.expires_at.is_none_or(|end| end >= exp)) {
                    prop_assert_eq!(long_lived, grants(catalog.entitlements(tier, &overrides, at(now), None)));
                }
            }
        }

        /// An override that grants less than the tier applies to every token until it ends.
        #[test]
        fn an_override_that_grants_less_always_applies((catalog, overrides) in cases(), now in 0..20_i64, life in 0..20_i64) {
            for tier in catalog.tiers.values() {
                let of_tier = grants(catalog.entitlements(tier, &[], at(now), None));
                let long_lived = grants(catalog.entitlements(tier, &overrides, at(now), Some(at(now + life))));
                for one in overrides.iter().filter(|one| one.expires_at.is_none_or(|end| end > at(now))) {
                    if !one.grant.is_more_than(of_tier.get(&one.feature_id).copied()) {
                        prop_assert_eq!(long_lived.get(&one.feature_id), Some(&one.grant));
                    }
                }
            }
        }
    }

    #[test]
    fn values_are_compared_by_what_they_grant() {
        let (on, off) = (Grant::Flag(true), Grant::Flag(false));
        let limit = Grant::Limit;
        for (more, less) in [
            (on, Some(off)),
            (on, None),
            (limit(Some(0)), None),
            (limit(None), None),
            (limit(Some(2)), Some(limit(Some(1)))),
            (limit(None), Some(limit(Some(u64::MAX)))),
        ] {
            assert!(more.is_more_than(less), "{more:?} {less:?}");
            assert!(less.is_none_or(|less| !less.is_more_than(Some(more))), "{more:?} {less:?}");
            assert!(!more.is_more_than(Some(more)), "{more:?}");
        }
        assert!(!off.is_more_than(None));
    }
}
