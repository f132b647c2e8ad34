//! Lists API keys.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::Scope,
    http::{ListQuery, ListResponse, NoFilter, PaginationParams, Problem},
    store::Table,
};

use crate::resources::ApiKeyResource;

/// Lists API keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/api-keys",
    operation_id = "list_api_keys",
    tag = "access",
    summary = "List API keys",
    description = "Newest first.",
    params(PaginationParams),
    responses((status = 200, description = "A page of API keys", body = ListResponse<ApiKeyResource>)),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<ApiKeyResource>, Problem> {
    caller.require(Scope::AccessWrite)?;
    let page = table.api_keys(&list?.paging).await?;
    Ok(page.map(ApiKeyResource::from).into())
}
