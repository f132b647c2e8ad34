//! The routes of every function, and the OpenAPI document of them all.

use shared::{Services, http::edge::BASE};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
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
        (name = "license keys", description = "What customers have bought: issue, look up, end."),
        (name = "activations", description = "Machines and the seats that they hold."),
        (name = "consuming apps", description = "What licensed software calls, with a license key or token to show."),
        (name = "users", description = "What a signed-in customer does alone: register, claim, look after machines."),
        (name = "access", description = "API keys: who may do what."),
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
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An ID token or access token of the configured OpenID Connect issuer."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The routes of every function.
pub fn all_routes() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(catalog::routes())
        .merge(customers::routes())
        .merge(licenses::routes())
        .merge(activations::routes())
        .merge(registration::routes())
        .merge(access::routes())
        .merge(discovery::routes())
}

/// The OpenAPI document of every function, as it is served.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = all_routes().into_openapi();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(operation_id(method, path));
            }
        }
    }
    document
}

/// The name that code generators give an endpoint: `post_license_keys_id_revoke`. Its handler's own name will not do,
/// as every use case calls its handler by the same.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix(BASE).unwrap_or(path);
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}
