//! Activations: the one item of a machine that a heartbeat rewrites.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    events::event_item,
    keys,
    pagination::{ListError, Page, PageRequest, paginate_query},
    schema::TTL_ATTRIBUTE,
    seats::still_held_by,
    table::{Item, Query, StoreError, Table, UpdateOutcome, b, from_item, n, s, to_item},
    transaction::{Change, CommitOutcome, Condition, Transaction},
};
use crate::domain::{
    Activation, ActivationId, EncryptionKey, Event, License, LicenseId, MachineHash, seat::whole_second,
};

/// How long a tombstone answers a repeated deactivation.
const TOMBSTONE_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Where an app's public key is.
const PUBLIC_KEY: &str = "public_key";

/// An activation as it lies in the table. Its license and its machine are in its key.
#[derive(Serialize, Deserialize)]
struct MachineRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seat: Option<u32>,
    generation: u32,
    machine_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine_name: Option<String>,
    ip: String,
    last_ip: String,
    activated_at: Timestamp,
    last_heartbeat_at: Timestamp,
    /// Whole seconds since 1970, as it is compared.
    lease_expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

pub(super) fn activation_item(activation: &Activation) -> Result<Item, StoreError> {
    let record = MachineRecord {
        seat: activation.seat,
        generation: activation.generation,
        machine_id: activation.machine_id.clone(),
        machine_name: activation.machine_name.clone(),
        ip: activation.ip.clone(),
        last_ip: activation.last_ip.clone(),
        activated_at: activation.activated_at,
        last_heartbeat_at: activation.last_heartbeat_at,
        lease_expires_at: whole_second(activation.lease_expires_at),
        ended_at: activation.ended_at,
    };
    let mut item = to_item(keys::machine(activation.id.license, activation.id.machine), &record)?;
    item.insert("life".to_owned(), life(&activation.id));
    if let Some(key) = &activation.public_key {
        item.insert(PUBLIC_KEY.to_owned(), public_key(key));
    }
    Ok(item)
}

pub(super) fn activation_of(item: &Item) -> Result<Activation, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("an activation: {what}"));
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let license = text("PK").and_then(|pk| keys::id_after(pk, "LICENSE#")).ok_or_else(|| damaged("its license"))?;
    let machine = text("SK").and_then(|sk| sk.strip_prefix(keys::MACHINE)?.parse::<MachineHash>().ok());
    let life = item.get("life").and_then(|life| life.as_b().ok()?.as_ref().try_into().ok());
    let id = ActivationId {
        license,
        machine: machine.ok_or_else(|| damaged("its machine"))?,
        life: life.ok_or_else(|| damaged("its life"))?,
    };
    let public_key = item.get(PUBLIC_KEY).map(|value| public_key_of(value).ok_or_else(|| damaged("its public key")));
    let record: MachineRecord = from_item(item.clone())?;
    Ok(Activation {
        id,
        seat: record.seat,
        generation: record.generation,
        machine_id: record.machine_id,
        machine_name: record.machine_name,
        ip: record.ip,
        last_ip: record.last_ip,
        activated_at: record.activated_at,
        last_heartbeat_at: record.last_heartbeat_at,
        lease_expires_at: Timestamp::from_second(record.lease_expires_at).map_err(|_| damaged("its lease"))?,
        public_key: public_key.transpose()?,
        ended_at: record.ended_at,
    })
}

/// The bytes of modulus and exponent and nothing else: a heartbeat writes this item, and pays for each KB of it.
fn public_key(key: &EncryptionKey) -> AttributeValue {
    AttributeValue::M(HashMap::from([("n".to_owned(), b(key.n())), ("e".to_owned(), b(key.e()))]))
}

fn public_key_of(value: &AttributeValue) -> Option<EncryptionKey> {
    let bytes = |name: &str| value.as_m().ok()?.get(name)?.as_b().ok();
    EncryptionKey::new(bytes("n")?.as_ref(), bytes("e")?.as_ref()).ok()
}

/// The random part of an id, as an attribute. The item's key has the rest of the id.
pub(super) fn life(id: &ActivationId) -> AttributeValue {
    b(id.life)
}

/// A sign of life of a machine that holds its seat.
#[derive(Debug, Clone)]
pub struct Renewal<'a> {
    /// Which activation.
    pub id: ActivationId,
    /// The generation that its credential is of.
    pub generation: u32,
    /// What the lease must reach at least.
    pub lease_expires_at: Timestamp,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: &'a str,
    /// What people call the machine, where the caller says so.
    pub machine_name: Option<&'a str>,
    /// A public key in place of the one that it has, where the caller gives one.
    pub public_key: Option<&'a EncryptionKey>,
}

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewOutcome {
    /// The lease reaches what was asked, or further; the activation as it is now.
    Done(Box<Activation>),
    /// This life of the machine is over, or of another generation.
    NotLive,
}

/// What became of a deactivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeactivateOutcome {
    /// It has ended, now or before.
    Done(Box<Activation>),
    /// There is no such activation: a later life of the machine took its place, or its tombstone is gone.
    Gone,
}

impl Table {
    /// What is known of a machine on a license, dead or alive.
    pub async fn activation(&self, license: LicenseId, machine: MachineHash) -> Result<Option<Activation>, StoreError> {
        self.get(keys::machine(license, machine)).await?.as_ref().map(activation_of).transpose()
    }

    /// Extends a lease that is live. A lease never shrinks: where it already reaches further, only the sign of life
    /// is written.
    pub async fn renew(&self, renewal: &Renewal<'_>) -> Result<RenewOutcome, StoreError> {
        let live = "life = :life AND generation = :generation AND attribute_not_exists(ended_at)";
        let lease = n(whole_second(renewal.lease_expires_at));
        let condition = |lease_condition: &str| {
            Condition::new(format!("{live} AND lease_expires_at {lease_condition}"))
                .value(":life", life(&renewal.id))
                .value(":generation", n(renewal.generation))
                .value(":lease", lease.clone())
        };
        let change = |condition| {
            let change = Change::new(keys::machine(renewal.id.license, renewal.id.machine), condition)
                .set("last_heartbeat_at", s(renewal.at.to_string()))
                .set("last_ip", s(renewal.ip));
            let change = match renewal.machine_name {
                Some(name) => change.set("machine_name", s(name)),
                None => change,
            };
            match renewal.public_key {
                Some(key) => change.set(PUBLIC_KEY, public_key(key)),
                None => change,
            }
        };
        let old = match self.update(&change(condition("<= :lease")).set("lease_expires_at", lease.clone())).await? {
            UpdateOutcome::Done(item) => return Ok(RenewOutcome::Done(Box::new(activation_of(&item)?))),
            UpdateOutcome::Refused(None) => return Ok(RenewOutcome::NotLive),
            UpdateOutcome::Refused(Some(item)) => activation_of(&item)?,
        };
        let is_live = old.id == renewal.id && old.generation == renewal.generation && old.ended_at.is_none();
        if !is_live {
            return Ok(RenewOutcome::NotLive);
        }
        Ok(match self.update(&change(condition("> :lease"))).await? {
            UpdateOutcome::Done(item) => RenewOutcome::Done(Box::new(activation_of(&item)?)),
            UpdateOutcome::Refused(_) => RenewOutcome::NotLive,
        })
    }

    /// Ends an activation and frees its seat, together. Where the seat has passed on, only the activation ends.
    pub async fn deactivate(&self, activation: &Activation, event: &Event) -> Result<DeactivateOutcome, StoreError> {
        let not_ended =
            Condition::new("life = :life AND attribute_not_exists(ended_at)").value(":life", life(&activation.id));
        let mut alone = Transaction::new();
        alone.change(&tombstone(activation, not_ended, event.at)).put_always(event_item(event)?);
        let mut with_seat = alone.clone();
        if let Some(seat) = activation.seat {
            with_seat.delete(keys::seat(activation.id.license, seat), still_held_by(activation));
        }
        for transaction in [&with_seat, &alone] {
            let refused = match self.commit(transaction).await? {
                CommitOutcome::Done => {
                    let ended = Activation { ended_at: Some(event.at), ..activation.clone() };
                    return Ok(DeactivateOutcome::Done(Box::new(ended)));
                }
                CommitOutcome::Refused(refused) => refused,
            };
            if refused.failed(0) {
                let old = refused.old(0).map(activation_of).transpose()?;
                return Ok(match old.filter(|old| old.id == activation.id) {
                    Some(old) => DeactivateOutcome::Done(Box::new(old)),
                    None => DeactivateOutcome::Gone,
                });
            }
        }
        Err(StoreError::Contended)
    }

    /// The activations of a license that hold their seats, in no order that means anything.
    pub async fn activations(&self, license: &License, paging: &PageRequest) -> Result<Page<Activation>, ListError> {
        let query = Query {
            filter: Some(live_under(license)),
            ..Query::prefix(keys::license_partition(license.id), keys::MACHINE)
        };
        let list = format!("activations {}", license.id);
        let page = paginate_query(self, query, &list, paging).await?;
        let items = page.items.iter().map(activation_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Activations whose lease ended at `lapsed_before` or earlier, of one stretch of the license's machines from a
    /// random start on; none only if the license has none.
    pub async fn sample_lapsed(
        &self,
        license: &License,
        lapsed_before: Timestamp,
        start: MachineHash,
    ) -> Result<Vec<Activation>, StoreError> {
        let partition = keys::license_partition(license.id);
        let start = format!("{}{start}", keys::MACHINE);
        let end = format!("{}{}", keys::MACHINE, HEXLOWER.encode(&[0xff; 32]));
        let lapsed =
            live_under(license).and("lease_expires_at <= :lapsed").value(":lapsed", n(whole_second(lapsed_before)));
        for (from, to) in [(start.clone(), end), (keys::MACHINE.to_owned(), start)] {
            let mut query = Query {
                filter: Some(lapsed.clone()),
                limit: Some(STRETCH),
                ..Query::between(partition.clone(), from, to)
            };
            loop {
                let page = self.query(query.clone()).await?;
                if !page.items.is_empty() {
                    return page.items.iter().map(activation_of).collect();
                }
                if page.next.is_none() {
                    break;
                }
                query.after = page.next;
            }
        }
        Ok(Vec::new())
    }

    /// How many activations of a license without a limit hold.
    pub(super) async fn count_activations(&self, license: &License) -> Result<usize, StoreError> {
        let query = Query {
            filter: Some(live_under(license)),
            attributes: Some(&["SK"]),
            ..Query::prefix(keys::license_partition(license.id), keys::MACHINE)
        };
        Ok(self.query_all(query).await?.len())
    }
}

/// The end of an activation, for a while: it answers a repeat.
pub(super) fn tombstone(activation: &Activation, condition: Condition, at: Timestamp) -> Change {
    Change::new(keys::machine(activation.id.license, activation.id.machine), condition)
        .set("ended_at", s(at.to_string()))
        .set(TTL_ATTRIBUTE, n(whole_second(at) + TOMBSTONE_LIFE.as_secs()))
}

/// How many machines are read at once when looking for one that has lapsed.
const STRETCH: i32 = 200;

/// Activations that hold under this license.
fn live_under(license: &License) -> Condition {
    let live = Condition::new("generation = :generation AND attribute_not_exists(ended_at)")
        .value(":generation", n(license.generation));
    match license.max_users {
        None => live,
        Some(max_users) => live.and("seat < :max_users").value(":max_users", n(max_users)),
    }
}
