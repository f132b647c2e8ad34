//! Condemns a compromised signing key: every token that it signed becomes invalid.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Settings,
    auth::Caller,
    domain::{EventSource, Scope, ValidationErrors, key_ring::KeyRing},
    http::{PathId, Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{StoreError, Table, key_ring::KeyRingUpdate},
};
use utoipa::ToSchema;

use crate::signing_keys::{KeyRingMaintenance, SigningKeyError, SigningKeysResource};

/// Request to condemn a signing key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CondemnRequest)]
pub struct Request {
    /// Reason for the audit trail, up to 500 characters.
    #[schema(example = "used from an unknown account", max_length = 500)]
    pub reason: Option<String>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Condemns a signing key.
#[utoipa::path(
    post,
    path = "/api/v1.0/signing-keys/{kid}/condemn",
    operation_id = "condemn_signing_key",
    tag = "access",
    summary = "Condemn a compromised signing key",
    description = "Permanently removes the key from the JWKS and rejects every token that it signed. Functions apply the change \
        when they next refresh the key ring. Machines that hold such tokens must activate again with the license key. If the \
        key is `current`, the `next` key becomes `current`. Idempotent: condemning a condemned key has no effect.",
    params(("kid" = String, Path, description = "The thumbprint of the key (RFC 7638)")),
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
    PathId(kid): PathId<String>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::KeysWrite)?;
    let StrictJson(Request { reason }) = body?;
    let mut errors = ValidationErrors::default();
    errors.check_text("/reason", reason.as_deref(), 500);
    errors.into_result()?;
    let policy = settings.rotation_policy;
    let replay = ctx
        .idempotency
        .replay(|ring: &KeyRing| StoredResponse::ok_without_etag(&SigningKeysResource::new(ring, policy)));
    let ring =
        condemn(&table, &maintenance, &kid, reason.as_deref(), &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&ring)
}

/// The maximum number of attempts if the ring is changed concurrently.
const MAX_ATTEMPTS: usize = 5;

/// Condemns a key in any state.
///
/// # Errors
///
/// [`SigningKeyError::NotFound`] for an unknown key, [`SigningKeyError::Conflict`] if the ring has no key to replace it,
/// [`StoreError::Contended`] if concurrent changes of the ring exhaust all attempts.
pub async fn condemn(
    table: &Table,
    maintenance: &KeyRingMaintenance,
    kid: &str,
    reason: Option<&str>,
    source: &EventSource,
    replay: &Replay<'_, KeyRing>,
) -> Result<KeyRing, SigningKeyError> {
    let now = source.at;
    for _ in 0..MAX_ATTEMPTS {
        let ring = table.ring().await?;
        if ring.key(kid).is_none() {
            return Err(SigningKeyError::NotFound);
        }
        let changed = ring.condemn(kid, reason, now)?;
        if changed.is_empty() {
            return Ok(ring);
        }
        let updated = ring.clone().with(&changed);
        let completion = replay.completion(&updated).await?;
        let update = KeyRingUpdate { changed: &changed, completion: completion.as_ref(), ..KeyRingUpdate::default() };
        if table.update_key_ring(&ring, update, source).await? {
            tracing::warn!(kid, "signing key condemned");
            maintenance.run_after_change(now).await;
            return Ok(updated);
        }
    }
    Err(StoreError::Contended.into())
}
