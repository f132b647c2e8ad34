//! Requests that happen once, however often they are sent: a record that is claimed before the work, and turned to
//! done by the work's own transaction.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};

use super::{
    keys,
    schema::TTL_ATTRIBUTE,
    table::{Item, Key, StoreError, Table, UpdateOutcome, b, bare_item, n},
    transaction::{Change, CommitOutcome, Condition, Transaction},
};
use crate::domain::{SealingContext, seat::whole_second};

/// How long a record answers repeats.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Longer than any request lives: a claim of this age is of a process that died.
const STALE: SignedDuration = SignedDuration::from_secs(30);

/// The right to do a request's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    key: Key,
    id: [u8; 16],
}

/// What turns a claimed record to done.
#[derive(Debug, Clone)]
pub struct Completion {
    reservation: Reservation,
    sealed_answer: Vec<u8>,
    kept: Arc<AtomicBool>,
}

/// What is found when a request asks to be done once.
#[derive(Debug)]
pub enum ReserveOutcome {
    /// It is this request's to do.
    Ours(Reservation),
    /// It was done; the sealed answer.
    Done(Vec<u8>),
    /// The key was used for another body.
    Reused,
    /// It is being done.
    InProgress,
}

impl Reservation {
    /// The claim of a request: who sends it, what it names, and a number drawn for this try.
    pub fn new(credential: &str, method: &str, path: &str, key: &str, id: [u8; 16]) -> Self {
        Self { key: keys::idempotency([credential, method, path, key]), id }
    }

    /// The work's result, to be written with the work; `kept` is set when it is.
    pub fn completion(&self, sealed_answer: Vec<u8>, kept: Arc<AtomicBool>) -> Completion {
        Completion { reservation: self.clone(), sealed_answer, kept }
    }

    fn attribute(&self) -> AttributeValue {
        b(self.id)
    }

    /// The record is still claimed by this try, and not done.
    fn still_ours(&self) -> Condition {
        Condition::new("claim = :claim AND attribute_not_exists(answer)").value(":claim", self.attribute())
    }

    fn is_of(&self, item: &Item) -> bool {
        item.get("claim") == Some(&self.attribute())
    }
}

impl Completion {
    fn change(&self) -> Change {
        Change::new(self.reservation.key.clone(), self.reservation.still_ours())
            .set("answer", b(self.sealed_answer.clone()))
    }
}

impl Table {
    /// Where the sealed answer of a claim belongs.
    pub fn response_context(&self, reservation: &Reservation) -> SealingContext {
        SealingContext { table: self.keys_name().to_owned(), item: reservation.key.pk.clone(), purpose: "answer" }
    }

    /// Claims a request. A record that is past its time counts as absent, whether or not the TTL has removed it; one
    /// that was begun long ago by a process that died may be begun again.
    pub async fn reserve(
        &self,
        reservation: &Reservation,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<ReserveOutcome, StoreError> {
        let free = Condition::new(
            "attribute_not_exists(PK) OR expires_at_epoch <= :now \
             OR (attribute_not_exists(answer) AND started_at <= :stale AND claim <> :claim)",
        )
        .value(":now", n(whole_second(now)))
        .value(":stale", n((now - STALE).as_millisecond()))
        .value(":claim", reservation.attribute());
        let mut item = bare_item(reservation.key.clone());
        item.insert("claim".to_owned(), reservation.attribute());
        item.insert("fingerprint".to_owned(), b(fingerprint.as_slice()));
        item.insert("started_at".to_owned(), n(now.as_millisecond()));
        item.insert(TTL_ATTRIBUTE.to_owned(), n(whole_second(now) + LIFE.as_secs()));
        let old = match self.put(item, &free).await? {
            UpdateOutcome::Done(_) => return Ok(ReserveOutcome::Ours(reservation.clone())),
            UpdateOutcome::Refused(old) => old.unwrap_or_default(),
        };
        if reservation.is_of(&old) {
            return Ok(ReserveOutcome::Ours(reservation.clone()));
        }
        if old.get("fingerprint") != Some(&b(fingerprint.as_slice())) {
            return Ok(ReserveOutcome::Reused);
        }
        Ok(match old.get("answer").and_then(|answer| answer.as_b().ok()) {
            Some(answer) => ReserveOutcome::Done(answer.as_ref().to_vec()),
            None => ReserveOutcome::InProgress,
        })
    }

    /// Keeps the answer of a request whose work wrote nothing.
    pub async fn store_response(&self, completion: &Completion) -> Result<(), StoreError> {
        self.update(&completion.change()).await.map(|_| ())
    }

    /// Gives a claim back, so that the next try may do the work, unless the work was done.
    pub async fn release(&self, reservation: &Reservation) -> Result<(), StoreError> {
        self.delete(reservation.key.clone(), &reservation.still_ours()).await.map(|_| ())
    }

    /// Writes a transaction and, with it, that its request is done. It comes last, so that the places of the others
    /// stay what they are.
    pub(super) async fn commit_once(
        &self,
        mut transaction: Transaction,
        done: Option<&Completion>,
    ) -> Result<CommitOutcome, StoreError> {
        let Some(done) = done else { return self.commit(&transaction).await };
        let place = transaction.len();
        transaction.change(&done.change());
        match self.commit(&transaction).await? {
            CommitOutcome::Refused(refused) if refused.failed(place) => match refused.old(place) {
                // Our own answer is there: an earlier try of this transaction was written.
                Some(old) if done.reservation.is_of(old) && old.contains_key("answer") => {}
                _ => return Err(StoreError::ReservationLost),
            },
            CommitOutcome::Refused(refused) => return Ok(CommitOutcome::Refused(refused)),
            CommitOutcome::Done => {}
        }
        done.kept.store(true, Ordering::SeqCst);
        Ok(CommitOutcome::Done)
    }
}

/// The hash that names a record: each part with its length, so that no two requests read alike.
pub(super) fn hash_of(parts: [&str; 4]) -> String {
    let text: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    HEXLOWER.encode(&crate::domain::secret::sha256(text.concat().as_bytes()))
}
