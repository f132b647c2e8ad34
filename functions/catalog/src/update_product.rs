//! Replaces or updates the writable fields of a product.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, EventSource, Product, ProductId, Scope},
    http::{
        Changes, IfMatch, IfMatchParams, MergePatch, PathId, Problem, ReplaceSchema, RequestContext, StrictJson,
        UpdateSchema, WithEtag,
    },
    store::{
        Table,
        catalog::{CatalogCache, MetadataOwner},
    },
};

use crate::{
    errors::CatalogError,
    product::{ProductInput, ReplaceProductInput},
};

/// The schema of the PUT request.
type ReplaceRequest = ReplaceSchema<ProductInput>;

/// The schema of the PATCH request.
type UpdateRequest = UpdateSchema<ProductInput>;

shared::error_responses! {
    /// Errors specific to these endpoints.
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
        IfMatchParams,
    ),
    request_body = ReplaceRequest,
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn replace(
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
    let changes = Changes::Replace(input);
    Ok(WithEtag(update_product(&table, &cache, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Updates some fields of a product.
#[utoipa::path(
    patch,
    path = "/api/v1.0/products/{id}",
    operation_id = "update_product",
    tag = "catalog",
    summary = "Update a product",
    description = "Changes the given fields and keeps all others (JSON Merge Patch, RFC 7396). Null clears a nullable field.",
    params(
        ("id" = ProductId, Path, description = "`prod_…`"),
        IfMatchParams,
    ),
    request_body(content(
        (UpdateRequest = "application/merge-patch+json", example = json!({"name": "Atlas 2"})),
        (UpdateRequest = "application/json", example = json!({"name": "Atlas 2"})),
    )),
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn update(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    body: Result<MergePatch<ReplaceProductInput>, Problem>,
) -> Result<WithEtag<Product>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let changes = Changes::Merge(body?);
    Ok(WithEtag(update_product(&table, &cache, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Changes a product if `If-Match` is absent or matches its current version.
pub async fn update_product(
    table: &Table,
    cache: &CatalogCache,
    id: ProductId,
    changes: &Changes<ReplaceProductInput>,
    if_match: &IfMatch,
    source: &EventSource,
) -> Result<Product, CatalogError> {
    let make = |catalog: &Catalog| {
        let current = catalog.products.get(&id).ok_or(CatalogError::NotFound)?;
        if_match.check(current)?;
        let (product, errors) = changes.apply(current)?.replace(current, source.at);
        errors.and(catalog.check_product(&product))?;
        Ok(product)
    };
    cache.change_with_metadata(table, MetadataOwner::Product(id), source, make).await
}
