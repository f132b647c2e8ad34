//! API keys and signing keys.

pub mod condemn_signing_key;
pub mod create_api_key;
pub mod delete_api_key;
pub mod get_api_key;
pub mod list_api_keys;
pub mod list_signing_keys;
pub mod resources;
pub mod rotate_signing_keys;
pub mod signing_keys;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_api_keys::handler, create_api_key::handler))
        .routes(routes!(get_api_key::handler, delete_api_key::handler))
        .routes(routes!(list_signing_keys::handler))
        .routes(routes!(rotate_signing_keys::handler))
        .routes(routes!(condemn_signing_key::handler))
}
