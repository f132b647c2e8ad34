//! Moves the end of a license key.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, BillingPeriod, EventType, License, LicenseId, Scope, ValidationErrors, license::StateConflict},
    http::{
        PathId, Problem, RequestContext, StrictJson, WithEtag,
        extractors::nullable_time,
        problem::not_in_catalog,
        resources::LicenseResource,
        responses::{Authenticated, Authorized, JsonBody, PathLookup, ServerErrors},
    },
    store::{Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, apply};

/// To when.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RenewRequest)]
pub struct Request {
    /// The new end, a time to come; null, never; left out, one billing period of the tier from the later of now and
    /// the end that it has. A month that is too short ends on its last day.
    #[serde(default, deserialize_with = "nullable_time")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2028-01-15T12:00:00Z")]
    pub expires_at: Option<Option<Timestamp>>,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Renews a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/renew",
    tag = "license keys",
    summary = "Move the end of a license key",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body(
        content = Request,
        examples(
            ("by_a_period" = (summary = "For one more billing period", value = json!({}))),
            ("for_ever" = (summary = "For ever", value = json!({"expires_at": null}))),
            ("to_a_time" = (summary = "To a time", value = json!({"expires_at": "2028-01-15T12:00:00Z"}))),
        ),
    ),
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Errors,
        Authenticated,
        Authorized,
        PathLookup,
        JsonBody,
        ServerErrors,
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

/// Renews a license key: to a given end, or by one billing period of its tier.
pub async fn renew(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, Problem> {
    let mut invalid = ValidationErrors::default();
    invalid.check(
        request.expires_at.flatten().is_none_or(|end| end > ctx.now),
        "/expires_at",
        "a time to come, or null for never",
    );
    invalid.into_result()?;
    let catalog = table.catalog().await?.catalog;
    apply(table, id, EventType::Renewed, (actor, ctx), |read| {
        let (end, transition) = if let Some(end) = request.expires_at {
            (end, Transition::Renew)
        } else {
            let tier = catalog.tiers.get(&read.tier_id);
            let tier = tier.ok_or_else(|| not_in_catalog(&read))?;
            (Some(next_end(&read, tier.billing_period, ctx.now)?), Transition::RenewAsRead)
        };
        let from = read.expires_at;
        let next = read.renew(end)?;
        let data = serde_json::json!({ "from": from, "expires_at": next.expires_at });
        Ok(Decision { next, transition, data })
    })
    .await
}

/// One period from the later of now and the end that it has.
fn next_end(license: &License, period: BillingPeriod, now: Timestamp) -> Result<Timestamp, StateConflict> {
    let Some(end) = license.expires_at else {
        return Err(StateConflict("this license key never ends: give it an expires_at, or leave it".to_owned()));
    };
    period.end(end.max(now)).ok_or_else(|| {
        let why = match period {
            BillingPeriod::Perpetual => "its pricing tier is perpetual and has no billing period: give an expires_at",
            BillingPeriod::Monthly | BillingPeriod::Annual => {
                "one more billing period would end after the year 9999: give an expires_at, or null for never"
            }
        };
        StateConflict(why.to_owned())
    })
}
