//! Sends the events of a range of time to a webhook endpoint again.

use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use shared::{
    auth::Caller,
    domain::{
        EventId, Scope, Timestamp, ValidationErrors, WebhookEndpointId,
        webhooks::{Delivery, DeliveryStatus, WebhookEndpoint},
    },
    http::{
        PathId, Problem, RequestContext, StrictJson,
        extractors::{optional_time, time},
    },
    store::{
        Backoff, StoreError, Table,
        webhooks::{
            EventRecord,
            event_records::{first_event_id, next_event_id},
        },
    },
};
use utoipa::ToSchema;

use crate::endpoint::{EndpointError, active_endpoint};

/// The maximum number of events that one request reads.
const MAX_READ: usize = 500;
/// The number of deliveries that are written at the same time.
const CONCURRENCY: usize = 8;

/// Request to replay events.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ReplayEventsRequest)]
pub struct Request {
    /// Time of the first event.
    #[serde(deserialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T00:00:00Z")]
    pub since: Timestamp,
    /// Time of the last event; null or omitted means now.
    #[serde(default, deserialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// `next_after` of the previous response, to continue after it.
    #[schema(value_type = Option<EventId>)]
    pub after: Option<EventId>,
    /// Whether to leave out events that the endpoint has accepted.
    #[serde(default)]
    #[schema(default = false)]
    pub only_undelivered: bool,
}

/// The events that are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReplayedEvents)]
pub struct ReplayedEvents {
    /// The number of events that will be sent.
    #[schema(example = 17)]
    pub replayed: usize,
    /// If the range has more events: the value of `after` with which to repeat the request. Null at the end.
    #[schema(required, value_type = Option<EventId>)]
    pub next_after: Option<EventId>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict;
}

/// Sends the events of a range of time to a webhook endpoint again.
#[utoipa::path(
    post,
    path = "/api/v1.0/webhook-endpoints/{id}/replay",
    operation_id = "replay_webhook_events",
    tag = "webhooks",
    summary = "Replay events to a webhook endpoint",
    description = "Sends the events between `since` and `until` that match the `event_types` of the endpoint, also those that \
        happened before it was created or while it was inactive. A request reads up to 500 events: repeat it with `after` until \
        `next_after` is null. The endpoint recognizes events that it has processed by their `webhook-id`.",
    params(("id" = WebhookEndpointId, Path, description = "`whe_…`")),
    request_body = Request,
    responses(
        (status = 200, description = "How many events will be sent, and whether there are more", body = ReplayedEvents),
        Errors,
    ),
    security(("api_key" = ["webhooks:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<WebhookEndpointId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<axum::Json<ReplayedEvents>, Problem> {
    caller.require(Scope::WebhooksWrite)?;
    let StrictJson(request) = body?;
    Ok(axum::Json(replay_events(&table, id, &request, ctx.now).await?))
}

/// Makes the deliveries of events due now.
pub async fn replay_events(
    table: &Table,
    id: WebhookEndpointId,
    request: &Request,
    now: Timestamp,
) -> Result<ReplayedEvents, EndpointError> {
    let until = request.until.unwrap_or(now).min(now);
    let mut errors = ValidationErrors::default();
    errors.check(request.since <= until, "/since", "must not be after until, or in the future");
    errors.into_result()?;
    // Whether an event is sent does not depend on when the endpoint was activated.
    let endpoint = WebhookEndpoint { delivers_from: Timestamp::UNIX_EPOCH, ..active_endpoint(table, id).await? };
    let first = first_event_id(request.since);
    let from = request.after.map_or(first, |after| next_event_id(after).max(first));
    let events = table.events_from(from, until, MAX_READ).await?;
    let next_after = events.last().map(|record| record.event.id);
    let replay = |record: EventRecord| replay_event(table, &endpoint, record, request.only_undelivered, now);
    let receives = |record: &EventRecord| endpoint.receives(&record.event.kind, record.at, record.subject_id());
    let matching = events.into_iter().filter(receives);
    let counts = stream::iter(matching.map(replay)).buffered(CONCURRENCY);
    let replayed = counts.try_fold(0, async |total, is_replayed| Ok(total + usize::from(is_replayed))).await?;
    Ok(ReplayedEvents { replayed, next_after })
}

/// Makes the delivery of an event due now. Returns whether it will be sent: not if only undelivered ones are, and it was
/// delivered.
async fn replay_event(
    table: &Table,
    endpoint: &WebhookEndpoint,
    record: EventRecord,
    only_undelivered: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let new = Delivery::new(endpoint.id, record.event, now);
    let mut backoff = Backoff::default();
    loop {
        let Some(existing) = table.add_webhook_delivery(&new).await? else { return Ok(true) };
        if only_undelivered && existing.status() == DeliveryStatus::Delivered {
            return Ok(false);
        }
        if table.replace_webhook_delivery(&existing, &existing.request(now), None).await? {
            return Ok(true);
        }
        backoff.retry().await?;
    }
}
