//! Condemns a signing key that is compromised: nothing that it signed is honoured from then on.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Scope, ValidationErrors},
    http::{
        PathId, Problem, RequestContext, StrictJson,
        responses::{Authenticated, Authorized, JsonBody, PathLookup, ServerErrors},
    },
    store::{StoreError, key_ring::KeyRingUpdate},
};
use utoipa::ToSchema;

use crate::{
    rotate_signing_keys::{after, conflict},
    signing_keys::SigningKeysResource,
};

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CondemnRequest)]
pub struct Request {
    /// In the operator's words.
    #[schema(example = "its use was seen from an unknown account", max_length = 500)]
    pub reason: Option<String>,
}

shared::problems! {
    /// What this alone refuses.
    Errors: StateConflict;
}

/// Condemns a signing key.
#[utoipa::path(
    post,
    path = "/api/v1.0/signing-keys/{kid}/condemn",
    tag = "access",
    summary = "Condemn a compromised signing key, for good; again gives the same answer",
    description = "It leaves the JWKS, and every endpoint refuses the tokens that it signed, at the latest when the functions have \
        read the ring anew. The machines that hold them activate again with the license key. Where it is the key that signs, the \
        next one signs in its place.",
    params(("kid" = String, Path, description = "The key's thumbprint")),
    request_body = Request,
    responses(
        (status = 200, description = "The ring, after it", body = SigningKeysResource),
        Errors,
        Authenticated,
        Authorized,
        PathLookup,
        JsonBody,
        ServerErrors,
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
    let mut invalid = ValidationErrors::default();
    invalid.text("/reason", request.reason.as_deref(), 500);
    invalid.into_result()?;
    condemn(&app, &kid, request.reason.as_deref(), &ctx).await
}

/// How often the ring may move meanwhile.
const TRIES: usize = 5;

/// Condemns a key, whatever state it is in.
pub async fn condemn(
    app: &AppState,
    kid: &str,
    reason: Option<&str>,
    ctx: &RequestContext,
) -> Result<SigningKeysResource, Problem> {
    let (rules, table) = (app.settings.ring, &app.table);
    for _ in 0..TRIES {
        let ring = table.ring().await?;
        if ring.key(kid).is_none() {
            return Err(Problem::not_found());
        }
        let changed = ring.condemned(kid, reason, ctx.now).map_err(conflict)?;
        let answer = SigningKeysResource::new(&ring.clone().with(&changed), rules);
        if changed.is_empty() {
            return Ok(answer);
        }
        let done = ctx.idempotency.untagged(&answer).await?;
        let step = KeyRingUpdate { changed: &changed, done: done.as_ref(), ..KeyRingUpdate::default() };
        if table.update_key_ring(&ring, step).await? {
            tracing::warn!(kid, "a signing key was condemned");
            after(app).await;
            return Ok(answer);
        }
    }
    Err(StoreError::Contended.into())
}
