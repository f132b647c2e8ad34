//! Finds and repairs inconsistencies between seats and activations. No write of Signet causes them, but restoring a
//! backup can.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, future::try_join, stream};

use super::{
    activations::parse_activation,
    deactivations::{facts_tombstone, tombstone},
    error::StoreError,
    events::event_item,
    holder::{nonce, not_ended, not_held_by},
    idempotency::Completion,
    item::{Item, n},
    keys,
    seats::{SeatHolder, is_seat_of},
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::domain::{Activation, Event, License, SeatStatus};

/// The inconsistencies of a license key.
#[derive(Debug, Default)]
pub struct Inconsistencies {
    /// Seats of the current generation that are not held by a live activation.
    pub seats: Vec<SeatHolder>,
    /// Live activations that do not hold the seat that they refer to.
    pub activations: Vec<Activation>,
}

impl Inconsistencies {
    /// Returns whether no inconsistencies were found.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.activations.is_empty()
    }
}

/// The number of candidates that are checked concurrently.
const MAX_CONCURRENCY: usize = 16;

impl Table {
    /// Compares the seats of a license key with its activations. The two queries are not a snapshot, so each
    /// inconsistency is confirmed by reading the two items again.
    pub async fn inconsistencies(&self, license: &License) -> Result<Inconsistencies, StoreError> {
        if license.max_users.is_none() {
            return Ok(Inconsistencies::default());
        }
        let list = |prefix| self.query_all(Query::prefix(keys::license_partition(license.id), prefix));
        let (seats, activations) = try_join(list(keys::SEAT), list(keys::ACTIVATION)).await?;
        let candidates = InconsistencyCandidates::find(license, seats, &activations)?;
        let orphaned = candidates.seats.into_iter().map(|(seat, item)| self.confirm_orphaned(seat, item)).collect();
        let seatless = candidates.activations.into_iter().map(|activation| self.confirm_seatless(activation)).collect();
        Ok(Inconsistencies { seats: run_checks(orphaned).await?, activations: run_checks(seatless).await? })
    }

    /// Returns the seat if no activation holds it and it was not changed since `as_read`.
    async fn confirm_orphaned(&self, seat: SeatHolder, as_read: Item) -> Result<Option<SeatHolder>, StoreError> {
        let activation = self.activation(seat.id.license, seat.id.machine).await?;
        if activation.is_some_and(|activation| refers_to(&activation, &seat)) {
            return Ok(None);
        }
        let reread = self.get(keys::seat(seat.id.license, seat.number)).await?;
        Ok((reread == Some(as_read)).then_some(seat))
    }

    /// Returns the activation if it does not hold its seat and it was not changed in the meantime.
    async fn confirm_seatless(&self, activation: Activation) -> Result<Option<Activation>, StoreError> {
        let Some(number) = activation.seat else { return Ok(None) };
        let seat = self.get(keys::seat(activation.id.license, number)).await?;
        if seat.is_some_and(|seat| is_seat_of(&seat, &activation)) {
            return Ok(None);
        }
        let reread = self.activation(activation.id.license, activation.id.machine).await?;
        let is_unchanged = reread.is_some_and(|reread| reread.id == activation.id && reread.ended_at.is_none());
        Ok(is_unchanged.then_some(activation))
    }

    /// Frees a seat if it was not changed since it was read and no activation holds it. The conditions are needed
    /// because the reads were not a snapshot: a machine that activated between them must not lose its seat.
    pub async fn free_seat(&self, seat: &SeatHolder) -> Result<(), StoreError> {
        let not_held = Condition::new(
            "attribute_not_exists(PK) OR attribute_exists(ended_at) OR life <> :life \
             OR attribute_not_exists(seat) OR seat <> :seat",
        )
        .value(":life", nonce(&seat.id))
        .value(":seat", n(seat.number));
        let mut transaction = Transaction::new();
        transaction
            .delete(keys::seat(seat.id.license, seat.number), seat.still_held())
            .check(keys::activation(seat.id.license, seat.id.machine), not_held);
        self.commit(&transaction).await?;
        self.full_licenses.remove(seat.id.license);
        Ok(())
    }

    /// Ends an activation if it was not changed since it was read and does not hold its seat.
    pub async fn end_seatless_activation(&self, activation: &Activation, event: &Event) -> Result<(), StoreError> {
        let Some(number) = activation.seat else { return Ok(()) };
        let as_read = not_ended(&activation.id).and("seat = :seat").value(":seat", n(number));
        let mut transaction = Transaction::new();
        transaction
            .update(&tombstone(activation, as_read, event.at))
            .check(keys::seat(activation.id.license, number), not_held_by(activation))
            .put_always(event_item(event)?);
        if self.machine_facts(&activation.id).await?.is_some() {
            transaction.update(&facts_tombstone(activation, event.at));
        }
        self.commit(&transaction).await.map(|_| ())
    }

    /// Writes the event that a license key was audited.
    pub async fn record_audit(&self, event: &Event, completion: Option<&Completion>) -> Result<(), StoreError> {
        let mut transaction = Transaction::new();
        transaction.put_always(event_item(event)?);
        match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::Done => Ok(()),
            CommitOutcome::ConditionFailed(_) => Err(StoreError::Contended),
        }
    }
}

/// Possible inconsistencies, found by queries that are not a snapshot.
struct InconsistencyCandidates {
    seats: Vec<(SeatHolder, Item)>,
    activations: Vec<Activation>,
}

impl InconsistencyCandidates {
    fn find(license: &License, seats: Vec<Item>, activations: &[Item]) -> Result<Self, StoreError> {
        let mut by_number = BTreeMap::new();
        for item in seats {
            let seat = SeatHolder::parse(license.id, &item)?;
            by_number.insert(seat.number, (seat, item));
        }
        let mut by_machine = BTreeMap::new();
        for item in activations {
            let activation = parse_activation(item)?;
            by_machine.insert(activation.id.machine, activation);
        }
        let is_seatless = |activation: &&Activation| {
            let Some(number) = activation.seat.filter(|_| activation.seat_status(license) == SeatStatus::Live) else {
                return false;
            };
            !by_number.get(&number).is_some_and(|(_, seat)| is_seat_of(seat, activation))
        };
        let activations = by_machine.values().filter(is_seatless).cloned().collect();
        let is_orphaned = |(seat, _): &(SeatHolder, Item)| {
            let is_current = seat.generation == license.generation && license.is_within_seat_limit(Some(seat.number));
            is_current && !by_machine.get(&seat.id.machine).is_some_and(|activation| refers_to(activation, seat))
        };
        let seats = by_number.into_values().filter(is_orphaned).collect();
        Ok(Self { seats, activations })
    }
}

/// Returns whether the activation refers to the seat and has not ended.
fn refers_to(activation: &Activation, seat: &SeatHolder) -> bool {
    activation.id == seat.id && activation.seat == Some(seat.number) && activation.ended_at.is_none()
}

/// Runs checks concurrently and returns the inconsistencies that they confirm.
async fn run_checks<T>(checks: Vec<impl Future<Output = Result<Option<T>, StoreError>>>) -> Result<Vec<T>, StoreError> {
    let confirmed: Vec<Option<T>> = stream::iter(checks).buffered(MAX_CONCURRENCY).try_collect().await?;
    Ok(confirmed.into_iter().flatten().collect())
}
