//! Seats: small items that are written only when a seat is taken or freed.
//!
//! A license key with five seats has the seat keys `SEAT#00000` to `SEAT#00004`; other numbers do not count. Activating
//! a sixth machine fails because no key is left, not because of a counter.

use jiff::Timestamp;

use super::{
    activations::{activation_item, parse_activation},
    error::StoreError,
    events::event_item,
    full_licenses::SearchBasis,
    holder::{held_by, machine_attribute, nonce, not_ended, still_held_by},
    item::{Item, key_only_item, n},
    keys,
    machine_facts::facts_item,
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, ConditionFailures, Transaction},
};
use crate::domain::{
    Activation, ActivationId, Event, EventType, License, LicenseId, MachineFacts, MachineHash,
    seat::{SeatWindow, seat_ranges, whole_second},
};

/// A new activation of a machine.
#[derive(Debug, Clone, Copy)]
pub struct NewActivation<'a> {
    /// The activation. Its `seat` is the seat to take; `None` if the license key has no limit.
    pub activation: &'a Activation,
    /// The facts about the machine.
    pub facts: &'a MachineFacts,
    /// The previous activation of the machine that was read and is no longer live, if any.
    pub previous: Option<&'a Activation>,
    /// The event that the machine was activated or took over a seat.
    pub event: &'a Event,
    /// Whether the activation is imported. Then it also writes the record that the machine was imported, unless that exists.
    pub is_import: bool,
}

/// The outcome of an activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivationOutcome {
    /// The machine is activated.
    Done(Box<Activation>),
    /// An item was changed since it was read. Read again and retry.
    Conflict,
}

/// The holder of a seat, according to the seat item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatHolder {
    /// The number of the seat.
    pub number: u32,
    /// The activation that holds the seat.
    pub id: ActivationId,
    /// The generation in which the seat was taken.
    pub generation: u32,
}

impl SeatHolder {
    pub(super) fn parse(license: LicenseId, item: &Item) -> Result<Self, StoreError> {
        let bytes = |name: &str| item.get(name).and_then(|value| Some(value.as_b().ok()?.as_ref()));
        let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse().ok());
        let seat = item.get("SK").and_then(|sk| sk.as_s().ok()?.strip_prefix(keys::SEAT)?.parse().ok());
        let machine = bytes("machine").and_then(|hash| Some(MachineHash(hash.try_into().ok()?)));
        let nonce = bytes("life").and_then(|nonce| nonce.try_into().ok());
        let attributes = (|| Some((seat?, machine?, nonce?, number("generation")?)))();
        let (number, machine, nonce, generation) =
            attributes.ok_or_else(|| StoreError::InvalidItem(format!("seat of license {license}")))?;
        Ok(Self { number, id: ActivationId { license, machine, nonce }, generation })
    }

    pub(super) fn still_held(&self) -> Condition {
        held_by(&self.id, self.generation)
    }
}

pub(super) fn taken_seats_query(license: &License, range: &SeatWindow) -> Query {
    let held = Condition::new("generation >= :generation").value(":generation", n(license.generation));
    let (from, to) = (keys::seat_sort_key(range.start), keys::seat_sort_key(range.end.saturating_sub(1)));
    Query { filter: Some(held), ..Query::between(keys::license_partition(license.id), from, to) }
}

fn seat_item(holder: &Activation, number: u32) -> Item {
    let mut item = key_only_item(keys::seat(holder.id.license, number));
    item.insert("machine".to_owned(), machine_attribute(holder.id.machine));
    item.insert("life".to_owned(), nonce(&holder.id));
    item.insert("generation".to_owned(), n(holder.generation));
    item
}

impl Table {
    /// Reads the taken seat numbers of a window: those held in the license key's generation or in a higher one. A
    /// higher generation means that the license key was regenerated after it was read.
    pub async fn taken_seats(&self, license: &License, window: &SeatWindow) -> Result<Vec<u32>, StoreError> {
        let query = Query { attributes: Some(&["SK"]), ..taken_seats_query(license, window) };
        let number = |item: &Item| item.get("SK")?.as_s().ok()?.strip_prefix(keys::SEAT)?.parse().ok();
        Ok(self.query_all(query).await?.iter().filter_map(number).collect())
    }

    /// Returns whether every seat of a range is taken. As seats are counted one by one, each of them was seen taken; they
    /// need not have been taken at the same time.
    pub async fn is_range_taken(&self, license: &License, range: &SeatWindow) -> Result<bool, StoreError> {
        Ok(self.count(taken_seats_query(license, range)).await? == range.len())
    }

    /// Counts the seats within the limit that are held in the license key's generation, or the activations if there is
    /// no limit. The read units grow with their number; the requests are few and concurrent.
    pub async fn seats_used(&self, license: &License) -> Result<usize, StoreError> {
        let Some(max_users) = license.max_users else { return self.count_activations(license).await };
        let ranges = seat_ranges(max_users, &mut rand::rng());
        self.count_concurrently(ranges.iter().map(|range| taken_seats_query(license, range)).collect()).await
    }

    /// Returns what a search of all seats is based on. Call it before the first seat of the search is read, so that a seat
    /// that is freed during the search is noticed.
    pub async fn search_basis(&self, license: &License) -> Result<SearchBasis, StoreError> {
        let newest = Query {
            descending: true,
            limit: Some(2),
            ..Query::prefix(keys::license_partition(license.id), keys::EVENT)
        };
        let page = self.query(newest).await?;
        // That a machine was refused frees no seat. There is at most one such event an hour.
        let refusal = EventType::LicenseSeatLimitReached.as_str();
        let is_change =
            |event: &&Item| event.get("type").and_then(|kind| kind.as_s().ok()).is_none_or(|kind| kind != refusal);
        let newest = page.items.iter().find(is_change).or(page.items.first());
        let newest_event = newest.and_then(|event| event.get("SK")?.as_s().ok().cloned());
        Ok(SearchBasis::new(license, newest_event))
    }

    /// Remembers that a search has found every seat taken and no lapsed lease. `now` is the time of the request.
    pub fn remember_full(&self, license: LicenseId, basis: SearchBasis, now: Timestamp) {
        self.full_licenses.insert(license, basis, now);
    }

    /// Returns whether the license key is remembered as full, in the state in which it was read. Reads nothing unless it
    /// is remembered.
    pub async fn is_known_full(&self, license: &License, now: Timestamp) -> Result<bool, StoreError> {
        let Some(found) = self.full_licenses.get(license.id, now) else { return Ok(false) };
        if *found != SearchBasis::new(license, found.newest_event.clone()) {
            return Ok(false);
        }
        Ok(*found == self.search_basis(license).await?)
    }

    /// Activates a machine in a free seat, which is absent or of a lower generation.
    pub async fn take_free_seat(&self, new: NewActivation<'_>) -> Result<ActivationOutcome, StoreError> {
        let mut transaction = Transaction::new();
        self.add_activation(&mut transaction, new).await?;
        if let Some(number) = new.activation.seat {
            let free = Condition::new("attribute_not_exists(PK) OR generation < :generation")
                .value(":generation", n(new.activation.generation));
            transaction.put(seat_item(new.activation, number), free);
        }
        activation_outcome(new, self.commit(&transaction).await?)
    }

    /// Activates a machine in the seat of an activation whose lease ended at `lapsed_before` or earlier.
    pub async fn take_over(
        &self,
        new: NewActivation<'_>,
        lapsed: &Activation,
        lapsed_before: Timestamp,
    ) -> Result<ActivationOutcome, StoreError> {
        let Some(number) = lapsed.seat else { return Ok(ActivationOutcome::Conflict) };
        let still_lapsed = not_ended(&lapsed.id)
            .and("seat = :seat AND lease_expires_at <= :lapsed")
            .value(":seat", n(number))
            .value(":lapsed", n(whole_second(lapsed_before)));
        let mut transaction = Transaction::new();
        self.add_activation(&mut transaction, new).await?;
        transaction
            .put(seat_item(new.activation, number), still_held_by(lapsed))
            .delete(keys::activation(lapsed.id.license, lapsed.id.machine), still_lapsed)
            // The facts belong to the activation that is deleted, as both are always written together.
            .delete_always(keys::machine_facts(lapsed.id.license, lapsed.id.machine));
        activation_outcome(new, self.commit(&transaction).await?)
    }

    /// Adds the writes that every activation needs: the whole activation item, on condition that there is no live
    /// activation of the machine; the facts about the machine; the event; and the deletion of the previous activation's seat if it
    /// is outside of a reduced limit. The activation item is the first write.
    async fn add_activation(&self, transaction: &mut Transaction, new: NewActivation<'_>) -> Result<(), StoreError> {
        let activation = new.activation;
        let mut not_live = Condition::new("attribute_exists(ended_at) OR generation < :generation")
            .value(":generation", n(activation.generation));
        if let Some(read) = new.previous {
            not_live = not_live
                .or("life = :previous AND lease_expires_at = :previous_lease")
                .value(":previous", nonce(&read.id))
                .value(":previous_lease", n(whole_second(read.lease_expires_at)));
        }
        // An activation that was written by an earlier attempt of this request and has ended since is not written
        // again.
        let condition =
            not_live.and("life <> :own").value(":own", nonce(&activation.id)).or("attribute_not_exists(PK)");
        transaction
            .put(activation_item(activation)?, condition)
            .put_always(facts_item(activation, new.facts)?)
            .put_always(event_item(new.event)?);
        if new.is_import {
            let marker = keys::imported_machine(activation.id.license, activation.id.machine);
            transaction.put(key_only_item(marker), Condition::absent());
        }
        let outside_limit =
            new.previous.filter(|previous| previous.ended_at.is_none() && previous.generation == activation.generation);
        if let Some((previous, number)) = outside_limit.and_then(|previous| Some((previous, previous.seat?))) {
            let seat = keys::seat(previous.id.license, number);
            if self.get(seat.clone()).await?.is_some_and(|item| is_seat_of(&item, previous)) {
                transaction.delete(seat, still_held_by(previous));
            }
        }
        Ok(())
    }
}

/// Returns whether a seat item is held by this activation.
pub(super) fn is_seat_of(item: &Item, holder: &Activation) -> bool {
    item.get("machine") == Some(&machine_attribute(holder.id.machine)) && item.get("life") == Some(&nonce(&holder.id))
}

/// Interprets the result of an activation's transaction. If the existing activation item is the new activation, an
/// earlier attempt of this request took effect.
fn activation_outcome(new: NewActivation<'_>, committed: CommitOutcome) -> Result<ActivationOutcome, StoreError> {
    let existing = |failures: &ConditionFailures| failures.old(0).map(parse_activation).transpose();
    Ok(match committed {
        CommitOutcome::Done => ActivationOutcome::Done(Box::new(new.activation.clone())),
        CommitOutcome::ConditionFailed(failures) => match existing(&failures)? {
            Some(old) if old.id == new.activation.id && old.ended_at.is_none() => {
                ActivationOutcome::Done(Box::new(old))
            }
            _ => ActivationOutcome::Conflict,
        },
    })
}
