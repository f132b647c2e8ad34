//! Creates a product.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{IdGenerator, Product, Scope, ValidationErrors},
    http::{Created, Problem, RequestContext, StrictJson},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::defaults::default_true;

/// Request to create a product.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateProductRequest)]
pub struct Request {
    /// Unique among products. The `aud` claim of license tokens and, in upper case, the prefix of key strings.
    /// Immutable.
    #[schema(example = "atlas", pattern = "^[a-z0-9][a-z0-9-]{1,39}$")]
    pub code: String,
    /// Display name.
    #[schema(example = "Atlas", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "Maps of anywhere")]
    pub description: Option<String>,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
    /// Whether the product is available and its license keys can be used.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Whether issuing a license key supersedes the customer's current license key for the product.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub one_key_per_customer: bool,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: CodeTaken;
}

/// Creates a product.
#[utoipa::path(
    post,
    path = "/api/v1.0/products",
    tag = "catalog",
    summary = "Create a product",
    request_body = Request,
    responses(
        (status = 201, description = "The product", body = Product, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Created<Product>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(request) = body?;
    let product = create_product(&app.table, &app.catalog, &ctx, request).await?;
    Ok(Created { location: path_of(&product), body: product })
}

/// Creates a product if no other product has the same code.
pub async fn create_product(
    table: &Table,
    cache: &CatalogCache,
    ctx: &RequestContext,
    request: Request,
) -> Result<Product, Problem> {
    let product = Product {
        id: IdGenerator::new(ctx.now).generate(),
        code: request.code,
        name: request.name,
        description: request.description,
        sort_order: request.sort_order,
        is_active: request.is_active,
        one_key_per_customer: request.one_key_per_customer,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let mut errors = ValidationErrors::default();
    product.check(&mut errors);
    errors.into_result()?;
    let completion = |product: &Product| ctx.idempotency.created(path_of(product), product);
    cache
        .change(table, completion, |catalog| {
            catalog.check_product(&product)?;
            Ok(product.clone())
        })
        .await
}

fn path_of(product: &Product) -> String {
    format!("/api/v1.0/products/{}", product.id)
}
