//! Up to where events were turned into deliveries.

use jiff::Timestamp;

use crate::store::{
    StoreError, Table,
    item::{key_only_item, n},
    keys,
    transaction::Condition,
};

const UNTIL: &str = "fed_until";

impl Table {
    /// Reads the time up to which events were turned into deliveries; `None` if none were.
    pub async fn webhook_feed_position(&self) -> Result<Option<Timestamp>, StoreError> {
        let Some(item) = self.get(keys::webhook_feed_position()).await? else { return Ok(None) };
        let position = item.get(UNTIL).and_then(|until| until.as_n().ok()?.parse().ok());
        let position = position.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        position.map(Some).ok_or_else(|| StoreError::InvalidItem("position of the webhook feed".to_owned()))
    }

    /// Records the time up to which events were turned into deliveries. It never goes back.
    pub async fn set_webhook_feed_position(&self, until: Timestamp) -> Result<(), StoreError> {
        let later = Condition::new("attribute_not_exists(PK) OR fed_until < :until");
        let mut item = key_only_item(keys::webhook_feed_position());
        item.insert(UNTIL.to_owned(), n(until.as_millisecond()));
        self.put(item, &later.value(":until", n(until.as_millisecond()))).await.map(|_| ())
    }
}
