//! The customer portal.

mod catalog;
mod claim_key;
mod current;
mod license;
mod licenses;
mod machine;
mod offline;
mod owned;
mod welcome;

use axum::{
    Router,
    routing::{get, post},
};
use shared::AppState;

use crate::links;

/// The routes of customers.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::OWN_LICENSES, get(licenses::list))
        .route(links::WELCOME, get(welcome::new).post(welcome::register))
        .route(links::CLAIM_KEY, get(claim_key::new).post(claim_key::claim))
        .route("/dashboard/licenses/{id}", get(license::show))
        .route("/dashboard/licenses/{id}/key", get(license::confirm_show_key).post(license::show_key))
        .route("/dashboard/licenses/{id}/download", post(license::download))
        .route("/dashboard/licenses/{id}/offline-activation", get(offline::form).post(offline::activate))
        .route(
            "/dashboard/licenses/{id}/machines/{activation}/deactivate",
            get(machine::confirm_deactivate).post(machine::deactivate),
        )
        .route(links::CATALOG, get(catalog::show))
        .route("/dashboard/catalog/{id}/claim", get(catalog::confirm_claim).post(catalog::claim))
}
