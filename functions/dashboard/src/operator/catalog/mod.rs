//! The catalog: products, their pricing tiers and their features, in the order that operators define.

mod features;
mod products;
mod reorder;
mod tier_hierarchy;
mod tiers;

use axum::{
    Router,
    routing::{get, post},
};
use maud::{Markup, html};
use shared::{
    AppState,
    domain::{Catalog, Feature, Product, ProductId, Tier},
    http::Problem,
};

use crate::{page_context::PageContext, ui::components::tabs};

pub(crate) const BASE_PATH: &str = "/dashboard/products";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(BASE_PATH, get(products::list))
        .route("/dashboard/products/reorder", post(reorder::products))
        .route("/dashboard/products/new", get(products::new).post(products::create))
        .route("/dashboard/products/{id}", get(tiers::list))
        .route("/dashboard/products/{id}/edit", get(products::edit).post(products::update))
        .route("/dashboard/products/{id}/hierarchy", get(tier_hierarchy::show))
        .route("/dashboard/products/{id}/tiers/reorder", post(reorder::tiers))
        .route("/dashboard/products/{id}/tiers/new", get(tiers::new).post(tiers::create))
        .route("/dashboard/tiers/{id}/edit", get(tiers::edit).post(tiers::update))
        .route("/dashboard/products/{id}/features", get(features::list))
        .route("/dashboard/products/{id}/features/reorder", post(reorder::features))
        .route("/dashboard/products/{id}/features/new", get(features::new).post(features::create))
        .route("/dashboard/features/{id}/edit", get(features::edit).post(features::update))
}

/// Reads the catalog from the table instead of the cache, so that operators see their changes at once.
async fn read_catalog(page: &PageContext) -> Result<Catalog, Problem> {
    Ok(page.app.table.catalog().await?.catalog)
}

/// The path of a product's page.
fn path(id: ProductId) -> String {
    format!("{BASE_PATH}/{id}")
}

fn find_product(catalog: &Catalog, id: ProductId) -> Result<&Product, Problem> {
    catalog.products.get(&id).ok_or_else(Problem::not_found)
}

fn sorted_products(catalog: &Catalog) -> Vec<&Product> {
    let mut products: Vec<_> = catalog.products.values().collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    products
}

fn tiers_of(catalog: &Catalog, id: ProductId) -> Vec<&Tier> {
    let mut tiers: Vec<_> = catalog.tiers.values().filter(|tier| tier.product_id == id).collect();
    tiers.sort_by_key(|tier| (tier.sort_order, tier.id));
    tiers
}

fn features_of(catalog: &Catalog, id: ProductId) -> Vec<&Feature> {
    let mut features: Vec<_> = catalog.features.values().filter(|feature| feature.product_id == id).collect();
    features.sort_by_key(|feature| (feature.sort_order, feature.id));
    features
}

/// The `sort_order` of a new last item. The gap allows later insertions without renumbering.
fn next_sort_order(last: Option<i32>) -> i32 {
    last.map_or(0, |last| last.saturating_add(16))
}

/// A tab of a product's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProductTab {
    Tiers,
    Features,
    Hierarchy,
}

fn product_tabs(id: ProductId, current: ProductTab) -> Markup {
    let path = path(id);
    let (features, hierarchy) = (format!("{path}/features"), format!("{path}/hierarchy"));
    html! {
        (tabs("Product", &[
            (&path, "Pricing tiers", current == ProductTab::Tiers),
            (&features, "Features", current == ProductTab::Features),
            (&hierarchy, "Tier hierarchy", current == ProductTab::Hierarchy),
        ]))
    }
}
