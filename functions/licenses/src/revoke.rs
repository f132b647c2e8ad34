//! Revokes a license key permanently. No request that starts after this response renews a token.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Actor, EventType, IdGenerator, LicenseId, Scope, State as LicenseState, ValidationErrors},
    http::{PathId, Problem, RequestContext, StrictJson, WithEtag, resources::LicenseResource},
    store::{Backoff, Table, license_writes::RevokeOutcome},
};
use utoipa::ToSchema;

/// Request to revoke a license key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RevokeRequest)]
pub struct Request {
    /// Reason for the revocation, up to 500 characters. The customer can see it.
    #[schema(example = "refund", max_length = 500)]
    pub reason: Option<String>,
}

/// Revokes a license key.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/revoke",
    tag = "license keys",
    summary = "Revoke a license key",
    description = "Permanent. Heartbeats no longer renew tokens, and no machine can activate. Idempotent: revoking a revoked license \
        key has no effect.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses((status = 200, description = "The revoked license key", body = LicenseResource, headers(("ETag" = String)))),
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
    let mut errors = ValidationErrors::default();
    errors.check_text("/reason", request.reason.as_deref(), 500);
    errors.into_result()?;
    Ok(WithEtag(revoke(&app.table, id, request.reason.as_deref(), &caller.actor(), &ctx).await?))
}

/// Revokes a license key in any state.
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
        let revoked = read.clone().revoke(ctx.now, reason.map(str::to_owned));
        let response = LicenseResource::new(&revoked, None, ctx.now);
        let completion = ctx.idempotency.ok(&response).await?;
        match table.revoke(&read, ctx.now, reason, &event, completion.as_ref()).await? {
            RevokeOutcome::Done => return Ok(response),
            RevokeOutcome::AlreadyRevoked(license) => return Ok(LicenseResource::new(&license, None, ctx.now)),
            RevokeOutcome::Conflict => backoff.retry().await?,
            RevokeOutcome::NotFound => return Err(Problem::not_found()),
        }
    }
}
