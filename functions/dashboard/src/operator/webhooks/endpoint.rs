//! Webhook endpoints as the pages read and show them.

use maud::Markup;
use shared::{
    domain::{
        Timestamp, WebhookEndpointId,
        event::payload::WebhookDisabledReason,
        webhooks::{DeliveryStatus, WebhookEndpoint},
    },
    http::Problem,
    store::Table,
};
use webhooks::endpoint::EndpointResource;

use crate::ui::components::{Tone, badge};

/// The page that creates an endpoint.
pub(super) const NEW_PATH: &str = "/dashboard/webhooks/new";

pub(super) async fn read(table: &Table, id: WebhookEndpointId) -> Result<WebhookEndpoint, Problem> {
    Ok(table.webhook_endpoint(id).await?.ok_or_else(Problem::not_found)?.endpoint)
}

/// The API's path of an endpoint.
pub(super) fn api_path(id: WebhookEndpointId) -> String {
    format!("/api/v1.0/webhook-endpoints/{id}")
}

pub(super) fn status_badge(endpoint: &EndpointResource) -> Markup {
    match (endpoint.disabled_reason, endpoint.is_active, endpoint.failing_since) {
        (Some(_), ..) => badge("Disabled", Tone::Danger),
        (None, false, _) => badge("Inactive", Tone::Neutral),
        (None, true, Some(_)) => badge("Failing", Tone::Warning),
        (None, true, None) => badge("Active", Tone::Success),
    }
}

pub(super) fn delivery_badge(status: DeliveryStatus) -> Markup {
    match status {
        DeliveryStatus::Pending => badge("Pending", Tone::Warning),
        DeliveryStatus::Delivered => badge("Delivered", Tone::Success),
        DeliveryStatus::Failed => badge("Failed", Tone::Danger),
    }
}

/// Why Signet disabled an endpoint, as a sentence.
pub(super) fn disabled_text(reason: WebhookDisabledReason) -> &'static str {
    match reason {
        WebhookDisabledReason::Gone => "Signet disabled this endpoint because it responded with 410 Gone.",
        WebhookDisabledReason::Failing => "Signet disabled this endpoint because every attempt of five days failed.",
    }
}

pub(super) fn resource(endpoint: &WebhookEndpoint, now: Timestamp) -> EndpointResource {
    EndpointResource::new(endpoint, now)
}
