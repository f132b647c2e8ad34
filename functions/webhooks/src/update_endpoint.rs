//! Updates the writable fields of a webhook endpoint, and activates one that was disabled.

use std::sync::Arc;

use axum::extract::State;
use jiff::SignedDuration;
use shared::{
    Settings,
    auth::Caller,
    domain::{
        Actor, EventData, IdGenerator, Scope, Subject, WebhookEndpointId,
        event::payload::Changes,
        webhooks::{AddressPolicy, EndpointHealth, WebhookEndpoint},
    },
    http::{
        Changes as RequestedChanges, IfMatch, IfMatchParams, MergePatch, PathId, Problem, RequestContext, UpdateSchema,
        WithEtag,
    },
    store::{Backoff, Table},
};

use crate::endpoint::{EndpointError, EndpointInput, EndpointResource};

/// The schema of the PATCH request.
type UpdateRequest = UpdateSchema<EndpointInput>;

/// Updates some fields of a webhook endpoint.
#[utoipa::path(
    patch,
    path = "/api/v1.0/webhook-endpoints/{id}",
    operation_id = "update_webhook_endpoint",
    tag = "webhooks",
    summary = "Update a webhook endpoint",
    description = "Changes the given fields and keeps all others (JSON Merge Patch, RFC 7396). Null clears a nullable field. \
        `\"is_active\": true` activates an endpoint that is inactive or that Signet has disabled: events since then are sent, \
        and deliveries that are pending are attempted.",
    params(
        ("id" = WebhookEndpointId, Path, description = "`whe_…`"),
        IfMatchParams,
    ),
    request_body(content(
        (UpdateRequest = "application/merge-patch+json", example = json!({"is_active": true})),
        (UpdateRequest = "application/json", example = json!({"is_active": true})),
    )),
    responses(
        (status = 200, description = "The webhook endpoint", body = EndpointResource, headers(("ETag" = String))),
    ),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
    if_match: IfMatch,
    body: Result<MergePatch<EndpointInput>, Problem>,
) -> Result<WithEtag<EndpointResource>, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    let changes = (RequestedChanges::Merge(body?), settings.webhook_addresses);
    let endpoint = update_endpoint(&table, id, &changes, &if_match, &caller.actor(), &ctx).await?;
    Ok(WithEtag(EndpointResource::new(&endpoint, ctx.now)))
}

/// Changes an endpoint if `If-Match` is absent or matches its current version. A change without effect writes nothing.
pub async fn update_endpoint(
    table: &Table,
    id: WebhookEndpointId,
    (requested, addresses): &(RequestedChanges<EndpointInput>, AddressPolicy),
    if_match: &IfMatch,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<WebhookEndpoint, EndpointError> {
    let mut backoff = Backoff::default();
    loop {
        let read = table.webhook_endpoint(id).await?.ok_or(EndpointError::NotFound)?;
        let current = EndpointResource::new(&read.endpoint, ctx.now);
        if_match.check(&current)?;
        let input = requested.apply(&current)?;
        let event_types = input.check(*addresses)?;
        let changed = WebhookEndpoint {
            url: input.url.clone(),
            event_types,
            description: input.description.clone(),
            is_enabled: input.is_active,
            ..read.endpoint.clone()
        };
        let changed = activated(&read.endpoint, changed, ctx);
        let changes = Changes::between(&current, &EndpointResource::new(&changed, ctx.now))?;
        if changes.changes.is_empty() {
            return Ok(read.endpoint);
        }
        let changed = WebhookEndpoint { updated_at: ctx.now, ..changed };
        let data = EventData::WebhookEndpointUpdated(changes);
        let event = ctx.event(&mut IdGenerator::new(ctx.now), actor, Subject::WebhookEndpoint(id), data);
        if table.replace_webhook_endpoint(&read, (&changed, &read.sealed), &event, None).await? {
            return Ok(changed);
        }
        backoff.retry().await?;
    }
}

/// Returns the changed endpoint as active since this request, if it was inactive or disabled. What was recorded of its health
/// before no longer counts.
fn activated(current: &WebhookEndpoint, changed: WebhookEndpoint, ctx: &RequestContext) -> WebhookEndpoint {
    if current.is_active() || !changed.is_enabled {
        return changed;
    }
    let after_previous = current.delivers_from + SignedDuration::from_millis(1);
    WebhookEndpoint { delivers_from: ctx.now.max(after_previous), health: EndpointHealth::Healthy, ..changed }
}
