//! Pricing tiers: the resource and the input.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::{
    domain::{
        BillingPeriod, Catalog, FeatureId, FeatureLimits, Grant, IdGenerator, Metadata, ProductId, SeatUnit, Tier,
        TierId, Timestamp, ValidationErrors, catalog::check_unchanged,
    },
    http::UpdateInput,
    store::catalog::CatalogEntry,
};
use utoipa::ToSchema;

use crate::defaults::{default_offline_grace, default_token_ttl, default_true};

/// A pricing tier with the features of its license tokens.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PricingTier)]
pub struct TierResource {
    /// The tier.
    #[serde(flatten)]
    pub tier: Tier,
    /// Keys of the own and inherited flags, sorted, without display-only ones: the `features` claim of license
    /// tokens.
    #[schema(example = json!(["export.pdf"]))]
    pub feature_keys: Vec<String>,
    /// The own and inherited limits, sorted by key, without display-only ones: the `feature_limits` claim of license
    /// tokens.
    pub effective_limits: Vec<EffectiveLimit>,
}

/// A limit of a tier, own or inherited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveLimit {
    /// The feature.
    pub feature_id: FeatureId,
    /// The name in the `feature_limits` claim.
    #[schema(example = "export.rows")]
    pub key: String,
    /// The limit; null means unlimited.
    #[schema(required, example = 1000, maximum = 9_007_199_254_740_991_i64)]
    pub limit: Option<u64>,
    /// The nearest included tier that has the limit; null if it is the tier's own.
    #[schema(required)]
    pub inherited_from: Option<TierId>,
}

impl TierResource {
    /// Creates the resource of a tier, with inherited features from `catalog`.
    pub fn new(catalog: &Catalog, tier: Tier) -> Self {
        Self { feature_keys: catalog.feature_keys(&tier), effective_limits: effective_limits(catalog, &tier), tier }
    }
}

fn effective_limits(catalog: &Catalog, tier: &Tier) -> Vec<EffectiveLimit> {
    let in_token = catalog.features_of(tier).into_iter().filter(|found| !found.feature.display_only);
    let limits = in_token.filter_map(|found| {
        let Grant::Limit(limit) = found.grant else { return None };
        let (feature_id, key) = (found.feature.id, found.feature.key.clone());
        Some(EffectiveLimit { feature_id, key, limit, inherited_from: found.inherited_from })
    });
    limits.collect()
}

impl<'a> From<&'a TierResource> for CatalogEntry<'a> {
    fn from(resource: &'a TierResource) -> Self {
        Self::Tier(&resource.tier)
    }
}

/// Request to create a pricing tier.
///
/// `Product` and `Code` are the types of the immutable fields: they are required to create a tier, and can be omitted
/// to replace one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreatePricingTierRequest, description = "Request to create a pricing tier.")]
pub struct TierInput<Product = ProductId, Code = String> {
    /// The product that the tier belongs to. Immutable.
    #[schema(value_type = ProductId)]
    pub product_id: Product,
    /// Unique within the product. Immutable.
    #[schema(value_type = String, example = "pro", pattern = "^[a-z0-9][a-z0-9-]{1,39}$")]
    pub code: Code,
    /// Display name.
    #[schema(example = "Pro", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "For small teams")]
    pub description: Option<String>,
    /// A tier of the same product whose features this tier inherits.
    pub includes_tier_id: Option<TierId>,
    /// Monthly price in minor units of `currency`.
    #[schema(example = 1900, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub monthly_price: i64,
    /// Annual price in minor units of `currency`.
    #[schema(example = 19000, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub annual_price: i64,
    /// ISO 4217 currency code.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// How often the tier is billed.
    pub billing_period: BillingPeriod,
    /// Number of seats; null means no limit. A new or replaced tier requires it, so that a limit is not omitted by
    /// mistake.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, example = 5, minimum = 1, maximum = 100_000)]
    pub max_users: Option<u32>,
    /// What holds a seat; `machine` if omitted. Immutable.
    #[serde(default)]
    #[schema(value_type = SeatUnit)]
    pub seat_unit: Option<SeatUnit>,
    /// How long a machine may borrow a seat, in seconds; 0 means not at all, and is required if processes hold the seats.
    #[serde(default)]
    #[schema(default = 0, maximum = 31_536_000)]
    pub max_borrow_seconds: u32,
    /// Number of tenants, which the app enforces; null means no limit.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = Int64)]
    pub max_tenants: Option<u32>,
    /// The tier's own flags, without inherited ones. The keys of all features, own and inherited, can have 30,000
    /// bytes in total, where each key counts 3 bytes in addition to its length, or 20 if it is that of a limit.
    #[serde(default)]
    #[schema(max_items = 500, default = json!([]))]
    pub feature_ids: Vec<FeatureId>,
    /// The tier's own limits, without inherited ones. They apply before those of included tiers. A merge patch replaces all of
    /// them, because a null inside means unlimited.
    #[serde(default)]
    pub feature_limits: FeatureLimits,
    /// Whether a signed-in customer can claim a license key of this tier without an operator.
    #[serde(default)]
    #[schema(default = false)]
    pub is_claimable: bool,
    /// Whether the tier is available and listed in the public catalog.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 2, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
    /// Lifetime of a license token, in seconds.
    #[serde(default = "default_token_ttl")]
    #[schema(default = 3600, minimum = 1, maximum = 31_536_000)]
    pub token_ttl_seconds: u32,
    /// How often an app should send a heartbeat, in seconds; at most `token_ttl_seconds`. Null means 900 or
    /// `token_ttl_seconds`, whichever is less.
    #[schema(minimum = 1, maximum = 31_536_000, example = 900)]
    pub heartbeat_interval_seconds: Option<u32>,
    /// Heartbeats return the same token until it has this age, in seconds; at most half of `token_ttl_seconds`. Null
    /// means half of `token_ttl_seconds`, but at most `token_ttl_seconds` less two heartbeat intervals, and at least half an
    /// interval.
    #[schema(minimum = 0, maximum = 15_768_000)]
    pub renew_after_seconds: Option<u32>,
    /// How long an app may continue after the `exp` of its token while it cannot reach the API, in seconds. A seat of a
    /// machine that is gone is free for other machines only after this time and the lifetime of its token.
    #[serde(default = "default_offline_grace")]
    #[schema(default = 259_200, maximum = 31_536_000)]
    pub offline_grace_seconds: u32,
    /// How long a license key is still honoured after its `expires_at`, online and offline, in seconds. License keys have the
    /// value that the tier had when they were issued or changed to it.
    #[serde(default)]
    #[schema(default = 0, maximum = 7_776_000)]
    pub expiry_grace_seconds: u32,
    /// Values that your programs store with the tier. Null means none.
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Metadata>,
}

/// The input to replace or update a tier.
pub type ReplaceTierInput = TierInput<Option<String>, Option<String>>;

impl<Product: DeserializeOwned + Clone, Code: DeserializeOwned + Clone> UpdateInput for TierInput<Product, Code> {
    const IMMUTABLE: &[&str] = &["product_id", "code"];
    const REPLACED: &[&str] = &["feature_limits"];
}

impl<Product, Code> TierInput<Product, Code> {
    fn to_tier(
        &self,
        (id, product_id, code, seat_unit): (TierId, ProductId, String, SeatUnit),
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> Tier {
        let default_heartbeat = Tier::default_heartbeat_interval(self.token_ttl_seconds);
        Tier {
            id,
            product_id,
            code,
            name: self.name.clone(),
            description: self.description.clone(),
            includes_tier_id: self.includes_tier_id,
            monthly_price: self.monthly_price,
            annual_price: self.annual_price,
            currency: self.currency.clone(),
            billing_period: self.billing_period,
            max_users: self.max_users,
            seat_unit,
            max_borrow_seconds: self.max_borrow_seconds,
            max_tenants: self.max_tenants,
            feature_ids: self.feature_ids.clone(),
            feature_limits: self.feature_limits.clone(),
            is_claimable: self.is_claimable,
            is_active: self.is_active,
            sort_order: self.sort_order,
            token_ttl_seconds: self.token_ttl_seconds,
            heartbeat_interval_seconds: self.heartbeat_interval_seconds.unwrap_or(default_heartbeat),
            renew_after_seconds: self.renew_after_seconds,
            offline_grace_seconds: self.offline_grace_seconds,
            expiry_grace_seconds: self.expiry_grace_seconds,
            metadata: Some(self.metadata.clone().unwrap_or_default()),
            created_at,
            updated_at,
        }
    }
}

impl TierInput {
    /// Checks a new tier without adding it to the catalog.
    ///
    /// # Errors
    ///
    /// All errors that [`create_tier`](crate::create_tier::create_tier) would return for this catalog.
    pub fn check(&self, catalog: &Catalog, now: Timestamp) -> Result<(), ValidationErrors> {
        let (tier, errors) = self.create(now);
        errors.and(catalog.check_tier(&tier))
    }

    /// Returns the new tier, with the errors of its fields.
    pub(crate) fn create(&self, now: Timestamp) -> (Tier, ValidationErrors) {
        let id = IdGenerator::new(now).generate();
        let immutable = (id, self.product_id, self.code.clone(), self.seat_unit.unwrap_or_default());
        let tier = self.to_tier(immutable, now, now);
        let mut errors = ValidationErrors::default();
        tier.check(&mut errors);
        (tier, errors)
    }
}

impl ReplaceTierInput {
    /// Checks the tier that would replace `current`, without replacing it.
    ///
    /// # Errors
    ///
    /// All errors that [`update_tier`](crate::update_tier::update_tier) would return for this catalog.
    pub fn check(&self, current: &Tier, catalog: &Catalog, now: Timestamp) -> Result<(), ValidationErrors> {
        let (tier, errors) = self.replace(current, now);
        errors.and(catalog.check_tier(&tier))
    }

    /// Returns the tier that replaces `current`, with the errors of its fields.
    pub(crate) fn replace(&self, current: &Tier, now: Timestamp) -> (Tier, ValidationErrors) {
        let immutable = (current.id, current.product_id, current.code.clone(), current.seat_unit);
        let tier = self.to_tier(immutable, current.created_at, now);
        let mut errors = ValidationErrors::default();
        check_unchanged(&mut errors, "/product_id", self.product_id.as_deref(), &current.product_id.to_string());
        check_unchanged(&mut errors, "/code", self.code.as_deref(), &current.code);
        check_unchanged(&mut errors, "/seat_unit", self.seat_unit.map(SeatUnit::as_str), current.seat_unit.as_str());
        tier.check(&mut errors);
        (tier, errors)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::http::{ReplaceSchema, UpdateSchema};
    use utoipa::PartialSchema;

    use super::*;

    const MINIMAL_REQUEST: &str = r#"{"product_id": "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "code": "pro", "name": "Pro",
        "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "monthly",
        "max_users": null"#;

    fn parse(more: &str) -> Result<Tier, serde_json::Error> {
        let input: TierInput = serde_json::from_str(&format!("{MINIMAL_REQUEST}{more}}}"))?;
        Ok(input.create(Timestamp::UNIX_EPOCH).0)
    }

    #[test]
    fn omitted_fields_have_their_defaults() {
        let tier = parse("").unwrap();
        assert_eq!((tier.is_active, tier.is_claimable, tier.sort_order), (true, false, 0));
        assert_eq!((tier.description, tier.includes_tier_id, tier.max_tenants), (None, None, None));
        assert_eq!((tier.feature_ids, tier.feature_limits), (Vec::new(), FeatureLimits::default()));
        assert_eq!((tier.token_ttl_seconds, tier.heartbeat_interval_seconds), (3600, 900));
        assert_eq!(
            (tier.renew_after_seconds, tier.offline_grace_seconds, tier.expiry_grace_seconds),
            (None, 259_200, 0)
        );
        assert_eq!(parse(r#", "token_ttl_seconds": 60"#).unwrap().heartbeat_interval_seconds, 60);
    }

    #[test]
    fn max_users_is_required() {
        let without_max_users = format!("{}}}", MINIMAL_REQUEST.replace(",\n        \"max_users\": null", ""));
        let error = serde_json::from_str::<TierInput>(&without_max_users).unwrap_err().to_string();
        assert!(error.starts_with("missing field `max_users`"), "{error}");
    }

    #[test]
    fn schema_of_replace_requests_makes_only_the_immutable_fields_optional() {
        let schema = |schema| serde_json::to_value(schema).unwrap();
        let (create, replace) = (schema(<TierInput>::schema()), schema(ReplaceSchema::<TierInput>::schema()));
        assert_eq!(ReplaceSchema::<TierInput>::name(), "ReplacePricingTierRequest");
        assert_eq!(replace["description"], "Request to replace a pricing tier.");
        let required = |schema: &Value| schema["required"].as_array().unwrap().clone();
        let optional: Vec<_> =
            required(&create).into_iter().filter(|name| !required(&replace).contains(name)).collect();
        assert_eq!(optional, ["product_id", "code"]);
        let fields = create["properties"].as_object().unwrap();
        let changed: Vec<_> = fields.keys().filter(|name| fields[*name] != replace["properties"][*name]).collect();
        assert_eq!(changed, ["code", "product_id"]);
    }

    #[test]
    fn schema_of_update_requests_makes_all_fields_optional_without_defaults() {
        let update = serde_json::to_value(UpdateSchema::<TierInput>::schema()).unwrap();
        assert_eq!(UpdateSchema::<TierInput>::name(), "UpdatePricingTierRequest");
        assert_eq!(update["description"], "Request to update a pricing tier. An omitted field keeps its value.");
        assert!(update["required"].is_null());
        let fields = update["properties"].as_object().unwrap();
        assert!(fields["is_active"]["type"] == "boolean" && fields["code"]["type"] == "string");
        let with_default: Vec<_> = fields.iter().filter(|(_, field)| !field["default"].is_null()).collect();
        assert!(with_default.is_empty(), "{with_default:?}");
    }
}
