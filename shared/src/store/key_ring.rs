//! The signing key ring: one partition that is read as a whole and updated under a version condition.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    events::event_item,
    idempotency::Completion,
    item::{from_item, n, to_item},
    keys,
    table::{Query, Table, UpdateOutcome},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{
    EventSource, IdGenerator,
    event::key_ring_events,
    key_ring::{KeyRing, PendingKey, RootKey, SignedKeySet, SigningKey},
};

/// The version of the ring and the state of key creation.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RingRecord {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(rename = "made", default)]
    keys_created: u32,
    #[serde(rename = "making", default)]
    pending_key: Option<PendingKey>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct RootsRecord {
    roots: Vec<RootKey>,
}

/// A change of the key ring.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyRingUpdate<'a> {
    /// Keys of the ring with their new state.
    pub changed: &'a [SigningKey],
    /// A new key.
    pub added: Option<&'a SigningKey>,
    /// A key whose creation starts. `added` ends the creation.
    pub pending_key: Option<PendingKey>,
    /// The completion of the idempotency record.
    pub completion: Option<&'a Completion>,
}

impl Table {
    /// Reads the key ring.
    pub async fn ring(&self) -> Result<KeyRing, StoreError> {
        let mut ring = KeyRing::default();
        for item in self.query_all(Query::prefix(keys::KEYRING.to_owned(), "")).await? {
            let sort_key = item.get("SK").and_then(|sk| sk.as_s().ok()).map(String::as_str).unwrap_or_default();
            match sort_key {
                keys::RING => {
                    let RingRecord { version, created_at, keys_created, pending_key } = from_item(item)?;
                    ring = KeyRing { created_at, version, keys_created, pending_key, ..ring };
                }
                keys::ROOTS => ring.roots = from_item::<RootsRecord>(item)?.roots,
                keys::SIGNED_SET => ring.signed_set = Some(from_item(item)?),
                _ => ring.keys.push(from_item(item)?),
            }
        }
        ring.keys.sort_by_key(|key| key.serial);
        Ok(ring)
    }

    /// Checks whether the table is available by reading one small item.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.get(keys::ring()).await.map(drop)
    }

    /// Writes a change of the key ring with its events. Returns false if the ring was changed since it was read.
    pub async fn update_key_ring(
        &self,
        ring: &KeyRing,
        update: KeyRingUpdate<'_>,
        source: &EventSource,
    ) -> Result<bool, StoreError> {
        let record = RingRecord {
            version: ring.version + 1,
            created_at: if ring.version == 0 { Some(source.at) } else { ring.created_at },
            keys_created: ring.keys_created + u32::from(update.added.is_some()),
            pending_key: if update.added.is_some() { None } else { update.pending_key.or(ring.pending_key) },
        };
        let unchanged = match ring.version {
            0 => Condition::absent(),
            version => Condition::new("version = :read").value(":read", n(version)),
        };
        let mut transaction = Transaction::new();
        transaction.put(to_item(keys::ring(), &record)?, unchanged);
        for key in update.changed {
            // The change relies on the maximum token lifetime that was read, so it must not have been extended since.
            let read = ring.key(&key.kid).map_or(0, |key| key.longest_life_seconds);
            let as_read = "longest_life_seconds = :read OR attribute_not_exists(longest_life_seconds)";
            let as_read = Condition::present().and(as_read).value(":read", n(read));
            transaction.put(to_item(keys::signing_key(&key.kid), key)?, as_read);
        }
        if let Some(key) = update.added {
            transaction.put(to_item(keys::signing_key(&key.kid), key)?, Condition::absent());
        }
        let mut ids = IdGenerator::new(source.at);
        let changed: Vec<SigningKey> = update.changed.iter().chain(update.added).cloned().collect();
        for (subject, data) in key_ring_events(ring, &changed) {
            transaction.put_always(event_item(&source.event(&mut ids, subject, data))?);
        }
        Ok(matches!(self.commit_with_completion(transaction, update.completion).await?, CommitOutcome::Done))
    }

    /// Extends the maximum token lifetime of a key before a token with that lifetime is signed. Returns false if the
    /// key must not sign anymore, because it was demoted or condemned: its retirement depends on the previous maximum.
    pub async fn extend_max_token_lifetime(&self, key: &SigningKey, seconds: i64) -> Result<bool, StoreError> {
        let still_signs = "retires_at = :none AND (attribute_not_exists(condemned_at) OR condemned_at = :none)";
        let is_shorter = "attribute_not_exists(longest_life_seconds) OR longest_life_seconds < :seconds";
        let condition = Condition::new(still_signs).and(is_shorter);
        let condition =
            condition.value(":none", aws_sdk_dynamodb::types::AttributeValue::Null(true)).value(":seconds", n(seconds));
        let update = ItemUpdate::new(keys::signing_key(&key.kid), condition).set("longest_life_seconds", n(seconds));
        Ok(match self.update(&update).await? {
            UpdateOutcome::Done(_) => true,
            // Another process extended it at least as far.
            UpdateOutcome::ConditionFailed(Some(old)) => {
                let key: SigningKey = from_item(old)?;
                key.longest_life_seconds >= seconds && key.retires_at.is_none() && key.condemned_at.is_none()
            }
            UpdateOutcome::ConditionFailed(None) => false,
        })
    }

    /// Writes the root keys and increments the version of the ring, so that no concurrent update uses a removed root
    /// key. Returns false if the ring was changed since it was read.
    pub async fn set_roots(&self, ring: &KeyRing, roots: &[RootKey]) -> Result<bool, StoreError> {
        let mut transaction = version_update(ring);
        transaction.put_always(to_item(keys::roots(), &RootsRecord { roots: roots.to_vec() })?);
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }

    /// Stores a signed key set. Returns false if the ring was changed since it was read.
    pub async fn store_signed_set(&self, ring: &KeyRing, set: &SignedKeySet) -> Result<bool, StoreError> {
        let mut transaction = version_update(ring);
        transaction.put_always(to_item(keys::signed_set(), set)?);
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }
}

/// Creates a transaction that increments the version of the ring if it was not changed since it was read.
fn version_update(ring: &KeyRing) -> Transaction {
    let unchanged = Condition::new("version = :read").value(":read", n(ring.version));
    let mut transaction = Transaction::new();
    transaction.update(&ItemUpdate::new(keys::ring(), unchanged).set("version", n(ring.version + 1)));
    transaction
}
