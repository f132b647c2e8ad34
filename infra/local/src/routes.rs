//! The routes of every function.

use shared::AppState;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::document::About;

/// The routes of every function.
pub fn all_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(About::openapi())
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(licenses::routes())
        .merge(activations::routes())
        .merge(registration::routes())
        .merge(access::routes())
        .merge(discovery::routes())
}
