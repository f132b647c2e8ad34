//! The representation of deliveries.

use serde::Serialize;
use shared::{
    domain::{
        EventId, Timestamp, WebhookEndpointId,
        webhooks::{AttemptOutcome, Delivery, DeliveryId, DeliveryStatus, SendError},
    },
    http::StoredResponse,
};
use utoipa::ToSchema;

/// The delivery of an event to a webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryResource {
    /// `whd_…`
    pub id: DeliveryId,
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// The event, which is also the `webhook-id`.
    pub event_id: EventId,
    /// The type of the event.
    #[schema(example = "license.renewed")]
    pub event_type: String,
    /// Whether the event was delivered.
    pub status: DeliveryStatus,
    /// The number of attempts, including one that is being made.
    #[schema(example = 1)]
    pub attempts: u32,
    /// HTTP status of the latest response; null if the latest attempt got none.
    #[schema(required)]
    pub response_status: Option<u16>,
    /// The beginning of the body of the latest response, at most 1 KB.
    #[schema(required)]
    pub response_body: Option<String>,
    /// Why the latest attempt got no response.
    #[schema(required)]
    pub error: Option<SendError>,
    /// Duration of the latest attempt, in milliseconds.
    #[schema(required, example = 15_000)]
    pub duration_ms: Option<u32>,
    /// When the latest attempt began.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_attempt_at: Option<Timestamp>,
    /// When the next attempt is due; null unless `status` is `pending`. While an attempt is being made, when another one is due
    /// if that does not end.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub next_attempt_at: Option<Timestamp>,
    /// When the delivery was created, or last requested by a retry or a replay. It is stored for 30 days from then on.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<&Delivery> for DeliveryResource {
    fn from(delivery: &Delivery) -> Self {
        let last = delivery.last_attempt.as_ref();
        let (response_status, response_body, error) = match last.map(|attempt| &attempt.outcome) {
            Some(AttemptOutcome::Response { status, body }) => (Some(*status), Some(body.clone()), None),
            Some(AttemptOutcome::NoResponse(error)) => (None, None, Some(*error)),
            None => (None, None, None),
        };
        Self {
            id: delivery.id(),
            endpoint_id: delivery.endpoint,
            event_id: delivery.event.id,
            event_type: delivery.event.kind.clone(),
            status: delivery.status(),
            attempts: delivery.attempts,
            response_status,
            response_body,
            error,
            duration_ms: last.map(|attempt| attempt.duration_ms),
            last_attempt_at: last.map(|attempt| attempt.at),
            next_attempt_at: delivery.due_at(),
            created_at: delivery.created_at,
        }
    }
}

/// Returns the response with a delivery, as it is stored for repeated requests.
pub(crate) fn delivery_response(delivery: &Delivery) -> Result<StoredResponse, serde_json::Error> {
    StoredResponse::ok_without_etag(&DeliveryResource::from(delivery))
}
