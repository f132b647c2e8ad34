//! Lets the next signing key take its turn, before the schedule would.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Code, Scope, key_ring::RingConflict},
    http::{
        Problem, RequestContext, StrictJson,
        responses::{Authenticated, Authorized, JsonBody, ServerErrors},
    },
    store::{StoreError, key_ring::KeyRingUpdate},
};
use utoipa::ToSchema;

use crate::signing_keys::SigningKeysResource;

/// Whether to wait.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RotateRequest)]
pub struct Request {
    /// At once, though apps may not have seen the next key in the JWKS yet: those that do not fetch it anew for an
    /// unknown `kid` refuse its tokens for a while.
    #[serde(default)]
    #[schema(default = false)]
    pub force: bool,
}

shared::problems! {
    /// What this alone refuses.
    Errors: StateConflict;
}

/// Rotates the signing keys.
#[utoipa::path(
    post,
    path = "/api/v1.0/signing-keys/rotate",
    tag = "access",
    summary = "Let the next signing key sign, if it has been published for long enough",
    description = "The key that signed until now stays in the JWKS until the last token that it signed has ended.",
    request_body = Request,
    responses(
        (status = 200, description = "The ring, after it", body = SigningKeysResource),
        Errors,
        Authenticated,
        Authorized,
        JsonBody,
        ServerErrors,
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

/// How often the ring may move meanwhile.
const TRIES: usize = 5;

/// Promotes the next key. Of two that ask at once, one does, and both are told how it is then.
pub async fn rotate(app: &AppState, force: bool, ctx: &RequestContext) -> Result<SigningKeysResource, Problem> {
    let (rules, table) = (app.settings.ring, &app.table);
    let began_with = table.ring().await?.current().map(|key| key.kid.clone());
    for _ in 0..TRIES {
        let ring = table.ring().await?;
        if ring.current().map(|key| &key.kid) != began_with.as_ref() {
            return Ok(SigningKeysResource::new(&ring, rules));
        }
        let promoted = if force { ring.promoted_at_once(rules, ctx.now) } else { ring.promoted(rules, ctx.now) };
        let changed = promoted.map_err(conflict)?;
        let answer = SigningKeysResource::new(&ring.clone().with(&changed), rules);
        let done = ctx.idempotency.untagged(&answer).await?;
        let step = KeyRingUpdate { changed: &changed, done: done.as_ref(), ..KeyRingUpdate::default() };
        if table.update_key_ring(&ring, step).await? {
            after(app).await;
            return Ok(answer);
        }
    }
    Err(StoreError::Contended.into())
}

/// What follows, where that is this process's task: another key is made, and the set is signed anew. It is done later
/// by whoever looks after the ring if it fails here.
pub(crate) async fn after(app: &AppState) {
    app.tokens.ring().forget();
    if let Err(error) = app.maintain_key_ring().await {
        tracing::warn!(%error, "what follows a turn of the signing keys is left to the schedule");
    }
}

pub(crate) fn conflict(conflict: RingConflict) -> Problem {
    Problem::new(Code::StateConflict, conflict.to_string())
}
