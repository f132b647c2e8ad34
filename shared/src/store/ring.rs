//! The signing key ring.

use serde::{Deserialize, Serialize};

use super::{
    keys,
    table::{Query, StoreError, Table, from_item, to_item},
    writes::{Condition, Transaction},
};
use crate::domain::ring::SigningKey;

/// The version that every step of the ring moves.
#[derive(Debug, Serialize, Deserialize)]
struct RingRecord {
    version: u64,
}

impl Table {
    /// Every key that the ring ever had, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let items = self.query_all(Query::prefix(keys::KEYRING.to_owned(), keys::SIGNING_KEY)).await?;
        let mut found = items.into_iter().map(from_item).collect::<Result<Vec<SigningKey>, _>>()?;
        found.sort_by_key(|key| key.created_at);
        Ok(found)
    }

    /// Whether the table answers: reads one small item.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.get(keys::ring()).await.map(drop)
    }

    /// Begins the ring with its first key, unless it has begun.
    pub async fn begin_ring(&self, key: &SigningKey) -> Result<(), StoreError> {
        let mut transaction = Transaction::new();
        transaction
            .put(to_item(keys::ring(), &RingRecord { version: 1 })?, Condition::absent())
            .put(to_item(keys::signing_key(&key.kid), key)?, Condition::absent());
        self.commit(&transaction).await?;
        Ok(())
    }
}
