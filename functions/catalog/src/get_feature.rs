//! Returns a product feature.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Feature, FeatureId},
    http::{PathId, Problem, WithEtag},
    store::{StoreError, Table},
};

/// Returns a product feature.
#[utoipa::path(
    get,
    path = "/api/v1.0/product-features/{id}",
    operation_id = "get_product_feature",
    tag = "catalog",
    summary = "Get a product feature",
    description = "Returns the product feature, active or not. Send its `ETag` as `If-Match` to replace it.",
    params(("id" = FeatureId, Path, description = "`feat_…`")),
    responses((status = 200, description = "The product feature", body = Feature, headers(("ETag" = String)))),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    PathId(id): PathId<FeatureId>,
) -> Result<WithEtag<Feature>, Problem> {
    caller.require_api_key_or_operator()?;
    get_feature(&table, id).await?.map(WithEtag).ok_or_else(Problem::not_found)
}

/// Reads a product feature from the table, not from the cache.
pub async fn get_feature(table: &Table, id: FeatureId) -> Result<Option<Feature>, StoreError> {
    Ok(table.catalog().await?.catalog.features.remove(&id))
}
