//! The signing key ring: one partition, read whole, and steps that each move its version.

use serde::{Deserialize, Serialize};

use super::{
    idempotency::Completion,
    keys,
    table::{Query, StoreError, Table, UpdateOutcome, from_item, n, to_item},
    transaction::{Change, CommitOutcome, Condition, Transaction},
};
use crate::domain::key_ring::{KeyRing, PendingKey, RootKey, SignedKeySet, SigningKey};

/// The version that every step of the ring moves.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RingRecord {
    version: u64,
    #[serde(default)]
    made: u32,
    #[serde(default)]
    making: Option<PendingKey>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct RootsRecord {
    roots: Vec<RootKey>,
}

/// What a step of the ring writes besides its version.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyRingUpdate<'a> {
    /// Keys of the ring as they are now.
    pub changed: &'a [SigningKey],
    /// A key that was made.
    pub added: Option<&'a SigningKey>,
    /// The key that is being made; one that was added is no longer.
    pub making: Option<PendingKey>,
    /// What is written when it is done.
    pub done: Option<&'a Completion>,
}

impl Table {
    /// The whole ring.
    pub async fn ring(&self) -> Result<KeyRing, StoreError> {
        let mut ring = KeyRing::default();
        for item in self.query_all(Query::prefix(keys::KEYRING.to_owned(), "")).await? {
            let place = item.get("SK").and_then(|place| place.as_s().ok()).map(String::as_str).unwrap_or_default();
            match place {
                keys::RING => {
                    let RingRecord { version, made, making } = from_item(item)?;
                    ring = KeyRing { version, made, making, ..ring };
                }
                keys::ROOTS => ring.roots = from_item::<RootsRecord>(item)?.roots,
                keys::SIGNED_SET => ring.signed_set = Some(from_item(item)?),
                _ => ring.keys.push(from_item(item)?),
            }
        }
        ring.keys.sort_by_key(|key| key.serial);
        Ok(ring)
    }

    /// Whether the table answers: reads one small item.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.get(keys::ring()).await.map(drop)
    }

    /// Writes a step on the ring as it was read; tells whether it was still so.
    pub async fn update_key_ring(&self, ring: &KeyRing, step: KeyRingUpdate<'_>) -> Result<bool, StoreError> {
        let record = RingRecord {
            version: ring.version + 1,
            made: ring.made + u32::from(step.added.is_some()),
            making: if step.added.is_some() { None } else { step.making.or(ring.making) },
        };
        let unmoved = match ring.version {
            0 => Condition::absent(),
            version => Condition::new("version = :read").value(":read", n(version)),
        };
        let mut transaction = Transaction::new();
        transaction.put(to_item(keys::ring(), &record)?, unmoved);
        for key in step.changed {
            // A step knows how long the tokens of a key live; no longer-lived one may have been signed meanwhile.
            let read = ring.key(&key.kid).map_or(0, |key| key.longest_life_seconds);
            let as_read = "longest_life_seconds = :read OR attribute_not_exists(longest_life_seconds)";
            let as_read = Condition::present().and(as_read).value(":read", n(read));
            transaction.put(to_item(keys::signing_key(&key.kid), key)?, as_read);
        }
        if let Some(key) = step.added {
            transaction.put(to_item(keys::signing_key(&key.kid), key)?, Condition::absent());
        }
        Ok(matches!(self.commit_once(transaction, step.done).await?, CommitOutcome::Done))
    }

    /// Notes, before a token of a longer life is signed, that the key signs such; tells whether it still may: what it
    /// signs must be known when it is demoted.
    pub async fn extend_max_token_lifetime(&self, key: &SigningKey, seconds: i64) -> Result<bool, StoreError> {
        let still_signs = "retires_at = :none AND (attribute_not_exists(condemned_at) OR condemned_at = :none)";
        let shorter = "attribute_not_exists(longest_life_seconds) OR longest_life_seconds < :seconds";
        let condition = Condition::new(still_signs).and(shorter);
        let condition =
            condition.value(":none", aws_sdk_dynamodb::types::AttributeValue::Null(true)).value(":seconds", n(seconds));
        let change = Change::new(keys::signing_key(&key.kid), condition).set("longest_life_seconds", n(seconds));
        Ok(match self.update(&change).await? {
            UpdateOutcome::Done(_) => true,
            // Somebody else noted as much.
            UpdateOutcome::Refused(Some(old)) => {
                let key: SigningKey = from_item(old)?;
                key.longest_life_seconds >= seconds && key.retires_at.is_none() && key.condemned_at.is_none()
            }
            UpdateOutcome::Refused(None) => false,
        })
    }

    /// Writes which root keys there are; the ring's version moves, so that nobody signs a set with one that is gone.
    pub async fn set_roots(&self, ring: &KeyRing, roots: &[RootKey]) -> Result<bool, StoreError> {
        let mut transaction = moved(ring);
        transaction.put_always(to_item(keys::roots(), &RootsRecord { roots: roots.to_vec() })?);
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }

    /// Keeps a signed set, if the ring is still the one whose keys it has.
    pub async fn keep_signed_set(&self, ring: &KeyRing, set: &SignedKeySet) -> Result<bool, StoreError> {
        let mut transaction = moved(ring);
        transaction.put_always(to_item(keys::signed_set(), set)?);
        Ok(matches!(self.commit(&transaction).await?, CommitOutcome::Done))
    }
}

fn moved(ring: &KeyRing) -> Transaction {
    let unmoved = Condition::new("version = :read").value(":read", n(ring.version));
    let mut transaction = Transaction::new();
    transaction.change(&Change::new(keys::ring(), unmoved).set("version", n(ring.version + 1)));
    transaction
}
