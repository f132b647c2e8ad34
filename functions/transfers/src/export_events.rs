//! Exports events, the oldest first, as a chain: each line depends on all lines before it.

use data_encoding::HEXLOWER;
use serde::Serialize;
use shared::{
    domain::{Event, EventId, Timestamp, secret::sha256},
    store::{
        Table,
        pagination::{InvalidCursorError, ListError, Page, PageRequest},
        webhooks::event_records::{first_event_id, next_event_id},
    },
};

use crate::export_error::ExportError;

/// A line with an event, which an import does not accept.
#[derive(Serialize)]
struct EventLine {
    r#type: &'static str,
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
}

/// Where an export goes on.
struct Position {
    /// The first event that may follow.
    from: EventId,
    /// The end of the range. An export without one ends at the time of its first page, whatever happens after it.
    until: Timestamp,
    /// The chain of the line before.
    chain: String,
}

impl Position {
    fn parse([from, until, chain]: [String; 3]) -> Result<Self, InvalidCursorError> {
        let from = from.parse().map_err(|_| InvalidCursorError)?;
        let millis = until.parse().map_err(|_| InvalidCursorError)?;
        let until = Timestamp::from_millisecond(millis).map_err(|_| InvalidCursorError)?;
        Ok(Self { from, until, chain })
    }

    fn sort_keys(&self) -> Vec<String> {
        vec![self.from.to_string(), self.until.as_millisecond().to_string(), self.chain.clone()]
    }
}

/// Returns a page of lines with the events of a range of time, without client addresses and names of machines. An erasure of a
/// customer removes those from stored events, so that the same export has the same chain before and after it.
pub(crate) async fn export_events(
    table: &Table,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
    paging: &PageRequest,
) -> Result<Page<String>, ExportError> {
    let list = format!("exported events {since:?} {until:?}");
    let position = paging.position::<3>(&list).map_err(ListError::from)?;
    let mut position = match position {
        Some(sort_keys) => Position::parse(sort_keys).map_err(ListError::from)?,
        None => Position {
            from: first_event_id(since.unwrap_or(Timestamp::UNIX_EPOCH)),
            until: until.unwrap_or(now).min(now),
            chain: "0".repeat(64),
        },
    };
    let mut items = Vec::new();
    while items.len() < paging.limit {
        let events = table.events_from(position.from, position.until, paging.limit - items.len()).await?;
        let Some(last) = events.last().map(|record| record.event.id) else {
            return Ok(Page { items, next: None });
        };
        position.from = next_event_id(last);
        for record in events {
            items.push(chained_line(record.parse()?, &mut position.chain)?);
        }
    }
    Ok(Page { items, next: Some(paging.encode_cursor(&list, position.sort_keys())) })
}

/// Returns the line of an event, and replaces the chain of the line before by its own.
fn chained_line(event: Event, chain: &mut String) -> Result<String, serde_json::Error> {
    let mut line = EventLine { r#type: "event", event: event.without_personal_data(), chain: None };
    let text = serde_json::to_string(&line)?;
    *chain = HEXLOWER.encode(&sha256(format!("{chain}\n{text}").as_bytes()));
    line.chain = Some(chain.clone());
    serde_json::to_string(&line)
}
