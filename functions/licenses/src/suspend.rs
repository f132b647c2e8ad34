//! Suspends a license key until it is reinstated.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, EventType, LicenseId, Scope, ValidationErrors},
    http::{PathId, Problem, RequestContext, StrictJson, WithEtag, resources::LicenseResource},
    store::{Table, license_writes::Transition},
};
use utoipa::ToSchema;

use crate::transition::{Decision, apply};

/// Request to suspend a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SuspendRequest)]
pub struct Request {
    /// Reason for the event log, up to 500 characters.
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
    tag = "license keys",
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
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    Ok(WithEtag(suspend(&app.table, id, &request, &caller.actor(), &ctx).await?))
}

/// Suspends an active license key.
///
/// # Errors
///
/// `state_conflict` unless the license key is active.
pub async fn suspend(
    table: &Table,
    id: LicenseId,
    request: &Request,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, Problem> {
    let mut errors = ValidationErrors::default();
    errors.check_text("/reason", request.reason.as_deref(), 500);
    errors.into_result()?;
    apply(table, id, EventType::Suspended, (actor, ctx), |read| {
        let data = serde_json::json!({ "reason": request.reason });
        Ok(Decision { next: read.suspend()?, transition: Transition::Suspend, data })
    })
    .await
}
