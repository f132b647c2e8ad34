//! Condemns a compromised signing key: every token that it signed becomes invalid.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Scope, ValidationErrors},
    http::{PathId, Problem, RequestContext, StrictJson},
    store::{StoreError, key_ring::KeyRingUpdate},
};
use utoipa::ToSchema;

use crate::{
    rotate_signing_keys::{maintain_after_change, state_conflict},
    signing_keys::SigningKeysResource,
};

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
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(kid): PathId<String>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    let StrictJson(request) = body?;
    let mut errors = ValidationErrors::default();
    errors.check_text("/reason", request.reason.as_deref(), 500);
    errors.into_result()?;
    condemn(&app, &kid, request.reason.as_deref(), &ctx).await
}

/// The maximum number of attempts if the ring is changed concurrently.
const MAX_ATTEMPTS: usize = 5;

/// Condemns a key in any state.
///
/// # Errors
///
/// `not_found` for an unknown key, `state_conflict` if the ring has no key to replace it, `unavailable` if concurrent
/// changes of the ring exhaust all attempts.
pub async fn condemn(
    app: &AppState,
    kid: &str,
    reason: Option<&str>,
    ctx: &RequestContext,
) -> Result<SigningKeysResource, Problem> {
    let (policy, table) = (app.settings.rotation_policy, &app.table);
    for _ in 0..MAX_ATTEMPTS {
        let ring = table.ring().await?;
        if ring.key(kid).is_none() {
            return Err(Problem::not_found());
        }
        let changed = ring.condemn(kid, reason, ctx.now).map_err(state_conflict)?;
        let response = SigningKeysResource::new(&ring.clone().with(&changed), policy);
        if changed.is_empty() {
            return Ok(response);
        }
        let completion = ctx.idempotency.ok_without_etag(&response).await?;
        let update = KeyRingUpdate { changed: &changed, completion: completion.as_ref(), ..KeyRingUpdate::default() };
        if table.update_key_ring(&ring, update).await? {
            tracing::warn!(kid, "signing key condemned");
            maintain_after_change(app).await;
            return Ok(response);
        }
    }
    Err(StoreError::Contended.into())
}
