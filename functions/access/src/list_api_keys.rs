//! Lists API keys.

use axum::extract::State;
use shared::{
    Services,
    auth::Caller,
    domain::Scope,
    http::{
        List, ListBody, NoFilter, Page, Problem,
        documented::{Always, Known, Queried, Scoped},
    },
};

use crate::resources::ApiKeyResource;

/// Lists API keys.
#[utoipa::path(
    get,
    path = "/api/v1.0/api-keys",
    tag = "access",
    summary = "List API keys, newest first",
    params(Page),
    responses((status = 200, description = "A page", body = ListBody<ApiKeyResource>), Known, Scoped, Queried, Always),
    security(("api_key" = ["access:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    list: Result<List<NoFilter>, Problem>,
) -> Result<ListBody<ApiKeyResource>, Problem> {
    caller.require(Scope::AccessWrite)?;
    let page = services.table.api_keys(&list?.paging).await?;
    Ok(page.map(ApiKeyResource::from).into())
}
