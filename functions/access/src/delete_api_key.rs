//! Deletes an API key.

use axum::{extract::State, http::StatusCode};
use shared::{
    auth::Caller,
    domain::{ApiKey, ApiKeyId, EventData, EventSource, IdGenerator, Scope, Subject, event::payload::ApiKeyData},
    http::{Code, PathId, Problem, RequestContext},
    store::{StoreError, Table, api_keys::DeleteOutcome},
};

/// Why an API key was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteApiKeyError {
    /// The key does not exist.
    #[error("not found")]
    NotFound,
    /// No other key could manage API keys.
    #[error("no other API key without an expiry has access:write: create one first")]
    LastAccessKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DeleteApiKeyError> for Problem {
    fn from(error: DeleteApiKeyError) -> Self {
        match error {
            DeleteApiKeyError::NotFound => Self::not_found(),
            DeleteApiKeyError::LastAccessKey => Self::new(Code::LastAccessKey, error.to_string()),
            DeleteApiKeyError::Store(error) => error.into(),
        }
    }
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: LastAccessKey;
}

/// Deletes an API key.
#[utoipa::path(
    delete,
    path = "/api/v1.0/api-keys/{id}",
    operation_id = "delete_api_key",
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
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::AccessWrite)?;
    let found = table.api_key(id).await?.ok_or(DeleteApiKeyError::NotFound)?;
    // Otherwise a key with fewer scopes could remove the only key that can grant the others.
    caller.require_all(&found.key.scopes)?;
    delete_api_key(&table, &found.key, &ctx.event_source(caller.actor())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes an API key unless it is the last one that can manage API keys. The caller must have all scopes of the key.
pub async fn delete_api_key(table: &Table, key: &ApiKey, source: &EventSource) -> Result<(), DeleteApiKeyError> {
    let data = EventData::ApiKeyDeleted(ApiKeyData::new(key));
    let event = source.event(&mut IdGenerator::new(source.at), Subject::ApiKey(key.id), data);
    match table.delete_api_key(key, &event).await? {
        DeleteOutcome::Done => Ok(()),
        DeleteOutcome::NotFound => Err(DeleteApiKeyError::NotFound),
        DeleteOutcome::LastAccessKey => Err(DeleteApiKeyError::LastAccessKey),
    }
}
