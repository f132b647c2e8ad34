//! Deletes an API key: the next request that shows it is refused.

use axum::{extract::State, http::StatusCode};
use shared::{
    AppState,
    auth::Caller,
    domain::{ApiKeyId, Code, Scope},
    http::{
        PathId, Problem,
        responses::{Authenticated, Authorized, PathLookup, ServerErrors},
    },
    store::{Table, api_keys::DeleteOutcome},
};

shared::problems! {
    /// What this alone refuses.
    Errors: LastAccessKey;
}

/// Deletes an API key.
#[utoipa::path(
    delete,
    path = "/api/v1.0/api-keys/{id}",
    tag = "access",
    summary = "Delete an API key, at once and for good",
    description = "A caller deletes only keys whose scopes it has.",
    params(("id" = ApiKeyId, Path, description = "`key_…`")),
    responses(
        (status = 204, description = "It is gone"),
        Errors,
        Authenticated,
        Authorized,
        PathLookup,
        ServerErrors,
    ),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::AccessWrite)?;
    delete_api_key(&app.table, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes an API key, unless nobody could manage access without it. A lesser key takes none from a greater: what it
/// leaves behind could make no key that may do as much again.
pub async fn delete_api_key(table: &Table, caller: &Caller, id: ApiKeyId) -> Result<(), Problem> {
    let found = table.api_key(id).await?.ok_or_else(Problem::not_found)?;
    caller.require_all(&found.key.scopes)?;
    match table.delete_api_key(&found.key).await? {
        DeleteOutcome::Done => Ok(()),
        DeleteOutcome::Absent => Err(Problem::not_found()),
        DeleteOutcome::LastAccessKey => {
            let detail = "no other API key that never expires has access:write: make one first";
            Err(Problem::new(Code::LastAccessKey, detail))
        }
    }
}
