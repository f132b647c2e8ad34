//! Self-service for signed-in users: register as a customer, claim a license key, list own license keys.

pub mod claim_key;
pub mod claim_license;
pub mod own_key;
pub mod own_licenses;
pub mod register;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(register::handler))
        .routes(routes!(claim_license::handler))
        .routes(routes!(claim_key::handler))
        .routes(routes!(own_licenses::handler))
}
