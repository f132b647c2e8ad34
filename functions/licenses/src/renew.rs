//! Renews a license key: sets a new expiry.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, BillingPeriod, EventType, License, LicenseId, Scope, ValidationErrors, license::StateConflict},
    http::{
        PathId, Problem, RequestContext, StrictJson, WithEtag, extractors::nullable_time, problem::not_in_catalog,
        resources::LicenseResource,
    },
    store::{Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, apply};

/// Request to renew a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RenewRequest)]
pub struct Request {
    /// The new expiry, which must be in the future; null means never. If omitted, one billing period of the tier is
    /// added to the current expiry, or to the current time if the license key has expired. If the resulting month has
    /// fewer days, the period ends on its last day.
    #[serde(default, deserialize_with = "nullable_time")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2028-01-15T12:00:00Z")]
    pub expires_at: Option<Option<Timestamp>>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Renews a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/renew",
    tag = "license keys",
    summary = "Renew a license key",
    description = "Extends the license key by one billing period or sets a given expiry.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body(
        content = Request,
        examples(
            ("by_billing_period" = (summary = "Extend by one billing period", value = json!({}))),
            ("without_expiry" = (summary = "Remove the expiry", value = json!({"expires_at": null}))),
            ("to_date" = (summary = "Set the expiry", value = json!({"expires_at": "2028-01-15T12:00:00Z"}))),
        ),
    ),
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    Ok(WithEtag(renew(&app.table, id, &request, &caller.actor(), &ctx).await?))
}

/// Sets the expiry of a license key to a given time, or extends it by one billing period of its tier.
///
/// # Errors
///
/// `invalid_value` for an expiry in the past; `state_conflict` if the license key is revoked or superseded, or if it
/// cannot be extended by a billing period.
pub async fn renew(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, Problem> {
    let mut errors = ValidationErrors::default();
    errors.check(request.expires_at.flatten().is_none_or(|end| end > ctx.now), "/expires_at", "must be in the future");
    errors.into_result()?;
    let catalog = table.catalog().await?.catalog;
    apply(table, id, EventType::Renewed, (actor, ctx), |read| {
        let (end, transition) = if let Some(end) = request.expires_at {
            (end, Transition::Renew)
        } else {
            let tier = catalog.tiers.get(&read.tier_id);
            let tier = tier.ok_or_else(|| not_in_catalog(&read))?;
            (Some(next_end(&read, tier.billing_period, ctx.now)?), Transition::RenewByPeriod)
        };
        let from = read.expires_at;
        let next = read.renew(end)?;
        let data = serde_json::json!({ "from": from, "expires_at": next.expires_at });
        Ok(Decision { next, transition, data })
    })
    .await
}

/// Returns the expiry after one more billing period, which starts at the current expiry or now, whichever is later.
fn next_end(license: &License, period: BillingPeriod, now: Timestamp) -> Result<Timestamp, StateConflict> {
    let Some(end) = license.expires_at else {
        return Err(StateConflict("license key never expires: set an expiry date to change that".to_owned()));
    };
    period.end(end.max(now)).ok_or_else(|| {
        let detail = match period {
            BillingPeriod::Perpetual => "the pricing tier is perpetual: set an expiry date, or no expiry",
            BillingPeriod::Monthly | BillingPeriod::Annual => {
                "one more billing period would end after the year 9999: set an expiry date, or no expiry"
            }
        };
        StateConflict(detail.to_owned())
    })
}
