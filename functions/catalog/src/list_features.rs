//! Lists product features.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{Feature, ProductId},
    http::{ListQuery, ListResponse, PaginationParams, Problem},
    store::{
        Table,
        pagination::{ListError, Page, PageRequest, paginate_in_memory, sortable_number},
    },
};
use utoipa::IntoParams;

/// Filter of the list of product features.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListFeaturesFilter {
    /// Return only features of this product.
    pub product_id: Option<ProductId>,
}

/// Lists product features.
#[utoipa::path(
    get,
    path = "/api/v1.0/product-features",
    operation_id = "list_product_features",
    tag = "catalog",
    summary = "List product features",
    description = "In ascending order of `sort_order`.",
    params(ListFeaturesFilter, PaginationParams),
    responses((status = 200, description = "A page of product features", body = ListResponse<Feature>)),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    list: Result<ListQuery<ListFeaturesFilter>, Problem>,
) -> Result<ListResponse<Feature>, Problem> {
    caller.require_api_key_or_operator()?;
    let ListQuery { filter, paging } = list?;
    Ok(list_features(&table, filter.product_id, &paging).await?.into())
}

/// Returns a page of the features of one product, or of all products, in ascending order of `sort_order`.
pub async fn list_features(
    table: &Table,
    product_id: Option<ProductId>,
    paging: &PageRequest,
) -> Result<Page<Feature>, ListError> {
    let mut features: Vec<Feature> = table.catalog().await?.catalog.features.into_values().collect();
    features.retain(|feature| product_id.is_none_or(|id| feature.product_id == id));
    let sort_key = |feature: &Feature| [sortable_number(feature.sort_order), feature.id.to_string()];
    Ok(paginate_in_memory(features, &format!("features {product_id:?}"), paging, sort_key)?)
}
