//! Seats and activations that don't fit together. No write of ours can leave them so; a restore from a backup can.

use super::{
    activations::{activation_of, life, tombstone},
    events::event_item,
    idempotency::Completion,
    keys,
    seats::{SeatHolder, names, not_held_by},
    table::{Query, StoreError, Table, n},
    writes::{Committed, Condition, Transaction},
};
use crate::domain::{Activation, Event, License, Standing};

/// What does not fit together.
#[derive(Debug, Default)]
pub struct Misfits {
    /// Seats of the current generation that no live activation has.
    pub seats: Vec<SeatHolder>,
    /// Activations that say they hold a seat which is not theirs.
    pub activations: Vec<Activation>,
}

impl Misfits {
    /// Whether all fits together.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.activations.is_empty()
    }
}

impl Table {
    /// Compares the seats of a license with its activations. What looks amiss is read once more, one item at a time:
    /// between the two lists a machine may have come or gone.
    pub async fn misfits(&self, license: &License) -> Result<Misfits, StoreError> {
        if license.max_users.is_none() {
            return Ok(Misfits::default());
        }
        let partition = keys::license_partition(license.id);
        let mut misfits = Misfits::default();
        for item in self.query_all(Query::prefix(partition.clone(), keys::SEAT)).await? {
            let seat = SeatHolder::of(license.id, &item)?;
            if seat.generation == license.generation && license.seat_counts(Some(seat.number)) {
                let activation = self.get(keys::machine(license.id, seat.id.machine)).await?;
                let activation = activation.as_ref().map(activation_of).transpose()?;
                let holds = activation.is_some_and(|held| {
                    held.id == seat.id && held.seat == Some(seat.number) && held.ended_at.is_none()
                });
                if !holds && self.get(keys::seat(license.id, seat.number)).await?.as_ref() == Some(&item) {
                    misfits.seats.push(seat);
                }
            }
        }
        for item in self.query_all(Query::prefix(partition, keys::MACHINE)).await? {
            let activation = activation_of(&item)?;
            let Some(number) = activation.seat.filter(|_| activation.standing(license) == Standing::Live) else {
                continue;
            };
            let seat = self.get(keys::seat(license.id, number)).await?;
            if !seat.is_some_and(|seat| names(&seat, &activation)) {
                let again = self.activation(license.id, activation.id.machine).await?;
                if again.is_some_and(|again| again.id == activation.id && again.ended_at.is_none()) {
                    misfits.activations.push(activation);
                }
            }
        }
        Ok(misfits)
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
            Committed::Done => Ok(()),
            Committed::Refused(_) => Err(StoreError::Contended),
        }
    }
}
