//! The routes of every function, and the OpenAPI document of them all.

use shared::Services;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

/// What the document says besides its endpoints.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Signet",
        description = "License keys, cryptographically sealed: products and pricing tiers, license keys, machines that \
                       activate them, and signed license tokens that an app verifies offline.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Credentials),
    tags(
        (name = "catalog", description = "Products, pricing tiers and product features."),
        (name = "customers", description = "Who buys."),
        (name = "licenses", description = "License keys: issue, validate, heartbeat, revoke, audit."),
        (name = "activations", description = "Machines and the seats that they hold."),
        (name = "discovery", description = "What an app, a tool or a person needs to find the rest."),
    ),
)]
struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKeyValue::with_description("X-Api-Key", "An API key of the operator's, with scopes.");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// The routes of every function.
pub fn all_routes() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(Document::openapi())
}

/// The OpenAPI document of every function, as it is served.
pub fn openapi() -> utoipa::openapi::OpenApi {
    all_routes().into_openapi()
}
