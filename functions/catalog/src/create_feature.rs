//! Creates a product feature.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Feature, IdGenerator, ProductId, Scope, ValidationErrors},
    http::{Created, Problem, RequestContext, StrictJson},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

/// Request to create a product feature.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateProductFeatureRequest)]
pub struct Request {
    /// The product that the feature belongs to. Immutable.
    pub product_id: ProductId,
    /// The name in the `features` claim; unique within the product. Immutable.
    #[schema(example = "export.pdf", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub key: String,
    /// Display name.
    #[schema(example = "PDF export", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "Saves a map as PDF")]
    pub description: Option<String>,
    /// Whether the feature is for display only, such as in a price list. Tokens do not contain such features.
    #[serde(default)]
    #[schema(default = false)]
    pub display_only: bool,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: KeyTaken;
}

/// Creates a product feature.
#[utoipa::path(
    post,
    path = "/api/v1.0/product-features",
    tag = "catalog",
    summary = "Create a product feature",
    request_body = Request,
    responses(
        (status = 201, description = "The product feature", body = Feature, headers(("Location" = String), ("ETag" = String))),
        Errors,
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

/// Creates a feature if no other feature of the product has the same key.
pub async fn create_feature(
    table: &Table,
    cache: &CatalogCache,
    ctx: &RequestContext,
    request: Request,
) -> Result<Feature, Problem> {
    let feature = Feature {
        id: IdGenerator::new(ctx.now).generate(),
        product_id: request.product_id,
        key: request.key,
        name: request.name,
        description: request.description,
        display_only: request.display_only,
        sort_order: request.sort_order,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let mut errors = ValidationErrors::default();
    feature.check(&mut errors);
    errors.into_result()?;
    let completion = |feature: &Feature| ctx.idempotency.created(path_of(feature), feature);
    cache
        .change(table, completion, |catalog| {
            catalog.check_feature(&feature)?;
            Ok(feature.clone())
        })
        .await
}

fn path_of(feature: &Feature) -> String {
    format!("/api/v1.0/product-features/{}", feature.id)
}
