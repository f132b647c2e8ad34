//! Discovery: public signing keys, endpoint URLs, the OpenAPI document, API documentation, documents for coding
//! assistants, error pages and the health check.

pub mod docs;
mod document;
pub mod health;
pub mod jwks;
pub mod license_configuration;
pub mod llms;
pub mod openapi;
pub mod problems;
pub mod signed_jwks;

use axum::Extension;
use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    let health = OpenApiRouter::new().routes(routes!(health::handler)).layer(Extension(health::HealthCache::default()));
    OpenApiRouter::new()
        .routes(routes!(jwks::handler))
        .routes(routes!(signed_jwks::handler))
        .routes(routes!(license_configuration::handler))
        .routes(routes!(openapi::handler))
        .routes(routes!(openapi::handler_3_0))
        .routes(routes!(llms::handler))
        .routes(routes!(docs::page))
        .routes(routes!(docs::file))
        .routes(routes!(problems::list_codes))
        .routes(routes!(problems::get_code))
        .merge(health)
}
