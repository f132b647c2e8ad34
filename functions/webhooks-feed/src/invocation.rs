//! The invocations of the Lambda function: records of the table's stream, and the schedule.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    Clock,
    domain::{EventId, SearchResource},
    queue::{QueueError, WakeUps, WebhookQueue},
    store::{StoreError, Table, webhooks::StreamRecord},
};

use crate::Feed;

/// How far ahead the schedule looks for deliveries that become due: until its next run.
const LOOK_AHEAD: SignedDuration = SignedDuration::from_secs(60);
/// The number of deliveries per endpoint for which the schedule wakes the sender, which then attempts all that are due.
const MAX_DUE: usize = 2;

/// Why an invocation failed. It is repeated.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sender could not be woken.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Handles the invocations of an instance of the function.
#[derive(Debug)]
pub struct Invocations {
    table: Table,
    feed: Feed,
    queue: WebhookQueue,
    clock: Clock,
}

/// A record of the stream, as Lambda passes it on.
#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Value,
}

impl Record {
    fn sequence_number(&self) -> Value {
        self.dynamodb["SequenceNumber"].clone()
    }
}

impl Invocations {
    /// Creates the handler.
    pub fn new(table: Table, queue: WebhookQueue, clock: Clock) -> Self {
        Self { feed: Feed::new(table.clone()), table, queue, clock }
    }

    /// Handles an invocation: records of the stream, or else the schedule.
    pub async fn handle(&self, mut payload: Value) -> Result<Value, InvocationError> {
        let now = self.clock.now();
        match serde_json::from_value::<Vec<Record>>(payload["Records"].take()) {
            Ok(records) => Ok(self.handle_stream(&records, now).await),
            Err(_) => self.handle_schedule(now).await,
        }
    }

    /// Adds the deliveries of new events, wakes the sender for deliveries that are due within minutes, and replaces the words of what
    /// has changed. The response names the first record that failed: Lambda repeats it and those after it.
    async fn handle_stream(&self, records: &[Record], now: Timestamp) -> Value {
        let mut wake_ups = WakeUps::default();
        let mut failed = None;
        let records_of_stream: Vec<_> = records.iter().map(|record| StreamRecord::parse(&record.dynamodb)).collect();
        let changed = self.feed.not_seen(records_of_stream.iter().filter_map(changed_resources).collect());
        match self.add_deliveries(&records_of_stream, &mut wake_ups, now).await {
            Ok(()) => {}
            Err((index, error)) => {
                tracing::error!(%error, "adding the deliveries of events failed");
                failed = Some(index);
            }
        }
        if let Err(error) = self.queue.send(&wake_ups).await {
            tracing::error!(%error, "waking the sender failed");
            failed = Some(0);
        }
        // After the deliveries, which it does not delay.
        if let Err(error) = self.feed.index_words(changed, now).await {
            tracing::error!(%error, "adding words to the search failed");
            failed = Some(0);
        }
        let failures = failed.and_then(|index: usize| records.get(index)).map(Record::sequence_number);
        let failures: Vec<_> = failures.into_iter().map(|number| json!({ "itemIdentifier": number })).collect();
        json!({ "batchItemFailures": failures })
    }

    /// Handles records in their order. Returns the index of the first that failed.
    async fn add_deliveries(
        &self,
        records: &[StreamRecord],
        wake_ups: &mut WakeUps,
        now: Timestamp,
    ) -> Result<(), (usize, StoreError)> {
        let mut endpoints = None;
        for (index, record) in records.iter().enumerate() {
            match record {
                StreamRecord::Event { event, at, subject_id, .. } => {
                    let endpoints = match &endpoints {
                        Some(endpoints) => endpoints,
                        None => endpoints.insert(self.feed.active_endpoints().await.map_err(|error| (index, error))?),
                    };
                    let event = (event, *at, subject_id.as_deref());
                    self.feed.add_deliveries(endpoints, event, now).await.map_err(|error| (index, error))?;
                }
                StreamRecord::Pending { endpoint, due_at } => wake_ups.add(*endpoint, due_at.duration_since(now)),
                StreamRecord::Other => {}
            }
        }
        Ok(())
    }

    /// Adds the deliveries and words of events that the stream has missed, and wakes the sender for deliveries that are due by the next run.
    async fn handle_schedule(&self, now: Timestamp) -> Result<Value, InvocationError> {
        let mut wake_ups = WakeUps::default();
        let endpoints = self.feed.run(now).await?;
        for endpoint in &endpoints {
            for delivery in self.table.due_webhook_deliveries(endpoint.id, now + LOOK_AHEAD, MAX_DUE).await? {
                wake_ups.add(endpoint.id, delivery.due_at().unwrap_or(now).duration_since(now));
            }
        }
        self.queue.send(&wake_ups).await?;
        Ok(json!({ "endpoints": endpoints.len() }))
    }
}

/// Returns an event and the resources whose words in searches it may have changed.
fn changed_resources(record: &StreamRecord) -> Option<(EventId, Vec<SearchResource>)> {
    match record {
        StreamRecord::Event { event, found_resources, .. } => Some((event.id, found_resources.clone())),
        _ => None,
    }
}
