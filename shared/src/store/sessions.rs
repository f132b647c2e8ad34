//! Sessions of the dashboard that were ended before their time. A session lives in its holder's cookie, so all that is
//! kept is that it counts no more, for as long as the cookie would.

use jiff::Timestamp;

use super::{
    keys,
    schema::TTL_ATTRIBUTE,
    table::{StoreError, Table, bare_item, n},
    transaction::Condition,
};

impl Table {
    /// Ends a session that would have lasted until `ends_at`. Again does nothing.
    pub async fn end_session(&self, id: &str, ends_at: Timestamp) -> Result<(), StoreError> {
        let mut item = bare_item(keys::ended_session(id));
        item.insert(TTL_ATTRIBUTE.to_owned(), n(ends_at.as_second()));
        // Whether it was ended before makes no difference.
        self.put(item, &Condition::absent()).await.map(|_| ())
    }

    /// Whether a session was ended. It is asked before each page, with what was written last.
    pub async fn session_has_ended(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get(keys::ended_session(id)).await?.is_some())
    }
}
