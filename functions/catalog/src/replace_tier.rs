//! Replaces the writable fields of a pricing tier.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, Scope, TierId, Timestamp},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    errors::CatalogError,
    replace_schema::ReplaceSchema,
    tier::{ReplaceTierInput, TierInput, TierResource},
};

/// The schema of the request.
type Request = ReplaceSchema<TierInput>;

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: Immutable TierCycle TierOfOtherProduct FeatureOfOtherProduct;
}

/// Replaces the writable fields of a pricing tier.
#[utoipa::path(
    put,
    path = "/api/v1.0/pricing-tiers/{id}",
    operation_id = "replace_pricing_tier",
    tag = "catalog",
    summary = "Replace a pricing tier",
    description = "Replaces all writable fields. An omitted optional field is reset to its default.",
    params(
        ("id" = TierId, Path, description = "`tier_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to replace. If it is not the current one, nothing is written"),
    ),
    request_body = Request,
    responses(
        (status = 200, description = "The pricing tier", body = TierResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<TierId>,
    if_match: IfMatch,
    body: Result<StrictJson<ReplaceTierInput>, Problem>,
) -> Result<WithEtag<TierResource>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(input) = body?;
    Ok(WithEtag(replace_tier(&table, &cache, id, &input, &if_match, ctx.now).await?))
}

/// Replaces a tier if `If-Match` is absent or matches its current version. Features and token lifetimes of existing
/// license keys change at the next heartbeat; their limits do not change, because they were copied when the key was
/// issued.
pub async fn replace_tier(
    table: &Table,
    cache: &CatalogCache,
    id: TierId,
    input: &ReplaceTierInput,
    if_match: &IfMatch,
    now: Timestamp,
) -> Result<TierResource, CatalogError> {
    let make = |catalog: &Catalog| {
        let current = catalog.tiers.get(&id).ok_or(CatalogError::NotFound)?;
        if_match.check(&TierResource::new(catalog, current.clone()))?;
        let tier = input.replace(current, now)?;
        catalog.check_tier(&tier)?;
        Ok(TierResource::new(catalog, tier))
    };
    cache.change(table, make).await
}
