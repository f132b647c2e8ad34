//! The events of license keys all of whose seats are taken: at most one an hour for each.

use jiff::{SignedDuration, Timestamp};

use super::{
    error::StoreError,
    events::event_item,
    item::{TTL_ATTRIBUTE, key_only_item, n},
    keys,
    table::Table,
    transaction::{Condition, Transaction},
};
use crate::domain::{Event, LicenseId};

/// The least time between two events of a license key.
const INTERVAL: SignedDuration = SignedDuration::from_hours(1);
/// The attribute with the time of the event, in milliseconds.
const RECORDED_AT: &str = "recorded_at";

impl Table {
    /// Returns whether the event that every seat is taken was recorded for a license key within the last hour.
    pub async fn is_seat_limit_recorded(&self, license: LicenseId, now: Timestamp) -> Result<bool, StoreError> {
        let Some(item) = self.get(keys::seat_limit(license)).await? else { return Ok(false) };
        let recorded_at = item.get(RECORDED_AT).and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
        Ok(recorded_at.is_some_and(|at| at > (now - INTERVAL).as_millisecond()))
    }

    /// Records the event that every seat of a license key is taken, unless there was one within the last hour.
    pub async fn record_seat_limit(&self, license: LicenseId, event: &Event) -> Result<(), StoreError> {
        let before = n((event.at - INTERVAL).as_millisecond());
        let is_due =
            Condition::new(format!("attribute_not_exists(PK) OR {RECORDED_AT} <= :before")).value(":before", before);
        let mut record = key_only_item(keys::seat_limit(license));
        record.insert(RECORDED_AT.to_owned(), n(event.at.as_millisecond()));
        record.insert(TTL_ATTRIBUTE.to_owned(), n((event.at + INTERVAL).as_second()));
        let mut transaction = Transaction::new();
        transaction.put(record, is_due).put_always(event_item(event)?);
        self.commit(&transaction).await.map(drop)
    }
}
