//! Ended dashboard sessions. A session is stored in the user's cookie; the table only records that a session was ended
//! early, until its cookie would have expired.

use jiff::Timestamp;

use super::{
    error::StoreError,
    item::{TTL_ATTRIBUTE, key_only_item, n},
    keys,
    table::Table,
    transaction::Condition,
};

impl Table {
    /// Ends a session that would have expired at `ends_at`. Idempotent.
    pub async fn end_session(&self, id: &str, ends_at: Timestamp) -> Result<(), StoreError> {
        let mut item = key_only_item(keys::ended_session(id));
        item.insert(TTL_ATTRIBUTE.to_owned(), n(ends_at.as_second()));
        // An existing record means that the session was ended before.
        self.put(item, &Condition::absent()).await.map(|_| ())
    }

    /// Returns whether a session was ended. Reads consistently, before each page.
    pub async fn session_has_ended(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get(keys::ended_session(id)).await?.is_some())
    }
}
