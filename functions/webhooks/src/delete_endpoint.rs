//! Deletes a webhook endpoint.

use axum::{extract::State, http::StatusCode};
use shared::{
    auth::Caller,
    domain::{Actor, EventData, IdGenerator, Scope, Subject, WebhookEndpointId},
    http::{PathId, Problem, RequestContext},
    store::{Backoff, Table},
};

use crate::endpoint::{EndpointError, event_data};

/// Deletes a webhook endpoint.
#[utoipa::path(
    delete,
    path = "/api/v1.0/webhook-endpoints/{id}",
    operation_id = "delete_webhook_endpoint",
    tag = "webhooks",
    summary = "Delete a webhook endpoint",
    description = "Deliveries that are pending are no longer attempted. Cannot be undone.",
    params(("id" = WebhookEndpointId, Path, description = "`whe_…`")),
    responses((status = 204, description = "The webhook endpoint is deleted")),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    delete_endpoint(&table, id, &caller.actor(), &ctx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes an endpoint.
pub async fn delete_endpoint(
    table: &Table,
    id: WebhookEndpointId,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<(), EndpointError> {
    let mut backoff = Backoff::default();
    loop {
        let read = table.webhook_endpoint(id).await?.ok_or(EndpointError::NotFound)?;
        let data = EventData::WebhookEndpointDeleted(event_data(&read.endpoint));
        let event = ctx.event(&mut IdGenerator::new(ctx.now), actor, Subject::WebhookEndpoint(id), data);
        if table.delete_webhook_endpoint(&read, &event).await? {
            return Ok(());
        }
        backoff.retry().await?;
    }
}
