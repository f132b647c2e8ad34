//! The pages of operators.

mod activity;
mod api_keys;
mod catalog;
mod customers;
mod health;
mod license_keys;
mod license_table;
pub(crate) mod overview;
mod search;
mod search_results;
mod signing_keys;
mod webhooks;

use axum::Router;
use shared::AppState;

/// The routes of operators.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .merge(activity::routes())
        .merge(api_keys::routes())
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(health::routes())
        .merge(license_keys::routes())
        .merge(search::routes())
        .merge(signing_keys::routes())
        .merge(webhooks::routes())
}
