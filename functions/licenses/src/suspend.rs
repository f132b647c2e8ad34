//! Suspends a license key until it is reinstated.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{Actor, EventData, License, LicenseId, Scope, event::payload::Reason},
    http::{PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson, resources::LicenseResource},
    store::{Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, TransitionError, apply, check_reason, license_replay};

/// Request to suspend a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SuspendRequest)]
pub struct Request {
    /// Reason for the event log, up to 500 characters. The dashboard shows it to the customer.
    #[schema(max_length = 500, example = "unpaid")]
    pub reason: Option<String>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Suspends an active license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/suspend",
    operation_id = "suspend_license_key",
    tag = "licenses",
    summary = "Suspend an active license key",
    description = "Until the license key is reinstated, no machine can activate and heartbeats renew no tokens.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
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
    let reason = request.reason.as_deref();
    check_reason(reason)?;
    let replay = license_replay(&ctx);
    replay.response(&suspend(&table, id, reason, &caller.actor(), &ctx, &replay).await?)
}

/// Suspends an active license key.
///
/// # Errors
///
/// [`TransitionError::State`] unless the license key is active.
pub async fn suspend(
    table: &Table,
    id: LicenseId,
    reason: Option<&str>,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, License>,
) -> Result<License, TransitionError> {
    apply(table, id, (actor, ctx), replay, |read| {
        let data = EventData::LicenseSuspended(Reason { reason: reason.map(str::to_owned) });
        Ok(Decision { next: read.suspend()?, transition: Transition::Suspend, data })
    })
    .await
}
