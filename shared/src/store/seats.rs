//! Seats: tiny items, written only when a seat changes hands.
//!
//! A license of five seats has the keys `SEAT#00000` to `SEAT#00004` and no others that count, so a sixth machine is
//! not refused by a counter: there is nowhere to put it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{
    activations::{activation_item, activation_of, life},
    events::event_item,
    keys,
    table::{Item, Query, StoreError, Table, b, bare_item, n},
    transaction::{CommitOutcome, Condition, ConditionFailures, Transaction},
};
use crate::domain::{
    Activation, ActivationId, Event, License, LicenseId, MachineHash,
    seat::{SeatWindow, whole_second},
};

/// A machine that is to begin a life on a license.
#[derive(Debug, Clone, Copy)]
pub struct NewActivation<'a> {
    /// The new life; its seat is the one to take, or none where the license has no limit.
    pub activation: &'a Activation,
    /// What was read of the machine and found dead, if there was anything.
    pub dead: Option<&'a Activation>,
    /// That it was activated, or took over.
    pub event: &'a Event,
}

/// What became of a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivationOutcome {
    /// The machine has its seat.
    Done(Box<Activation>),
    /// Something is no longer as it was read: begin again.
    Lost,
}

/// Who holds a seat, as the seat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatHolder {
    /// The seat's number.
    pub number: u32,
    /// The activation that holds it.
    pub id: ActivationId,
    /// The generation that it is held in.
    pub generation: u32,
}

impl SeatHolder {
    pub(super) fn of(license: LicenseId, item: &Item) -> Result<Self, StoreError> {
        let bytes = |name: &str| item.get(name).and_then(|value| Some(value.as_b().ok()?.as_ref()));
        let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse().ok());
        let place = item.get("SK").and_then(|sk| sk.as_s().ok()?.strip_prefix(keys::SEAT)?.parse().ok());
        let machine = bytes("machine").and_then(|hash| Some(MachineHash(hash.try_into().ok()?)));
        let life = bytes("life").and_then(|life| life.try_into().ok());
        let whole = (|| Some((place?, machine?, life?, number("generation")?)))();
        let (number, machine, life, generation) =
            whole.ok_or_else(|| StoreError::Damaged(format!("a seat of license {license}")))?;
        Ok(Self { number, id: ActivationId { license, machine, life }, generation })
    }

    pub(super) fn still_holds(&self) -> Condition {
        held_by(&self.id, self.generation)
    }
}

/// The seat is held as this activation says.
pub(super) fn still_held_by(holder: &Activation) -> Condition {
    held_by(&holder.id, holder.generation)
}

/// The seat is free, or somebody else's.
pub(super) fn not_held_by(activation: &Activation) -> Condition {
    let held = still_held_by(activation);
    Condition { expression: format!("attribute_not_exists(PK) OR NOT ({})", held.expression), ..held }
}

fn held_by(id: &ActivationId, generation: u32) -> Condition {
    Condition::new("machine = :holder AND life = :holder_life AND generation = :holder_generation")
        .value(":holder", machine(id.machine))
        .value(":holder_life", life(id))
        .value(":holder_generation", n(generation))
}

fn machine(hash: MachineHash) -> AttributeValue {
    b(hash.0)
}

fn seat_item(holder: &Activation, number: u32) -> Item {
    let mut item = bare_item(keys::seat(holder.id.license, number));
    item.insert("machine".to_owned(), machine(holder.id.machine));
    item.insert("life".to_owned(), life(&holder.id));
    item.insert("generation".to_owned(), n(holder.generation));
    item
}

impl Table {
    /// The numbers of a window that are taken: those held in the license's generation, or in a higher one, which
    /// tells that the license was read too early.
    pub async fn taken_seats(&self, license: &License, window: &SeatWindow) -> Result<Vec<u32>, StoreError> {
        let held = Condition::new("generation >= :generation").value(":generation", n(license.generation));
        let query = Query {
            filter: Some(held),
            attributes: Some(&["SK"]),
            ..Query::between(
                keys::license_partition(license.id),
                keys::seat_place(window.start),
                keys::seat_place(window.end.saturating_sub(1)),
            )
        };
        let number = |item: &Item| item.get("SK")?.as_s().ok()?.strip_prefix(keys::SEAT)?.parse().ok();
        Ok(self.query_all(query).await?.iter().filter_map(number).collect())
    }

    /// How many seats are held in the license's generation, below its limit; without a limit, how many machines.
    pub async fn seats_used(&self, license: &License) -> Result<usize, StoreError> {
        match license.max_users {
            None => self.count_activations(license).await,
            Some(max_users) => Ok(self.taken_seats(license, &(0..max_users)).await?.len()),
        }
    }

    /// Takes a free seat: absent, or left from a lower generation.
    pub async fn take_free_seat(&self, begin: NewActivation<'_>) -> Result<ActivationOutcome, StoreError> {
        let mut transaction = Transaction::new();
        self.begin_machine(&mut transaction, begin).await?;
        if let Some(number) = begin.activation.seat {
            let free = Condition::new("attribute_not_exists(PK) OR generation < :generation")
                .value(":generation", n(begin.activation.generation));
            transaction.put(seat_item(begin.activation, number), free);
        }
        begun(begin, self.commit(&transaction).await?)
    }

    /// Takes the seat of an activation whose lease ended at `lapsed_before` or earlier.
    pub async fn take_over(
        &self,
        begin: NewActivation<'_>,
        lapsed: &Activation,
        lapsed_before: Timestamp,
    ) -> Result<ActivationOutcome, StoreError> {
        let Some(number) = lapsed.seat else { return Ok(ActivationOutcome::Lost) };
        let still_lapsed = Condition::new(
            "life = :life AND seat = :seat AND attribute_not_exists(ended_at) AND lease_expires_at <= :lapsed",
        )
        .value(":life", life(&lapsed.id))
        .value(":seat", n(number))
        .value(":lapsed", n(whole_second(lapsed_before)));
        let mut transaction = Transaction::new();
        self.begin_machine(&mut transaction, begin).await?;
        transaction
            .put(seat_item(begin.activation, number), still_held_by(lapsed))
            .delete(keys::machine(lapsed.id.license, lapsed.id.machine), still_lapsed);
        begun(begin, self.commit(&transaction).await?)
    }

    /// The part that every beginning has: the machine's item, written whole where there is no life or a dead one, the
    /// event, and the end of a seat that a smaller limit had cut off. The machine's item comes first.
    async fn begin_machine(&self, transaction: &mut Transaction, begin: NewActivation<'_>) -> Result<(), StoreError> {
        let activation = begin.activation;
        let mut dead = Condition::new("attribute_exists(ended_at) OR generation < :generation")
            .value(":generation", n(activation.generation));
        if let Some(read) = begin.dead {
            dead = dead.or("life = :dead").value(":dead", life(&read.id));
        }
        // A life that was begun by an earlier try of ours, and ended since, does not begin again.
        let no_life = dead.and("life <> :own").value(":own", life(&activation.id)).or("attribute_not_exists(PK)");
        transaction.put(activation_item(activation)?, no_life).put_always(event_item(begin.event)?);
        let cut_off = begin.dead.filter(|dead| dead.ended_at.is_none() && dead.generation == activation.generation);
        if let Some((dead, number)) = cut_off.and_then(|dead| Some((dead, dead.seat?))) {
            let seat = keys::seat(dead.id.license, number);
            if self.get(seat.clone()).await?.is_some_and(|item| names(&item, dead)) {
                transaction.delete(seat, still_held_by(dead));
            }
        }
        Ok(())
    }
}

/// Whether a seat item names this activation.
pub(super) fn names(item: &Item, holder: &Activation) -> bool {
    item.get("machine") == Some(&machine(holder.id.machine)) && item.get("life") == Some(&life(&holder.id))
}

/// A refusal whose old item is our own new life means that an earlier try of ours was written.
fn begun(begin: NewActivation<'_>, committed: CommitOutcome) -> Result<ActivationOutcome, StoreError> {
    let own = |refused: &ConditionFailures| refused.old(0).map(activation_of).transpose();
    Ok(match committed {
        CommitOutcome::Done => ActivationOutcome::Done(Box::new(begin.activation.clone())),
        CommitOutcome::Refused(refused) => match own(&refused)? {
            Some(old) if old.id == begin.activation.id && old.ended_at.is_none() => {
                ActivationOutcome::Done(Box::new(old))
            }
            _ => ActivationOutcome::Lost,
        },
    })
}
