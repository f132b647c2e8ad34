//! Lists the signing keys and root keys.

use axum::extract::State;
use shared::{AppState, auth::Caller, domain::Scope, http::Problem};

use crate::signing_keys::SigningKeysResource;

/// Lists the signing keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/signing-keys",
    tag = "access",
    summary = "List the signing keys and root keys",
    responses((status = 200, description = "The key ring", body = SigningKeysResource)),
    security(("api_key" = ["keys:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(State(app): State<AppState>, caller: Caller) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    Ok(SigningKeysResource::new(&app.table.ring().await?, app.settings.rotation_policy))
}
