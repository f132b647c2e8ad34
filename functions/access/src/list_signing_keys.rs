//! Shows the signing key ring.

use axum::extract::State;
use shared::{
    AppState,
    auth::Caller,
    domain::Scope,
    http::{
        Problem,
        responses::{Authenticated, Authorized, ServerErrors},
    },
};

use crate::signing_keys::SigningKeysResource;

/// Shows the signing keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/signing-keys",
    tag = "access",
    summary = "Show the signing keys and the root keys",
    responses((status = 200, description = "The ring", body = SigningKeysResource), Authenticated, Authorized, ServerErrors),
    security(("api_key" = ["keys:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(State(app): State<AppState>, caller: Caller) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    Ok(SigningKeysResource::new(&app.table.ring().await?, app.settings.ring))
}
