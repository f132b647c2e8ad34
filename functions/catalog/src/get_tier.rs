//! Returns a pricing tier.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::TierId,
    http::{PathId, Problem, WithEtag},
    store::{StoreError, Table, catalog::MetadataOwner},
};

use crate::tier::TierResource;

/// Returns a pricing tier.
#[utoipa::path(
    get,
    path = "/api/v1.0/pricing-tiers/{id}",
    operation_id = "get_pricing_tier",
    tag = "catalog",
    summary = "Get a pricing tier",
    description = "Returns the pricing tier, active or not. Send its `ETag` as `If-Match` to replace it.",
    params(("id" = TierId, Path, description = "`tier_…`")),
    responses((status = 200, description = "The pricing tier", body = TierResource, headers(("ETag" = String)))),
    security(("api_key" = []), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    PathId(id): PathId<TierId>,
) -> Result<WithEtag<TierResource>, Problem> {
    caller.require_api_key_or_operator()?;
    get_tier(&table, id).await?.map(WithEtag).ok_or_else(Problem::not_found)
}

/// Reads a pricing tier and its metadata from the table, not from the cache.
pub async fn get_tier(table: &Table, id: TierId) -> Result<Option<TierResource>, StoreError> {
    let catalog = table.catalog_with_metadata(MetadataOwner::Tier(id)).await?.catalog;
    Ok(catalog.tiers.get(&id).map(|tier| TierResource::new(&catalog, tier.clone())))
}
