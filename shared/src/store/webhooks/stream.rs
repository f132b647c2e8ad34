//! Records of the table's stream that concern webhooks, as Lambda passes them on.

use jiff::Timestamp;
use serde_json::Value;

use super::event_records::found_resources;
use crate::{
    domain::{
        SearchResource, WebhookEndpointId,
        webhooks::{DeliveredEvent, DeliveryStatus},
    },
    store::keys,
};

/// What a record of the stream shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamRecord {
    /// An event was written.
    Event {
        /// The event.
        event: DeliveredEvent,
        /// When it happened.
        at: Timestamp,
        /// The id of the resource that it is about.
        subject_id: Option<String>,
        /// The resources whose words in searches it may have changed.
        found_resources: Vec<SearchResource>,
    },
    /// A delivery has become due, or will be.
    Pending {
        /// The endpoint.
        endpoint: WebhookEndpointId,
        /// When it is due.
        due_at: Timestamp,
    },
    /// Something else, such as an attempt that has begun.
    Other,
}

impl StreamRecord {
    /// Parses the member `dynamodb` of a record: the new item and the old item in DynamoDB's JSON.
    pub fn parse(record: &Value) -> Self {
        let (new, old) = (&record["NewImage"], &record["OldImage"]);
        let sort_key = text(new, "SK").unwrap_or_default();
        let parsed = if sort_key.starts_with(keys::EVENT) && old.is_null() {
            event(new)
        } else if sort_key.starts_with(keys::WEBHOOK_DELIVERY) {
            pending(new, old)
        } else {
            None
        };
        parsed.unwrap_or(Self::Other)
    }
}

fn text<'a>(item: &'a Value, name: &str) -> Option<&'a str> {
    item[name]["S"].as_str()
}

fn number(item: &Value, name: &str) -> Option<i64> {
    item[name]["N"].as_str()?.parse().ok()
}

fn event(item: &Value) -> Option<StreamRecord> {
    let event = DeliveredEvent {
        id: text(item, "id")?.parse().ok()?,
        kind: text(item, "type")?.to_owned(),
        partition: text(item, "GSI1PK")?.to_owned(),
        ordering_key: text(item, "PK")?.to_owned(),
    };
    let subject_id = text(&item["subject"]["M"], "id").map(str::to_owned);
    let taken_from = text(&item["data"]["M"]["taken_from"]["M"], "activation_id");
    let found_resources = found_resources(subject_id.as_deref(), taken_from);
    Some(StreamRecord::Event { event, at: text(item, "at")?.parse().ok()?, subject_id, found_resources })
}

/// Returns the delivery if it waits for an attempt. One that is being made has increased the number of attempts.
fn pending(new: &Value, old: &Value) -> Option<StreamRecord> {
    let begins = !old.is_null() && number(new, "attempts") != number(old, "attempts");
    if begins || text(new, "status") != Some(DeliveryStatus::Pending.as_str()) {
        return None;
    }
    let endpoint = keys::parse_id_suffix(text(new, "PK")?, "WEBHOOK#")?;
    let due_at = Timestamp::from_millisecond(number(new, "due_at")?).ok()?;
    Some(StreamRecord::Pending { endpoint, due_at })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENDPOINT: &str = "whe_01JD8W0V5XK6Q3R7T2N4M8P9ZB";

    fn delivery(status: &str, attempts: u32, due_at: i64) -> Value {
        json!({
            "PK": {"S": format!("WEBHOOK#{ENDPOINT}")}, "SK": {"S": "DELIVERY#01KF1Q5T9C8V0R2M4N6P7S3W5X"},
            "status": {"S": status}, "attempts": {"N": attempts.to_string()}, "due_at": {"N": due_at.to_string()},
        })
    }

    #[test]
    fn event_is_parsed_when_it_is_inserted() {
        let item = json!({
            "PK": {"S": "LICENSE#lic_1"}, "SK": {"S": "EVENT#01KF1Q5T9C8V0R2M4N6P7S3W5X"},
            "GSI1PK": {"S": "EVENTS#2026-01-15#3"}, "GSI1SK": {"S": "01KF1Q5T9C8V0R2M4N6P7S3W5X"},
            "id": {"S": "evt_01KF1Q5T9C8V0R2M4N6P7S3W5X"}, "type": {"S": "license.renewed"}, "at": {"S": "2026-01-15T12:00:00.123Z"},
            "subject": {"M": {"type": {"S": "license"}, "id": {"S": "lic_1"}}},
        });
        let expected = StreamRecord::Event {
            event: DeliveredEvent {
                id: "evt_01KF1Q5T9C8V0R2M4N6P7S3W5X".parse().unwrap(),
                kind: "license.renewed".to_owned(),
                partition: "EVENTS#2026-01-15#3".to_owned(),
                ordering_key: "LICENSE#lic_1".to_owned(),
            },
            at: "2026-01-15T12:00:00.123Z".parse().unwrap(),
            subject_id: Some("lic_1".to_owned()),
            found_resources: Vec::new(),
        };
        assert_eq!(StreamRecord::parse(&json!({"NewImage": item})), expected);
        // The erasure of a customer changes events.
        assert_eq!(StreamRecord::parse(&json!({"NewImage": item, "OldImage": item})), StreamRecord::Other);
    }

    #[test]
    fn event_of_a_lost_seat_names_both_machines() {
        let id = |machine: char| {
            let (hash, nonce) = (machine.to_string().repeat(64), "5".repeat(20));
            format!("act_01JD8W0V5XK6Q3R7T2N4M8P9ZB_{hash}_{nonce}")
        };
        let item = json!({
            "PK": {"S": "LICENSE#lic_1"}, "SK": {"S": "EVENT#01KF1Q5T9C8V0R2M4N6P7S3W5X"},
            "GSI1PK": {"S": "EVENTS#2026-01-15#3"}, "id": {"S": "evt_01KF1Q5T9C8V0R2M4N6P7S3W5X"},
            "type": {"S": "activation.taken_over"}, "at": {"S": "2026-01-15T12:00:00.123Z"},
            "subject": {"M": {"type": {"S": "activation"}, "id": {"S": id('a')}}},
            "data": {"M": {"taken_from": {"M": {"activation_id": {"S": id('b')}}}}},
        });
        let StreamRecord::Event { found_resources, .. } = StreamRecord::parse(&json!({"NewImage": item})) else {
            panic!()
        };
        let expected =
            ['a', 'b'].map(|machine| format!("lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB/{}", machine.to_string().repeat(64)));
        assert_eq!(found_resources.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn delivery_that_waits_for_an_attempt_is_parsed() {
        let waiting = |due_at| StreamRecord::Pending {
            endpoint: ENDPOINT.parse().unwrap(),
            due_at: Timestamp::from_millisecond(due_at).unwrap(),
        };
        let parse = |new: Value, old: Value| StreamRecord::parse(&json!({"NewImage": new, "OldImage": old}));
        assert_eq!(parse(delivery("pending", 0, 5), Value::Null), waiting(5), "new");
        assert_eq!(
            parse(delivery("pending", 1, 30), delivery("pending", 0, 5)),
            StreamRecord::Other,
            "an attempt begins"
        );
        assert_eq!(parse(delivery("pending", 1, 6), delivery("pending", 1, 30)), waiting(6), "it failed");
        assert_eq!(parse(delivery("pending", 1, 7), delivery("delivered", 1, 30)), waiting(7), "a retry");
        assert_eq!(parse(delivery("delivered", 1, 0), delivery("pending", 1, 30)), StreamRecord::Other);
    }

    #[test]
    fn other_records_are_ignored() {
        for record in [
            json!({}),
            json!({"NewImage": {}}),
            json!({"OldImage": delivery("pending", 0, 5)}),
            json!({"NewImage": {"PK": {"S": "CATALOG"}, "SK": {"S": "VERSION"}}}),
            json!({"NewImage": {"PK": {"S": "LICENSE#lic_1"}, "SK": {"S": "EVENT#1"}}}),
        ] {
            assert_eq!(StreamRecord::parse(&record), StreamRecord::Other, "{record}");
        }
    }
}
