//! The catalog: products, pricing tiers and product features.
//!
//! Operator endpoints read the table, so that operators see their own writes. The public catalog is served from a
//! cache.

pub mod create_feature;
pub mod create_product;
pub mod create_tier;
mod defaults;
pub mod errors;
pub mod feature;
pub mod get_feature;
pub mod get_product;
pub mod get_tier;
pub mod list_features;
pub mod list_products;
pub mod list_tiers;
pub mod product;
pub mod public_catalog;
pub mod reorder;
pub mod tier;
pub mod update_feature;
pub mod update_product;
pub mod update_tier;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_products::handler, create_product::handler))
        .routes(routes!(public_catalog::handler))
        .routes(routes!(get_product::handler, update_product::replace, update_product::update))
        .routes(routes!(list_features::handler, create_feature::handler))
        .routes(routes!(get_feature::handler, update_feature::replace, update_feature::update))
        .routes(routes!(list_tiers::handler, create_tier::handler))
        .routes(routes!(get_tier::handler, update_tier::replace, update_tier::update))
}
