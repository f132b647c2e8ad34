//! The OpenAPI document of all functions. The annotations beside the handlers say what each endpoint is; what is true of
//! many by one rule of the code is added here, by that rule.

mod bodies;
mod examples;
mod headers;
mod links;
mod operations;
mod problems;

use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::http::problem::ProblemBody;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::routes::all_routes;

/// What the document says besides its endpoints.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Signet",
        description = include_str!("about.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    modifiers(&Credentials),
    servers((url = "/", description = "Where this document is from")),
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
pub(crate) struct About;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKeyValue::with_description(
            "X-Api-Key",
            "An API key of the operator's, with scopes: `signet_key_…`. Beside each operation stands the scope that it takes.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "An ID token or access token of the OpenID Connect issuer that Signet was told to trust. Whoever has the \
                 role `operator` may do all; others may do what is for customers, with what is their own.",
            ))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The OpenAPI document of every function, as it is served.
pub fn openapi() -> Result<String, serde_json::Error> {
    let mut document = serde_json::to_value(all_routes().into_openapi())?;
    operations::name(&mut document);
    operations::tell_what_comes_before(&mut document);
    problems::by_status(&mut document);
    headers::describe(&mut document);
    bodies::tell_what_is_refused(&mut document);
    examples::give(&mut document);
    links::lead_on(&mut document);
    let mut text = serde_json::to_string_pretty(&InOrder::from(document))?;
    text.push('\n');
    Ok(text)
}

/// A document that begins with what a reader looks for first.
#[derive(Serialize)]
struct InOrder {
    openapi: Value,
    info: Value,
    servers: Value,
    tags: Value,
    paths: Value,
    components: Value,
}

impl From<Value> for InOrder {
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

/// Shows every operation: its method, its path, and what is said of it.
fn each_operation(document: &mut Value, mut visit: impl FnMut(&str, &str, &mut Value)) {
    for (path, item) in fields(&mut document["paths"]) {
        for method in ["get", "put", "post", "delete", "patch"] {
            if let Some(operation) = item.get_mut(method) {
                visit(method, path, operation);
            }
        }
    }
}

/// The fields of an object; an object is made where there is none.
fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("it was made an object"),
    }
}

/// Puts a part under its name where all can refer to it, and refers to it.
fn refer(components: &mut Value, kind: &str, name: &str, part: impl FnOnce() -> Value) -> Value {
    fields(&mut components[kind]).entry(name).or_insert_with(part);
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// What a `$ref` into the components leads to; anything else leads to itself.
fn resolve<'a>(components: &'a Value, part: &'a Value) -> &'a Value {
    let pointer = part["$ref"].as_str().and_then(|to| to.strip_prefix("#/components"));
    pointer.and_then(|pointer| components.pointer(pointer)).unwrap_or(part)
}
