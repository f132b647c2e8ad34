//! Attempts to deliver an event. An attempt holds one of two slots of its endpoint, and a lease of the delivery: if the process
//! that makes it crashes, both lapse and another attempt is made.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::deliveries::{as_read, delivery_item, parse_delivery};
use crate::{
    domain::{
        WebhookEndpointId,
        seat::whole_second,
        webhooks::{Attempt, Delivery, delivery::LEASE},
    },
    store::{
        StoreError, Table,
        item::{Item, TTL_ATTRIBUTE, from_item, n, s, to_item},
        keys,
        table::{Query, UpdateOutcome},
        transaction::{CommitOutcome, Condition, Transaction},
    },
};

/// The number of attempts that are made at the same time for an endpoint.
pub const SLOTS: u8 = 2;
/// How long a slot item is stored after its lease, so that those of deleted endpoints disappear.
const SLOT_RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// The number of times that a slot is looked for if others take them at the same time.
const MAX_SLOT_SEARCHES: usize = 3;

/// The attributes of a slot.
#[derive(Debug, Serialize, Deserialize)]
struct SlotRecord {
    number: u8,
    ordering_key: String,
    /// Identifies the attempt.
    holder: String,
    /// Unix time in milliseconds.
    leased_until: i64,
}

/// An attempt that has begun.
#[derive(Debug)]
pub struct BegunAttempt {
    /// The delivery, with this attempt.
    pub delivery: Delivery,
    slot: u8,
}

/// The outcome of beginning an attempt.
#[derive(Debug)]
pub enum BeginOutcome {
    /// The attempt has begun.
    Begun(Box<BegunAttempt>),
    /// All slots of the endpoint are taken.
    NoSlot,
    /// An earlier event of the same license key is being sent. The delivery stays due.
    OutOfOrder,
    /// Another process has begun an attempt, or the delivery is no longer due.
    NotDue,
}

/// The slots of an endpoint as they were read.
struct Slots {
    free: Option<u8>,
    others: Vec<SlotRecord>,
}

impl Table {
    /// Begins an attempt to make a delivery: takes a slot of the endpoint and leases the delivery, in one transaction. Two events
    /// with the same ordering key are never sent at the same time.
    pub async fn begin_webhook_attempt(&self, delivery: &Delivery, now: Timestamp) -> Result<BeginOutcome, StoreError> {
        let Some(begun) = delivery.begin_attempt(now) else { return Ok(BeginOutcome::NotDue) };
        for _ in 0..MAX_SLOT_SEARCHES {
            let Slots { free, others } = self.webhook_slots(delivery.endpoint, now).await?;
            if others.iter().any(|slot| slot.ordering_key == delivery.event.ordering_key) {
                return Ok(BeginOutcome::OutOfOrder);
            }
            let Some(slot) = free else { return Ok(BeginOutcome::NoSlot) };
            let mut transaction = Transaction::new();
            transaction.put(delivery_item(&begun)?, as_read(delivery));
            transaction.put(slot_item(&begun, slot, now)?, free_slot(now));
            for other in (0..SLOTS).filter(|other| *other != slot) {
                let is_other_key = free_slot(now).or("ordering_key <> :key");
                let is_other_key = is_other_key.value(":key", s(&delivery.event.ordering_key));
                transaction.check(keys::webhook_slot(delivery.endpoint, other), is_other_key);
            }
            match self.commit(&transaction).await? {
                CommitOutcome::Done => {
                    return Ok(BeginOutcome::Begun(Box::new(BegunAttempt { delivery: begun, slot })));
                }
                CommitOutcome::ConditionFailed(failures) if failures.failed(0) => return Ok(BeginOutcome::NotDue),
                CommitOutcome::ConditionFailed(_) => {}
            }
        }
        Ok(BeginOutcome::NoSlot)
    }

    /// Records how an attempt ended, and then frees its slot. Returns the delivery, or `None` if an operator has requested it in
    /// the meantime, or if the lease has lapsed and another attempt was begun.
    pub async fn end_webhook_attempt(
        &self,
        begun: &BegunAttempt,
        attempt: Attempt,
        now: Timestamp,
        jitter: f64,
    ) -> Result<Option<Delivery>, StoreError> {
        let ended = begun.delivery.end_attempt(attempt, now, jitter);
        let recorded = match self.put(delivery_item(&ended)?, &as_read(&begun.delivery)).await? {
            UpdateOutcome::Done(_) => true,
            // The SDK repeats a write whose response is lost.
            UpdateOutcome::ConditionFailed(old) => old.map(parse_delivery).transpose()?.as_ref() == Some(&ended),
        };
        self.free_webhook_slot(begun).await?;
        Ok(recorded.then_some(ended))
    }

    /// Frees the slot of an attempt that could not be made. The delivery becomes due when its lease lapses.
    pub async fn free_webhook_slot(&self, begun: &BegunAttempt) -> Result<(), StoreError> {
        let own = Condition::new("holder = :holder").value(":holder", s(holder(&begun.delivery)));
        // A slot whose lease has lapsed belongs to another attempt.
        self.delete(keys::webhook_slot(begun.delivery.endpoint, begun.slot), &own).await.map(|_| ())
    }

    async fn webhook_slots(&self, endpoint: WebhookEndpointId, now: Timestamp) -> Result<Slots, StoreError> {
        let query = Query::prefix(keys::webhook_partition(endpoint), keys::WEBHOOK_SLOT);
        let items = self.query_all(query).await?;
        let taken = items.into_iter().map(from_item::<SlotRecord>).collect::<Result<Vec<_>, _>>()?;
        let others: Vec<_> = taken.into_iter().filter(|slot| slot.leased_until > now.as_millisecond()).collect();
        let free = (0..SLOTS).find(|number| others.iter().all(|slot| slot.number != *number));
        Ok(Slots { free, others })
    }
}

fn holder(delivery: &Delivery) -> String {
    format!("{}#{}", delivery.event.id.ulid(), delivery.version)
}

fn slot_item(begun: &Delivery, number: u8, now: Timestamp) -> Result<Item, StoreError> {
    let leased_until = now + LEASE;
    let record = SlotRecord {
        number,
        ordering_key: begun.event.ordering_key.clone(),
        holder: holder(begun),
        leased_until: leased_until.as_millisecond(),
    };
    let mut item = to_item(keys::webhook_slot(begun.endpoint, number), &record)?;
    item.insert(TTL_ATTRIBUTE.to_owned(), n(whole_second(leased_until + SLOT_RETENTION)));
    Ok(item)
}

/// Requires that the slot is free or its lease has lapsed.
fn free_slot(now: Timestamp) -> Condition {
    Condition::new("attribute_not_exists(PK) OR leased_until <= :now").value(":now", n(now.as_millisecond()))
}
