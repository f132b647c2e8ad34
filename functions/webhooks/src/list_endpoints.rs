//! Lists webhook endpoints.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::Scope,
    http::{ListQuery, ListResponse, NoFilter, PaginationParams, Problem, RequestContext},
    store::{
        Table,
        pagination::{ListError, Page, PageRequest, paginate_in_memory},
        webhooks::StoredWebhookEndpoint,
    },
};

use crate::endpoint::EndpointResource;

/// Lists webhook endpoints.
#[utoipa::path(
    get,
    path = "/api/v1.0/webhook-endpoints",
    operation_id = "list_webhook_endpoints",
    tag = "webhooks",
    summary = "List webhook endpoints",
    description = "Oldest first.",
    params(PaginationParams),
    responses((status = 200, description = "A page of webhook endpoints", body = ListResponse<EndpointResource>)),
    security(("api_key" = ["webhooks:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    list: Result<ListQuery<NoFilter>, Problem>,
) -> Result<ListResponse<EndpointResource>, Problem> {
    caller.require(Scope::WebhooksRead)?;
    let page = list_endpoints(&table, &list?.paging).await?;
    Ok(page.map(|stored| EndpointResource::new(&stored.endpoint, ctx.now)).into())
}

/// Returns a page of the endpoints, the oldest first.
pub async fn list_endpoints(table: &Table, paging: &PageRequest) -> Result<Page<StoredWebhookEndpoint>, ListError> {
    let all = table.webhook_endpoints().await?;
    Ok(paginate_in_memory(all, "webhook endpoints", paging, |stored| [stored.endpoint.id.to_string()])?)
}
