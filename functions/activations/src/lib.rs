//! Activations: machines that hold the seats of license keys.

pub mod activate;
mod attempt;
pub mod borrow;
pub mod deactivate;
pub mod get_activation;
pub mod import_activation;
pub mod issue_license_file;
pub mod list_activations;
mod seat_search;

pub use attempt::Seats;
use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_activations::handler))
        .routes(routes!(activate::handler))
        .routes(routes!(issue_license_file::handler))
        .routes(routes!(get_activation::handler))
        .routes(routes!(deactivate::handler))
}
