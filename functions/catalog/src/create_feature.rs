//! Adds a product feature.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Feature, Ids, Invalid, ProductId, Scope},
    http::{
        Body, Call, Created, Problem,
        documented::{Always, Known, Scoped, WithBody},
        problem::ProblemBody,
    },
    store::{Table, catalog::CatalogCopy},
};
use utoipa::ToSchema;

/// The feature that is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateProductFeatureRequest)]
pub struct Request {
    /// The product that has it. Never changes.
    #[schema(value_type = String, example = "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub product_id: ProductId,
    /// What tokens call it; unique within the product. Never changes.
    #[schema(example = "export.pdf", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub key: String,
    /// What people call it.
    #[schema(example = "PDF export", max_length = 200)]
    pub name: String,
    /// What it is.
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// For marketing only: never enters a token.
    #[serde(default)]
    pub display_only: bool,
    /// Its place in lists, smallest first.
    #[serde(default)]
    pub sort_order: i32,
}

/// Adds a product feature.
#[utoipa::path(
    post,
    path = "/api/v1.0/product-features",
    tag = "catalog",
    summary = "Add a product feature",
    request_body = Request,
    responses(
        (status = 201, description = "The feature", body = Feature, headers(("Location" = String), ("ETag" = String))),
        (status = 409, description = "`key_taken`", body = ProblemBody, content_type = "application/problem+json"),
        Known,
        Scoped,
        WithBody,
        Always,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    body: Result<Body<Request>, Problem>,
) -> Result<Created<Feature>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let Body(request) = body?;
    let feature = create_feature(&services.table, &services.catalog, &call, request).await?;
    Ok(Created { location: path_of(&feature), body: feature })
}

/// Adds a feature, if no other of its product has its key.
pub async fn create_feature(
    table: &Table,
    copy: &CatalogCopy,
    call: &Call,
    request: Request,
) -> Result<Feature, Problem> {
    let feature = Feature {
        id: Ids::new(call.now).make(),
        product_id: request.product_id,
        key: request.key,
        name: request.name,
        description: request.description,
        display_only: request.display_only,
        sort_order: request.sort_order,
        created_at: call.now,
        updated_at: call.now,
    };
    let mut invalid = Invalid::default();
    feature.check(&mut invalid);
    invalid.finish()?;
    let done = |feature: &Feature| call.once.created(path_of(feature), feature);
    copy.change(table, done, |catalog| {
        catalog.check_feature(&feature)?;
        Ok(feature.clone())
    })
    .await
}

fn path_of(feature: &Feature) -> String {
    format!("/api/v1.0/product-features/{}", feature.id)
}
