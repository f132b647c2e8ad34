//! Idempotency records. A record is reserved before a request is processed, and completed by the transaction that makes
//! the request's changes, so that the request takes effect once even if it is sent several times.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

use super::{
    error::StoreError,
    item::{Item, Key, TTL_ATTRIBUTE, b, key_only_item, n},
    keys,
    table::{Table, UpdateOutcome},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{SealingContext, seat::whole_second};

/// How long a stored response is replayed.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// The age from which the process that made a reservation is assumed to have crashed; longer than any request takes.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// The reservation of an idempotency record by one attempt of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    key: Key,
    attempt: [u8; 16],
}

/// The completion of a reserved record, to be written with the changes of the request.
#[derive(Debug, Clone)]
pub struct Completion {
    reservation: Reservation,
    sealed_response: Vec<u8>,
    is_stored: Arc<AtomicBool>,
}

/// The outcome of a reservation.
#[derive(Debug)]
pub enum ReserveOutcome {
    /// The record is reserved for this request.
    Reserved(Reservation),
    /// The request was completed before. Contains the sealed response.
    Done(Vec<u8>),
    /// The idempotency key was used with another request body.
    Reused,
    /// Another attempt of the request is in progress. Contains the time since it made its reservation.
    InProgress(SignedDuration),
}

impl Reservation {
    /// Creates the reservation of a request. `attempt` is a random number that identifies this attempt.
    pub fn new(credential: &str, method: &str, path: &str, key: &str, attempt: [u8; 16]) -> Self {
        Self { key: keys::idempotency([credential, method, path, key]), attempt }
    }

    /// Creates the completion with the response of the request. `is_stored` is set when it has been written.
    pub fn completion(&self, sealed_response: Vec<u8>, is_stored: Arc<AtomicBool>) -> Completion {
        Completion { reservation: self.clone(), sealed_response, is_stored }
    }

    fn attribute(&self) -> AttributeValue {
        b(self.attempt)
    }

    /// Requires that the record is reserved by this attempt and not completed.
    fn still_reserved(&self) -> Condition {
        Condition::new("claim = :claim AND attribute_not_exists(answer)").value(":claim", self.attribute())
    }

    fn owns(&self, item: &Item) -> bool {
        item.get("claim") == Some(&self.attribute())
    }
}

impl Completion {
    fn update(&self) -> ItemUpdate {
        ItemUpdate::new(self.reservation.key.clone(), self.reservation.still_reserved())
            .set("answer", b(self.sealed_response.clone()))
    }

    /// Returns whether the record shows that this attempt has stored its response.
    fn was_stored_in(&self, record: Option<&Item>) -> bool {
        record.is_some_and(|record| self.reservation.owns(record) && record.contains_key("answer"))
    }
}

impl Table {
    /// Returns the sealing context of the response of a request.
    pub fn response_context(&self, reservation: &Reservation) -> SealingContext {
        SealingContext { table: self.sealing_name().to_owned(), item: reservation.key.pk.clone(), purpose: "answer" }
    }

    /// Reserves the idempotency record of a request. An expired record counts as absent, even if DynamoDB has not
    /// deleted it yet. A stale reservation that was not completed can be replaced.
    pub async fn reserve(
        &self,
        reservation: &Reservation,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<ReserveOutcome, StoreError> {
        let available = Condition::new(
            "attribute_not_exists(PK) OR expires_at_epoch <= :now \
             OR (attribute_not_exists(answer) AND started_at <= :stale AND claim <> :claim)",
        )
        .value(":now", n(whole_second(now)))
        .value(":stale", n((now - STALE_AFTER).as_millisecond()))
        .value(":claim", reservation.attribute());
        let mut item = key_only_item(reservation.key.clone());
        item.insert("claim".to_owned(), reservation.attribute());
        item.insert("fingerprint".to_owned(), b(fingerprint.as_slice()));
        item.insert("started_at".to_owned(), n(now.as_millisecond()));
        item.insert(TTL_ATTRIBUTE.to_owned(), n(whole_second(now) + RETENTION.as_secs()));
        let old = match self.put(item, &available).await? {
            UpdateOutcome::Done(_) => return Ok(ReserveOutcome::Reserved(reservation.clone())),
            UpdateOutcome::ConditionFailed(old) => old.unwrap_or_default(),
        };
        if reservation.owns(&old) {
            return Ok(ReserveOutcome::Reserved(reservation.clone()));
        }
        if old.get("fingerprint") != Some(&b(fingerprint.as_slice())) {
            return Ok(ReserveOutcome::Reused);
        }
        Ok(match old.get("answer").and_then(|response| response.as_b().ok()) {
            Some(response) => ReserveOutcome::Done(response.as_ref().to_vec()),
            None => ReserveOutcome::InProgress(age(&old, now)?),
        })
    }

    /// Stores the response of a request that makes no changes, or that makes them afterwards and completes them when it is
    /// repeated.
    pub async fn store_response(&self, completion: &Completion) -> Result<(), StoreError> {
        if let UpdateOutcome::ConditionFailed(old) = self.update(&completion.update()).await?
            && !completion.was_stored_in(old.as_ref())
        {
            return Err(StoreError::ReservationLost);
        }
        completion.is_stored.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Deletes a reservation that was not completed, so that the request can be retried.
    pub async fn release(&self, reservation: &Reservation) -> Result<(), StoreError> {
        self.delete(reservation.key.clone(), &reservation.still_reserved()).await.map(|_| ())
    }

    /// Writes a transaction together with the completion of its request. The completion is the last write of the
    /// transaction, so the indexes of the other writes do not change.
    pub(super) async fn commit_with_completion(
        &self,
        mut transaction: Transaction,
        completion: Option<&Completion>,
    ) -> Result<CommitOutcome, StoreError> {
        let Some(completion) = completion else { return self.commit(&transaction).await };
        let index = transaction.len();
        transaction.update(&completion.update());
        match self.commit(&transaction).await? {
            CommitOutcome::ConditionFailed(failures) if failures.failed(index) => {
                // If the response of this attempt is stored, an earlier try of this transaction took effect.
                if !completion.was_stored_in(failures.old(index)) {
                    return Err(StoreError::ReservationLost);
                }
            }
            CommitOutcome::ConditionFailed(failures) => return Ok(CommitOutcome::ConditionFailed(failures)),
            CommitOutcome::Done => {}
        }
        completion.is_stored.store(true, Ordering::SeqCst);
        Ok(CommitOutcome::Done)
    }
}

/// Returns the time since a reservation was made. It is negative if the clock of the other instance is ahead.
fn age(reserved: &Item, now: Timestamp) -> Result<SignedDuration, StoreError> {
    let started_at = reserved.get("started_at").and_then(|millis| millis.as_n().ok()?.parse().ok());
    let started_at = started_at.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let started_at =
        started_at.ok_or_else(|| StoreError::InvalidItem("idempotency record without started_at".to_owned()))?;
    Ok(now.duration_since(started_at))
}
