//! The items of the health of webhook endpoints.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{WebhookEndpointId, event::payload::WebhookDisabledReason, webhooks::EndpointHealth},
    store::{
        StoreError,
        item::{Item, from_item, to_item},
        keys,
    },
};

/// The health of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredHealth {
    pub(super) endpoint: WebhookEndpointId,
    /// The activation of the endpoint that it belongs to.
    pub(super) delivers_from: Timestamp,
    pub(super) health: EndpointHealth,
    pub(super) revision: u64,
}

/// The attributes of the health of an endpoint. Times are Unix times in milliseconds.
#[derive(Serialize, Deserialize)]
struct HealthRecord {
    endpoint_id: WebhookEndpointId,
    delivers_from: i64,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<WebhookDisabledReason>,
}

pub(super) fn parse_health(item: Item) -> Result<StoredHealth, StoreError> {
    let record: HealthRecord = from_item(item)?;
    let time = |millis| {
        Timestamp::from_millisecond(millis).map_err(|_| StoreError::InvalidItem("webhook health: time".to_owned()))
    };
    let health = match (record.disabled_at, record.disabled_reason, record.failing_since, record.last_failed_at) {
        (Some(at), Some(reason), ..) => EndpointHealth::Disabled { reason, at: time(at)? },
        (_, _, Some(since), Some(last)) => EndpointHealth::Failing { since: time(since)?, last_failed_at: time(last)? },
        _ => EndpointHealth::Healthy,
    };
    let delivers_from = time(record.delivers_from)?;
    Ok(StoredHealth { endpoint: record.endpoint_id, delivers_from, health, revision: record.revision })
}

pub(super) fn health_item(stored: &StoredHealth) -> Result<Item, StoreError> {
    let mut record = HealthRecord {
        endpoint_id: stored.endpoint,
        delivers_from: stored.delivers_from.as_millisecond(),
        revision: stored.revision,
        failing_since: None,
        last_failed_at: None,
        disabled_at: None,
        disabled_reason: None,
    };
    match stored.health {
        EndpointHealth::Healthy => {}
        EndpointHealth::Failing { since, last_failed_at } => {
            record.failing_since = Some(since.as_millisecond());
            record.last_failed_at = Some(last_failed_at.as_millisecond());
        }
        EndpointHealth::Disabled { reason, at } => {
            record.disabled_at = Some(at.as_millisecond());
            record.disabled_reason = Some(reason);
        }
    }
    to_item(keys::webhook_health(stored.endpoint), &record)
}
