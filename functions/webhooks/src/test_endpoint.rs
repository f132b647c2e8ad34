//! Sends a test event to a webhook endpoint.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{
        Actor, EventData, IdGenerator, Scope, Subject, WebhookEndpointId, event::payload::NoData, webhooks::Delivery,
    },
    http::{NoBody, PathId, Problem, Replay, RequestContext, StoredResponse},
    store::{Table, webhooks::delivered_event},
};

use crate::{
    delivery::{DeliveryResource, delivery_response},
    endpoint::{EndpointError, active_endpoint},
};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Sends a test event to a webhook endpoint.
#[utoipa::path(
    post,
    path = "/api/v1.0/webhook-endpoints/{id}/test",
    operation_id = "test_webhook_endpoint",
    tag = "webhooks",
    summary = "Test a webhook endpoint",
    description = "Sends an event of the type `webhook_endpoint.test` to this endpoint, whatever its `event_types`. The response has \
        the pending delivery; list the deliveries to see the result.",
    params(("id" = WebhookEndpointId, Path, description = "`whe_…`")),
    responses(
        (status = 200, description = "The delivery of the test event", body = DeliveryResource),
        Errors,
    ),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
    body: Result<NoBody, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    body?;
    let replay = ctx.idempotency.replay(delivery_response);
    replay.response(&test_endpoint(&table, id, &caller.actor(), &ctx, &replay).await?)
}

/// Creates a test event and its delivery to an endpoint.
pub async fn test_endpoint(
    table: &Table,
    id: WebhookEndpointId,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, Delivery>,
) -> Result<Delivery, EndpointError> {
    active_endpoint(table, id).await?;
    let data = EventData::WebhookEndpointTest(NoData {});
    let event = ctx.event(&mut IdGenerator::new(ctx.now), actor, Subject::WebhookEndpoint(id), data);
    let delivery = Delivery::new(id, delivered_event(&event), ctx.now);
    let completion = replay.completion(&delivery).await?;
    table.add_webhook_test(&delivery, &event, completion.as_ref()).await?;
    Ok(delivery)
}
