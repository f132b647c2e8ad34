//! Lists the signing keys and root keys.

use std::sync::Arc;

use axum::extract::State;
use shared::{Settings, auth::Caller, domain::Scope, http::Problem, store::Table};

use crate::signing_keys::SigningKeysResource;

/// Lists the signing keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/signing-keys",
    operation_id = "list_signing_keys",
    tag = "access",
    summary = "List the signing keys and root keys",
    responses((status = 200, description = "The key ring", body = SigningKeysResource)),
    security(("api_key" = ["keys:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
) -> Result<SigningKeysResource, Problem> {
    caller.require(Scope::KeysWrite)?;
    Ok(SigningKeysResource::new(&table.ring().await?, settings.rotation_policy))
}
