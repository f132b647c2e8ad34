//! The feed: reads the events of the table, adds a delivery for each webhook endpoint that receives them, and replaces the words by
//! which searches find the resources that have changed.
//!
//! The position up to which events were read is recorded after their deliveries and words, so that a crash repeats events and never skips
//! one; an event has one delivery per endpoint. Each pass begins some time before the position, because the ids of events have the
//! time at which their requests began, and events can be written in another order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use shared::{
    domain::{
        EventId, SearchResource,
        webhooks::{DeliveredEvent, Delivery, WebhookEndpoint},
    },
    store::{
        StoreError, Table,
        webhooks::{
            EventRecord,
            event_records::{first_event_id, next_event_id},
        },
    },
};

/// How far before the position a pass begins. Much longer than a request takes.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// The same for passes that follow another one within a minute: longer than the clocks of processes on one machine differ.
const SHORT_OVERLAP: SignedDuration = SignedDuration::from_secs(15);
/// The time after which a pass begins all the way before the position.
const FULL_PASS_INTERVAL: SignedDuration = SignedDuration::from_mins(1);
/// The maximum number of events that a process remembers.
const MAX_SEEN: usize = 100_000;
/// The number of events whose deliveries are written at the same time.
const CONCURRENCY: usize = 8;
/// The number of events that are read at a time.
const BATCH: usize = 200;
/// The time after which the position is recorded although there were no events.
const POSITION_PRECISION: SignedDuration = SignedDuration::from_mins(1);

/// The feed of one process.
#[derive(Debug)]
pub struct Feed {
    table: Table,
    /// The latest events that this process has read, so that it does not add their deliveries again in the overlap.
    seen: Mutex<BTreeSet<EventId>>,
    /// When the latest pass with the full overlap began.
    full_pass_at: Mutex<Option<Timestamp>>,
}

impl Feed {
    /// Creates the feed of a table.
    pub fn new(table: Table) -> Self {
        Self { table, seen: Mutex::default(), full_pass_at: Mutex::default() }
    }

    /// Adds the deliveries of all events since the position, and the words of what they have changed. Returns the active endpoints. A
    /// run that is interrupted goes on after its last batch.
    pub async fn run(&self, now: Timestamp) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let active = self.active_endpoints().await?;
        let oldest = active.iter().map(|endpoint| endpoint.delivers_from).min();
        let position = self.table.webhook_feed_position().await?;
        // Without a position, the words of earlier changes are added by the pass over all resources.
        let start = position.or(oldest).unwrap_or(now) - self.overlap(now);
        let mut next = first_event_id(start);
        let mut is_new = position.is_none_or(|position| now.duration_since(position) >= POSITION_PRECISION);
        loop {
            let events = self.table.events_from(next, now, BATCH).await?;
            let Some((last, at)) = events.last().map(|record| (record.event.id, record.at)) else { break };
            next = next_event_id(last);
            let changed: Vec<_> = events.iter().map(|record| (record.event.id, record.found_resources())).collect();
            let changed = self.not_seen(changed);
            is_new |= self.add_batch(&active, events, now).await?;
            self.index_words(changed, now).await?;
            if is_new {
                self.table.set_webhook_feed_position(at.min(now)).await?;
            }
        }
        if is_new {
            self.table.set_webhook_feed_position(now).await?;
        }
        Ok(active)
    }

    /// Returns those of some events that this process has not read before.
    pub fn not_seen(&self, events: Vec<(EventId, Vec<SearchResource>)>) -> Vec<(EventId, Vec<SearchResource>)> {
        let seen = self.seen();
        events.into_iter().filter(|(id, _)| !seen.contains(id)).collect()
    }

    /// Replaces the words of the resources that events have changed. If DynamoDB is unavailable, the events are read again. Other
    /// failures concern one resource, and must not keep later events from their turn.
    pub async fn index_words(
        &self,
        changed: Vec<(EventId, Vec<SearchResource>)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let resources: BTreeSet<_> = changed.iter().flat_map(|(_, resources)| resources).copied().collect();
        match self.table.index_words(resources, now).await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Contended)) => {
                let mut seen = self.seen();
                for (id, _) in changed {
                    seen.remove(&id);
                }
                Err(error)
            }
            Err(error) => {
                tracing::error!(%error, "adding words to the search failed");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Returns how far before the position a pass begins: the first of each minute all the way, and the others only a little, so that
    /// passes in short succession do not read the same events again.
    fn overlap(&self, now: Timestamp) -> SignedDuration {
        let mut full_pass_at = self.full_pass_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_pass_at.is_some_and(|at| now.duration_since(at).abs() < FULL_PASS_INTERVAL) {
            return SHORT_OVERLAP;
        }
        *full_pass_at = Some(now);
        OVERLAP
    }

    /// Adds the deliveries of some events. Returns whether one was new to this process.
    async fn add_batch(
        &self,
        active: &[WebhookEndpoint],
        events: Vec<EventRecord>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The sender must not see an event of a license key before the earlier ones.
        let mut by_key: BTreeMap<String, Vec<EventRecord>> = BTreeMap::new();
        for record in events {
            by_key.entry(record.event.ordering_key.clone()).or_default().push(record);
        }
        let add = |records: Vec<EventRecord>| async move {
            let mut any = false;
            for record in records {
                let event = (&record.event, record.at, record.subject_id());
                any |= self.add_deliveries(active, event, now).await?;
            }
            Ok(any)
        };
        let added = stream::iter(by_key.into_values().map(add)).buffer_unordered(CONCURRENCY);
        added.try_fold(false, async |any, is_new| Ok(any | is_new)).await
    }

    /// Adds the deliveries of an event, given with its time and the id of the resource that it is about. Returns false if this
    /// process has done so before.
    pub async fn add_deliveries(
        &self,
        endpoints: &[WebhookEndpoint],
        (event, at, subject_id): (&DeliveredEvent, Timestamp, Option<&str>),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.seen().contains(&event.id) {
            return Ok(false);
        }
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.receives(&event.kind, at, subject_id)) {
            self.table.add_webhook_delivery(&Delivery::new(endpoint.id, event.clone(), now)).await?;
        }
        let mut seen = self.seen();
        seen.insert(event.id);
        if seen.len() > MAX_SEEN {
            seen.pop_first();
        }
        drop(seen);
        Ok(true)
    }

    /// Reads the active endpoints.
    pub async fn active_endpoints(&self) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let endpoints = self.table.webhook_endpoints().await?.into_iter().map(|stored| stored.endpoint);
        Ok(endpoints.filter(WebhookEndpoint::is_active).collect())
    }

    fn seen(&self) -> MutexGuard<'_, BTreeSet<EventId>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
