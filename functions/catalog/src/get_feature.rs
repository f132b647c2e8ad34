//! Reads a product feature.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{Feature, FeatureId},
    http::{
        PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped},
    },
    store::{StoreError, Table},
};

/// Reads a product feature.
#[utoipa::path(
    get,
    path = "/api/v1.0/product-features/{id}",
    tag = "catalog",
    summary = "Read a product feature",
    params(("id" = FeatureId, Path, description = "`feat_…`")),
    responses(
        (status = 200, description = "The feature", body = Feature, headers(("ETag" = String))),
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
    PathId(id): PathId<FeatureId>,
) -> Result<Tagged<Feature>, Problem> {
    caller.require_operator_side()?;
    get_feature(&services.table, id).await?.map(Tagged).ok_or_else(Problem::not_found)
}

/// The feature, as it is in the table.
pub async fn get_feature(table: &Table, id: FeatureId) -> Result<Option<Feature>, StoreError> {
    Ok(table.catalog().await?.catalog.features.remove(&id))
}
