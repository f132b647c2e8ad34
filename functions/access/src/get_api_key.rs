//! Returns an API key.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{ApiKeyId, Scope},
    http::{PathId, Problem, WithEtag},
    store::Table,
};

use crate::resources::ApiKeyResource;

/// Returns an API key.
#[utoipa::path(
    get,
    path = "/api/v1.0/api-keys/{id}",
    operation_id = "get_api_key",
    tag = "access",
    summary = "Get an API key",
    params(("id" = ApiKeyId, Path, description = "`key_…`")),
    responses(
        (status = 200, description = "The API key, without its secret", body = ApiKeyResource, headers(("ETag" = String))),
    ),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<WithEtag<ApiKeyResource>, Problem> {
    caller.require(Scope::AccessWrite)?;
    let found = table.api_key(id).await?.ok_or_else(Problem::not_found)?;
    Ok(WithEtag(found.key.into()))
}
