//! Promotes the next signing key ahead of schedule.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Scope, key_ring::KeyRingConflict},
    http::{Code, Problem, RequestContext, StrictJson},
    store::{StoreError, key_ring::KeyRingUpdate},
};
use utoipa::ToSchema;

use crate::signing_keys::SigningKeysResource;

/// Request to rotate the signing keys.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RotateRequest)]
pub struct Request {
    /// Promotes the next key even if it has not been published for long enough. Apps that do not refetch the JWKS for
    /// an unknown `kid` reject its tokens until their cached JWKS expires.
    #[serde(default)]
    #[schema(default = false)]
    pub force: bool,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Rotates the signing keys.
#[utoipa::path(
    post,
    path = "/api/v1.0/signing-keys/rotate",
    tag = "access",
    summary = "Rotate the signing keys",
    description = "Promotes the `next` key to `current` if it has been published for long enough. The key that was `current` \
        stays in the JWKS until the last token that it signed has expired.",
    request_body = Request,
    responses(
        (status = 200, description = "The updated key ring", body = SigningKeysResource),
        Errors,
    ),
    security(("api_key" = ["keys:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    let StrictJson(request) = body?;
    rotate(&app, request.force, &ctx).await
}

/// The maximum number of attempts if the ring is changed concurrently.
const MAX_ATTEMPTS: usize = 5;

/// Promotes the next key. Concurrent calls rotate once and return the same ring.
///
/// # Errors
///
/// `state_conflict` if the next key cannot be promoted yet, `unavailable` if concurrent changes of the ring exhaust all
/// attempts.
pub async fn rotate(app: &AppState, force: bool, ctx: &RequestContext) -> Result<SigningKeysResource, Problem> {
    let (policy, table) = (app.settings.rotation_policy, &app.table);
    let initial_kid = table.ring().await?.current().map(|key| key.kid.clone());
    for _ in 0..MAX_ATTEMPTS {
        let ring = table.ring().await?;
        if ring.current().map(|key| &key.kid) != initial_kid.as_ref() {
            return Ok(SigningKeysResource::new(&ring, policy));
        }
        let promoted = if force { ring.promote_immediately(policy, ctx.now) } else { ring.promote(policy, ctx.now) };
        let changed = promoted.map_err(state_conflict)?;
        let response = SigningKeysResource::new(&ring.clone().with(&changed), policy);
        let completion = ctx.idempotency.ok_without_etag(&response).await?;
        let update = KeyRingUpdate { changed: &changed, completion: completion.as_ref(), ..KeyRingUpdate::default() };
        if table.update_key_ring(&ring, update).await? {
            maintain_after_change(app).await;
            return Ok(response);
        }
    }
    Err(StoreError::Contended.into())
}

/// Runs the maintenance that a change of the ring makes due: creates a new `next` key and re-signs the key set. Does
/// nothing in a process without a key rotator. Best effort: the scheduled rotation retries after a failure.
pub(crate) async fn maintain_after_change(app: &AppState) {
    app.tokens.ring().invalidate();
    if let Err(error) = app.maintain_key_ring().await {
        tracing::warn!(%error, "key ring maintenance failed; the scheduled rotation will retry it");
    }
}

pub(crate) fn state_conflict(conflict: KeyRingConflict) -> Problem {
    Problem::new(Code::StateConflict, conflict.to_string())
}
