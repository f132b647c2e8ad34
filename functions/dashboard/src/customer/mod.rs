//! The customer portal.

mod catalog;
mod license;
mod licenses;
mod welcome;

use axum::{
    Router,
    routing::{get, post},
};
use shared::{AppState, domain::Customer, http::Problem};

use crate::page_context::PageContext;

/// The routes of customers.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(licenses::BASE_PATH, get(licenses::list))
        .route(welcome::PATH, get(welcome::new).post(welcome::register))
        .route("/dashboard/licenses/{id}", get(license::show))
        .route("/dashboard/licenses/{id}/key", post(license::show_key))
        .route("/dashboard/licenses/{id}/download", post(license::download))
        .route(
            "/dashboard/licenses/{id}/machines/{activation}/deactivate",
            get(license::confirm_deactivate).post(license::deactivate),
        )
        .route(catalog::BASE_PATH, get(catalog::show))
        .route("/dashboard/catalog/{id}/claim", get(catalog::confirm_claim).post(catalog::claim))
}

/// The customer of the signed-in user; `None` if the user has not registered.
async fn current_customer(page: &PageContext) -> Result<Option<Customer>, Problem> {
    let found = page.app.table.customer_by_subject(&page.session.user().key()).await?;
    Ok(found.map(|found| found.customer))
}
