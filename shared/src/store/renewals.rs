//! Renewals of activations: the write of heartbeats.

use super::{
    activations::{PUBLIC_KEY, parse_activation, public_key, seatless_process_ttl},
    error::StoreError,
    holder::live,
    item::{TTL_ATTRIBUTE, n, s},
    keys,
    table::{Table, UpdateOutcome},
    transaction::ItemUpdate,
};
use crate::domain::{Activation, ActivationId, EncryptionKey, Timestamp, seat::whole_second};

/// A renewal of an activation, by a heartbeat or a repeated activation.
#[derive(Debug, Clone)]
pub struct Renewal<'a> {
    /// The activation.
    pub id: ActivationId,
    /// The generation of the caller's credential.
    pub generation: u32,
    /// The earliest acceptable end of the lease.
    pub lease_expires_at: Timestamp,
    /// The time of the request.
    pub at: Timestamp,
    /// The client address.
    pub ip: &'a str,
    /// A new public key; `None` leaves it unchanged.
    pub public_key: Option<&'a EncryptionKey>,
    /// Whether the activation is that of a process without a seat, which DynamoDB deletes some time after its lease. If this turns
    /// out to be wrong, the update is repeated.
    pub is_seatless_process: bool,
    /// Until when a license file can be used that is issued with this renewal; `None` leaves it unchanged.
    pub offline_file_until: Option<Timestamp>,
}

/// The outcome of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewOutcome {
    /// The lease ends at the requested time or later. Contains the updated activation.
    Done(Box<Activation>),
    /// The activation has ended or is of another generation.
    NotLive,
}

impl Table {
    /// Renews an activation and extends its lease. If the lease already ends later, only the other attributes are
    /// updated: a lease is never shortened.
    pub async fn renew(&self, renewal: &Renewal<'_>) -> Result<RenewOutcome, StoreError> {
        let extending = Form { extends_lease: true, is_seatless_process: renewal.is_seatless_process };
        let old = match self.update(&update(renewal, extending)).await? {
            UpdateOutcome::Done(item) => return Ok(RenewOutcome::Done(Box::new(parse_activation(&item)?))),
            UpdateOutcome::ConditionFailed(None) => return Ok(RenewOutcome::NotLive),
            UpdateOutcome::ConditionFailed(Some(item)) => parse_activation(&item)?,
        };
        let is_live = old.id == renewal.id && old.generation == renewal.generation && old.ended_at.is_none();
        if !is_live {
            return Ok(RenewOutcome::NotLive);
        }
        Ok(match self.update(&update(renewal, Form::of(&old, renewal))).await? {
            UpdateOutcome::Done(item) => RenewOutcome::Done(Box::new(parse_activation(&item)?)),
            UpdateOutcome::ConditionFailed(_) => RenewOutcome::NotLive,
        })
    }
}

/// What a renewal assumes of the activation. Its condition requires that it is true.
#[derive(Clone, Copy)]
struct Form {
    /// Whether the new lease ends no earlier than the present one.
    extends_lease: bool,
    /// Whether it is the activation of a process without a seat.
    is_seatless_process: bool,
}

impl Form {
    fn of(activation: &Activation, renewal: &Renewal<'_>) -> Self {
        Self {
            extends_lease: whole_second(activation.lease_expires_at) <= whole_second(renewal.lease_expires_at),
            is_seatless_process: activation.is_seatless_process(),
        }
    }
}

fn update(renewal: &Renewal<'_>, form: Form) -> ItemUpdate {
    let lease = n(whole_second(renewal.lease_expires_at));
    let lease_condition = if form.extends_lease { "<= :lease" } else { "> :lease" };
    let seat_condition = if form.is_seatless_process { " AND attribute_not_exists(seat)" } else { "" };
    let condition = live(&renewal.id, renewal.generation)
        .and(&format!("lease_expires_at {lease_condition}{seat_condition}"))
        .value(":lease", lease.clone());
    let update = ItemUpdate::new(keys::activation(renewal.id.license, renewal.id.machine), condition)
        .set("last_heartbeat_at", n(renewal.at.as_millisecond()))
        .set("last_ip", s(renewal.ip));
    let mut changes = Vec::new();
    if form.extends_lease {
        changes.push(("lease_expires_at", lease));
        if form.is_seatless_process {
            changes.push((TTL_ATTRIBUTE, n(seatless_process_ttl(renewal.lease_expires_at))));
        }
    }
    changes.extend(renewal.public_key.map(|key| (PUBLIC_KEY, public_key(key))));
    changes.extend(renewal.offline_file_until.map(|until| ("offline_file_until", n(whole_second(until)))));
    changes.into_iter().fold(update, |update, (name, value)| update.set(name, value))
}
