//! The routes of all functions.

use shared::AppState;
use utoipa_axum::router::OpenApiRouter;

/// Returns the API routes of all functions with their OpenAPI annotations. The dashboard is not part of the API.
pub fn all_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(licenses::routes())
        .merge(activations::routes())
        .merge(registration::routes())
        .merge(access::routes())
        .merge(discovery::routes())
}
