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
    table::{Item, Key, StoreError, Table, Updated, b, bare_item, n},
    writes::{Change, Committed, Condition, Transaction},
};
use crate::domain::{SealingContext, seat::whole_second};

/// How long a record answers repeats.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Longer than any request lives: a claim of this age is of a process that died.
const STALE: SignedDuration = SignedDuration::from_secs(30);

/// The right to do a request's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: Key,
    id: [u8; 16],
}

/// What turns a claimed record to done.
#[derive(Debug, Clone)]
pub struct Completion {
    claim: Claim,
    sealed_answer: Vec<u8>,
    kept: Arc<AtomicBool>,
}

/// What is found when a request asks to be done once.
#[derive(Debug)]
pub enum Claimed {
    /// It is this request's to do.
    Ours(Claim),
    /// It was done; the sealed answer.
    Done(Vec<u8>),
    /// The key was used for another body.
    Reused,
    /// It is being done.
    InProgress,
}

impl Claim {
    /// The claim of a request: who sends it, what it names, and a number drawn for this try.
    pub fn new(credential: &str, method: &str, path: &str, key: &str, id: [u8; 16]) -> Self {
        Self { key: keys::idempotency([credential, method, path, key]), id }
    }

    /// The work's result, to be written with the work; `kept` is set when it is.
    pub fn completion(&self, sealed_answer: Vec<u8>, kept: Arc<AtomicBool>) -> Completion {
        Completion { claim: self.clone(), sealed_answer, kept }
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
        Change::new(self.claim.key.clone(), self.claim.still_ours()).set("answer", b(self.sealed_answer.clone()))
    }
}

impl Table {
    /// Where the sealed answer of a claim belongs.
    pub fn answer_context(&self, claim: &Claim) -> SealingContext {
        SealingContext { table: self.keys_name().to_owned(), item: claim.key.pk.clone(), purpose: "answer" }
    }

    /// Claims a request. A record that is past its time counts as absent, whether or not the TTL has removed it; one
    /// that was begun long ago by a process that died may be begun again.
    pub async fn claim(&self, claim: &Claim, fingerprint: &[u8; 32], now: Timestamp) -> Result<Claimed, StoreError> {
        let free = Condition::new(
            "attribute_not_exists(PK) OR expires_at_epoch <= :now \
             OR (attribute_not_exists(answer) AND started_at <= :stale AND claim <> :claim)",
        )
        .value(":now", n(whole_second(now)))
        .value(":stale", n((now - STALE).as_millisecond()))
        .value(":claim", claim.attribute());
        let mut item = bare_item(claim.key.clone());
        item.insert("claim".to_owned(), claim.attribute());
        item.insert("fingerprint".to_owned(), b(fingerprint.as_slice()));
        item.insert("started_at".to_owned(), n(now.as_millisecond()));
        item.insert(TTL_ATTRIBUTE.to_owned(), n(whole_second(now) + LIFE.as_secs()));
        let old = match self.put(item, &free).await? {
            Updated::Done(_) => return Ok(Claimed::Ours(claim.clone())),
            Updated::Refused(old) => old.unwrap_or_default(),
        };
        if claim.is_of(&old) {
            return Ok(Claimed::Ours(claim.clone()));
        }
        if old.get("fingerprint") != Some(&b(fingerprint.as_slice())) {
            return Ok(Claimed::Reused);
        }
        Ok(match old.get("answer").and_then(|answer| answer.as_b().ok()) {
            Some(answer) => Claimed::Done(answer.as_ref().to_vec()),
            None => Claimed::InProgress,
        })
    }

    /// Keeps the answer of a request whose work wrote nothing.
    pub async fn keep_answer(&self, completion: &Completion) -> Result<(), StoreError> {
        self.update(&completion.change()).await.map(|_| ())
    }

    /// Gives a claim back, so that the next try may do the work, unless the work was done.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        self.delete(claim.key.clone(), &claim.still_ours()).await.map(|_| ())
    }

    /// Writes a transaction and, with it, that its request is done. It comes last, so that the places of the others
    /// stay what they are.
    pub(super) async fn commit_once(
        &self,
        mut transaction: Transaction,
        done: Option<&Completion>,
    ) -> Result<Committed, StoreError> {
        let Some(done) = done else { return self.commit(&transaction).await };
        let place = transaction.len();
        transaction.change(&done.change());
        match self.commit(&transaction).await? {
            Committed::Refused(refused) if refused.failed(place) => match refused.old(place) {
                // Our own answer is there: an earlier try of this transaction was written.
                Some(old) if done.claim.is_of(old) && old.contains_key("answer") => {}
                _ => return Err(StoreError::ClaimLost),
            },
            Committed::Refused(refused) => return Ok(Committed::Refused(refused)),
            Committed::Done => {}
        }
        done.kept.store(true, Ordering::SeqCst);
        Ok(Committed::Done)
    }
}

/// The hash that names a record: each part with its length, so that no two requests read alike.
pub(super) fn hash_of(parts: [&str; 4]) -> String {
    let text: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    HEXLOWER.encode(&crate::domain::secret::sha256(text.concat().as_bytes()))
}
