//! Reads an API key.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::{KeyId, Scope},
    http::{
        PathId, Problem, Tagged,
        documented::{Always, ById, Known, Scoped},
    },
};

use crate::resources::ApiKeyResource;

/// Reads an API key.
#[utoipa::path(
    get,
    path = "/api/v1.0/api-keys/{id}",
    tag = "access",
    summary = "Read an API key, without its secret",
    params(("id" = KeyId, Path, description = "`key_…`")),
    responses(
        (status = 200, description = "The key", body = ApiKeyResource, headers(("ETag" = String))),
        Known,
        Scoped,
        ById,
        Always,
    ),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    PathId(id): PathId<KeyId>,
) -> Result<Tagged<ApiKeyResource>, Problem> {
    caller.require(Scope::AccessWrite)?;
    let found = services.table.api_key(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Tagged(found.key.into()))
}
