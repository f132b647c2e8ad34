//! Renews a license key: sets a new expiry.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, EventData, License, LicenseId, NotInCatalogError, Scope, ValidationErrors,
        event::payload::LicenseRenewed,
    },
    http::{
        PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson, extractors::nullable_time,
        resources::LicenseResource,
    },
    store::{Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, TransitionError, apply, license_replay};

/// Request to renew a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RenewRequest)]
pub struct Request {
    /// The new expiry, which must be in the future; null means never. If omitted, one billing period of the tier is
    /// added to the current expiry, or to the current time if the license key has expired. Billing periods end on the
    /// same day of each month, or on the last day of a month with fewer days: a period from 31 January ends on 28
    /// February, and the next one on 31 March. A given expiry sets this day.
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
    operation_id = "renew_license_key",
    tag = "licenses",
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
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    let replay = license_replay(&ctx);
    replay.response(&renew(&table, id, &request, &caller.actor(), &ctx, &replay).await?)
}

/// Sets the expiry of a license key to a given time, or extends it by one billing period of its tier.
///
/// # Errors
///
/// [`TransitionError::Invalid`] for an expiry in the past; [`TransitionError::State`] if the license key is revoked or
/// superseded, or if it cannot be extended by a billing period.
pub async fn renew(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, License>,
) -> Result<License, TransitionError> {
    let mut errors = ValidationErrors::default();
    errors.check(request.expires_at.flatten().is_none_or(|end| end > ctx.now), "/expires_at", "must be in the future");
    errors.into_result()?;
    let catalog = table.catalog().await?.catalog;
    apply(table, id, (actor, ctx), replay, |read| {
        let from = read.expires_at;
        let (next, transition) = if let Some(end) = request.expires_at {
            (read.renew(end)?, Transition::Renew)
        } else {
            let tier = catalog.tiers.get(&read.tier_id).ok_or(NotInCatalogError(id))?;
            (read.renew_by_period(tier.billing_period, ctx.now)?, Transition::RenewByPeriod)
        };
        let data = EventData::LicenseRenewed(LicenseRenewed { from, expires_at: next.expires_at });
        Ok(Decision { next, transition, data })
    })
    .await
}
