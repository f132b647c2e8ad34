//! Where customers look after what is theirs.

mod catalog;
mod licenses;
mod one;

use axum::{
    Router,
    routing::{get, post},
};
use shared::{AppState, domain::Customer, http::Problem};

use crate::enter::Visit;

/// The customer's pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(licenses::HERE, get(licenses::list))
        .route("/dashboard/welcome", get(licenses::ask_register).post(licenses::register))
        .route("/dashboard/licenses/{id}", get(one::page))
        .route("/dashboard/licenses/{id}/key", post(one::key))
        .route("/dashboard/licenses/{id}/download", post(one::download))
        .route("/dashboard/licenses/{id}/machines/{activation}/free", get(one::ask_free).post(one::free))
        .route(catalog::HERE, get(catalog::page))
        .route("/dashboard/catalog/{id}/claim", get(catalog::ask).post(catalog::claim))
}

/// The customer who is signed in; none before they have registered.
async fn customer(visit: &Visit) -> Result<Option<Customer>, Problem> {
    let found = visit.app.table.customer_by_subject(&visit.session.user().key()).await?;
    Ok(found.map(|found| found.customer))
}
