//! Seats and activations that don't fit together. No write of ours can leave them so; a restore from a backup can.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, future::try_join, stream};

use super::{
    activations::{activation_of, life, tombstone},
    events::event_item,
    idempotency::Completion,
    keys,
    seats::{SeatHolder, names, not_held_by},
    table::{Item, Query, StoreError, Table, n},
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::domain::{Activation, Event, License, SeatStatus};

/// What does not fit together.
#[derive(Debug, Default)]
pub struct Inconsistencies {
    /// Seats of the current generation that no live activation has.
    pub seats: Vec<SeatHolder>,
    /// Activations that say they hold a seat which is not theirs.
    pub activations: Vec<Activation>,
}

impl Inconsistencies {
    /// Whether all fits together.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.activations.is_empty()
    }
}

/// How many of those that look amiss are read at once.
const AT_ONCE: usize = 16;

impl Table {
    /// Compares the seats of a license with its activations: two lists, and nothing more for each machine. What looks
    /// amiss is read once more, one item at a time: between the two lists a machine may have come or gone.
    pub async fn inconsistencies(&self, license: &License) -> Result<Inconsistencies, StoreError> {
        if license.max_users.is_none() {
            return Ok(Inconsistencies::default());
        }
        let list = |prefix| self.query_all(Query::prefix(keys::license_partition(license.id), prefix));
        let (seats, machines) = try_join(list(keys::SEAT), list(keys::MACHINE)).await?;
        let amiss = InconsistencyCandidates::of(license, seats, &machines)?;
        let lost = amiss.seats.into_iter().map(|(seat, item)| self.still_lost(seat, item)).collect();
        let astray = amiss.activations.into_iter().map(|activation| self.still_astray(activation)).collect();
        Ok(Inconsistencies { seats: found(lost).await?, activations: found(astray).await? })
    }

    /// The seat, if no activation has it as its machine and the seat itself are now.
    async fn still_lost(&self, seat: SeatHolder, as_read: Item) -> Result<Option<SeatHolder>, StoreError> {
        let activation = self.activation(seat.id.license, seat.id.machine).await?;
        if activation.is_some_and(|activation| holds(&activation, &seat)) {
            return Ok(None);
        }
        let again = self.get(keys::seat(seat.id.license, seat.number)).await?;
        Ok((again == Some(as_read)).then_some(seat))
    }

    /// The activation, if it is not in the seat that it names as the seat and itself are now.
    async fn still_astray(&self, activation: Activation) -> Result<Option<Activation>, StoreError> {
        let Some(number) = activation.seat else { return Ok(None) };
        let seat = self.get(keys::seat(activation.id.license, number)).await?;
        if seat.is_some_and(|seat| names(&seat, &activation)) {
            return Ok(None);
        }
        let again = self.activation(activation.id.license, activation.id.machine).await?;
        let is_as_read = again.is_some_and(|again| again.id == activation.id && again.ended_at.is_none());
        Ok(is_as_read.then_some(activation))
    }

    /// Frees a seat, on condition that it is still held as it was read, and that no activation has it: two reads are
    /// no snapshot, and a machine that came between them must not lose its seat.
    pub async fn free_seat(&self, seat: &SeatHolder) -> Result<(), StoreError> {
        let nobody = Condition::new(
            "attribute_not_exists(PK) OR attribute_exists(ended_at) OR life <> :life \
             OR attribute_not_exists(seat) OR seat <> :seat",
        )
        .value(":life", life(&seat.id))
        .value(":seat", n(seat.number));
        let mut transaction = Transaction::new();
        transaction
            .delete(keys::seat(seat.id.license, seat.number), seat.still_holds())
            .check(keys::machine(seat.id.license, seat.id.machine), nobody);
        self.commit(&transaction).await.map(|_| ())
    }

    /// Ends an activation that is not in the seat that it names, on condition that it still names that seat and that the
    /// seat is still not its own: what was read for it were two reads.
    pub async fn end_without_seat(&self, activation: &Activation, event: &Event) -> Result<(), StoreError> {
        let Some(number) = activation.seat else { return Ok(()) };
        let as_read = Condition::new("life = :life AND seat = :seat AND attribute_not_exists(ended_at)")
            .value(":life", life(&activation.id))
            .value(":seat", n(number));
        let mut transaction = Transaction::new();
        transaction
            .change(&tombstone(activation, as_read, event.at))
            .check(keys::seat(activation.id.license, number), not_held_by(activation))
            .put_always(event_item(event)?);
        self.commit(&transaction).await.map(|_| ())
    }

    /// Writes that a license key was audited.
    pub async fn note_audit(&self, event: &Event, done: Option<&Completion>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new();
        transaction.put_always(event_item(event)?);
        match self.commit_once(transaction, done).await? {
            CommitOutcome::Done => Ok(()),
            CommitOutcome::Refused(_) => Err(StoreError::Contended),
        }
    }
}

/// What looks amiss by two lists that are no snapshot.
struct InconsistencyCandidates {
    seats: Vec<(SeatHolder, Item)>,
    activations: Vec<Activation>,
}

impl InconsistencyCandidates {
    fn of(license: &License, seats: Vec<Item>, machines: &[Item]) -> Result<Self, StoreError> {
        let mut by_number = BTreeMap::new();
        for item in seats {
            let seat = SeatHolder::of(license.id, &item)?;
            by_number.insert(seat.number, (seat, item));
        }
        let mut by_machine = BTreeMap::new();
        for item in machines {
            let activation = activation_of(item)?;
            by_machine.insert(activation.id.machine, activation);
        }
        let is_astray = |activation: &&Activation| {
            let Some(number) = activation.seat.filter(|_| activation.seat_status(license) == SeatStatus::Live) else {
                return false;
            };
            !by_number.get(&number).is_some_and(|(_, seat)| names(seat, activation))
        };
        let activations = by_machine.values().filter(is_astray).cloned().collect();
        let is_lost = |(seat, _): &(SeatHolder, Item)| {
            let counts = seat.generation == license.generation && license.seat_counts(Some(seat.number));
            counts && !by_machine.get(&seat.id.machine).is_some_and(|activation| holds(activation, seat))
        };
        let seats = by_number.into_values().filter(is_lost).collect();
        Ok(Self { seats, activations })
    }
}

/// Whether an activation says that it holds the seat.
fn holds(activation: &Activation, seat: &SeatHolder) -> bool {
    activation.id == seat.id && activation.seat == Some(seat.number) && activation.ended_at.is_none()
}

/// What some looks find, a few of them at once.
async fn found<T>(looks: Vec<impl Future<Output = Result<Option<T>, StoreError>>>) -> Result<Vec<T>, StoreError> {
    let found: Vec<Option<T>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
