//! Revokes the license keys with a tag.

use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    domain::{Actor, LicenseId, Scope, State as LicenseState, ValidationErrors, license::check_tag},
    http::{Problem, Replay, RequestContext, StrictJson},
    store::Table,
};
use utoipa::ToSchema;

use crate::{
    revoke::{RevokeError, revoke},
    transition::check_reason,
};

/// The maximum number of license keys that one request revokes.
const MAX_REVOKED: usize = 100;
/// The number of license keys that are revoked at the same time.
const CONCURRENCY: usize = 8;

/// Request to revoke the license keys with a tag.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RevokeBatchRequest)]
pub struct Request {
    /// The tag with which the license keys were issued.
    #[schema(example = "reseller-7", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub tag: String,
    /// The reason, which the customers who claimed the license keys see.
    #[schema(example = "chargeback", max_length = 500)]
    pub reason: Option<String>,
}

/// How many license keys were revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RevokedBatch)]
pub struct RevokedBatch {
    /// The number of license keys that this request revoked, at most 100.
    #[schema(example = 100)]
    pub revoked: usize,
    /// The number of license keys with the tag that are still to be revoked; repeat the request until it is 0.
    #[schema(example = 20)]
    pub remaining: usize,
}

/// Revokes the license keys with a tag.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/batch/revoke",
    operation_id = "revoke_license_key_batch",
    tag = "licenses",
    summary = "Revoke the license keys with a tag",
    description = "Revokes up to 100 license keys, in any state and whether or not a customer has claimed them. Repeat the request \
        until `remaining` is 0. License keys that were issued within the last seconds can be missed: they are found by an index that follows writes with a short delay.",
    request_body = Request,
    responses((status = 200, description = "How many license keys were revoked and how many remain", body = RevokedBatch)),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<axum::Json<RevokedBatch>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(Request { tag, reason }) = body?;
    let mut errors = ValidationErrors::default();
    check_tag(&mut errors, Some(&tag));
    errors.into_result()?;
    check_reason(reason.as_deref())?;
    Ok(axum::Json(revoke_batch(&table, &tag, reason.as_deref(), &caller.actor(), &ctx).await?))
}

/// Revokes up to 100 license keys with a tag, and counts those that remain.
pub async fn revoke_batch(
    table: &Table,
    tag: &str,
    reason: Option<&str>,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<RevokedBatch, RevokeError> {
    let tagged = table.licenses_with_tag(tag, MAX_REVOKED).await?;
    let revoke_one = |id: LicenseId| async move {
        let license = revoke(table, id, reason, actor, ctx, &Replay::none()).await?;
        // The index can still show a license key that was revoked before.
        let is_new = matches!(license.state, LicenseState::Revoked { at, .. } if at == ctx.now);
        Ok::<_, RevokeError>(usize::from(is_new))
    };
    let counts = stream::iter(tagged.ids).map(revoke_one).buffer_unordered(CONCURRENCY);
    let revoked = counts.try_fold(0, async |total, count| Ok(total + count)).await?;
    Ok(RevokedBatch { revoked, remaining: tagged.remaining })
}
