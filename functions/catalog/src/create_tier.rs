//! Creates a pricing tier.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Catalog, EventSource, Scope},
    http::{Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    errors::CatalogError,
    tier::{TierInput, TierResource},
};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: CodeTaken TierOfOtherProduct FeatureOfOtherProduct;
}

/// Creates a pricing tier.
#[utoipa::path(
    post,
    path = "/api/v1.0/pricing-tiers",
    operation_id = "create_pricing_tier",
    tag = "catalog",
    summary = "Create a pricing tier",
    request_body = TierInput,
    responses(
        (
            status = 201,
            description = "The pricing tier",
            body = TierResource,
            headers(("Location" = String), ("ETag" = String)),
        ),
        Errors,
    ),
    security(("api_key" = ["catalog:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(cache): State<CatalogCache>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<TierInput>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(input) = body?;
    let path = |tier: &TierResource| format!("/api/v1.0/pricing-tiers/{}", tier.tier.id);
    let replay = ctx.idempotency.replay(|tier: &TierResource| StoredResponse::created(path(tier), tier));
    let tier = create_tier(&table, &cache, &input, &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&tier)
}

/// Creates a tier if no other tier of the product has the same code, and if its included tier and its features belong
/// to the product.
pub async fn create_tier(
    table: &Table,
    cache: &CatalogCache,
    input: &TierInput,
    source: &EventSource,
    replay: &Replay<'_, TierResource>,
) -> Result<TierResource, CatalogError> {
    let (tier, errors) = input.create(source.at);
    let make = |catalog: &Catalog| {
        errors.clone().and(catalog.check_tier(&tier))?;
        Ok(TierResource::new(catalog, tier.clone()))
    };
    cache.change_once(table, source, make, |tier| replay.completion(tier)).await
}
