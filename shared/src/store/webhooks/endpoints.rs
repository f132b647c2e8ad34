//! Webhook endpoints. All are in one partition, so that one query reads them. Their health is in another, which the sender
//! writes: it cannot change where webhooks are sent.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::try_join;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::health::{StoredHealth, health_item, parse_health};
use crate::{
    domain::{
        Event, SealingContext, WebhookEndpointId,
        webhooks::{EndpointHealth, EventSelector, WebhookEndpoint, endpoint::MAX_ENDPOINTS},
    },
    store::{
        StoreError, Table,
        events::event_item,
        idempotency::Completion,
        item::{Item, TTL_ATTRIBUTE, b, from_item, key_only_item, n, to_item},
        keys,
        table::Query,
        transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
    },
};

/// The secrets of an endpoint, encrypted and bound to its item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedWebhookSecrets {
    /// The current secret.
    pub current: Vec<u8>,
    /// The secret before the latest rotation.
    pub previous: Option<Vec<u8>>,
}

/// A webhook endpoint with its sealed secrets, and the version that was read.
#[derive(Debug, Clone)]
pub struct StoredWebhookEndpoint {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// Its secrets.
    pub sealed: SealedWebhookSecrets,
    pub(super) version: u64,
    pub(super) health_revision: Option<u64>,
}

/// The outcome of adding an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddEndpointOutcome {
    /// The endpoint was added.
    Done,
    /// The installation has as many endpoints as it may have.
    LimitReached,
}

/// The attributes of an endpoint, besides its secrets.
#[derive(Serialize, Deserialize)]
struct EndpointRecord {
    id: WebhookEndpointId,
    url: String,
    event_types: Vec<EventSelector>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    is_enabled: bool,
    /// Unix time in milliseconds.
    delivers_from: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_secret_expires_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    version: u64,
}

/// How long the health of a deleted endpoint is kept. Much longer than an attempt takes.
const HEALTH_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
const CURRENT_SECRET: &str = "secret";
const PREVIOUS_SECRET: &str = "previous_secret";

fn endpoint_item(stored: &StoredWebhookEndpoint) -> Result<Item, StoreError> {
    let WebhookEndpoint {
        id,
        url,
        event_types,
        description,
        is_enabled,
        delivers_from,
        health: _,
        previous_secret_expires_at,
        created_at,
        updated_at,
    } = stored.endpoint.clone();
    let record = EndpointRecord {
        id,
        url,
        event_types,
        description,
        is_enabled,
        delivers_from: delivers_from.as_millisecond(),
        previous_secret_expires_at,
        created_at,
        updated_at,
        version: stored.version,
    };
    let mut item = to_item(keys::webhook_endpoint(id), &record)?;
    item.insert(CURRENT_SECRET.to_owned(), b(stored.sealed.current.clone()));
    if let Some(previous) = &stored.sealed.previous {
        item.insert(PREVIOUS_SECRET.to_owned(), b(previous.clone()));
    }
    Ok(item)
}

/// Parses an endpoint. Its health counts only if it was recorded since the endpoint was last activated.
fn parse_endpoint(mut item: Item, health: Option<StoredHealth>) -> Result<StoredWebhookEndpoint, StoreError> {
    let bytes = |value: AttributeValue| value.as_b().map(|bytes| bytes.as_ref().to_vec()).ok();
    let current = item.remove(CURRENT_SECRET).and_then(bytes);
    let current = current.ok_or_else(|| StoreError::InvalidItem("webhook endpoint without a secret".to_owned()))?;
    let previous = item.remove(PREVIOUS_SECRET).and_then(bytes);
    let record: EndpointRecord = from_item(item)?;
    let delivers_from = Timestamp::from_millisecond(record.delivers_from)
        .map_err(|_| StoreError::InvalidItem("webhook endpoint: delivers_from".to_owned()))?;
    let current_health = health.as_ref().filter(|health| health.delivers_from == delivers_from);
    let endpoint = WebhookEndpoint {
        id: record.id,
        url: record.url,
        event_types: record.event_types,
        description: record.description,
        is_enabled: record.is_enabled,
        delivers_from,
        health: current_health.map_or(EndpointHealth::Healthy, |health| health.health),
        previous_secret_expires_at: record.previous_secret_expires_at,
        created_at: record.created_at,
        updated_at: record.updated_at,
    };
    Ok(StoredWebhookEndpoint {
        endpoint,
        sealed: SealedWebhookSecrets { current, previous },
        version: record.version,
        health_revision: health.map(|health| health.revision),
    })
}

impl StoredWebhookEndpoint {
    /// Returns a new endpoint.
    pub fn new(endpoint: WebhookEndpoint, sealed_secret: Vec<u8>) -> Self {
        let sealed = SealedWebhookSecrets { current: sealed_secret, previous: None };
        Self { endpoint, sealed, version: 1, health_revision: None }
    }
}

impl Table {
    /// Returns the sealing context of the secrets of an endpoint.
    pub fn webhook_secret_context(&self, id: WebhookEndpointId) -> SealingContext {
        let key = keys::webhook_endpoint(id);
        let item = format!("{}/{}", key.pk, key.sk);
        SealingContext { table: self.sealing_name().to_owned(), item, purpose: "webhook_secret" }
    }

    /// Reads all endpoints, the oldest first. There are few.
    pub async fn webhook_endpoints(&self) -> Result<Vec<StoredWebhookEndpoint>, StoreError> {
        let endpoints = Query::prefix(keys::WEBHOOKS.to_owned(), keys::WEBHOOK_ENDPOINT);
        let healths = Query::prefix(keys::WEBHOOK_HEALTH.to_owned(), keys::HEALTH);
        let (endpoints, healths) = try_join!(self.query_all(endpoints), self.query_all(healths))?;
        let parsed = healths.into_iter().map(|item| parse_health(item).map(|health| (health.endpoint, health)));
        let mut healths = parsed.collect::<Result<BTreeMap<_, _>, _>>()?;
        let parse = |item: Item| {
            let id = item.get("id").and_then(|id| id.as_s().ok()?.parse().ok());
            parse_endpoint(item, id.and_then(|id: WebhookEndpointId| healths.remove(&id)))
        };
        endpoints.into_iter().map(parse).collect()
    }

    /// Reads an endpoint.
    pub async fn webhook_endpoint(&self, id: WebhookEndpointId) -> Result<Option<StoredWebhookEndpoint>, StoreError> {
        let (endpoint, health) = try_join!(self.get(keys::webhook_endpoint(id)), self.get(keys::webhook_health(id)))?;
        let Some(endpoint) = endpoint else { return Ok(None) };
        parse_endpoint(endpoint, health.map(parse_health).transpose()?).map(Some)
    }

    /// Adds an endpoint, unless there are [`MAX_ENDPOINTS`]. A set of all ids bounds their number, also under concurrent
    /// requests.
    pub async fn add_webhook_endpoint(
        &self,
        stored: &StoredWebhookEndpoint,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<AddEndpointOutcome, StoreError> {
        let id = stored.endpoint.id;
        let mut with_set = Transaction::new();
        with_set.put(endpoint_item(stored)?, Condition::absent()).put_always(event_item(event)?);
        let mut with_new_set = with_set.clone();
        let has_room = Condition::new("attribute_not_exists(ids) OR size(ids) < :max").value(":max", n(MAX_ENDPOINTS));
        with_set.update(&ItemUpdate::new(keys::webhook_endpoint_ids(), has_room).add("ids", ids(id)));
        let mut set = key_only_item(keys::webhook_endpoint_ids());
        set.insert("ids".to_owned(), ids(id));
        with_new_set.put(set, Condition::absent());
        loop {
            for transaction in [&with_set, &with_new_set] {
                match self.commit_with_completion(transaction.clone(), completion).await? {
                    // Ids are unique: an existing item was written by an earlier attempt of this request.
                    CommitOutcome::ConditionFailed(failures) if !failures.failed(0) => {
                        let is_full = failures.old(SET_INDEX).and_then(|set| set.get("ids")?.as_ss().ok());
                        if is_full.is_some_and(|ids| ids.len() >= MAX_ENDPOINTS) {
                            return Ok(AddEndpointOutcome::LimitReached);
                        }
                    }
                    _ => return Ok(AddEndpointOutcome::Done),
                }
            }
        }
    }

    /// Replaces an endpoint and its secrets, unless an operator has changed it since it was read, or its health has changed and it is
    /// activated. Returns whether it was replaced.
    pub async fn replace_webhook_endpoint(
        &self,
        read: &StoredWebhookEndpoint,
        (endpoint, sealed): (&WebhookEndpoint, &SealedWebhookSecrets),
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<bool, StoreError> {
        let version = read.version + 1;
        let changed = StoredWebhookEndpoint {
            endpoint: endpoint.clone(),
            sealed: sealed.clone(),
            version,
            health_revision: read.health_revision,
        };
        let mut transaction = Transaction::new();
        transaction.put(endpoint_item(&changed)?, as_read(read)).put_always(event_item(event)?);
        if endpoint.delivers_from != read.endpoint.delivers_from {
            // Attempts that began before the activation cannot record the health any more.
            let healthy = next_health(read, endpoint.delivers_from, EndpointHealth::Healthy);
            transaction.put(health_item(&healthy)?, health_as_read(read));
        }
        let outcome = self.commit_with_completion(transaction, completion).await?;
        Ok(matches!(outcome, CommitOutcome::Done))
    }

    /// Deletes an endpoint, unless it or its health has changed since it was read. Returns whether it was deleted. Its deliveries are
    /// no longer attempted and expire. So does its health, which is kept so that an attempt that is being made cannot record it.
    pub async fn delete_webhook_endpoint(
        &self,
        read: &StoredWebhookEndpoint,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let id = read.endpoint.id;
        let remove_id = ItemUpdate::new(keys::webhook_endpoint_ids(), Condition::default());
        let mut health = health_item(&next_health(read, read.endpoint.delivers_from, read.endpoint.health))?;
        health.insert(TTL_ATTRIBUTE.to_owned(), n((event.at + HEALTH_LIFETIME).as_second()));
        let mut transaction = Transaction::new();
        transaction
            .delete(keys::webhook_endpoint(id), as_read(read))
            .update(&remove_id.remove_members("ids", ids(id)))
            .put(health, health_as_read(read))
            .put_always(event_item(event)?);
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }

    /// Records the health of an endpoint, with an event if it was disabled, unless the health has changed since it was read,
    /// which an activation and the deletion of the endpoint do. Returns whether it was recorded.
    pub async fn record_webhook_health(
        &self,
        read: &StoredWebhookEndpoint,
        health: EndpointHealth,
        event: Option<&Event>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new();
        transaction.put(health_item(&next_health(read, read.endpoint.delivers_from, health))?, health_as_read(read));
        if let Some(event) = event {
            transaction.put_always(event_item(event)?);
        }
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }

    /// Replaces the sealed secrets of an endpoint with re-encrypted ones, unless they have changed since they were read.
    pub async fn replace_sealed_webhook_secrets(
        &self,
        read: &StoredWebhookEndpoint,
        sealed: &SealedWebhookSecrets,
    ) -> Result<bool, StoreError> {
        let update = ItemUpdate::new(keys::webhook_endpoint(read.endpoint.id), as_read(read))
            .set(CURRENT_SECRET, b(sealed.current.clone()))
            .set_or_remove(PREVIOUS_SECRET, sealed.previous.clone().map(b))
            .set("version", n(read.version + 1));
        let mut transaction = Transaction::new();
        transaction.update(&update);
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }
}

/// The index of the write of the set of ids, after the endpoint and the event.
const SET_INDEX: usize = 2;

fn as_read(read: &StoredWebhookEndpoint) -> Condition {
    Condition::new("version = :read").value(":read", n(read.version))
}

fn health_as_read(read: &StoredWebhookEndpoint) -> Condition {
    match read.health_revision {
        None => Condition::absent(),
        Some(revision) => Condition::new("revision = :read").value(":read", n(revision)),
    }
}

/// Returns the next health of an endpoint, in the activation that began at `delivers_from`.
fn next_health(read: &StoredWebhookEndpoint, delivers_from: Timestamp, health: EndpointHealth) -> StoredHealth {
    let revision = read.health_revision.unwrap_or(0) + 1;
    StoredHealth { endpoint: read.endpoint.id, delivers_from, health, revision }
}

fn ids(id: WebhookEndpointId) -> AttributeValue {
    AttributeValue::Ss(vec![id.to_string()])
}
