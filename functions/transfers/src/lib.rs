//! Transfers: operators import customers, license keys and activations from another system, and export them.

mod activation_line;
mod customer_line;
mod definitions;
pub mod export;
mod export_error;
mod export_events;
pub mod import;
mod importer;
mod license_line;
pub mod lines;
mod outcome;
mod parallel;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(import::handler)).routes(routes!(export::handler))
}
