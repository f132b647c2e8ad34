//! Creates a pricing tier.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{BillingPeriod, FeatureId, IdGenerator, ProductId, Scope, Tier, TierId, Timestamp, ValidationErrors},
    http::{Created, Problem, RequestContext, StrictJson},
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::{
    defaults::{default_token_ttl, default_true},
    resources::TierResource,
};

/// Request to create a pricing tier.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreatePricingTierRequest)]
pub struct Request {
    /// The product that the tier belongs to. Immutable.
    pub product_id: ProductId,
    /// Unique within the product. Immutable.
    #[schema(example = "pro", pattern = "^[a-z0-9][a-z0-9-]{1,39}$")]
    pub code: String,
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
    Errors: CodeTaken TierOfOtherProduct FeatureOfOtherProduct;
}

/// Creates a pricing tier.
#[utoipa::path(
    post,
    path = "/api/v1.0/pricing-tiers",
    tag = "catalog",
    summary = "Create a pricing tier",
    request_body = Request,
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
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Created<TierResource>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let StrictJson(request) = body?;
    let tier = create_tier(&app.table, &app.catalog, &ctx, request).await?;
    Ok(Created { location: tier.path(), body: tier })
}

/// Creates a tier if no other tier of the product has the same code, and if its included tier and its features belong
/// to the product.
pub async fn create_tier(
    table: &Table,
    cache: &CatalogCache,
    ctx: &RequestContext,
    request: Request,
) -> Result<TierResource, Problem> {
    let tier = tier(request, ctx.now);
    let mut errors = ValidationErrors::default();
    tier.check(&mut errors);
    errors.into_result()?;
    let completion = |tier: &TierResource| ctx.idempotency.created(tier.path(), tier);
    cache
        .change(table, completion, |catalog| {
            catalog.check_tier(&tier)?;
            Ok(TierResource::new(catalog, tier.clone()))
        })
        .await
}

fn tier(request: Request, now: Timestamp) -> Tier {
    let default_heartbeat = Tier::default_heartbeat_interval(request.token_ttl_seconds);
    let heartbeat = request.heartbeat_interval_seconds.unwrap_or(default_heartbeat);
    Tier {
        id: IdGenerator::new(now).generate(),
        product_id: request.product_id,
        code: request.code,
        name: request.name,
        description: request.description,
        includes_tier_id: request.includes_tier_id,
        monthly_price: request.monthly_price,
        annual_price: request.annual_price,
        currency: request.currency,
        billing_period: request.billing_period,
        max_users: request.max_users,
        max_tenants: request.max_tenants,
        feature_ids: request.feature_ids,
        is_claimable: request.is_claimable,
        is_active: request.is_active,
        sort_order: request.sort_order,
        token_ttl_seconds: request.token_ttl_seconds,
        heartbeat_interval_seconds: heartbeat,
        renew_after_seconds: request.renew_after_seconds,
        grace_period_seconds: request.grace_period_seconds,
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL_REQUEST: &str = r#"{"product_id": "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "code": "pro", "name": "Pro",
        "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "monthly",
        "max_users": null"#;

    fn parse(more: &str) -> Result<Tier, serde_json::Error> {
        serde_json::from_str(&format!("{MINIMAL_REQUEST}{more}}}")).map(|request| tier(request, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn omitted_fields_have_their_defaults() {
        let tier = parse("").unwrap();
        assert_eq!((tier.is_active, tier.is_claimable, tier.sort_order), (true, false, 0));
        assert_eq!((tier.description, tier.includes_tier_id, tier.max_tenants), (None, None, None));
        assert_eq!(tier.feature_ids, []);
        assert_eq!((tier.token_ttl_seconds, tier.heartbeat_interval_seconds), (3600, 900));
        assert_eq!((tier.renew_after_seconds, tier.grace_period_seconds), (None, 0));
        assert_eq!(parse(r#", "token_ttl_seconds": 60"#).unwrap().heartbeat_interval_seconds, 60);
    }

    #[test]
    fn max_users_is_required() {
        let without_max_users = format!("{}}}", MINIMAL_REQUEST.replace(",\n        \"max_users\": null", ""));
        let error = serde_json::from_str::<Request>(&without_max_users).unwrap_err().to_string();
        assert!(error.starts_with("missing field `max_users`"), "{error}");
    }
}
