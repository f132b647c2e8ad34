//! Replaces or updates the writable fields of a pricing tier.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, EventSource, Scope, TierId},
    http::{
        Changes, IfMatch, IfMatchParams, MergePatch, PathId, Problem, ReplaceSchema, RequestContext, StrictJson,
        UpdateSchema, WithEtag,
    },
    store::{
        Table,
        catalog::{CatalogCache, MetadataOwner},
    },
};

use crate::{
    errors::CatalogError,
    tier::{ReplaceTierInput, TierInput, TierResource},
};

/// The schema of the PUT request.
type ReplaceRequest = ReplaceSchema<TierInput>;

/// The schema of the PATCH request.
type UpdateRequest = UpdateSchema<TierInput>;

shared::error_responses! {
    /// Errors specific to these endpoints.
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
        IfMatchParams,
    ),
    request_body = ReplaceRequest,
    responses(
        (status = 200, description = "The pricing tier", body = TierResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn replace(
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
    let changes = Changes::Replace(input);
    Ok(WithEtag(update_tier(&table, &cache, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Updates some fields of a pricing tier.
#[utoipa::path(
    patch,
    path = "/api/v1.0/pricing-tiers/{id}",
    operation_id = "update_pricing_tier",
    tag = "catalog",
    summary = "Update a pricing tier",
    description = "Changes the given fields and keeps all others (JSON Merge Patch, RFC 7396). Null clears a nullable field.",
    params(
        ("id" = TierId, Path, description = "`tier_…`"),
        IfMatchParams,
    ),
    request_body(content(
        (UpdateRequest = "application/merge-patch+json", example = json!({"monthly_price": 2900})),
        (UpdateRequest = "application/json", example = json!({"monthly_price": 2900})),
    )),
    responses(
        (status = 200, description = "The pricing tier", body = TierResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn update(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<TierId>,
    if_match: IfMatch,
    body: Result<MergePatch<ReplaceTierInput>, Problem>,
) -> Result<WithEtag<TierResource>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let changes = Changes::Merge(body?);
    Ok(WithEtag(update_tier(&table, &cache, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Changes a tier if `If-Match` is absent or matches its current version. Features and token lifetimes of existing
/// license keys change at the next heartbeat; their limits do not change, because they were copied when the key was
/// issued.
pub async fn update_tier(
    table: &Table,
    cache: &CatalogCache,
    id: TierId,
    changes: &Changes<ReplaceTierInput>,
    if_match: &IfMatch,
    source: &EventSource,
) -> Result<TierResource, CatalogError> {
    let make = |catalog: &Catalog| {
        let current = catalog.tiers.get(&id).ok_or(CatalogError::NotFound)?;
        let resource = TierResource::new(catalog, current.clone());
        if_match.check(&resource)?;
        let (tier, errors) = changes.apply(&resource)?.replace(current, source.at);
        errors.and(catalog.check_tier(&tier))?;
        Ok(TierResource::new(catalog, tier))
    };
    cache.change_with_metadata(table, MetadataOwner::Tier(id), source, make).await
}
