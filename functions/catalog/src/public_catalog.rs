//! The catalog as everyone may see it: what is sold.

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header::CACHE_CONTROL},
};
use serde::Serialize;
use shared::{
    AppState,
    domain::{Catalog, Product, Tier, TierId, catalog::TierFeature},
    http::{Problem, RequestContext, WithEtag, responses::ServerErrors},
};
use utoipa::ToSchema;

use crate::resources::TierResource;

/// What is sold.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicCatalog {
    /// The active products, in their `sort_order`.
    pub products: Vec<PublicProduct>,
}

/// A product and its tiers.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicProduct {
    /// The product.
    #[serde(flatten)]
    pub product: Product,
    /// Its active tiers, in their `sort_order`.
    pub tiers: Vec<PublicTier>,
}

/// A tier and its features.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicTier {
    /// The tier.
    #[serde(flatten)]
    pub tier: TierResource,
    /// Own and inherited, display-only ones as well, in their `sort_order`.
    pub features: Vec<PublicFeature>,
}

/// A feature of a tier.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicFeature {
    /// What tokens call it.
    #[schema(example = "export.pdf")]
    pub key: String,
    /// What people call it.
    #[schema(example = "PDF export")]
    pub name: String,
    /// For marketing only: never enters a token.
    #[schema(example = false)]
    pub display_only: bool,
    /// The nearest included tier that brings it; null for the tier's own.
    #[schema(required)]
    pub inherited_from: Option<TierId>,
}

/// Anybody may keep the answer for a minute.
const HEADERS: [(HeaderName, HeaderValue); 1] = [(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"))];

/// Shows what is sold.
#[utoipa::path(
    get,
    path = "/api/v1.0/products/catalog",
    tag = "catalog",
    summary = "Show what is sold: active products, their active tiers and features",
    responses(
        (status = 200, description = "The catalog", body = PublicCatalog, headers(("ETag" = String))),
        ServerErrors,
    ),
    security(()),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    ctx: RequestContext,
) -> Result<([(HeaderName, HeaderValue); 1], WithEtag<PublicCatalog>), Problem> {
    let catalog = app.catalog.read(&app.table, ctx.now).await?;
    Ok((HEADERS, WithEtag(public_catalog(&catalog))))
}

/// What of a catalog is sold.
pub fn public_catalog(catalog: &Catalog) -> PublicCatalog {
    let mut products: Vec<&Product> = catalog.products.values().filter(|product| product.is_active).collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    let public = |product: &Product| PublicProduct { product: product.clone(), tiers: public_tiers(catalog, product) };
    PublicCatalog { products: products.into_iter().map(public).collect() }
}

fn public_tiers(catalog: &Catalog, product: &Product) -> Vec<PublicTier> {
    let sold = |tier: &&Tier| tier.product_id == product.id && tier.is_active;
    let mut tiers: Vec<&Tier> = catalog.tiers.values().filter(sold).collect();
    tiers.sort_by_key(|tier| (tier.sort_order, tier.id));
    let public = |tier: &Tier| PublicTier {
        tier: TierResource::new(catalog, tier.clone()),
        features: public_features(catalog, tier),
    };
    tiers.into_iter().map(public).collect()
}

fn public_features(catalog: &Catalog, tier: &Tier) -> Vec<PublicFeature> {
    let mut features = catalog.features_of(tier);
    features.sort_by_key(|had| (had.feature.sort_order, had.feature.id));
    let public = |TierFeature { feature, inherited_from }| PublicFeature {
        key: feature.key.clone(),
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
    const RETIRED: &str = "prod_00000000000000000000000001";

    fn read<T: DeserializeOwned>(id: &str, fields: Value) -> T {
        let common = json!({ "id": id, "name": "A", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z" });
        let all = [common, fields].into_iter().flat_map(|fields| fields.as_object().unwrap().clone());
        serde_json::from_value(all.collect()).unwrap()
    }

    fn product(id: &str, code: &str, sort_order: i32, is_active: bool) -> Product {
        let fields = json!({ "code": code, "sort_order": sort_order, "is_active": is_active,
            "one_key_per_customer": true });
        read(id, fields)
    }

    fn tier(number: u32, includes: Option<&str>, features: &[&str], is_active: bool) -> Tier {
        let fields = json!({ "product_id": PRODUCT, "code": format!("t{number}"), "includes_tier_id": includes,
            "monthly_price": 0, "annual_price": 0, "currency": "EUR", "billing_period": "monthly",
            "feature_ids": features, "is_claimable": false, "is_active": is_active, "sort_order": -number.cast_signed(),
            "token_ttl_seconds": 3600, "heartbeat_interval_seconds": 900, "grace_period_seconds": 0 });
        read(&format!("tier_{number:026}"), fields)
    }

    #[test]
    fn only_what_is_active_is_shown_with_what_it_inherits() {
        let (own, inherited) = ("feat_00000000000000000000000000", "feat_00000000000000000000000001");
        let mut catalog = Catalog::default();
        for product in [product(PRODUCT, "atlas", 1, true), product(RETIRED, "old", 0, false)] {
            catalog.products.insert(product.id, product);
        }
        for (id, key, display_only) in [(own, "zoom", false), (inherited, "support", true)] {
            let fields = json!({ "product_id": PRODUCT, "key": key, "display_only": display_only, "sort_order": 0 });
            let feature: shared::domain::Feature = read(id, fields);
            catalog.features.insert(feature.id, feature);
        }
        let retired = tier(1, None, &[inherited], false);
        let included = retired.id.to_string();
        for tier in [tier(2, Some(&included), &[own], true), tier(3, None, &[], true), retired] {
            catalog.tiers.insert(tier.id, tier);
        }

        let shown = serde_json::to_value(public_catalog(&catalog)).unwrap();
        let products = shown["products"].as_array().unwrap();
        assert_eq!(products.iter().map(|product| &product["code"]).collect::<Vec<_>>(), ["atlas"]);
        let tiers = products[0]["tiers"].as_array().unwrap();
        assert_eq!(tiers.iter().map(|tier| &tier["code"]).collect::<Vec<_>>(), ["t3", "t2"]);
        assert_eq!(tiers[1]["feature_keys"], json!(["zoom"]));
        let features = json!([
            { "key": "zoom", "name": "A", "display_only": false, "inherited_from": null },
            { "key": "support", "name": "A", "display_only": true, "inherited_from": included },
        ]);
        assert_eq!(tiers[1]["features"], features);
    }
}
