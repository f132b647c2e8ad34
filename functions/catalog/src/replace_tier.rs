//! Replaces the writable fields of a pricing tier.

use std::future::ready;

use axum::extract::State;
use futures_util::FutureExt;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{
        BillingPeriod, Catalog, FeatureId, Scope, Tier, TierId, Timestamp, ValidationErrors, catalog::check_unchanged,
    },
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::{
    defaults::{default_token_ttl, default_true},
    resources::TierResource,
};

/// Request to replace a pricing tier.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplacePricingTierRequest)]
pub struct Request {
    /// Immutable: omit it or send the current value.
    pub product_id: Option<String>,
    /// Immutable: omit it or send the current value.
    #[schema(example = "pro")]
    pub code: Option<String>,
    /// Display name.
    #[schema(example = "Pro", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "For small teams")]
    pub description: Option<String>,
    /// A tier of the same product whose features this tier inherits.
    pub includes_tier_id: Option<TierId>,
    /// Monthly price in minor units of `currency`.
    #[schema(example = 1900, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub monthly_price: i64,
    /// Annual price in minor units of `currency`.
    #[schema(example = 19000, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub annual_price: i64,
    /// ISO 4217 currency code.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// How often the tier is billed.
    pub billing_period: BillingPeriod,
    /// Number of seats; null means no limit. Required, so that a limit is not omitted by mistake.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, example = 5, minimum = 1, maximum = 100_000)]
    pub max_users: Option<u32>,
    /// Number of tenants, which the app enforces; null means no limit.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    pub max_tenants: Option<u32>,
    /// The tier's own features, without inherited ones. The keys of all features, own and inherited, can have 30,000
    /// bytes in total, where each key counts 3 bytes in addition to its length.
    #[serde(default)]
    #[schema(max_items = 500, default = json!([]))]
    pub feature_ids: Vec<FeatureId>,
    /// Whether a signed-in customer can claim a license key of this tier without an operator.
    #[serde(default)]
    #[schema(default = false)]
    pub is_claimable: bool,
    /// Whether the tier is available and listed in the public catalog.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 2, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
    /// Lifetime of a license token, in seconds.
    #[serde(default = "default_token_ttl")]
    #[schema(default = 3600, minimum = 1, maximum = 31_536_000)]
    pub token_ttl_seconds: u32,
    /// How often an app should send a heartbeat, in seconds; at most `token_ttl_seconds`. If omitted, 900 or
    /// `token_ttl_seconds`, whichever is less.
    #[schema(minimum = 1, maximum = 31_536_000, example = 900)]
    pub heartbeat_interval_seconds: Option<u32>,
    /// Heartbeats return the same token until it has this age, in seconds; at most half of `token_ttl_seconds`. Null
    /// means half of `heartbeat_interval_seconds`.
    #[schema(minimum = 0, maximum = 15_768_000)]
    pub renew_after_seconds: Option<u32>,
    /// How long an app may continue after the `exp` of its token, in seconds.
    #[serde(default)]
    #[schema(default = 0, maximum = 2_592_000)]
    pub grace_period_seconds: u32,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: Immutable TierCycle TierOfOtherProduct FeatureOfOtherProduct;
}

/// Replaces the writable fields of a pricing tier.
#[utoipa::path(
    put,
    path = "/api/v1.0/pricing-tiers/{id}",
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
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<TierId>,
    if_match: IfMatch,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<TierResource>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(request) = body?;
    replace_tier(&app.table, &app.catalog, ctx.now, id, &request, &if_match).await.map(WithEtag)
}

/// Replaces a tier if `If-Match` is absent or matches its current version. Features and token lifetimes of existing
/// license keys change at the next heartbeat; their limits do not change, because they were copied when the key was
/// issued.
pub async fn replace_tier(
    table: &Table,
    cache: &CatalogCache,
    now: Timestamp,
    id: TierId,
    request: &Request,
    if_match: &IfMatch,
) -> Result<TierResource, Problem> {
    // PUT is idempotent, so no response is stored for an Idempotency-Key.
    cache
        .change(
            table,
            |_| ready(Ok(None)).boxed(),
            |catalog| {
                let current = catalog.tiers.get(&id).ok_or_else(Problem::not_found)?;
                if_match.check(&TierResource::new(catalog, current.clone()))?;
                let tier = replace_fields(catalog, current, request, now)?;
                Ok(TierResource::new(catalog, tier))
            },
        )
        .await
}

fn replace_fields(
    catalog: &Catalog,
    current: &Tier,
    request: &Request,
    now: Timestamp,
) -> Result<Tier, ValidationErrors> {
    let tier = tier(current, request, now);
    let mut errors = ValidationErrors::default();
    let product_id = current.product_id.to_string();
    check_unchanged(&mut errors, "/product_id", request.product_id.as_deref(), &product_id);
    check_unchanged(&mut errors, "/code", request.code.as_deref(), &current.code);
    tier.check(&mut errors);
    errors.into_result()?;
    catalog.check_tier(&tier)?;
    Ok(tier)
}

fn tier(current: &Tier, request: &Request, now: Timestamp) -> Tier {
    let default_heartbeat = Tier::default_heartbeat_interval(request.token_ttl_seconds);
    let heartbeat = request.heartbeat_interval_seconds.unwrap_or(default_heartbeat);
    Tier {
        id: current.id,
        product_id: current.product_id,
        code: current.code.clone(),
        name: request.name.clone(),
        description: request.description.clone(),
        includes_tier_id: request.includes_tier_id,
        monthly_price: request.monthly_price,
        annual_price: request.annual_price,
        currency: request.currency.clone(),
        billing_period: request.billing_period,
        max_users: request.max_users,
        max_tenants: request.max_tenants,
        feature_ids: request.feature_ids.clone(),
        is_claimable: request.is_claimable,
        is_active: request.is_active,
        sort_order: request.sort_order,
        token_ttl_seconds: request.token_ttl_seconds,
        heartbeat_interval_seconds: heartbeat,
        renew_after_seconds: request.renew_after_seconds,
        grace_period_seconds: request.grace_period_seconds,
        created_at: current.created_at,
        updated_at: now,
    }
}
