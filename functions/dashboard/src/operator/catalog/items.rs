//! The items of the catalog, in their order.

use serde::Deserialize;
use shared::{
    domain::{Catalog, Feature, Product, ProductId, Tier},
    http::Problem,
    store::Table,
};

/// The API's response to the creation of an item: its id.
#[derive(Debug, Deserialize)]
pub(super) struct CreatedItem<I> {
    pub(super) id: I,
}

/// What codes of products and tiers may be.
pub(super) const CODE_RULE: &str = "Use 2–40 lowercase letters, digits or hyphens; start with a letter or digit.";

/// Reads the catalog from the table instead of the cache, so that operators see their changes at once.
pub(super) async fn read_catalog(table: &Table) -> Result<Catalog, Problem> {
    Ok(table.catalog().await?.catalog)
}

pub(super) fn find_product(catalog: &Catalog, id: ProductId) -> Result<&Product, Problem> {
    catalog.products.get(&id).ok_or_else(Problem::not_found)
}

pub(super) fn sorted_products(catalog: &Catalog) -> Vec<&Product> {
    let mut products: Vec<_> = catalog.products.values().collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    products
}

pub(super) fn tiers_of(catalog: &Catalog, id: ProductId) -> Vec<&Tier> {
    let mut tiers: Vec<_> = catalog.tiers.values().filter(|tier| tier.product_id == id).collect();
    tiers.sort_by_key(|tier| (tier.sort_order, tier.id));
    tiers
}

pub(super) fn features_of(catalog: &Catalog, id: ProductId) -> Vec<&Feature> {
    let mut features: Vec<_> = catalog.features.values().filter(|feature| feature.product_id == id).collect();
    features.sort_by_key(|feature| (feature.sort_order, feature.id));
    features
}

/// The `sort_order` of a new last item. The gap allows later insertions without renumbering.
pub(super) fn next_sort_order(last: Option<i32>) -> i32 {
    last.map_or(0, |last| last.saturating_add(16))
}
