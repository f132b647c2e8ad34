//! Lets the next signing key take its turn, before the schedule would.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Code, Scope, ring::RingConflict},
    http::{
        Body, Call, Problem,
        documented::{Always, Known, Scoped, WithBody},
    },
    store::{StoreError, ring::RingStep},
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
    Refused: StateConflict;
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
        Refused,
        Known,
        Scoped,
        WithBody,
        Always,
    ),
    security(("api_key" = ["keys:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    body: Result<Body<Request>, Problem>,
) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    let Body(request) = body?;
    rotate(&services, request.force, &call).await
}

/// How often the ring may move meanwhile.
const TRIES: usize = 5;

/// Promotes the next key. Of two that ask at once, one does, and both are told how it is then.
pub async fn rotate(services: &Services, force: bool, call: &Call) -> Result<SigningKeysResource, Problem> {
    let (rules, table) = (services.settings.ring, &services.table);
    let began_with = table.ring().await?.current().map(|key| key.kid.clone());
    for _ in 0..TRIES {
        let ring = table.ring().await?;
        if ring.current().map(|key| &key.kid) != began_with.as_ref() {
            return Ok(SigningKeysResource::new(&ring, rules));
        }
        let promoted = if force { ring.promoted_at_once(rules, call.now) } else { ring.promoted(rules, call.now) };
        let changed = promoted.map_err(conflict)?;
        let answer = SigningKeysResource::new(&ring.clone().with(&changed), rules);
        let done = call.once.untagged(&answer).await?;
        let step = RingStep { changed: &changed, done: done.as_ref(), ..RingStep::default() };
        if table.step_ring(&ring, step).await? {
            after(services).await;
            return Ok(answer);
        }
    }
    Err(StoreError::Contended.into())
}

/// What follows, where that is this process's task: another key is made, and the set is signed anew. It is done later
/// by whoever looks after the ring if it fails here.
pub(crate) async fn after(services: &Services) {
    services.tokens.ring().forget();
    if let Err(error) = services.keep_ring().await {
        tracing::warn!(%error, "what follows a turn of the signing keys is left to the schedule");
    }
}

pub(crate) fn conflict(conflict: RingConflict) -> Problem {
    Problem::new(Code::StateConflict, conflict.to_string())
}
