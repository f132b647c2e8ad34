//! Revokes a license key permanently. No request that starts after this response renews a token.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, EventData, IdGenerator, License, LicenseId, Scope, State as LicenseState, Subject,
        event::payload::Reason,
    },
    http::{
        CompletionError, PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson,
        resources::LicenseResource,
    },
    store::{Backoff, StoreError, Table, license_writes::RevokeOutcome},
};
use utoipa::ToSchema;

use crate::transition::{check_reason, license_replay};

/// Why a license key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => Self::not_found(),
            RevokeError::Store(error) => error.into(),
            RevokeError::Completion(error) => error.into(),
        }
    }
}

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
    operation_id = "revoke_license_key",
    tag = "licenses",
    summary = "Revoke a license key",
    description = "Permanent. Heartbeats no longer renew tokens, and no machine can activate. Idempotent: revoking a revoked license \
        key has no effect.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body = Request,
    responses((status = 200, description = "The revoked license key", body = LicenseResource, headers(("ETag" = String)))),
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
    replay.response(&revoke(&table, id, reason, &caller.actor(), &ctx, &replay).await?)
}

/// Revokes a license key in any state.
pub async fn revoke(
    table: &Table,
    id: LicenseId,
    reason: Option<&str>,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, License>,
) -> Result<License, RevokeError> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(RevokeError::NotFound)?;
        if matches!(read.state, LicenseState::Revoked { .. }) {
            return Ok(read);
        }
        let data = EventData::LicenseRevoked(Reason { reason: reason.map(str::to_owned) });
        let event = ctx.event(&mut ids, actor, Subject::License(id), data);
        let revoked = read.clone().revoke(ctx.now, reason.map(str::to_owned));
        let completion = replay.completion(&revoked).await?;
        match table.revoke(&read, ctx.now, reason, &event, completion.as_ref()).await? {
            RevokeOutcome::Done => return Ok(revoked),
            RevokeOutcome::AlreadyRevoked(license) => return Ok(*license),
            RevokeOutcome::Conflict => backoff.retry().await?,
            RevokeOutcome::NotFound => return Err(RevokeError::NotFound),
        }
    }
}
