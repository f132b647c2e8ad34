//! Lists pricing tiers.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{ProductId, Tier},
    http::{ListQuery, ListResponse, PaginationParams, Problem},
    store::{
        Table,
        pagination::{ListError, Page, PageRequest, paginate_in_memory, sortable_number},
    },
};
use utoipa::IntoParams;

use crate::tier::TierResource;

/// Filter of the list of pricing tiers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListTiersFilter {
    /// Return only tiers of this product.
    pub product_id: Option<ProductId>,
}

/// Lists pricing tiers.
#[utoipa::path(
    get,
    path = "/api/v1.0/pricing-tiers",
    operation_id = "list_pricing_tiers",
    tag = "catalog",
    summary = "List pricing tiers",
    description = "In ascending order of `sort_order`.",
    params(ListTiersFilter, PaginationParams),
    responses((status = 200, description = "A page of pricing tiers", body = ListResponse<TierResource>)),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    list: Result<ListQuery<ListTiersFilter>, Problem>,
) -> Result<ListResponse<TierResource>, Problem> {
    caller.require_api_key_or_operator()?;
    let ListQuery { filter, paging } = list?;
    Ok(list_tiers(&table, filter.product_id, &paging).await?.into())
}

/// Returns a page of the pricing tiers of one product, or of all products, in ascending order of `sort_order`.
pub async fn list_tiers(
    table: &Table,
    product_id: Option<ProductId>,
    paging: &PageRequest,
) -> Result<Page<TierResource>, ListError> {
    let catalog = table.catalog().await?.catalog;
    let matches = |tier: &&Tier| product_id.is_none_or(|id| tier.product_id == id);
    let tiers = catalog.tiers.values().filter(matches).collect();
    let sort_key = |tier: &&Tier| [sortable_number(tier.sort_order), tier.id.to_string()];
    let page = paginate_in_memory(tiers, &format!("tiers {product_id:?}"), paging, sort_key)?;
    Ok(page.map(|tier| TierResource::new(&catalog, tier.clone())))
}
