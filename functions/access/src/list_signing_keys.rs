//! Shows the signing key ring.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::Scope,
    http::{
        Problem,
        documented::{Always, Known, Scoped},
    },
};

use crate::signing_keys::SigningKeysResource;

/// Shows the signing keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/signing-keys",
    tag = "access",
    summary = "Show the signing keys and the root keys",
    responses((status = 200, description = "The ring", body = SigningKeysResource), Known, Scoped, Always),
    security(("api_key" = ["keys:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(State(services): State<Services>, caller: Caller) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    Ok(SigningKeysResource::new(&services.table.ring().await?, services.settings.ring))
}
