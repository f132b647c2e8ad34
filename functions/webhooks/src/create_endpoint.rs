//! Creates a webhook endpoint. Only this response contains its secret, until it is rotated.

use std::sync::Arc;

use axum::extract::State;
use shared::{
    Settings,
    auth::Caller,
    domain::{
        Actor, EventData, IdGenerator, Scope, Subject,
        webhooks::{AddressPolicy, EndpointHealth, WebhookEndpoint, WebhookSecret},
    },
    http::{Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{
        Table,
        webhooks::{AddEndpointOutcome, StoredWebhookEndpoint},
    },
    tokens::Sealer,
};

use crate::endpoint::{EndpointError, EndpointInput, EndpointWithSecret, EndpointWithSecretResource, event_data};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Creates a webhook endpoint.
#[utoipa::path(
    post,
    path = "/api/v1.0/webhook-endpoints",
    operation_id = "create_webhook_endpoint",
    tag = "webhooks",
    summary = "Create a webhook endpoint",
    description = "Only this response contains the secret. An installation has at most 20 endpoints.",
    request_body = EndpointInput,
    responses(
        (status = 201, description = "The webhook endpoint and its secret", body = EndpointWithSecretResource, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(sealer): State<Arc<dyn Sealer>>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<EndpointInput>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    let StrictJson(input) = body?;
    let replay = ctx.idempotency.replay(|created: &EndpointWithSecret| created.created(ctx.now));
    let policy = settings.webhook_addresses;
    let created = create_endpoint(&table, &*sealer, (input, policy), &caller.actor(), &ctx, &replay).await?;
    replay.response(&created)
}

/// Creates an endpoint with a new secret.
pub async fn create_endpoint(
    table: &Table,
    sealer: &dyn Sealer,
    (input, addresses): (EndpointInput, AddressPolicy),
    actor: &Actor,
    ctx: &RequestContext,
    replay: &Replay<'_, EndpointWithSecret>,
) -> Result<EndpointWithSecret, EndpointError> {
    let event_types = input.check(addresses)?;
    let mut ids = IdGenerator::new(ctx.now);
    let secret = WebhookSecret::generate(&mut rand::rng()).as_secret().clone();
    let endpoint = WebhookEndpoint {
        id: ids.generate(),
        url: input.url,
        event_types,
        description: input.description,
        is_enabled: input.is_active,
        delivers_from: ctx.now,
        health: EndpointHealth::Healthy,
        previous_secret_expires_at: None,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let sealed = sealer.seal(&table.webhook_secret_context(endpoint.id), &secret).await?;
    let data = EventData::WebhookEndpointCreated(event_data(&endpoint));
    let event = ctx.event(&mut ids, actor, Subject::WebhookEndpoint(endpoint.id), data);
    let created = EndpointWithSecret { endpoint, secret };
    let completion = replay.completion(&created).await?;
    let stored = StoredWebhookEndpoint::new(created.endpoint.clone(), sealed);
    match table.add_webhook_endpoint(&stored, &event, completion.as_ref()).await? {
        AddEndpointOutcome::Done => Ok(created),
        AddEndpointOutcome::LimitReached => Err(EndpointError::LimitReached),
    }
}
