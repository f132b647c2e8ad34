//! The append-only history.

use super::{
    keys,
    table::{Item, StoreError, s, to_item},
};
use crate::domain::Event;

/// The item of an event. It is put in the transaction of what it tells of.
pub fn event_item(event: &Event) -> Result<Item, StoreError> {
    let mut item = to_item(keys::event(event), event)?;
    item.insert("GSI1PK".to_owned(), s(keys::event_day(event)));
    item.insert("GSI1SK".to_owned(), s(event.id.ulid().to_string()));
    Ok(item)
}
