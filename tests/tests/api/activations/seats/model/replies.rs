//! What can happen to a call to DynamoDB, and what the process receives.
//!
//! Commands choose a free seat and a lapsed activation at random. The choice is part of the exploration instead: the response
//! of the search shows only one of the free seats as free, or only one of the lapsed activations, and every one of them is
//! tried. The search for lapsed activations of machines starts at a random machine; here, it starts at the first. The choice among
//! lapsed processes is made after several reads, so at most one process has a lapsed lease in the scenarios.

use std::fmt;

use signet_tests::{Reply, ScheduledCall, Scheduler, Value, json};

use super::footprint::{is_write, query_range};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Variant {
    /// It takes effect, and the response is received.
    Normal,
    /// The same, and the command chooses the seat with this number, or the activation at this position.
    Choice(u32),
    /// It takes effect, and the response is lost. The SDK retries.
    LoseResponse,
    /// It takes effect, and the response is lost. The SDK's retry is canceled by a conflict with another transaction.
    LoseResponseAndConflict,
    /// It times out and is repeated, and takes effect at any later time, or never.
    Late,
    /// It takes effect, and the process stops.
    Crash,
}

impl Variant {
    pub(super) fn is_fault(self) -> bool {
        !matches!(self, Self::Normal | Self::Choice(_))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => Ok(()),
            Self::Choice(one) => write!(f, "(chooses {one})"),
            fault => write!(f, "({fault:?})"),
        }
    }
}

/// Returns what can happen to a call. Faults of reads are left out: a read that is repeated is a read that happens later, and
/// a process that stops after a read has stopped after its last write.
pub(super) fn variants(scheduler: &Scheduler, call: &ScheduledCall, faults_left: usize, start: i64) -> Vec<Variant> {
    if is_write(&call.operation) {
        let mut variants = vec![Variant::Normal];
        if faults_left > 0 {
            variants.extend([Variant::LoseResponse, Variant::Late, Variant::Crash]);
            if call.operation == "TransactWriteItems" {
                variants.push(Variant::LoseResponseAndConflict);
            }
        }
        return variants;
    }
    let choices = choices(scheduler, call, start);
    if choices.len() < 2 { vec![Variant::Normal] } else { choices.into_iter().map(Variant::Choice).collect() }
}

/// Returns the free seats that a search sees, or the positions of the activations whose leases had lapsed at the start of the
/// request.
fn choices(scheduler: &Scheduler, call: &ScheduledCall, start: i64) -> Vec<u32> {
    if let Some(window) = seat_window(call) {
        let (_, body) = scheduler.execute(&call.operation, &call.input);
        let taken = sort_keys(&serde_json::from_str(&body).expect("JSON"));
        return window.filter(|number| !taken.contains(&seat_sort_key(*number))).collect();
    }
    if is_search_for_lapsed(call) {
        let (_, body) = scheduler.execute(&call.operation, &search_from_first(call));
        let found: Value = serde_json::from_str(&body).expect("JSON");
        let items = found["Items"].as_array().into_iter().flatten();
        return (0..).zip(items).filter(|(_, item)| has_lapsed(item, start)).map(|(position, _)| position).collect();
    }
    Vec::new()
}

/// Returns whether the lease of an activation item had lapsed at a time.
fn has_lapsed(item: &Value, time: i64) -> bool {
    let lease = item["lease_expires_at"]["N"].as_str().and_then(|lease| lease.parse::<i64>().ok());
    lease.is_some_and(|lease| lease <= time)
}

/// Lets a call take effect. Returns the status and the JSON that the process receives.
pub(super) fn response(scheduler: &Scheduler, call: &ScheduledCall, variant: Variant, start: i64) -> (u16, String) {
    let is_search = is_search_for_lapsed(call);
    let searched = is_search.then(|| search_from_first(call));
    let (status, body) = scheduler.execute(&call.operation, searched.as_ref().unwrap_or(&call.input));
    let Variant::Choice(chosen) = variant else { return (status, body) };
    let mut response: Value = serde_json::from_str(&body).expect("JSON");
    let items = response["Items"].as_array_mut().expect("items");
    if is_search {
        let mut position = 0..;
        items.retain(|item| position.next() == Some(chosen) || !has_lapsed(item, start));
    } else if let Some(window) = seat_window(call) {
        let sort_keys = window.filter(|number| *number != chosen).map(seat_sort_key);
        *items = sort_keys.map(|sort_key| json!({"SK": {"S": sort_key}})).collect();
    }
    let count = items.len();
    response["Count"] = count.into();
    (status, response.to_string())
}

/// Returns a response that reports a conflict with another transaction.
pub(super) fn conflict() -> Reply {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "canceled by the test",
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    });
    Reply::Response(400, body.to_string())
}

/// Returns a call as text: its operation, and which items it reads or writes.
pub(super) fn describe(call: &ScheduledCall) -> String {
    let mut items = Vec::new();
    sort_keys_in(&call.input, &mut items);
    items.extend(query_range(&call.input).map(|(from, to)| format!("{from} to {to}")));
    let shorten = |item: String| item.chars().take(20).collect::<String>();
    format!("{} {}", call.operation, items.into_iter().map(shorten).collect::<Vec<_>>().join(", "))
}

/// Returns whether a call is the search for a free seat.
pub(super) fn chooses_seat(call: &ScheduledCall) -> bool {
    seat_window(call).is_some()
}

/// Returns the seats that a search for a free one reads. It reads only their numbers.
fn seat_window(call: &ScheduledCall) -> Option<std::ops::RangeInclusive<u32>> {
    let (from, to) = query_range(&call.input)?;
    let number = |sort_key: &str| sort_key.strip_prefix("SEAT#")?.parse().ok();
    let window = number(from)?..=number(to)?;
    (call.input["ProjectionExpression"] == "SK").then_some(window)
}

/// Returns the sort key of a seat.
pub(super) fn seat_sort_key(number: u32) -> String {
    format!("SEAT#{number:05}")
}

/// Returns whether a call is the search for lapsed activations of machines, which starts or ends at a random hash.
fn is_search_for_lapsed(call: &ScheduledCall) -> bool {
    query_range(&call.input).is_some_and(|(from, to)| is_hash(from) || is_hash(to))
}

fn is_hash(sort_key: &str) -> bool {
    sort_key.strip_prefix("MACHINE#").is_some_and(|hash| hash.len() == 64)
}

/// Returns the input of a search for lapsed activations that starts at the first machine instead of a random one.
fn search_from_first(call: &ScheduledCall) -> Value {
    let mut input = call.input.clone();
    let values = &mut input["ExpressionAttributeValues"];
    for bound in [":query_from", ":query_to"] {
        if values[bound]["S"].as_str().is_some_and(is_hash) {
            values[bound] = json!({"S": "MACHINE#00"});
        }
    }
    input
}

/// Returns the sort keys of the items of a response.
fn sort_keys(response: &Value) -> Vec<String> {
    let items = response["Items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["SK"]["S"].as_str().map(str::to_owned)).collect()
}

fn sort_keys_in(value: &Value, to: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            to.extend(fields.get("SK").and_then(|sort_key| sort_key["S"].as_str()).map(str::to_owned));
            fields.values().for_each(|value| sort_keys_in(value, to));
        }
        Value::Array(values) => values.iter().for_each(|value| sort_keys_in(value, to)),
        _ => {}
    }
}
