//! The OpenAPI document of all functions. The annotations of the handlers describe each endpoint. What follows from a
//! rule, such as `Idempotency-Key` and most error responses, is added here.

mod bodies;
mod document;
mod examples;
mod headers;
mod links;
mod operations;
mod problems;

use serde::Serialize;
use serde_json::Value;
use shared::http::problem::ProblemBody;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::routes::annotations;

/// The general part of the document: info, tags, security schemes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Signet",
        description = include_str!("about.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    modifiers(&Credentials),
    servers((url = "/", description = "This server")),
    tags(
        (name = "catalog", description = "Products, pricing tiers and product features."),
        (name = "customers", description = "Customers, who hold license keys."),
        (name = "license keys", description = "Issue, list, change and revoke license keys."),
        (name = "activations", description = "Machines and the seats they hold."),
        (name = "consuming apps", description = "Operations that licensed apps call with a license key or a license token."),
        (name = "users", description = "Self-service for signed-in customers: register, claim a license, manage machines."),
        (name = "access", description = "API keys and signing keys."),
        (name = "discovery", description = "Public keys, endpoints, documentation and health."),
    ),
)]
struct ApiInfo;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKeyValue::with_description(
            "X-Api-Key",
            "An operator's API key, `signet_key_…`. Each operation lists the scope that it requires.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "An ID token or access token of the configured OpenID Connect issuer. Users with the role `operator` \
                 have all permissions; other users have access to their own licenses.",
            ))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Returns the OpenAPI document of all functions as JSON text, as `/openapi.json` serves it.
///
/// # Errors
///
/// Fails if the document can't be serialized.
pub fn openapi_document() -> Result<String, serde_json::Error> {
    let api = ApiInfo::openapi().merge_from(annotations());
    let mut document = serde_json::to_value(api)?;
    operations::set_operation_ids(&mut document);
    operations::describe_middleware(&mut document);
    problems::add_derived_codes(&mut document);
    problems::group_by_status(&mut document);
    headers::describe_headers(&mut document);
    bodies::add_constraints(&mut document);
    examples::add_examples(&mut document);
    links::add_links(&mut document);
    let mut text = serde_json::to_string_pretty(&OrderedDocument::from(document))?;
    text.push('\n');
    Ok(text)
}

/// The document with its parts in reading order.
#[derive(Serialize)]
struct OrderedDocument {
    openapi: Value,
    info: Value,
    servers: Value,
    tags: Value,
    paths: Value,
    components: Value,
}

impl From<Value> for OrderedDocument {
    fn from(mut document: Value) -> Self {
        let mut take = |part: &str| document[part].take();
        Self {
            openapi: take("openapi"),
            info: take("info"),
            servers: take("servers"),
            tags: take("tags"),
            paths: take("paths"),
            components: take("components"),
        }
    }
}
