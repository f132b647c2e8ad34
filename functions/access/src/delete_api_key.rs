//! Deletes an API key.

use axum::{extract::State, http::StatusCode};
use shared::{
    AppState,
    auth::Caller,
    domain::{ApiKeyId, Scope},
    http::{Code, PathId, Problem},
    store::{Table, api_keys::DeleteOutcome},
};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: LastAccessKey;
}

/// Deletes an API key.
#[utoipa::path(
    delete,
    path = "/api/v1.0/api-keys/{id}",
    tag = "access",
    summary = "Delete an API key",
    description = "Takes effect immediately and cannot be undone. A caller can delete only keys whose scopes it has itself.",
    params(("id" = ApiKeyId, Path, description = "`key_…`")),
    responses(
        (status = 204, description = "The API key is deleted"),
        Errors,
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

/// Deletes an API key unless it is the last one that can manage API keys. The caller needs all scopes of the deleted
/// key, so that a key with fewer scopes cannot remove the only key that could grant the others.
///
/// # Errors
///
/// `not_found`, `forbidden` if the caller lacks a scope of the key, or `last_access_key`.
pub async fn delete_api_key(table: &Table, caller: &Caller, id: ApiKeyId) -> Result<(), Problem> {
    let found = table.api_key(id).await?.ok_or_else(Problem::not_found)?;
    caller.require_all(&found.key.scopes)?;
    match table.delete_api_key(&found.key).await? {
        DeleteOutcome::Done => Ok(()),
        DeleteOutcome::NotFound => Err(Problem::not_found()),
        DeleteOutcome::LastAccessKey => {
            let detail = "no other API key without an expiry has access:write: create one first";
            Err(Problem::new(Code::LastAccessKey, detail))
        }
    }
}
