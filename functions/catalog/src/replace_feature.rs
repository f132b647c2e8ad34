//! Replaces the writable fields of a product feature.

use std::future::ready;

use axum::extract::State;
use futures_util::FutureExt;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Catalog, Feature, FeatureId, Scope, Timestamp, ValidationErrors, catalog::check_unchanged},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

/// Request to replace a product feature.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplaceProductFeatureRequest)]
pub struct Request {
    /// Immutable: omit it or send the current value.
    pub product_id: Option<String>,
    /// Immutable: omit it or send the current value.
    #[schema(example = "export.pdf")]
    pub key: Option<String>,
    /// Display name.
    #[schema(example = "PDF export", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "Saves a map as PDF")]
    pub description: Option<String>,
    /// Whether the feature is for display only, such as in a price list. Tokens do not contain such features.
    #[serde(default)]
    #[schema(default = false)]
    pub display_only: bool,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: Immutable;
}

/// Replaces the writable fields of a product feature.
#[utoipa::path(
    put,
    path = "/api/v1.0/product-features/{id}",
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
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<FeatureId>,
    if_match: IfMatch,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<Feature>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(request) = body?;
    replace_feature(&app.table, &app.catalog, ctx.now, id, &request, &if_match).await.map(WithEtag)
}

/// Replaces a feature if `If-Match` is absent or matches its current version.
pub async fn replace_feature(
    table: &Table,
    cache: &CatalogCache,
    now: Timestamp,
    id: FeatureId,
    request: &Request,
    if_match: &IfMatch,
) -> Result<Feature, Problem> {
    // PUT is idempotent, so no response is stored for an Idempotency-Key.
    cache
        .change(
            table,
            |_| ready(Ok(None)).boxed(),
            |catalog| {
                let current = catalog.features.get(&id).ok_or_else(Problem::not_found)?;
                if_match.check(current)?;
                Ok(replace_fields(catalog, current, request, now)?)
            },
        )
        .await
}

fn replace_fields(
    catalog: &Catalog,
    current: &Feature,
    request: &Request,
    now: Timestamp,
) -> Result<Feature, ValidationErrors> {
    let feature = Feature {
        id: current.id,
        product_id: current.product_id,
        key: current.key.clone(),
        name: request.name.clone(),
        description: request.description.clone(),
        display_only: request.display_only,
        sort_order: request.sort_order,
        created_at: current.created_at,
        updated_at: now,
    };
    let mut errors = ValidationErrors::default();
    let product_id = current.product_id.to_string();
    check_unchanged(&mut errors, "/product_id", request.product_id.as_deref(), &product_id);
    check_unchanged(&mut errors, "/key", request.key.as_deref(), &current.key);
    feature.check(&mut errors);
    errors.into_result()?;
    catalog.check_feature(&feature)?;
    Ok(feature)
}
