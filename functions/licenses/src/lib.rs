//! License keys: issued and ended by the operator, proved and renewed by consuming apps.

pub mod get_license;
pub mod heartbeat;
pub mod issue;
pub mod list_licenses;
pub mod revoke;
pub mod validate;

use shared::Services;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The function's routes.
pub fn routes() -> OpenApiRouter<Services> {
    OpenApiRouter::new()
        .routes(routes!(list_licenses::handler, issue::handler))
        .routes(routes!(validate::handler))
        .routes(routes!(heartbeat::handler))
        .routes(routes!(get_license::handler))
        .routes(routes!(revoke::handler))
}
