//! The public catalog: active products with their active tiers.

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header::CACHE_CONTROL},
};
use serde::Serialize;
use shared::{
    domain::{Catalog, EntitlementKind, Grant, Product, Tier, TierId, catalog::TierFeature},
    http::{Problem, RequestContext, WithEtag},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::tier::TierResource;

/// The public catalog.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicCatalog {
    /// Active products, in ascending order of `sort_order`.
    pub products: Vec<PublicProduct>,
}

/// A product with its tiers.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicProduct {
    /// The product.
    #[serde(flatten)]
    pub product: Product,
    /// Active tiers, in ascending order of `sort_order`.
    pub tiers: Vec<PublicTier>,
}

/// A tier with its features.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicTier {
    /// The tier.
    #[serde(flatten)]
    pub tier: TierResource,
    /// Own and inherited features, including display-only ones, in ascending order of `sort_order`.
    pub features: Vec<PublicFeature>,
}

/// A feature of a tier.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicFeature {
    /// The name in the `features` or `feature_limits` claim.
    #[schema(example = "export.pdf")]
    pub key: String,
    /// What the feature grants.
    pub kind: EntitlementKind,
    /// The limit, where null means unlimited; omitted for a flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub limit: Option<Option<u64>>,
    /// The unit of the limit, for people; null for a flag.
    #[schema(required)]
    pub unit: Option<String>,
    /// Display name.
    #[schema(example = "PDF export")]
    pub name: String,
    /// Whether the feature is for display only. Tokens do not contain such features.
    #[schema(example = false)]
    pub display_only: bool,
    /// The nearest included tier that has the feature; null if it is the tier's own.
    #[schema(required)]
    pub inherited_from: Option<TierId>,
}

/// Lets clients and shared caches store the response for one minute.
const CACHE_HEADERS: [(HeaderName, HeaderValue); 1] = [(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"))];

/// Returns the public catalog.
#[utoipa::path(
    get,
    path = "/api/v1.0/products/catalog",
    operation_id = "get_public_catalog",
    tag = "catalog",
    summary = "Get the public catalog",
    description = "Active products with their active tiers and the features of each tier. Needs no credentials.",
    responses(
        (status = 200, description = "The public catalog", body = PublicCatalog, headers(("ETag" = String))),
    ),
    security(()),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    ctx: RequestContext,
) -> Result<([(HeaderName, HeaderValue); 1], WithEtag<PublicCatalog>), Problem> {
    let catalog = cache.read_for_display(&table, ctx.now).await?.value;
    Ok((CACHE_HEADERS, WithEtag(public_catalog(&catalog))))
}

/// Returns the public part of a catalog.
pub fn public_catalog(catalog: &Catalog) -> PublicCatalog {
    let mut products: Vec<&Product> = catalog.products.values().filter(|product| product.is_active).collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    let public = |product: &Product| PublicProduct { product: product.clone(), tiers: public_tiers(catalog, product) };
    PublicCatalog { products: products.into_iter().map(public).collect() }
}

fn public_tiers(catalog: &Catalog, product: &Product) -> Vec<PublicTier> {
    let is_public = |tier: &&Tier| tier.product_id == product.id && tier.is_active;
    let mut tiers: Vec<&Tier> = catalog.tiers.values().filter(is_public).collect();
    tiers.sort_by_key(|tier| (tier.sort_order, tier.id));
    let public = |tier: &Tier| PublicTier {
        tier: TierResource::new(catalog, tier.clone()),
        features: public_features(catalog, tier),
    };
    tiers.into_iter().map(public).collect()
}

fn public_features(catalog: &Catalog, tier: &Tier) -> Vec<PublicFeature> {
    let mut features = catalog.features_of(tier);
    features.sort_by_key(|tier_feature| (tier_feature.feature.sort_order, tier_feature.feature.id));
    let public = |TierFeature { feature, grant, inherited_from }| PublicFeature {
        key: feature.key.clone(),
        kind: feature.kind,
        limit: match grant {
            Grant::Flag(_) => None,
            Grant::Limit(limit) => Some(limit),
        },
        unit: feature.unit.clone(),
        name: feature.name.clone(),
        display_only: feature.display_only,
        inherited_from,
    };
    features.into_iter().map(public).collect()
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    const PRODUCT: &str = "prod_00000000000000000000000000";
    const INACTIVE: &str = "prod_00000000000000000000000001";

    fn parse<T: DeserializeOwned>(id: &str, fields: Value) -> T {
        let common = json!({ "id": id, "name": "A", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z" });
        let all = [common, fields].into_iter().flat_map(|fields| fields.as_object().unwrap().clone());
        serde_json::from_value(all.collect()).unwrap()
    }

    fn product(id: &str, code: &str, sort_order: i32, is_active: bool) -> Product {
        let fields = json!({ "code": code, "sort_order": sort_order, "is_active": is_active,
            "one_key_per_customer": true });
        parse(id, fields)
    }

    fn tier(number: u32, includes: Option<&str>, features: &[&str], is_active: bool) -> Tier {
        let fields = json!({ "product_id": PRODUCT, "code": format!("t{number}"), "includes_tier_id": includes,
            "monthly_price": 0, "annual_price": 0, "currency": "EUR", "billing_period": "monthly",
            "feature_ids": features, "is_claimable": false, "is_active": is_active, "sort_order": -number.cast_signed(),
            "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900, "offline_grace_seconds": 0,
            "expiry_grace_seconds": 0 });
        parse(&format!("tier_{number:026}"), fields)
    }

    #[test]
    fn public_catalog_lists_only_active_items_with_inherited_features() {
        let (own, inherited) = ("feat_00000000000000000000000000", "feat_00000000000000000000000001");
        let mut catalog = Catalog::default();
        for product in [product(PRODUCT, "atlas", 1, true), product(INACTIVE, "old", 0, false)] {
            catalog.products.insert(product.id, product);
        }
        for (id, key, display_only) in [(own, "zoom", false), (inherited, "support", true)] {
            let fields = json!({ "product_id": PRODUCT, "key": key, "display_only": display_only, "sort_order": 0 });
            let feature: shared::domain::Feature = parse(id, fields);
            catalog.features.insert(feature.id, feature);
        }
        let inactive = tier(1, None, &[inherited], false);
        let included = inactive.id.to_string();
        for tier in [tier(2, Some(&included), &[own], true), tier(3, None, &[], true), inactive] {
            catalog.tiers.insert(tier.id, tier);
        }

        let catalog = serde_json::to_value(public_catalog(&catalog)).unwrap();
        let products = catalog["products"].as_array().unwrap();
        assert_eq!(products.iter().map(|product| &product["code"]).collect::<Vec<_>>(), ["atlas"]);
        let tiers = products[0]["tiers"].as_array().unwrap();
        assert_eq!(tiers.iter().map(|tier| &tier["code"]).collect::<Vec<_>>(), ["t3", "t2"]);
        assert_eq!(tiers[1]["feature_keys"], json!(["zoom"]));
        let features = json!([
            { "key": "zoom", "kind": "flag", "unit": null, "name": "A", "display_only": false, "inherited_from": null },
            { "key": "support", "kind": "flag", "unit": null, "name": "A", "display_only": true, "inherited_from": included },
        ]);
        assert_eq!(tiers[1]["features"], features);
    }
}
