//! The OpenAPI document of all functions. The annotations of the handlers describe each endpoint. What follows from a
//! rule, such as `Idempotency-Key` and most error responses, is added here.

mod bodies;
mod document;
mod examples;
mod headers;
mod links;
mod operations;
mod problems;
mod schemas;
mod version_3_0;
mod webhooks;

use serde::Serialize;
use serde_json::Value;
use shared::http::problem::ProblemBody;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::routes::annotations;

/// The general part of the document: info, tags, security schemes. Generators make a class of each tag, so its name is one
/// word.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Signet",
        description = include_str!("about.md"),
        contact(name = "The Signet project"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    modifiers(&Credentials),
    servers((url = "/", description = "This server")),
    tags(
        (name = "catalog", description = "Products, pricing tiers and product features."),
        (name = "customers", description = "Customers, who hold license keys."),
        (name = "licenses", description = "Issue, list, change and revoke license keys."),
        (name = "activations", description = "Machines and the seats they hold."),
        (name = "apps", description = "Operations that licensed apps call with a license key or a license token."),
        (name = "webhooks", description = "Endpoints that receive events, and their deliveries."),
        (name = "events", description = "The events that these endpoints receive."),
        (name = "transfers", description = "Import data from another system, and export it."),
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
            "An operator's API key, `signet_key_…`. Each operation names the scope that it needs.",
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

/// A version of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenApiVersion {
    /// 3.0.3, served as `/openapi-3.0.json`.
    V3_0,
    /// 3.1.0, served as `/openapi.json`.
    V3_1,
}

/// Returns the OpenAPI document of all functions as JSON text.
///
/// # Errors
///
/// Fails if the document can't be serialized.
pub fn openapi_document(version: OpenApiVersion) -> Result<String, serde_json::Error> {
    let api = ApiInfo::openapi().merge_from(annotations());
    let mut document = serde_json::to_value(api)?;
    webhooks::add_schemas(&mut document)?;
    schemas::name_lists(&mut document);
    schemas::merge_flattened(&mut document);
    schemas::describe_nullable_references(&mut document);
    operations::mark_public(&mut document);
    operations::describe_scopes(&mut document);
    operations::describe_middleware(&mut document);
    problems::add_derived_codes(&mut document);
    problems::group_by_status(&mut document);
    headers::describe_headers(&mut document);
    schemas::remove_unused(&mut document);
    bodies::add_constraints(&mut document);
    examples::add_examples(&mut document);
    webhooks::add_examples(&mut document);
    links::add_links(&mut document);
    if version == OpenApiVersion::V3_0 {
        version_3_0::convert(&mut document);
    }
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
    #[serde(skip_serializing_if = "Value::is_null")]
    webhooks: Value,
    #[serde(rename = "x-webhooks", skip_serializing_if = "Value::is_null")]
    x_webhooks: Value,
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
            webhooks: take("webhooks"),
            x_webhooks: take("x-webhooks"),
            components: take("components"),
        }
    }
}
