//! Webhook endpoints and their deliveries.

pub mod create_endpoint;
pub mod delete_endpoint;
pub mod delivery;
pub mod endpoint;
pub mod get_endpoint;
pub mod list_deliveries;
pub mod list_endpoints;
pub mod replay_events;
pub mod retry_delivery;
pub mod rotate_secret;
pub mod test_endpoint;
pub mod update_endpoint;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_endpoints::handler, create_endpoint::handler))
        .routes(routes!(get_endpoint::handler, update_endpoint::handler, delete_endpoint::handler))
        .routes(routes!(rotate_secret::handler))
        .routes(routes!(test_endpoint::handler))
        .routes(routes!(list_deliveries::handler))
        .routes(routes!(replay_events::handler))
        .routes(routes!(retry_delivery::handler))
}
