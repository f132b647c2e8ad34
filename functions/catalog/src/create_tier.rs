//! Adds a pricing tier.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{BillingPeriod, FeatureId, IdGenerator, ProductId, Scope, Tier, TierId, Timestamp, ValidationErrors},
    http::{
        Created, Problem, RequestContext, StrictJson,
        responses::{Authenticated, Authorized, JsonBody, ServerErrors},
    },
    store::{Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::{
    defaults::{token_ttl, yes},
    resources::TierResource,
};

/// The tier that is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreatePricingTierRequest)]
pub struct Request {
    /// The product that is sold. Never changes.
    pub product_id: ProductId,
    /// Unique within the product. Never changes.
    #[schema(example = "pro", pattern = "^[a-z0-9][a-z0-9-]{1,39}$")]
    pub code: String,
    /// What people call it.
    #[schema(example = "Pro", min_length = 1, max_length = 200)]
    pub name: String,
    /// What it is.
    #[schema(max_length = 2000, example = "For small teams")]
    pub description: Option<String>,
    /// The tier whose features it has as well; of the same product.
    pub includes_tier_id: Option<TierId>,
    /// In minor units of `currency`.
    #[schema(example = 1900, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub monthly_price: i64,
    /// In minor units of `currency`.
    #[schema(example = 19000, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub annual_price: i64,
    /// ISO 4217.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// How often it is paid for.
    pub billing_period: BillingPeriod,
    /// Seats; null means no limit, and has to be said.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, example = 5, minimum = 1, maximum = 100_000)]
    pub max_users: Option<u32>,
    /// Tenants, which the consuming app counts; null means no limit.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    pub max_tenants: Option<u32>,
    /// Its own features, without the inherited ones. A token has room for 30,000 bytes of keys, inherited ones included,
    /// each counted with the 3 around it.
    #[serde(default)]
    #[schema(max_items = 500, default = json!([]))]
    pub feature_ids: Vec<FeatureId>,
    /// Whether a signed-in customer may take it without an operator.
    #[serde(default)]
    #[schema(default = false)]
    pub is_claimable: bool,
    /// Whether it is sold: shown in the public catalog.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Its place in lists, smallest first.
    #[serde(default)]
    #[schema(example = 2, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
    /// How long a license token lives.
    #[serde(default = "token_ttl")]
    #[schema(default = 3600, minimum = 1, maximum = 31_536_000)]
    pub token_ttl_seconds: u32,
    /// How often an app should send a heartbeat: at most the life of a token. 900, or the life of a token if that is
    /// less, where it is left out.
    #[schema(minimum = 1, maximum = 31_536_000, example = 900)]
    pub heartbeat_interval_seconds: Option<u32>,
    /// A younger token is handed back: at most half the life of a token. Null means half the heartbeat interval.
    #[schema(minimum = 0, maximum = 15_768_000)]
    pub renew_after_seconds: Option<u32>,
    /// How long past `exp` an app may go on.
    #[serde(default)]
    #[schema(default = 0, maximum = 2_592_000)]
    pub grace_period_seconds: u32,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: CodeTaken TierOfOtherProduct FeatureOfOtherProduct;
}

/// Adds a pricing tier.
#[utoipa::path(
    post,
    path = "/api/v1.0/pricing-tiers",
    tag = "catalog",
    summary = "Add a pricing tier",
    request_body = Request,
    responses(
        (
            status = 201,
            description = "The tier",
            body = TierResource,
            headers(("Location" = String), ("ETag" = String)),
        ),
        Errors,
        Authenticated,
        Authorized,
        JsonBody,
        ServerErrors,
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

/// Adds a tier, if no other of its product has its code, and what it includes and has belongs to its product.
pub async fn create_tier(
    table: &Table,
    copy: &CatalogCache,
    ctx: &RequestContext,
    request: Request,
) -> Result<TierResource, Problem> {
    let tier = tier(request, ctx.now);
    let mut invalid = ValidationErrors::default();
    tier.check(&mut invalid);
    invalid.into_result()?;
    let done = |tier: &TierResource| ctx.idempotency.created(tier.path(), tier);
    copy.change(table, done, |catalog| {
        catalog.check_tier(&tier)?;
        Ok(TierResource::new(catalog, tier.clone()))
    })
    .await
}

fn tier(request: Request, now: Timestamp) -> Tier {
    let usual = Tier::default_heartbeat_interval(request.token_ttl_seconds);
    let heartbeat = request.heartbeat_interval_seconds.unwrap_or(usual);
    Tier {
        id: IdGenerator::new(now).make(),
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

    const LEAST: &str = r#"{"product_id": "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "code": "pro", "name": "Pro",
        "monthly_price": 1900, "annual_price": 19000, "currency": "EUR", "billing_period": "monthly",
        "max_users": null"#;

    fn read(more: &str) -> Result<Tier, serde_json::Error> {
        serde_json::from_str(&format!("{LEAST}{more}}}")).map(|request| tier(request, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        let tier = read("").unwrap();
        assert_eq!((tier.is_active, tier.is_claimable, tier.sort_order), (true, false, 0));
        assert_eq!((tier.description, tier.includes_tier_id, tier.max_tenants), (None, None, None));
        assert_eq!(tier.feature_ids, []);
        assert_eq!((tier.token_ttl_seconds, tier.heartbeat_interval_seconds), (3600, 900));
        assert_eq!((tier.renew_after_seconds, tier.grace_period_seconds), (None, 0));
        assert_eq!(read(r#", "token_ttl_seconds": 60"#).unwrap().heartbeat_interval_seconds, 60);
    }

    #[test]
    fn no_limit_has_to_be_said() {
        let silent = format!("{}}}", LEAST.replace(",\n        \"max_users\": null", ""));
        let error = serde_json::from_str::<Request>(&silent).unwrap_err().to_string();
        assert!(error.starts_with("missing field `max_users`"), "{error}");
    }
}
