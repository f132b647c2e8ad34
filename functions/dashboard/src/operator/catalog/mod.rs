//! The catalog: products, their pricing tiers and their features, in the order that operators define.

mod deactivate;
mod features;
mod items;
mod list_notice;
mod product_page;
mod products;
mod reorder;
mod tier_hierarchy;
mod tiers;

use axum::{
    Router,
    routing::{get, post},
};
use shared::AppState;

use crate::links;

/// The routes of the catalog.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::PRODUCTS, get(products::list))
        .route("/dashboard/products/reorder", post(reorder::products))
        .route("/dashboard/products/new", get(products::new).post(products::create))
        .route("/dashboard/products/{id}", get(tiers::list))
        .route("/dashboard/products/{id}/edit", get(products::edit).post(products::update))
        .route("/dashboard/products/{id}/app-file", get(products::app_file))
        .route("/dashboard/products/{id}/hierarchy", get(tier_hierarchy::show))
        .route("/dashboard/products/{id}/tiers/reorder", post(reorder::tiers))
        .route("/dashboard/products/{id}/tiers/new", get(tiers::new).post(tiers::create))
        .route("/dashboard/tiers/{id}/edit", get(tiers::edit).post(tiers::update))
        .route("/dashboard/products/{id}/features", get(features::list))
        .route("/dashboard/products/{id}/features/reorder", post(reorder::features))
        .route("/dashboard/products/{id}/features/new", get(features::new).post(features::create))
        .route("/dashboard/features/{id}/edit", get(features::edit).post(features::update))
}
