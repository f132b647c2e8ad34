//! Lists products.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::Product,
    http::{ListQuery, ListResponse, NoFilter, PaginationParams, Problem},
    store::{
        Table,
        pagination::{ListError, Page, PageRequest, paginate_in_memory, sortable_number},
    },
};

/// Lists products.
#[utoipa::path(
    get,
    path = "/api/v1.0/products",
    operation_id = "list_products",
    tag = "catalog",
    summary = "List products",
    description = "In ascending order of `sort_order`.",
    params(PaginationParams),
    responses((status = 200, description = "A page of products", body = ListResponse<Product>)),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<Product>, Problem> {
    caller.require_api_key_or_operator()?;
    let ListQuery { paging, .. } = list?;
    Ok(list_products(&table, &paging).await?.into())
}

/// Returns a page of all products, in ascending order of `sort_order`.
pub async fn list_products(table: &Table, paging: &PageRequest) -> Result<Page<Product>, ListError> {
    let products = table.catalog().await?.catalog.products.into_values().collect();
    let sort_key = |product: &Product| [sortable_number(product.sort_order), product.id.to_string()];
    Ok(paginate_in_memory(products, "products", paging, sort_key)?)
}
