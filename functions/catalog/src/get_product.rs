//! Reads a product.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{Product, ProductId},
    http::{
        PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped},
    },
    store::{StoreError, Table},
};

/// Reads a product.
#[utoipa::path(
    get,
    path = "/api/v1.0/products/{id}",
    tag = "catalog",
    summary = "Read a product",
    params(("id" = ProductId, Path, description = "`prod_…`")),
    responses(
        (status = 200, description = "The product", body = Product, headers(("ETag" = String))),
        Known,
        Scoped,
        ById,
        Always,
    ),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    PathId(id): PathId<ProductId>,
) -> Result<Tagged<Product>, Problem> {
    caller.require_operator_side()?;
    get_product(&services.table, id).await?.map(Tagged).ok_or_else(Problem::not_found)
}

/// The product, as it is in the table.
pub async fn get_product(table: &Table, id: ProductId) -> Result<Option<Product>, StoreError> {
    Ok(table.catalog().await?.catalog.products.remove(&id))
}
