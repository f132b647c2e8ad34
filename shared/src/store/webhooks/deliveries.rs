//! Deliveries of events to endpoints. Pending ones are in an index by the time at which they are due.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        Event, EventId, WebhookEndpointId,
        seat::whole_second,
        webhooks::{
            Attempt, AttemptOutcome, DeliveredEvent, Delivery, DeliveryId, DeliveryState, DeliveryStatus, SendError,
        },
    },
    store::{
        StoreError, Table,
        events::event_item,
        idempotency::Completion,
        item::{Item, Key, TTL_ATTRIBUTE, from_item, n, s, to_item},
        keys,
        pagination::{ListError, Page, PageRequest, paginate_query},
        table::{Query, UpdateOutcome},
        transaction::{CommitOutcome, Condition, Transaction},
    },
};

/// How long a delivery is stored after it was created or requested.
const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The attributes of a delivery. Times are Unix times in milliseconds.
#[derive(Serialize, Deserialize)]
struct DeliveryRecord {
    event_type: String,
    event_partition: String,
    ordering_key: String,
    status: DeliveryStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempted_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<SendError>,
    created_at: i64,
    version: u64,
}

/// The key of a delivery.
pub(super) fn delivery_key(id: DeliveryId) -> Key {
    keys::webhook_delivery(id.endpoint, id.event)
}

/// Creates the item of a delivery.
pub(super) fn delivery_item(delivery: &Delivery) -> Result<Item, StoreError> {
    let (due_at, step) = match delivery.state {
        DeliveryState::Pending { due_at, step } => (Some(due_at), Some(step)),
        DeliveryState::Delivered | DeliveryState::Failed => (None, None),
    };
    let last = delivery.last_attempt.as_ref();
    let (response_status, response_body, error) = match last.map(|attempt| &attempt.outcome) {
        Some(AttemptOutcome::Response { status, body }) => (Some(*status), Some(body.clone()), None),
        Some(AttemptOutcome::NoResponse(error)) => (None, None, Some(*error)),
        None => (None, None, None),
    };
    let record = DeliveryRecord {
        event_type: delivery.event.kind.clone(),
        event_partition: delivery.event.partition.clone(),
        ordering_key: delivery.event.ordering_key.clone(),
        status: delivery.status(),
        due_at: due_at.map(Timestamp::as_millisecond),
        step,
        attempts: delivery.attempts,
        attempted_at: last.map(|attempt| attempt.at.as_millisecond()),
        duration_ms: last.map(|attempt| attempt.duration_ms),
        response_status,
        response_body,
        error,
        created_at: delivery.created_at.as_millisecond(),
        version: delivery.version,
    };
    let mut item = to_item(delivery_key(delivery.id()), &record)?;
    item.insert(TTL_ATTRIBUTE.to_owned(), n(whole_second(delivery.created_at + RETENTION)));
    if let Some(due_at) = due_at {
        item.insert("GSI1PK".to_owned(), s(keys::webhook_due(delivery.endpoint)));
        item.insert("GSI1SK".to_owned(), s(keys::webhook_due_sort_key(due_at, delivery.event.id)));
    }
    Ok(item)
}

/// Parses a delivery.
pub(super) fn parse_delivery(item: Item) -> Result<Delivery, StoreError> {
    let invalid = |what: &str| StoreError::InvalidItem(format!("webhook delivery: {what}"));
    let (endpoint, event) = keys::parse_webhook_delivery(&item).ok_or_else(|| invalid("key"))?;
    let record: DeliveryRecord = from_item(item)?;
    let time = |millis| Timestamp::from_millisecond(millis).map_err(|_| invalid("time"));
    let state = match (record.status, record.due_at) {
        (DeliveryStatus::Pending, Some(due_at)) => {
            DeliveryState::Pending { due_at: time(due_at)?, step: record.step.unwrap_or_default() }
        }
        (DeliveryStatus::Pending, None) => return Err(invalid("due_at")),
        (DeliveryStatus::Delivered, _) => DeliveryState::Delivered,
        (DeliveryStatus::Failed, _) => DeliveryState::Failed,
    };
    let outcome = match (record.response_status, record.error) {
        (Some(status), _) => Some(AttemptOutcome::Response { status, body: record.response_body.unwrap_or_default() }),
        (None, Some(error)) => Some(AttemptOutcome::NoResponse(error)),
        (None, None) => None,
    };
    let last_attempt = match (record.attempted_at, outcome) {
        (Some(at), Some(outcome)) => {
            Some(Attempt { at: time(at)?, duration_ms: record.duration_ms.unwrap_or_default(), outcome })
        }
        _ => None,
    };
    Ok(Delivery {
        endpoint,
        event: DeliveredEvent {
            id: event,
            kind: record.event_type,
            partition: record.event_partition,
            ordering_key: record.ordering_key,
        },
        state,
        attempts: record.attempts,
        last_attempt,
        created_at: time(record.created_at)?,
        version: record.version,
    })
}

/// Requires that the delivery has not changed since it was read.
pub(super) fn as_read(delivery: &Delivery) -> Condition {
    Condition::new("version = :version").value(":version", n(delivery.version))
}

impl Table {
    /// Adds a delivery, unless the event has one to this endpoint. Returns the existing one in that case.
    pub async fn add_webhook_delivery(&self, delivery: &Delivery) -> Result<Option<Delivery>, StoreError> {
        match self.put(delivery_item(delivery)?, &Condition::absent()).await? {
            UpdateOutcome::Done(_) => Ok(None),
            UpdateOutcome::ConditionFailed(old) => old.map(parse_delivery).transpose(),
        }
    }

    /// Adds a delivery together with its event.
    pub async fn add_webhook_test(
        &self,
        delivery: &Delivery,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new();
        transaction.put(delivery_item(delivery)?, Condition::absent()).put_always(event_item(event)?);
        // Ids are unique: an existing item was written by an earlier attempt of this request.
        self.commit_with_completion(transaction, completion).await.map(|_| ())
    }

    /// Reads a delivery; `None` if it does not exist or has expired.
    pub async fn webhook_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        let found = self.get(delivery_key(id)).await?.map(parse_delivery).transpose()?;
        Ok(found.filter(|delivery| delivery.created_at + RETENTION > now))
    }

    /// Replaces a delivery, unless it has changed since it was read. Returns whether it was replaced.
    pub async fn replace_webhook_delivery(
        &self,
        read: &Delivery,
        changed: &Delivery,
        completion: Option<&Completion>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new();
        transaction.put(delivery_item(changed)?, as_read(read));
        let outcome = self.commit_with_completion(transaction, completion).await?;
        Ok(matches!(outcome, CommitOutcome::Done))
    }

    /// Reads a page of the deliveries to an endpoint, those of the newest events first.
    pub async fn webhook_deliveries(
        &self,
        endpoint: WebhookEndpointId,
        status: Option<DeliveryStatus>,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<Delivery>, ListError> {
        let stored = Condition::new(format!("{TTL_ATTRIBUTE} > :now")).value(":now", n(whole_second(now)));
        let filter = match status {
            None => stored,
            Some(status) => stored.and("#status = :status").value(":status", s(status.as_str())),
        };
        let query = Query {
            descending: true,
            filter: Some(filter),
            ..Query::prefix(keys::webhook_partition(endpoint), keys::WEBHOOK_DELIVERY)
        };
        let list = format!("webhook deliveries {endpoint} {}", status.map_or("", DeliveryStatus::as_str));
        let page = paginate_query(self, query, &list, paging).await?;
        let items = page.items.into_iter().map(parse_delivery).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads deliveries to an endpoint that are due by a time, the longest due first: at most `max`.
    pub async fn due_webhook_deliveries(
        &self,
        endpoint: WebhookEndpointId,
        by: Timestamp,
        max: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut query = Query::between(
            keys::webhook_due(endpoint),
            keys::WEBHOOK_DUE.to_owned(),
            keys::webhook_due_sort_key(by, EventId::MAX),
        );
        query.index = Some("GSI1");
        query.limit = i32::try_from(max).ok();
        let page = self.query(query).await?;
        page.items.into_iter().map(parse_delivery).collect()
    }
}
