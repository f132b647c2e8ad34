//! Lists products.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::Product,
    http::{
        List, ListBody, NoFilter, Page, Problem,
        documented::{Always, Known, Queried, Scoped},
    },
    store::{
        Table,
        listing::{ListError, Listed, Paging, page_in_memory, sortable},
    },
};

/// Lists products.
#[utoipa::path(
    get,
    path = "/api/v1.0/products",
    tag = "catalog",
    summary = "List products, in their sort_order",
    params(Page),
    responses((status = 200, description = "A page", body = ListBody<Product>), Known, Scoped, Queried, Always),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    list: Result<List<NoFilter>, Problem>,
) -> Result<ListBody<Product>, Problem> {
    caller.require_operator_side()?;
    let List { paging, .. } = list?;
    Ok(list_products(&services.table, &paging).await?.into())
}

/// All products, in their `sort_order`.
pub async fn list_products(table: &Table, paging: &Paging) -> Result<Listed<Product>, ListError> {
    let products = table.catalog().await?.catalog.products.into_values().collect();
    let place = |product: &Product| [sortable(product.sort_order), product.id.to_string()];
    Ok(page_in_memory(products, "products", paging, place)?)
}
