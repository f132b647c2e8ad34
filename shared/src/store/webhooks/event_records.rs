//! Events as JSON, in the order in which they are delivered.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use ulid::Ulid;

use crate::{
    domain::{Event, EventId, SearchResource, Subject, time::utc_date, webhooks::DeliveredEvent},
    store::{
        StoreError, Table,
        events::{date_of_ulid, millis},
        indexes::key_names,
        item::{Item, Key, from_item},
        keys,
        table::Query,
    },
};

/// An event as it is stored and sent.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// What a delivery refers to.
    pub event: DeliveredEvent,
    /// When it happened.
    pub at: Timestamp,
    json: Value,
}

/// The time before the end of a range for which all days are read, whether or not the installation is younger.
const BEFORE_LATEST_DAYS: SignedDuration = SignedDuration::from_hours(48);

/// The fields of an event in their order. Others follow.
const FIELDS: [&str; 9] = ["id", "type", "at", "actor", "subject", "license_id", "ip", "request_id", "data"];

impl EventRecord {
    /// Returns the id of the resource that the event is about.
    pub fn subject_id(&self) -> Option<&str> {
        self.json["subject"]["id"].as_str()
    }

    /// Returns the resources whose words in searches the event may have changed.
    pub fn found_resources(&self) -> Vec<SearchResource> {
        found_resources(self.subject_id(), self.json["data"]["taken_from"]["activation_id"].as_str())
    }

    /// Parses the event.
    pub fn parse(&self) -> Result<Event, serde_json::Error> {
        Event::deserialize(&self.json)
    }

    /// Returns the event as JSON, with its fields always in the same order.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Ordered(&self.json, &FIELDS))
    }
}

/// Serializes objects with the first fields in this order, and all others by name.
struct Ordered<'a>(&'a Value, &'a [&'a str]);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let rank = |name: &str| self.1.iter().position(|first| *first == name).unwrap_or(self.1.len());
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| (rank(name), *name));
                serializer.collect_map(fields.into_iter().map(|(name, value)| (name, Ordered(value, &[]))))
            }
            Value::Array(values) => serializer.collect_seq(values.iter().map(|value| Ordered(value, &[]))),
            value => value.serialize(serializer),
        }
    }
}

/// Returns what a delivery of an event refers to.
pub fn delivered_event(event: &Event) -> DeliveredEvent {
    DeliveredEvent {
        id: event.id,
        kind: event.event_type().as_str().to_owned(),
        partition: keys::event_partition(event),
        ordering_key: keys::event_history(&event.subject),
    }
}

/// Returns the resources that are found by words, of the subject of an event and the activation that lost its seat, if one did.
pub(super) fn found_resources(subject_id: Option<&str>, taken_from: Option<&str>) -> Vec<SearchResource> {
    let subjects = [subject_id, taken_from].into_iter().flatten().filter_map(|id| Subject::with_id(id).ok());
    subjects.filter_map(|subject| SearchResource::of(&subject)).collect()
}

/// Parses the item of an event, without its keys.
fn parse_event(mut item: Item) -> Result<EventRecord, StoreError> {
    let invalid = |what: &str| StoreError::InvalidItem(format!("event: {what}"));
    let key = Key::of(&item).ok_or_else(|| invalid("key"))?;
    let text = |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok().cloned());
    let partition = text(&item, "GSI1PK").ok_or_else(|| invalid("GSI1PK"))?;
    let id = text(&item, "id").and_then(|id| id.parse().ok()).ok_or_else(|| invalid("id"))?;
    let at = text(&item, "at").and_then(|at| at.parse().ok()).ok_or_else(|| invalid("at"))?;
    let kind = text(&item, "type").ok_or_else(|| invalid("type"))?;
    for name in key_names(Some("GSI1")) {
        item.remove(name);
    }
    let json = from_item(item)?;
    Ok(EventRecord { event: DeliveredEvent { id, kind, partition, ordering_key: key.pk }, at, json })
}

impl Table {
    /// Reads an event by its index partition and id.
    pub async fn event_record(&self, partition: &str, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let sort_key = id.ulid().to_string();
        let query = Query::between(partition.to_owned(), sort_key.clone(), sort_key);
        let page = self.query(Query { index: Some("GSI1"), ..query }).await?;
        page.items.into_iter().next().map(parse_event).transpose()
    }

    /// Reads the events from an id on and up to a time, the oldest first: at most `max`. Fewer are not the end, unless there are
    /// none: later days are read only if the earlier ones have fewer than `max`.
    pub async fn events_from(
        &self,
        from: EventId,
        until: Timestamp,
        max: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let last = last_ulid_at(until);
        // DynamoDB rejects a range that ends before it begins.
        let begins = (from.ulid() <= last).then(|| date_of_ulid(from.ulid())).flatten();
        let Some(mut day) = begins else { return Ok(Vec::new()) };
        if day < utc_date(until - BEFORE_LATEST_DAYS) {
            day = day.max(self.first_event_day(until).await?);
        }
        while day <= utc_date(until) {
            let found = self.events_of_day_from(day, from.ulid(), last, max).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        Ok(Vec::new())
    }

    async fn events_of_day_from(
        &self,
        day: Date,
        from: Ulid,
        last: Ulid,
        max: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let query = |partition| {
            let query = Query::between(partition, from.to_string(), last.to_string());
            Query { limit: i32::try_from(max).ok(), ..query }
        };
        let mut events = self.read_day(day, query, parse_event, |record| record.event.id).await?.events;
        events.truncate(max);
        Ok(events)
    }
}

/// Returns the smallest id of an event at a time.
pub fn first_event_id(time: Timestamp) -> EventId {
    EventId::from_ulid(Ulid::from_parts(millis(time), 0))
}

/// Returns the id after another one.
pub fn next_event_id(id: EventId) -> EventId {
    EventId::from_ulid(Ulid(id.ulid().0.saturating_add(1)))
}

fn last_ulid_at(time: Timestamp) -> Ulid {
    Ulid::from_parts(millis(time), u128::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_the_fields_always_in_the_same_order() {
        let json =
            json!({"data": {"b": 1, "a": [{"d": null, "c": 2}]}, "new": true, "type": "t", "id": "evt_1", "ip": "::"});
        let event = DeliveredEvent {
            id: EventId::MAX,
            kind: String::new(),
            partition: String::new(),
            ordering_key: String::new(),
        };
        let record = EventRecord { event, at: Timestamp::UNIX_EPOCH, json };
        let text = String::from_utf8(record.to_json().unwrap()).unwrap();
        let expected = r#"{"id":"evt_1","type":"t","ip":"::","data":{"a":[{"c":2,"d":null}],"b":1},"new":true}"#;
        assert_eq!(text, expected);
    }
}
