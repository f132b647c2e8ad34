//! Creates a product feature.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, EventSource, Feature, Scope},
    http::{Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{Table, catalog::CatalogCache},
};

use crate::{errors::CatalogError, feature::FeatureInput};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: KeyTaken;
}

/// Creates a product feature.
#[utoipa::path(
    post,
    path = "/api/v1.0/product-features",
    operation_id = "create_product_feature",
    tag = "catalog",
    summary = "Create a product feature",
    request_body = FeatureInput,
    responses(
        (status = 201, description = "The product feature", body = Feature, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<FeatureInput>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(input) = body?;
    let path = |feature: &Feature| format!("/api/v1.0/product-features/{}", feature.id);
    let replay = ctx.idempotency.replay(|feature: &Feature| StoredResponse::created(path(feature), feature));
    let feature = create_feature(&table, &cache, &input, &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&feature)
}

/// Creates a feature if no other feature of the product has the same key.
pub async fn create_feature(
    table: &Table,
    cache: &CatalogCache,
    input: &FeatureInput,
    source: &EventSource,
    replay: &Replay<'_, Feature>,
) -> Result<Feature, CatalogError> {
    let (feature, errors) = input.create(source.at);
    let make = |catalog: &Catalog| {
        errors.clone().and(catalog.check_feature(&feature))?;
        Ok(feature.clone())
    };
    cache.change_once(table, source, make, |feature| replay.completion(feature)).await
}
