//! Returns a webhook endpoint.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Scope, WebhookEndpointId},
    http::{PathId, Problem, RequestContext, WithEtag},
    store::Table,
};

use crate::endpoint::EndpointResource;

/// Returns a webhook endpoint.
#[utoipa::path(
    get,
    path = "/api/v1.0/webhook-endpoints/{id}",
    operation_id = "get_webhook_endpoint",
    tag = "webhooks",
    summary = "Get a webhook endpoint",
    params(("id" = WebhookEndpointId, Path, description = "`whe_…`")),
    responses(
        (status = 200, description = "The webhook endpoint, without its secret", body = EndpointResource, headers(("ETag" = String))),
    ),
    security(("api_key" = ["webhooks:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
) -> Result<WithEtag<EndpointResource>, Problem> {
    caller.require(Scope::WebhooksRead)?;
    let found = table.webhook_endpoint(id).await?.ok_or_else(Problem::not_found)?;
    Ok(WithEtag(EndpointResource::new(&found.endpoint, ctx.now)))
}
