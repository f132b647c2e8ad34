//! Replaces the secret of a webhook endpoint. Webhooks are signed with both secrets for a day, so that the receiver can change
//! to the new one without missing any.

use std::sync::Arc;

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{
        Actor, EventData, IdGenerator, Scope, Subject, WebhookEndpointId,
        event::payload::Changes,
        webhooks::{WebhookEndpoint, WebhookSecret, endpoint::PREVIOUS_SECRET_LIFETIME},
    },
    http::{NoBody, PathId, Problem, Replay, RequestContext, StoredResponse},
    store::{Backoff, Table, webhooks::SealedWebhookSecrets},
    tokens::Sealer,
};

use crate::endpoint::{EndpointError, EndpointResource, EndpointWithSecret, EndpointWithSecretResource};

/// Replaces the secret of a webhook endpoint.
#[utoipa::path(
    post,
    path = "/api/v1.0/webhook-endpoints/{id}/rotate-secret",
    operation_id = "rotate_webhook_secret",
    tag = "webhooks",
    summary = "Rotate the secret of a webhook endpoint",
    description = "Only this response contains the new secret. For 24 hours, webhooks have a signature with the new secret and one \
        with the previous one, and receivers accept either. A secret before the previous one ends at once.",
    params(("id" = WebhookEndpointId, Path, description = "`whe_…`")),
    responses(
        (status = 200, description = "The webhook endpoint and its new secret", body = EndpointWithSecretResource),
    ),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(sealer): State<Arc<dyn Sealer>>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
    body: Result<NoBody, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    body?;
    let replay = ctx
        .idempotency
        .replay(|rotated: &EndpointWithSecret| StoredResponse::ok_without_etag(&rotated.resource(ctx.now)));
    let rotated = rotate_secret(&table, &*sealer, id, &caller.actor(), &ctx, &replay).await?;
    replay.response(&rotated)
}

/// Replaces the secret of an endpoint with a new one.
pub async fn rotate_secret(
    table: &Table,
    sealer: &dyn Sealer,
    id: WebhookEndpointId,
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, EndpointWithSecret>,
) -> Result<EndpointWithSecret, EndpointError> {
    let secret = WebhookSecret::generate(&mut rand::rng()).as_secret().clone();
    let mut backoff = Backoff::default();
    loop {
        let read = table.webhook_endpoint(id).await?.ok_or(EndpointError::NotFound)?;
        let current = sealer.seal(&table.webhook_secret_context(id), &secret).await?;
        let sealed = SealedWebhookSecrets { current, previous: Some(read.sealed.current.clone()) };
        let endpoint = WebhookEndpoint {
            previous_secret_expires_at: Some(ctx.now + PREVIOUS_SECRET_LIFETIME),
            updated_at: ctx.now,
            ..read.endpoint.clone()
        };
        let resources = [&read.endpoint, &endpoint].map(|endpoint| EndpointResource::new(endpoint, ctx.now));
        let data = EventData::WebhookEndpointUpdated(Changes::between(&resources[0], &resources[1])?);
        let event = ctx.event(&mut IdGenerator::new(ctx.now), actor, Subject::WebhookEndpoint(id), data);
        let rotated = EndpointWithSecret { endpoint, secret: secret.clone() };
        let completion = replay.completion(&rotated).await?;
        let written =
            table.replace_webhook_endpoint(&read, (&rotated.endpoint, &sealed), &event, completion.as_ref()).await?;
        if written {
            return Ok(rotated);
        }
        backoff.retry().await?;
    }
}
