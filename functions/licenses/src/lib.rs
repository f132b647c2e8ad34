//! License keys: operators issue, change and revoke them; apps validate them and send heartbeats.

pub mod assign;
pub mod audit;
pub mod change;
pub mod find;
pub mod get_license;
pub mod heartbeat;
pub mod issue;
pub mod issue_batch;
pub mod labels;
pub mod list_events;
pub mod list_licenses;
pub mod regenerate;
pub mod reinstate;
pub mod renew;
pub mod replace_overrides;
pub mod revoke;
pub mod revoke_batch;
pub mod suspend;
pub mod transition;
pub mod update_license;
pub mod validate;

use shared::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Returns the routes of this Lambda function.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_licenses::handler, issue::handler))
        .routes(routes!(issue_batch::handler))
        .routes(routes!(revoke_batch::handler))
        .routes(routes!(validate::handler))
        .routes(routes!(heartbeat::handler))
        .routes(routes!(get_license::handler, update_license::handler))
        .routes(routes!(revoke::handler))
        .routes(routes!(suspend::handler))
        .routes(routes!(reinstate::handler))
        .routes(routes!(renew::handler))
        .routes(routes!(change::handler))
        .routes(routes!(replace_overrides::handler))
        .routes(routes!(regenerate::handler))
        .routes(routes!(audit::handler))
        .routes(routes!(list_events::of_license))
        .routes(routes!(list_events::of_all))
}
