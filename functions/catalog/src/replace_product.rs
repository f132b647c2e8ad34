//! Replaces the writable fields of a product.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, Product, ProductId, Scope, Timestamp},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    errors::CatalogError,
    product::{ProductInput, ReplaceProductInput},
    replace_schema::ReplaceSchema,
};

/// The schema of the request.
type Request = ReplaceSchema<ProductInput>;

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: Immutable;
}

/// Replaces the writable fields of a product.
#[utoipa::path(
    put,
    path = "/api/v1.0/products/{id}",
    operation_id = "replace_product",
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
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    body: Result<StrictJson<ReplaceProductInput>, Problem>,
) -> Result<WithEtag<Product>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(input) = body?;
    Ok(WithEtag(replace_product(&table, &cache, id, &input, &if_match, ctx.now).await?))
}

/// Replaces a product if `If-Match` is absent or matches its current version.
pub async fn replace_product(
    table: &Table,
    cache: &CatalogCache,
    id: ProductId,
    input: &ReplaceProductInput,
    if_match: &IfMatch,
    now: Timestamp,
) -> Result<Product, CatalogError> {
    let make = |catalog: &Catalog| {
        let current = catalog.products.get(&id).ok_or(CatalogError::NotFound)?;
        if_match.check(current)?;
        let product = input.replace(current, now)?;
        catalog.check_product(&product)?;
        Ok(product)
    };
    cache.change(table, make).await
}
