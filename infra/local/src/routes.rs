//! The routes of all functions.

use std::sync::LazyLock;

use axum::Router;
use shared::AppState;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// The routes that have no state of their own. Built once, because building their annotations is the longest part of a
/// start in a debug build, and tests start hundreds of servers.
static STATELESS: LazyLock<(Router<AppState>, OpenApi)> = LazyLock::new(|| {
    OpenApiRouter::new()
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(licenses::routes())
        .merge(activations::routes())
        .merge(registration::routes())
        .merge(access::routes())
        .merge(transfers::routes())
        .merge(webhooks::routes())
        .split_for_parts()
});

/// Returns the API routes of all functions. The dashboard is not part of the API.
pub fn all_routes() -> Router<AppState> {
    // Each server has its own results of the health check.
    STATELESS.0.clone().merge(discovery::routes().split_for_parts().0)
}

/// Returns the OpenAPI annotations of all routes.
pub(crate) fn annotations() -> OpenApi {
    STATELESS.1.clone().merge_from(discovery::routes().into_openapi())
}
