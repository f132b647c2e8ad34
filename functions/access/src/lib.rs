//! Who may manage the rest: the operator's API keys.

pub mod create_api_key;
pub mod delete_api_key;
pub mod get_api_key;
pub mod list_api_keys;
pub mod resources;

use shared::Services;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The function's routes.
pub fn routes() -> OpenApiRouter<Services> {
    OpenApiRouter::new()
        .routes(routes!(list_api_keys::handler, create_api_key::handler))
        .routes(routes!(get_api_key::handler, delete_api_key::handler))
}
