//! Attempts a delivery again.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{
        Scope, Timestamp,
        webhooks::{Delivery, DeliveryId},
    },
    http::{NoBody, PathId, Problem, Replay, RequestContext, StoredResponse},
    store::{Backoff, Table},
};

use crate::{
    delivery::{DeliveryResource, delivery_response},
    endpoint::EndpointError,
};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Attempts a delivery again.
#[utoipa::path(
    post,
    path = "/api/v1.0/webhook-deliveries/{id}/retry",
    operation_id = "retry_webhook_delivery",
    tag = "webhooks",
    summary = "Retry a webhook delivery",
    description = "The event is sent within two seconds, also if it was delivered before. If that fails, all attempts are made \
        again, with the usual pauses.",
    params(("id" = DeliveryId, Path, description = "`whd_…`")),
    responses(
        (status = 200, description = "The delivery, which is pending", body = DeliveryResource),
        Errors,
    ),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<DeliveryId>,
    body: Result<NoBody, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    body?;
    let replay = ctx.idempotency.replay(delivery_response);
    replay.response(&retry_delivery(&table, id, ctx.now, &replay).await?)
}

/// Makes a delivery due now, in any state.
pub async fn retry_delivery(
    table: &Table,
    id: DeliveryId,
    now: Timestamp,
    replay: &Replay<'_, Delivery>,
) -> Result<Delivery, EndpointError> {
    let found = table.webhook_endpoint(id.endpoint).await?.ok_or(EndpointError::NotFound)?;
    let mut backoff = Backoff::default();
    loop {
        let read = table.webhook_delivery(id, now).await?.ok_or(EndpointError::NotFound)?;
        if !found.endpoint.is_active() {
            return Err(EndpointError::Inactive);
        }
        let requested = read.request(now);
        let completion = replay.completion(&requested).await?;
        if table.replace_webhook_delivery(&read, &requested, completion.as_ref()).await? {
            return Ok(requested);
        }
        backoff.retry().await?;
    }
}
