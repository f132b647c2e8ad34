//! Replaces or updates the writable fields of a product feature.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, EventSource, Feature, FeatureId, Scope},
    http::{
        Changes, IfMatch, IfMatchParams, MergePatch, PathId, Problem, ReplaceSchema, RequestContext, StrictJson,
        UpdateSchema, WithEtag,
    },
    store::{Table, catalog::CatalogCache},
};

use crate::{
    errors::CatalogError,
    feature::{FeatureInput, ReplaceFeatureInput},
};

/// The schema of the PUT request.
type ReplaceRequest = ReplaceSchema<FeatureInput>;

/// The schema of the PATCH request.
type UpdateRequest = UpdateSchema<FeatureInput>;

shared::error_responses! {
    /// Errors specific to these endpoints.
    Errors: Immutable;
}

/// Replaces the writable fields of a product feature.
#[utoipa::path(
    put,
    path = "/api/v1.0/product-features/{id}",
    operation_id = "replace_product_feature",
    tag = "catalog",
    summary = "Replace a product feature",
    description = "Replaces all writable fields. An omitted optional field is reset to its default.",
    params(
        ("id" = FeatureId, Path, description = "`feat_…`"),
        IfMatchParams,
    ),
    request_body = ReplaceRequest,
    responses(
        (status = 200, description = "The product feature", body = Feature, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn replace(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<FeatureId>,
    if_match: IfMatch,
    body: Result<StrictJson<ReplaceFeatureInput>, Problem>,
) -> Result<WithEtag<Feature>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(input) = body?;
    let changes = Changes::Replace(input);
    Ok(WithEtag(update_feature(&table, &cache, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Updates some fields of a product feature.
#[utoipa::path(
    patch,
    path = "/api/v1.0/product-features/{id}",
    operation_id = "update_product_feature",
    tag = "catalog",
    summary = "Update a product feature",
    description = "Changes the given fields and keeps all others (JSON Merge Patch, RFC 7396). Null clears a nullable field.",
    params(
        ("id" = FeatureId, Path, description = "`feat_…`"),
        IfMatchParams,
    ),
    request_body(content(
        (UpdateRequest = "application/merge-patch+json", example = json!({"name": "PDF and SVG export"})),
        (UpdateRequest = "application/json", example = json!({"name": "PDF and SVG export"})),
    )),
    responses(
        (status = 200, description = "The product feature", body = Feature, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn update(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<FeatureId>,
    if_match: IfMatch,
    body: Result<MergePatch<ReplaceFeatureInput>, Problem>,
) -> Result<WithEtag<Feature>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let changes = Changes::Merge(body?);
    Ok(WithEtag(update_feature(&table, &cache, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Changes a feature if `If-Match` is absent or matches its current version.
pub async fn update_feature(
    table: &Table,
    cache: &CatalogCache,
    id: FeatureId,
    changes: &Changes<ReplaceFeatureInput>,
    if_match: &IfMatch,
    source: &EventSource,
) -> Result<Feature, CatalogError> {
    let make = |catalog: &Catalog| {
        let current = catalog.features.get(&id).ok_or(CatalogError::NotFound)?;
        if_match.check(current)?;
        let (feature, errors) = changes.apply(current)?.replace(current, source.at);
        errors.and(catalog.check_feature(&feature))?;
        Ok(feature)
    };
    cache.change(table, source, make).await
}
