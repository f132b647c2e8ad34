//! Borrows of seats, and their early returns.

use super::{
    activations::{live_condition, parse_activation},
    error::StoreError,
    events::event_item,
    holder::live,
    item::{from_item, n, s, to_item},
    keys,
    license_writes::usable_as_read,
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{
    Activation, Borrow, Event, License, LicenseId, Timestamp, borrow_return::ReturnWindow, seat::whole_second,
};

/// A borrow to start or to extend, and the state on which the decision was based.
#[derive(Debug)]
pub struct NewBorrow<'a> {
    /// The license key, as read.
    pub license: &'a License,
    /// The activation, as read.
    pub activation: &'a Activation,
    /// The borrow. It must end later than that of the activation.
    pub borrow: Borrow,
    /// The end of the lease, which covers the tokens of the borrow. Not before that of the activation.
    pub lease_expires_at: Timestamp,
    /// Until when a license file can be used that is issued with the borrow; `None` leaves it unchanged.
    pub offline_file_until: Option<Timestamp>,
    /// The client address.
    pub ip: &'a str,
    /// The event that the seat was borrowed.
    pub event: &'a Event,
}

/// The outcome of a borrow.
#[derive(Debug)]
pub enum BorrowOutcome {
    /// The seat is borrowed. Contains the updated activation.
    Done(Box<Activation>),
    /// The license key or the activation was changed since it was read. Read them again and retry.
    Conflict,
}

/// An early return to count: the window as it was read, and with the return.
#[derive(Debug, Clone, Copy)]
pub struct CountedReturn {
    /// The window as read.
    pub read: Option<ReturnWindow>,
    /// The window with the return.
    pub next: ReturnWindow,
}

impl Table {
    /// Borrows a seat: in one transaction, extends the lease and counts the borrow in the license key. A lease that is extended
    /// for a refused license key would block a seat for up to a year, so both must be as read.
    pub async fn borrow(&self, new: &NewBorrow<'_>) -> Result<BorrowOutcome, StoreError> {
        let NewBorrow { license, activation, borrow, .. } = *new;
        let mut transaction = Transaction::new();
        transaction
            .update(&activation_update(new))
            .update(&license_update(license, borrow))
            .put(event_item(new.event)?, Condition::absent());
        let borrowed = || Activation {
            borrow: Some(borrow),
            lease_expires_at: new.lease_expires_at,
            offline_file_until: new.offline_file_until.or(activation.offline_file_until),
            last_heartbeat_at: new.event.at,
            last_ip: new.ip.to_owned(),
            ..activation.clone()
        };
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => BorrowOutcome::Done(Box::new(borrowed())),
            // Event ids are unique: an existing event was written by an earlier attempt of this request.
            CommitOutcome::ConditionFailed(failures) if failures.old(2).is_some() => {
                match failures.old(0).map(parse_activation).transpose()? {
                    Some(now) if now.ended_at.is_none() => BorrowOutcome::Done(Box::new(now)),
                    _ => BorrowOutcome::Conflict,
                }
            }
            CommitOutcome::ConditionFailed(_) => BorrowOutcome::Conflict,
        })
    }

    /// Counts the live activations whose borrowed seat would be outside of a limit: its number is at or above it, or it has none.
    pub async fn borrowed_seats_outside(
        &self,
        license: &License,
        limit: u32,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        if license.borrows.last_until.is_none_or(|until| until <= now) {
            return Ok(0);
        }
        let borrowed = outside(license, limit).and("borrowed_until > :now").value(":now", n(whole_second(now)));
        self.count(activations_query(license, borrowed)).await
    }

    /// Counts the live activations whose seat would be outside of a limit: its number is at or above it, or they have none. Reads
    /// all activations.
    pub async fn activations_outside(&self, license: &License, limit: u32) -> Result<usize, StoreError> {
        self.count(activations_query(license, outside(license, limit))).await
    }

    /// Reads the window in which the early returns of a license key are counted.
    pub async fn return_window(&self, license: LicenseId) -> Result<Option<ReturnWindow>, StoreError> {
        self.get(keys::borrow_returns(license)).await?.map(from_item).transpose()
    }
}

/// Requires that the activation is live now and would not be with another limit: its seat is at or above it, or it has none.
fn outside(license: &License, limit: u32) -> Condition {
    live_condition(license).and("attribute_not_exists(seat) OR seat >= :limit").value(":limit", n(limit))
}

fn activations_query(license: &License, filter: Condition) -> Query {
    Query { filter: Some(filter), ..Query::prefix(keys::license_partition(license.id), keys::ACTIVATION) }
}

fn activation_update(new: &NewBorrow<'_>) -> ItemUpdate {
    let NewBorrow { activation, borrow, .. } = *new;
    let until = n(whole_second(borrow.until));
    let lease = n(whole_second(new.lease_expires_at));
    let as_read = live(&activation.id, activation.generation)
        .and("lease_expires_at <= :lease AND (attribute_not_exists(borrowed_until) OR borrowed_until < :until)")
        .value(":lease", lease.clone())
        .value(":until", until.clone());
    let as_read = match activation.seat {
        None => as_read.and("attribute_not_exists(seat)"),
        Some(seat) => as_read.and("seat = :seat").value(":seat", n(seat)),
    };
    let update = ItemUpdate::new(keys::activation(activation.id.license, activation.id.machine), as_read)
        .set("lease_expires_at", lease)
        .set("borrowed_until", until)
        .set("max_borrow_seconds", n(borrow.max_seconds))
        .set("last_heartbeat_at", n(new.event.at.as_millisecond()))
        .set("last_ip", s(new.ip));
    match new.offline_file_until {
        Some(until) => update.set("offline_file_until", n(whole_second(until))),
        None => update,
    }
}

fn license_update(license: &License, borrow: Borrow) -> ItemUpdate {
    let next = license.borrows.with(borrow.until);
    ItemUpdate::new(keys::license(license.id), usable_as_read(license))
        .set("borrow_count", n(next.count))
        .set_or_remove("last_borrowed_until", next.last_until.map(|until| n(whole_second(until))))
}

/// Adds the write that counts an early return, on condition that no other was counted since the window was read.
pub(super) fn put_return(
    transaction: &mut Transaction,
    license: LicenseId,
    CountedReturn { read, next }: &CountedReturn,
) -> Result<(), StoreError> {
    let as_read = match read {
        None => Condition::absent(),
        Some(window) => Condition::new("started_at = :started AND returned = :returned")
            .value(":started", n(window.started_at))
            .value(":returned", n(window.returned)),
    };
    transaction.put(to_item(keys::borrow_returns(license), next)?, as_read);
    Ok(())
}
