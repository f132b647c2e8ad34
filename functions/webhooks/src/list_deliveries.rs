//! Lists the deliveries to a webhook endpoint.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Scope, Timestamp, WebhookEndpointId,
        webhooks::{Delivery, DeliveryStatus},
    },
    http::{ListQuery, ListResponse, PaginationParams, PathId, Problem, RequestContext},
    store::{
        Table,
        pagination::{ListError, Page, PageRequest},
    },
};
use utoipa::IntoParams;

use crate::delivery::DeliveryResource;

/// Filter of the list of deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveriesFilter {
    /// Return only deliveries with this status.
    status: Option<DeliveryStatus>,
}

/// Lists the deliveries to a webhook endpoint.
#[utoipa::path(
    get,
    path = "/api/v1.0/webhook-endpoints/{id}/deliveries",
    operation_id = "list_webhook_deliveries",
    tag = "webhooks",
    summary = "List the deliveries to a webhook endpoint",
    description = "Those of the newest events first. Deliveries are stored for 30 days. With `status`, a page can be shorter than \
        `limit`, or empty, and still have a `next_cursor`.",
    params(("id" = WebhookEndpointId, Path, description = "`whe_…`"), ListDeliveriesFilter, PaginationParams),
    responses((status = 200, description = "A page of deliveries", body = ListResponse<DeliveryResource>)),
    security(("api_key" = ["webhooks:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
    list: Result<ListQuery<ListDeliveriesFilter>, Problem>,
) -> Result<ListResponse<DeliveryResource>, Problem> {
    caller.require(Scope::WebhooksRead)?;
    let ListQuery { filter, paging } = list?;
    let page = list_deliveries(&table, id, filter.status, ctx.now, &paging).await?.ok_or_else(Problem::not_found)?;
    Ok(page.map(|delivery| DeliveryResource::from(&delivery)).into())
}

/// Returns a page of the deliveries to an endpoint; `None` if the endpoint does not exist.
pub async fn list_deliveries(
    table: &Table,
    id: WebhookEndpointId,
    status: Option<DeliveryStatus>,
    now: Timestamp,
    paging: &PageRequest,
) -> Result<Option<Page<Delivery>>, ListError> {
    if table.webhook_endpoint(id).await?.is_none() {
        return Ok(None);
    }
    table.webhook_deliveries(id, status, now, paging).await.map(Some)
}
