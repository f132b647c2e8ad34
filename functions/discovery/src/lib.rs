//! What an app, a tool or a person needs to find the rest: the public signing keys, where the endpoints are, and their
//! documentation.

pub mod jwks;
pub mod license_configuration;
pub mod openapi;

use shared::Services;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The function's routes.
pub fn routes() -> OpenApiRouter<Services> {
    OpenApiRouter::new()
        .routes(routes!(jwks::handler))
        .routes(routes!(license_configuration::handler))
        .routes(routes!(openapi::handler))
}
