//! Ends a license key for good. No token is renewed by a request that begins after this was answered.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, EventType, IdGenerator, LicenseId, Scope, State as LicenseState, ValidationErrors},
    http::{
        PathId, Problem, RequestContext, StrictJson, WithEtag,
        resources::LicenseResource,
        responses::{Authenticated, Authorized, JsonBody, PathLookup, ServerErrors},
    },
    store::{Backoff, Table, license_writes::RevokeOutcome},
};
use utoipa::ToSchema;

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RevokeRequest)]
pub struct Request {
    /// In the operator's words; the customer sees them.
    #[schema(example = "refund", example = "refund", max_length = 500)]
    pub reason: Option<String>,
}

/// Revokes a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/revoke",
    tag = "license keys",
    summary = "Revoke a license key for good; again gives the same answer",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses(
        (status = 200, description = "The license key, revoked", body = LicenseResource, headers(("ETag" = String))),
        Authenticated,
        Authorized,
        PathLookup,
        JsonBody,
        ServerErrors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    let mut invalid = ValidationErrors::default();
    invalid.text("/reason", request.reason.as_deref(), 500);
    invalid.into_result()?;
    Ok(WithEtag(revoke(&app.table, id, request.reason.as_deref(), &caller.actor(), &ctx).await?))
}

/// Revokes a license key, whatever state it is in.
pub async fn revoke(
    table: &Table,
    id: LicenseId,
    reason: Option<&str>,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, Problem> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license(id).await?.ok_or_else(Problem::not_found)?;
        if matches!(read.state, LicenseState::Revoked { .. }) {
            return Ok(LicenseResource::new(&read, None, ctx.now));
        }
        let event = ctx.event(&mut ids, EventType::Revoked, id, actor, serde_json::json!({ "reason": reason }));
        let ended = read.clone().revoke(ctx.now, reason.map(str::to_owned));
        let answer = LicenseResource::new(&ended, None, ctx.now);
        let done = ctx.idempotency.ok(&answer).await?;
        match table.revoke(&read, ctx.now, reason, &event, done.as_ref()).await? {
            RevokeOutcome::Done => return Ok(answer),
            RevokeOutcome::Already(license) => return Ok(LicenseResource::new(&license, None, ctx.now)),
            RevokeOutcome::Moved => backoff.retry().await?,
            RevokeOutcome::Absent => return Err(Problem::not_found()),
        }
    }
}
