//! Lists product features.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Feature, ProductId},
    http::{
        List, ListBody, Page, Problem,
        documented::{Always, Known, Queried, Scoped},
    },
    store::{
        Table,
        listing::{ListError, Listed, Paging, page_in_memory, sortable},
    },
};
use utoipa::IntoParams;

/// Which features.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only those of this product.
    pub product_id: Option<ProductId>,
}

/// Lists product features.
#[utoipa::path(
    get,
    path = "/api/v1.0/product-features",
    tag = "catalog",
    summary = "List product features, in their sort_order",
    params(Filter, Page),
    responses((status = 200, description = "A page", body = ListBody<Feature>), Known, Scoped, Queried, Always),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    list: Result<List<Filter>, Problem>,
) -> Result<ListBody<Feature>, Problem> {
    caller.require_operator_side()?;
    let List { filter, paging } = list?;
    Ok(list_features(&services.table, filter.product_id, &paging).await?.into())
}

/// The features of one product, or of all, in their `sort_order`.
pub async fn list_features(
    table: &Table,
    product_id: Option<ProductId>,
    paging: &Paging,
) -> Result<Listed<Feature>, ListError> {
    let mut features: Vec<Feature> = table.catalog().await?.catalog.features.into_values().collect();
    features.retain(|feature| product_id.is_none_or(|id| feature.product_id == id));
    let place = |feature: &Feature| [sortable(feature.sort_order), feature.id.to_string()];
    Ok(page_in_memory(features, &format!("features {product_id:?}"), paging, place)?)
}
