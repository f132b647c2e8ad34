//! Where customers look after what is theirs.

mod app_file;
mod catalog;
mod claim;
mod free_seat;
mod license;
mod licenses;
mod welcome;

use axum::{
    Router,
    routing::{get, post},
};
use shared::{
    Services,
    auth::Reach,
    domain::{Customer, License, LicenseId},
    http::Problem,
};

use crate::enter::Visit;

/// The customer's pages.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route(welcome::HERE, get(welcome::ask).post(welcome::register))
        .route(licenses::HERE, get(licenses::list))
        .route("/dashboard/licenses/{id}", get(license::show_one))
        .route("/dashboard/licenses/{id}/key", post(license::show_key))
        .route("/dashboard/licenses/{id}/app-file", post(app_file::download))
        .route("/dashboard/licenses/machines/{id}/free", get(free_seat::ask).post(free_seat::free))
        .route(catalog::HERE, get(catalog::page))
        .route("/dashboard/catalog/{id}/claim", get(claim::ask).post(claim::claim))
}

/// Whom the person is as a customer; none who has not registered yet.
async fn customer(visit: &Visit) -> Result<Option<Customer>, Problem> {
    let found = visit.services.table.customer_by_subject(&visit.session.user().key()).await?;
    Ok(found.map(|found| found.customer))
}

/// Which license keys are the person's own, also where they might see others'.
async fn own_reach(visit: &Visit) -> Result<Reach, Problem> {
    Ok(customer(visit).await?.map_or(Reach::None, |customer| Reach::Own(customer.id)))
}

/// One of the person's own license keys. Somebody else's is not there.
async fn own_license(visit: &Visit, id: LicenseId) -> Result<License, Problem> {
    let read = async { Ok(visit.services.table.license(id).await?) };
    let (reach, license) = tokio::try_join!(own_reach(visit), read)?;
    reach.check(license)
}
