//! Promotes the next signing key ahead of schedule.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Settings,
    auth::Caller,
    domain::{
        EventSource, Scope,
        key_ring::{KeyRing, RotationPolicy},
    },
    http::{Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{StoreError, Table, key_ring::KeyRingUpdate},
};
use utoipa::ToSchema;

use crate::signing_keys::{KeyRingMaintenance, SigningKeyError, SigningKeysResource};

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
    operation_id = "rotate_signing_keys",
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
    State(table): State<Table>,
    State(maintenance): State<KeyRingMaintenance>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::KeysWrite)?;
    let StrictJson(Request { force }) = body?;
    let policy = settings.rotation_policy;
    let replay = ctx
        .idempotency
        .replay(|ring: &KeyRing| StoredResponse::ok_without_etag(&SigningKeysResource::new(ring, policy)));
    let ring = rotate(&table, &maintenance, policy, force, &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&ring)
}

/// The maximum number of attempts if the ring is changed concurrently.
const MAX_ATTEMPTS: usize = 5;

/// Promotes the next key. Concurrent calls rotate once and return the same ring.
///
/// # Errors
///
/// [`SigningKeyError::Conflict`] if the next key cannot be promoted yet, [`StoreError::Contended`] if concurrent changes
/// of the ring exhaust all attempts.
pub async fn rotate(
    table: &Table,
    maintenance: &KeyRingMaintenance,
    policy: RotationPolicy,
    force: bool,
    source: &EventSource,
    replay: &Replay<'_, KeyRing>,
) -> Result<KeyRing, SigningKeyError> {
    let now = source.at;
    let initial_kid = table.ring().await?.current().map(|key| key.kid.clone());
    for _ in 0..MAX_ATTEMPTS {
        let ring = table.ring().await?;
        if ring.current().map(|key| &key.kid) != initial_kid.as_ref() {
            return Ok(ring);
        }
        let changed = if force { ring.promote_immediately(policy, now) } else { ring.promote(policy, now) }?;
        let updated = ring.clone().with(&changed);
        let completion = replay.completion(&updated).await?;
        let update = KeyRingUpdate { changed: &changed, completion: completion.as_ref(), ..KeyRingUpdate::default() };
        if table.update_key_ring(&ring, update, source).await? {
            maintenance.run_after_change(now).await;
            return Ok(updated);
        }
    }
    Err(StoreError::Contended.into())
}
