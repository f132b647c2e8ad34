//! Replaces the writable fields of a product feature.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, Feature, FeatureId, Scope, Timestamp},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    errors::CatalogError,
    feature::{FeatureInput, ReplaceFeatureInput},
    replace_schema::ReplaceSchema,
};

/// The schema of the request.
type Request = ReplaceSchema<FeatureInput>;

shared::error_responses! {
    /// Errors specific to this endpoint.
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
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to replace. If it is not the current one, nothing is written"),
    ),
    request_body = Request,
    responses(
        (status = 200, description = "The product feature", body = Feature, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
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
    Ok(WithEtag(replace_feature(&table, &cache, id, &input, &if_match, ctx.now).await?))
}

/// Replaces a feature if `If-Match` is absent or matches its current version.
pub async fn replace_feature(
    table: &Table,
    cache: &CatalogCache,
    id: FeatureId,
    input: &ReplaceFeatureInput,
    if_match: &IfMatch,
    now: Timestamp,
) -> Result<Feature, CatalogError> {
    let make = |catalog: &Catalog| {
        let current = catalog.features.get(&id).ok_or(CatalogError::NotFound)?;
        if_match.check(current)?;
        let feature = input.replace(current, now)?;
        catalog.check_feature(&feature)?;
        Ok(feature)
    };
    cache.change(table, make).await
}
