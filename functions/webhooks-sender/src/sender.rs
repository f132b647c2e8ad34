//! Attempts the deliveries to an endpoint that are due.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use rand::RngExt;
use shared::{
    Clock,
    domain::{
        EventData, EventSource, IdGenerator, Subject, WebhookEndpointId,
        event::payload::WebhookEndpointDisabled,
        webhooks::{
            Attempt, AttemptOutcome, Delivery, EndpointHealth, MAX_EVENT_BYTES, SendError, WebhookSecret,
            signature::{ParseWebhookSecretError, signature_header},
        },
    },
    store::{
        StoreError, Table,
        webhooks::{BeginOutcome, BegunAttempt, StoredWebhookEndpoint},
    },
    tokens::{SealError, Sealer},
};

use crate::client::{WebhookClient, WebhookHeaders};

/// The numbers of due deliveries that are read to find one that can be attempted. If those at the front wait for earlier events of
/// their license keys, more are read, and later ones are sent before them.
const BATCHES: [usize; 2] = [10, 200];

/// Attempts deliveries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    table: Table,
    sealer: Arc<dyn Sealer>,
    client: WebhookClient,
    clock: Clock,
}

/// Why no attempt could be made. The delivery stays due.
#[derive(Debug, thiserror::Error)]
pub enum SendFailure {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret could not be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A secret is invalid.
    #[error(transparent)]
    Secret(#[from] ParseWebhookSecretError),
    /// The event could not be serialized.
    #[error(transparent)]
    Serialize(#[from] serde_json::Error),
    /// The HTTP client could not be created.
    #[error("the HTTP client could not be created: {0}")]
    Client(#[from] reqwest::Error),
}

impl Sender {
    /// Creates a sender from the parts that it uses.
    pub fn new(table: Table, sealer: Arc<dyn Sealer>, client: WebhookClient, clock: Clock) -> Self {
        Self { table, sealer, client, clock }
    }

    /// Makes one attempt after the other, until no delivery to the endpoint is due that is not being attempted, or until
    /// `may_continue` returns false. Returns the number of attempts. Several calls for one endpoint share its slots.
    pub async fn send_due(
        &self,
        endpoint: WebhookEndpointId,
        may_continue: impl Fn() -> bool,
    ) -> Result<usize, SendFailure> {
        let mut attempts = 0;
        while may_continue() && self.send_next(endpoint).await? {
            attempts += 1;
        }
        Ok(attempts)
    }

    /// Attempts the delivery that has been due longest. Returns false if there is none, or if no slot is free.
    async fn send_next(&self, id: WebhookEndpointId) -> Result<bool, SendFailure> {
        let now = self.clock.now();
        let Some(endpoint) = self.table.webhook_endpoint(id).await? else { return Ok(false) };
        if !endpoint.endpoint.is_active() {
            return Ok(false);
        }
        let mut waiting = BTreeSet::new();
        for max in BATCHES {
            let due = self.table.due_webhook_deliveries(id, now, max).await?;
            let are_all = due.len() < max;
            for delivery in in_order_of_events(due) {
                if waiting.contains(&delivery.event.ordering_key) {
                    continue;
                }
                match self.table.begin_webhook_attempt(&delivery, now).await? {
                    BeginOutcome::Begun(begun) => {
                        self.attempt(&endpoint, &begun).await?;
                        return Ok(true);
                    }
                    BeginOutcome::NoSlot => return Ok(false),
                    BeginOutcome::OutOfOrder => drop(waiting.insert(delivery.event.ordering_key)),
                    BeginOutcome::NotDue => {}
                }
            }
            if are_all {
                break;
            }
        }
        Ok(false)
    }

    /// Makes an attempt that has begun, and records how it ended.
    async fn attempt(&self, endpoint: &StoredWebhookEndpoint, begun: &BegunAttempt) -> Result<(), SendFailure> {
        let (at, started) = (self.clock.now(), tokio::time::Instant::now());
        let outcome = match self.send(endpoint, begun, at).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                tracing::error!(error = %failure, delivery = %begun.delivery.id(), "the webhook could not be sent");
                self.table.free_webhook_slot(begun).await?;
                return Err(failure);
            }
        };
        let duration_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        let attempt = Attempt { at, duration_ms, outcome };
        let (now, jitter) = (self.clock.now(), rand::rng().random());
        log(begun, &attempt);
        // First, so that a disabled endpoint gets no further attempt when the slot is free.
        if let Err(error) = self.record_health(endpoint, &attempt.outcome, now).await {
            tracing::warn!(%error, endpoint = %endpoint.endpoint.id, "the health of the webhook endpoint was not recorded");
        }
        self.table.end_webhook_attempt(begun, attempt, now, jitter).await?;
        Ok(())
    }

    async fn send(
        &self,
        endpoint: &StoredWebhookEndpoint,
        begun: &BegunAttempt,
        now: Timestamp,
    ) -> Result<AttemptOutcome, SendFailure> {
        let event = &begun.delivery.event;
        // The index can lag behind the table by a moment.
        let Some(record) = self.table.event_record(&event.partition, event.id).await? else {
            return Ok(AttemptOutcome::NoResponse(SendError::EventUnavailable));
        };
        let body = record.to_json()?;
        if body.len() > MAX_EVENT_BYTES {
            return Ok(AttemptOutcome::NoResponse(SendError::EventTooLarge));
        }
        let secrets = self.secrets(endpoint, now).await?;
        let (id, timestamp) = (event.id.to_string(), now.as_second());
        let signature = signature_header(&secrets, &id, timestamp, &body);
        Ok(self.client.post(&endpoint.endpoint.url, WebhookHeaders { id, timestamp, signature }, body).await?)
    }

    /// Opens the secrets that sign now.
    async fn secrets(&self, stored: &StoredWebhookEndpoint, now: Timestamp) -> Result<Vec<WebhookSecret>, SendFailure> {
        let context = self.table.webhook_secret_context(stored.endpoint.id);
        let previous = stored.sealed.previous.as_ref().filter(|_| stored.endpoint.has_previous_secret(now));
        let mut secrets = Vec::new();
        for sealed in std::iter::once(&stored.sealed.current).chain(previous) {
            secrets.push(WebhookSecret::parse(self.sealer.open(&context, sealed).await?)?);
        }
        Ok(secrets)
    }

    /// Records whether the endpoint accepts webhooks, if that has changed. If another attempt records it at the same time, one of
    /// the two wins: the next failure is recorded again.
    async fn record_health(
        &self,
        stored: &StoredWebhookEndpoint,
        outcome: &AttemptOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // That an event cannot be sent says nothing about the endpoint.
        let is_unsendable = [SendError::EventUnavailable, SendError::EventTooLarge].map(AttemptOutcome::NoResponse);
        if is_unsendable.contains(outcome) {
            return Ok(());
        }
        let health = stored.endpoint.health.after(outcome, now);
        if health == stored.endpoint.health {
            return Ok(());
        }
        let disabled = match health {
            EndpointHealth::Disabled { reason, .. } => {
                let data = EventData::WebhookEndpointDisabled(WebhookEndpointDisabled { reason });
                let subject = Subject::WebhookEndpoint(stored.endpoint.id);
                Some(EventSource::system("webhooks", now).event(&mut IdGenerator::new(now), subject, data))
            }
            EndpointHealth::Healthy | EndpointHealth::Failing { .. } => None,
        };
        let is_recorded = self.table.record_webhook_health(stored, health, disabled.as_ref()).await?;
        if let (true, EndpointHealth::Disabled { reason, .. }) = (is_recorded, health) {
            tracing::warn!(endpoint = %stored.endpoint.id, ?reason, "webhook endpoint disabled");
        }
        Ok(())
    }
}

/// Puts the deliveries of each ordering key into the order of their events. A delivery whose attempt has failed, or was interrupted
/// by a crash, is due later than those of later events, and would be overtaken by them.
fn in_order_of_events(due: Vec<Delivery>) -> Vec<Delivery> {
    let mut by_key: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    let keys: Vec<_> = due.iter().map(|delivery| delivery.event.ordering_key.clone()).collect();
    for delivery in due {
        by_key.entry(delivery.event.ordering_key.clone()).or_default().push(delivery);
    }
    for deliveries in by_key.values_mut() {
        deliveries.sort_by_key(|delivery| std::cmp::Reverse(delivery.event.id));
    }
    keys.iter().filter_map(|key| by_key.get_mut(key)?.pop()).collect()
}

/// Logs an attempt, without the URL, which can contain a secret.
fn log(begun: &BegunAttempt, attempt: &Attempt) {
    let (status, error) = match &attempt.outcome {
        AttemptOutcome::Response { status, .. } => (Some(*status), None),
        AttemptOutcome::NoResponse(error) => (None, Some(tracing::field::debug(error))),
    };
    tracing::info!(
        delivery = %begun.delivery.id(),
        attempt = begun.delivery.attempts,
        status,
        error,
        duration_ms = attempt.duration_ms,
        "webhook"
    );
}
