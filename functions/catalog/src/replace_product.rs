//! Replaces the writable fields of a product.

use std::future::ready;

use axum::extract::State;
use futures_util::FutureExt;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Catalog, Product, ProductId, Scope, Timestamp, ValidationErrors, catalog::check_unchanged},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::defaults::default_true;

/// Request to replace a product.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplaceProductRequest)]
pub struct Request {
    /// Immutable: omit it or send the current value.
    #[schema(example = "atlas")]
    pub code: Option<String>,
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
    Errors: Immutable;
}

/// Replaces the writable fields of a product.
#[utoipa::path(
    put,
    path = "/api/v1.0/products/{id}",
    tag = "catalog",
    summary = "Replace a product",
    description = "Replaces all writable fields. An omitted optional field is reset to its default.",
    params(
        ("id" = ProductId, Path, description = "`prod_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to replace. If it is not the current one, nothing is written"),
    ),
    request_body = Request,
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<Product>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(request) = body?;
    replace_product(&app.table, &app.catalog, ctx.now, id, &request, &if_match).await.map(WithEtag)
}

/// Replaces a product if `If-Match` is absent or matches its current version.
pub async fn replace_product(
    table: &Table,
    cache: &CatalogCache,
    now: Timestamp,
    id: ProductId,
    request: &Request,
    if_match: &IfMatch,
) -> Result<Product, Problem> {
    // PUT is idempotent, so no response is stored for an Idempotency-Key.
    cache
        .change(
            table,
            |_| ready(Ok(None)).boxed(),
            |catalog| {
                let current = catalog.products.get(&id).ok_or_else(Problem::not_found)?;
                if_match.check(current)?;
                Ok(replace_fields(catalog, current, request, now)?)
            },
        )
        .await
}

fn replace_fields(
    catalog: &Catalog,
    current: &Product,
    request: &Request,
    now: Timestamp,
) -> Result<Product, ValidationErrors> {
    let product = Product {
        id: current.id,
        code: current.code.clone(),
        name: request.name.clone(),
        description: request.description.clone(),
        sort_order: request.sort_order,
        is_active: request.is_active,
        one_key_per_customer: request.one_key_per_customer,
        created_at: current.created_at,
        updated_at: now,
    };
    let mut errors = ValidationErrors::default();
    check_unchanged(&mut errors, "/code", request.code.as_deref(), &current.code);
    product.check(&mut errors);
    errors.into_result()?;
    catalog.check_product(&product)?;
    Ok(product)
}
