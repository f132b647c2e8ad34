//! Returns a product.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Product, ProductId},
    http::{PathId, Problem, WithEtag},
    store::{StoreError, Table, catalog::MetadataOwner},
};

/// Returns a product.
#[utoipa::path(
    get,
    path = "/api/v1.0/products/{id}",
    operation_id = "get_product",
    tag = "catalog",
    summary = "Get a product",
    description = "Returns the product, active or not. Send its `ETag` as `If-Match` to replace it.",
    params(("id" = ProductId, Path, description = "`prod_…`")),
    responses((status = 200, description = "The product", body = Product, headers(("ETag" = String)))),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    PathId(id): PathId<ProductId>,
) -> Result<WithEtag<Product>, Problem> {
    caller.require_api_key_or_operator()?;
    get_product(&table, id).await?.map(WithEtag).ok_or_else(Problem::not_found)
}

/// Reads a product and its metadata from the table, not from the cache.
pub async fn get_product(table: &Table, id: ProductId) -> Result<Option<Product>, StoreError> {
    Ok(table.catalog_with_metadata(MetadataOwner::Product(id)).await?.catalog.products.remove(&id))
}
