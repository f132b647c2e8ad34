//! Adds a product feature.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Feature, IdGenerator, ProductId, Scope, ValidationErrors},
    http::{
        Created, Problem, RequestContext, StrictJson,
        responses::{Authenticated, Authorized, JsonBody, ServerErrors},
    },
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

/// The feature that is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateProductFeatureRequest)]
pub struct Request {
    /// The product that has it. Never changes.
    pub product_id: ProductId,
    /// What tokens call it; unique within the product. Never changes.
    #[schema(example = "export.pdf", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub key: String,
    /// What people call it.
    #[schema(example = "PDF export", min_length = 1, max_length = 200)]
    pub name: String,
    /// What it is.
    #[schema(max_length = 2000, example = "Saves a map as PDF")]
    pub description: Option<String>,
    /// For marketing only: never enters a token.
    #[serde(default)]
    #[schema(default = false)]
    pub display_only: bool,
    /// Its place in lists, smallest first.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: KeyTaken;
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
        Errors,
        Authenticated,
        Authorized,
        JsonBody,
        ServerErrors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Created<Feature>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(request) = body?;
    let feature = create_feature(&app.table, &app.catalog, &ctx, request).await?;
    Ok(Created { location: path_of(&feature), body: feature })
}

/// Adds a feature, if no other of its product has its key.
pub async fn create_feature(
    table: &Table,
    copy: &CatalogCache,
    ctx: &RequestContext,
    request: Request,
) -> Result<Feature, Problem> {
    let feature = Feature {
        id: IdGenerator::new(ctx.now).make(),
        product_id: request.product_id,
        key: request.key,
        name: request.name,
        description: request.description,
        display_only: request.display_only,
        sort_order: request.sort_order,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let mut invalid = ValidationErrors::default();
    feature.check(&mut invalid);
    invalid.into_result()?;
    let done = |feature: &Feature| ctx.idempotency.created(path_of(feature), feature);
    copy.change(table, done, |catalog| {
        catalog.check_feature(&feature)?;
        Ok(feature.clone())
    })
    .await
}

fn path_of(feature: &Feature) -> String {
    format!("/api/v1.0/product-features/{}", feature.id)
}
