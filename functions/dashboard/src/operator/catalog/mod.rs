//! What is sold: products, their pricing tiers and their features, in the order that operators give them.

mod features;
mod order;
mod picture;
mod products;
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

use crate::{enter::Visit, ui::components::tabs};

pub(crate) const HERE: &str = "/dashboard/products";

/// The pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(products::list))
        .route("/dashboard/products/move", post(order::products))
        .route("/dashboard/products/new", get(products::ask_new).post(products::create))
        .route("/dashboard/products/{id}", get(tiers::list))
        .route("/dashboard/products/{id}/edit", get(products::ask_edit).post(products::edit))
        .route("/dashboard/products/{id}/picture", get(picture::page))
        .route("/dashboard/products/{id}/tiers/move", post(order::tiers))
        .route("/dashboard/products/{id}/tiers/new", get(tiers::ask_new).post(tiers::create))
        .route("/dashboard/tiers/{id}/edit", get(tiers::ask_edit).post(tiers::edit))
        .route("/dashboard/products/{id}/features", get(features::list))
        .route("/dashboard/products/{id}/features/move", post(order::features))
        .route("/dashboard/products/{id}/features/new", get(features::ask_new).post(features::create))
        .route("/dashboard/features/{id}/edit", get(features::ask_edit).post(features::edit))
}

/// The catalog as it is: operators see what they just wrote.
async fn read(visit: &Visit) -> Result<Catalog, Problem> {
    Ok(visit.app.table.catalog().await?.catalog)
}

fn path(id: ProductId) -> String {
    format!("{HERE}/{id}")
}

fn product(catalog: &Catalog, id: ProductId) -> Result<&Product, Problem> {
    catalog.products.get(&id).ok_or_else(Problem::not_found)
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

/// The ways to look at a product.
fn views(id: ProductId, here: &str) -> Markup {
    let path = path(id);
    let (features, picture) = (format!("{path}/features"), format!("{path}/picture"));
    html! {
        (tabs("Of this product", &[
            (&path, "Pricing tiers", here == "tiers"),
            (&features, "Features", here == "features"),
            (&picture, "Who includes whom", here == "picture"),
        ]))
    }
}
