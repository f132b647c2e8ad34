//! Activations. Heartbeats update the item of an activation and no other item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    count::MAX_CONCURRENCY,
    error::StoreError,
    events::event_item,
    holder::{nonce, still_held_by},
    item::{Item, Key, TTL_ATTRIBUTE, b, from_item, n, s, to_item},
    keys,
    licenses::{LicenseFilter, LicenseOrder, licenses_list},
    pagination::{InvalidCursorError, ListError, Page, PageRequest, paginate_query},
    table::{Query, Table, UpdateOutcome},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{
    Activation, ActivationId, CustomerId, EncryptionKey, Event, License, LicenseId, MachineHash, SeatStatus,
    seat::whole_second,
};

/// How long the item of an ended activation remains, so that a repeated deactivation gets the same response.
const TOMBSTONE_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The index partition key of the activations of a machine. An ended activation has none.
const MACHINE_INDEX: &str = "GSI8PK";

/// The attribute of the app's public key.
const PUBLIC_KEY: &str = "public_key";

/// The attributes of an activation. The license key and the machine follow from the item's key.
#[derive(Serialize, Deserialize)]
struct ActivationRecord {
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
    /// Unix time, a number that conditions can compare.
    lease_expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

pub(super) fn activation_item(activation: &Activation) -> Result<Item, StoreError> {
    let record = ActivationRecord {
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
    let mut item = to_item(keys::activation(activation.id.license, activation.id.machine), &record)?;
    item.insert("life".to_owned(), nonce(&activation.id));
    item.insert(MACHINE_INDEX.to_owned(), s(keys::activations_of_machine(activation.id.machine)));
    if let Some(key) = &activation.public_key {
        item.insert(PUBLIC_KEY.to_owned(), public_key(key));
    }
    Ok(item)
}

pub(super) fn parse_activation(item: &Item) -> Result<Activation, StoreError> {
    let invalid = |attribute: &str| StoreError::InvalidItem(format!("activation: {attribute}"));
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let license = text("PK").and_then(|pk| keys::parse_id_suffix(pk, "LICENSE#")).ok_or_else(|| invalid("PK"))?;
    let machine = text("SK").and_then(|sk| sk.strip_prefix(keys::ACTIVATION)?.parse::<MachineHash>().ok());
    let nonce = item.get("life").and_then(|nonce| nonce.as_b().ok()?.as_ref().try_into().ok());
    let id = ActivationId {
        license,
        machine: machine.ok_or_else(|| invalid("SK"))?,
        nonce: nonce.ok_or_else(|| invalid("life"))?,
    };
    let public_key = item.get(PUBLIC_KEY).map(|value| parse_public_key(value).ok_or_else(|| invalid(PUBLIC_KEY)));
    let record: ActivationRecord = from_item(item.clone())?;
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
        lease_expires_at: Timestamp::from_second(record.lease_expires_at).map_err(|_| invalid("lease_expires_at"))?,
        public_key: public_key.transpose()?,
        ended_at: record.ended_at,
    })
}

/// Stores the modulus and exponent only: heartbeats write this item, and are billed per KB.
fn public_key(key: &EncryptionKey) -> AttributeValue {
    AttributeValue::M(HashMap::from([("n".to_owned(), b(key.n())), ("e".to_owned(), b(key.e()))]))
}

fn parse_public_key(value: &AttributeValue) -> Option<EncryptionKey> {
    let bytes = |name: &str| value.as_m().ok()?.get(name)?.as_b().ok();
    EncryptionKey::new(bytes("n")?.as_ref(), bytes("e")?.as_ref()).ok()
}

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
    /// A new name of the machine; `None` leaves it unchanged.
    pub machine_name: Option<&'a str>,
    /// A new public key; `None` leaves it unchanged.
    pub public_key: Option<&'a EncryptionKey>,
}

/// The outcome of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewOutcome {
    /// The lease ends at the requested time or later. Contains the updated activation.
    Done(Box<Activation>),
    /// The activation has ended or is of another generation.
    NotLive,
}

/// The outcome of a deactivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeactivateOutcome {
    /// The activation has ended, by this request or before.
    Done(Box<Activation>),
    /// The activation does not exist: it was replaced by a later activation of the machine, or deleted after it ended.
    NotFound,
}

impl Table {
    /// Reads the activation of a machine, live or ended.
    pub async fn activation(&self, license: LicenseId, machine: MachineHash) -> Result<Option<Activation>, StoreError> {
        self.get(keys::activation(license, machine)).await?.as_ref().map(parse_activation).transpose()
    }

    /// Renews an activation and extends its lease. If the lease already ends later, only the other attributes are
    /// updated: a lease is never shortened.
    pub async fn renew(&self, renewal: &Renewal<'_>) -> Result<RenewOutcome, StoreError> {
        let live = "life = :life AND generation = :generation AND attribute_not_exists(ended_at)";
        let lease = n(whole_second(renewal.lease_expires_at));
        let condition = |lease_condition: &str| {
            Condition::new(format!("{live} AND lease_expires_at {lease_condition}"))
                .value(":life", nonce(&renewal.id))
                .value(":generation", n(renewal.generation))
                .value(":lease", lease.clone())
        };
        let update = |condition| {
            let update = ItemUpdate::new(keys::activation(renewal.id.license, renewal.id.machine), condition)
                .set("last_heartbeat_at", s(renewal.at.to_string()))
                .set("last_ip", s(renewal.ip));
            let update = match renewal.machine_name {
                Some(name) => update.set("machine_name", s(name)),
                None => update,
            };
            match renewal.public_key {
                Some(key) => update.set(PUBLIC_KEY, public_key(key)),
                None => update,
            }
        };
        let old = match self.update(&update(condition("<= :lease")).set("lease_expires_at", lease.clone())).await? {
            UpdateOutcome::Done(item) => return Ok(RenewOutcome::Done(Box::new(parse_activation(&item)?))),
            UpdateOutcome::ConditionFailed(None) => return Ok(RenewOutcome::NotLive),
            UpdateOutcome::ConditionFailed(Some(item)) => parse_activation(&item)?,
        };
        let is_live = old.id == renewal.id && old.generation == renewal.generation && old.ended_at.is_none();
        if !is_live {
            return Ok(RenewOutcome::NotLive);
        }
        Ok(match self.update(&update(condition("> :lease"))).await? {
            UpdateOutcome::Done(item) => RenewOutcome::Done(Box::new(parse_activation(&item)?)),
            UpdateOutcome::ConditionFailed(_) => RenewOutcome::NotLive,
        })
    }

    /// Ends an activation and frees its seat in one transaction. If another activation holds the seat, only the
    /// activation is ended.
    pub async fn deactivate(&self, activation: &Activation, event: &Event) -> Result<DeactivateOutcome, StoreError> {
        let not_ended =
            Condition::new("life = :life AND attribute_not_exists(ended_at)").value(":life", nonce(&activation.id));
        let mut without_seat = Transaction::new();
        without_seat.update(&tombstone(activation, not_ended, event.at)).put_always(event_item(event)?);
        let mut with_seat = without_seat.clone();
        if let Some(seat) = activation.seat {
            with_seat.delete(keys::seat(activation.id.license, seat), still_held_by(activation));
        }
        for transaction in [&with_seat, &without_seat] {
            let failures = match self.commit(transaction).await? {
                CommitOutcome::Done => {
                    self.full_licenses.remove(activation.id.license);
                    let ended = Activation { ended_at: Some(event.at), ..activation.clone() };
                    return Ok(DeactivateOutcome::Done(Box::new(ended)));
                }
                CommitOutcome::ConditionFailed(failures) => failures,
            };
            if failures.failed(0) {
                let old = failures.old(0).map(parse_activation).transpose()?;
                return Ok(match old.filter(|old| old.id == activation.id) {
                    Some(old) => DeactivateOutcome::Done(Box::new(old)),
                    None => DeactivateOutcome::NotFound,
                });
            }
        }
        Err(StoreError::Contended)
    }

    /// Reads a page of the live activations of a license key, sorted by machine hash.
    pub async fn activations(&self, license: &License, paging: &PageRequest) -> Result<Page<Activation>, ListError> {
        let query = Query {
            filter: Some(live_condition(license)),
            ..Query::prefix(keys::license_partition(license.id), keys::ACTIVATION)
        };
        let list = format!("activations {}", license.id);
        let page = paginate_query(self, query, &list, paging).await?;
        let items = page.items.iter().map(parse_activation).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads a page of the live activations of a machine with their license keys, sorted by license key. A page can be
    /// shorter than its limit: activations that are no longer live are left out after the index was read.
    pub async fn activations_of_machine(
        &self,
        machine: MachineHash,
        paging: &PageRequest,
    ) -> Result<Page<(License, Activation)>, ListError> {
        let partition = keys::activations_of_machine(machine);
        let query = Query { index: Some("GSI8"), ..Query::prefix(partition, "LICENSE#") };
        let page = paginate_query(self, query, &format!("activations of machine {machine}"), paging).await?;
        let mut licenses: Vec<LicenseId> = Vec::new();
        for item in &page.items {
            let pk = item.get("PK").and_then(|pk| pk.as_s().ok());
            licenses.extend(pk.and_then(|pk| keys::parse_id_suffix(pk, "LICENSE#")));
        }
        let read = |license: LicenseId| async move {
            let (license, activation) = try_join!(self.license(license), self.activation(license, machine))?;
            Ok::<_, StoreError>(license.zip(activation))
        };
        let read: Vec<_> = stream::iter(licenses.into_iter().map(read)).buffered(MAX_CONCURRENCY).try_collect().await?;
        let is_live =
            |(license, activation): &(License, Activation)| activation.seat_status(license) != SeatStatus::NotLive;
        Ok(Page { items: read.into_iter().flatten().filter(is_live).collect(), next: page.next })
    }

    /// Reads a page of the live activations of a customer's license keys, sorted by license key. Reads at most
    /// `MAX_LICENSES_READ` license keys, and then returns a short page.
    pub async fn activations_of_customer(
        &self,
        customer: CustomerId,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<(License, Activation)>, ListError> {
        let list = format!("activations of customer {customer}");
        let after = paging.position::<2>(&list)?;
        let mut licenses = self.licenses_of(customer, LicenseFilter::default(), now).await?;
        licenses.sort_by_key(|license| license.id.to_string());
        licenses.retain(|license| after.as_ref().is_none_or(|[id, _]| license.id.to_string() >= *id));
        let mut found: Vec<(License, Activation)> = Vec::new();
        for (read, license) in licenses.into_iter().enumerate() {
            let id = license.id.to_string();
            if read == MAX_LICENSES_READ {
                return Ok(Page { items: found, next: Some(paging.encode_cursor(&list, vec![id, String::new()])) });
            }
            let last = after.as_ref().filter(|[after, last]| *after == id && !last.is_empty());
            // A page of one license key, and one activation more to see whether there is a next page.
            let rest = paging.limit + 1 - found.len();
            for item in self.live_activations(&license, last.map(|[_, last]| last.as_str()), rest).await? {
                found.push((license.clone(), parse_activation(&item)?));
            }
            if found.len() > paging.limit {
                found.truncate(paging.limit);
                let next = found.last().map(|(license, activation)| {
                    let sort_key = keys::activation(license.id, activation.id.machine).sk;
                    paging.encode_cursor(&list, vec![license.id.to_string(), sort_key])
                });
                return Ok(Page { items: found, next });
            }
        }
        Ok(Page { items: found, next: None })
    }

    /// Reads a page of the live activations of all license keys, those of the oldest license key first. A page can be shorter
    /// than its limit, or empty: it reads a limited number of license keys.
    pub async fn all_activations(
        &self,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<(License, Activation)>, ListError> {
        let list = "activations of all";
        let filter = LicenseFilter { order: LicenseOrder::OldestFirst, ..LicenseFilter::default() };
        let cursor = |[sort_key, id, last]: [String; 3]| paging.encode_cursor(list, vec![sort_key, id, last]);
        let position = |license: &License| (keys::time_sort_key("LICENSE", license.issued_at), license.id.to_string());
        let mut found: Vec<(License, Activation)> = Vec::new();
        let mut after_license = None;
        if let Some([sort_key, id, last]) = paging.position::<3>(list)? {
            // The rest of the activations of the license key in which the previous page ended.
            let license = if last.is_empty() { None } else { self.license(parse_cursor_id(&id)?).await? };
            if let Some(license) = license {
                for item in self.live_activations(&license, Some(&last), paging.limit + 1).await? {
                    found.push((license.clone(), parse_activation(&item)?));
                }
            }
            after_license = Some(keys::license(parse_cursor_id(&id)?)).map(|key| vec![sort_key, key.pk, key.sk]);
        }
        let cursor_of_licenses = after_license.map(|at| paging.encode_cursor(&licenses_list(&filter), at));
        let request = PageRequest { limit: MAX_LICENSES_READ, cursor: cursor_of_licenses, key: paging.key.clone() };
        let page = self.licenses(&filter, now, &request).await?;
        let last_read = page.items.last().map(position);
        let rest = (paging.limit + 1).saturating_sub(found.len());
        let read = page.items.into_iter().map(|license| async move {
            let items = self.live_activations(&license, None, rest).await?;
            Ok::<_, StoreError>((license, items))
        });
        let mut read = stream::iter(read).buffered(MAX_CONCURRENCY);
        while found.len() <= paging.limit
            && let Some((license, items)) = read.try_next().await?
        {
            for item in items {
                found.push((license.clone(), parse_activation(&item)?));
            }
        }
        if found.len() > paging.limit {
            found.truncate(paging.limit);
            let next = found.last().map(|(license, activation)| {
                let (sort_key, id) = position(license);
                cursor([sort_key, id, keys::activation(license.id, activation.id.machine).sk])
            });
            return Ok(Page { items: found, next });
        }
        let next = page.next.and(last_read).map(|(sort_key, id)| cursor([sort_key, id, String::new()]));
        Ok(Page { items: found, next })
    }

    /// Reads at most `max` live activations of a license key, after a sort key.
    async fn live_activations(
        &self,
        license: &License,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let partition = keys::license_partition(license.id);
        let mut query = Query {
            filter: Some(live_condition(license)),
            after: after.map(|sk| Key::new(partition.clone(), sk).into_item()),
            ..Query::prefix(partition, keys::ACTIVATION)
        };
        let mut found = Vec::new();
        loop {
            let page = self.query(query.clone()).await?;
            found.extend(page.items);
            if found.len() >= max || page.next.is_none() {
                found.truncate(max);
                return Ok(found);
            }
            query.after = page.next;
        }
    }

    /// Reads live activations whose lease ended at `lapsed_before` or earlier, from one page of the machines, starting
    /// at `start` and wrapping around. The list is empty only if no live activation has such a lease. Two pages cover a
    /// license key with few machines; the machines of a larger one are read in parts, a few of them at a time.
    pub async fn sample_lapsed(
        &self,
        license: &License,
        lapsed_before: Timestamp,
        start: MachineHash,
    ) -> Result<Vec<Activation>, StoreError> {
        let lapsed =
            live_condition(license).and("lease_expires_at <= :lapsed").value(":lapsed", n(whole_second(lapsed_before)));
        let query = |from, to, limit| Query {
            filter: Some(lapsed.clone()),
            limit: Some(limit),
            ..Query::between(keys::license_partition(license.id), from, to)
        };
        let start = format!("{}{start}", keys::ACTIVATION);
        let [(first, _), .., (_, last)] = machine_ranges();
        for (from, to) in [(start.clone(), last), (first, start)] {
            let page = self.query(query(from, to, SMALL_LAPSED_PAGE)).await?;
            if !page.items.is_empty() {
                return page.items.iter().map(parse_activation).collect();
            }
            if page.next.is_some() {
                let parts = machine_ranges().map(|(from, to)| query(from, to, LARGE_LAPSED_PAGE));
                // Boxed, because the future is large.
                let found = Box::pin(self.first_page_of_any(parts)).await?;
                return found.iter().map(parse_activation).collect();
            }
        }
        Ok(Vec::new())
    }

    /// Returns the first page with items of one of the queries, a few of which run at the same time; empty if there is none.
    async fn first_page_of_any<const N: usize>(&self, queries: [Query; N]) -> Result<Vec<Item>, StoreError> {
        let mut pages = stream::iter(queries.map(|query| self.first_page(query))).buffer_unordered(MAX_CONCURRENCY);
        while let Some(found) = pages.try_next().await? {
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Returns the first page of a query that has items; empty if there is none.
    async fn first_page(&self, mut query: Query) -> Result<Vec<Item>, StoreError> {
        loop {
            let page = self.query(query.clone()).await?;
            if !page.items.is_empty() || page.next.is_none() {
                return Ok(page.items);
            }
            query.after = page.next;
        }
    }

    /// Counts the live activations of a license key without a seat limit.
    pub(super) async fn count_activations(&self, license: &License) -> Result<usize, StoreError> {
        let partition = keys::license_partition(license.id);
        let query =
            |(from, to)| Query { filter: Some(live_condition(license)), ..Query::between(partition.clone(), from, to) };
        self.count_concurrently(machine_ranges().map(query).into()).await
    }
}

/// Parses the id of a license key in a cursor.
fn parse_cursor_id(id: &str) -> Result<LicenseId, ListError> {
    id.parse().map_err(|_| InvalidCursorError.into())
}

/// The maximum number of license keys whose activations are read for one page.
const MAX_LICENSES_READ: usize = 50;

/// Splits the sort keys of all machines into four ranges, which hold about the same number of machines. A bound is no
/// machine's sort key, as it is shorter.
fn machine_ranges() -> [(String, String); 4] {
    [("00", "40"), ("40", "80"), ("80", "c0"), ("c0", "g")]
        .map(|(from, to)| (format!("{}{from}", keys::ACTIVATION), format!("{}{to}", keys::ACTIVATION)))
}

/// Returns the update that ends an activation. The item is deleted after a retention period.
pub(super) fn tombstone(activation: &Activation, condition: Condition, at: Timestamp) -> ItemUpdate {
    ItemUpdate::new(keys::activation(activation.id.license, activation.id.machine), condition)
        .set("ended_at", s(at.to_string()))
        .set_or_remove(MACHINE_INDEX, None)
        .set(TTL_ATTRIBUTE, n(whole_second(at) + TOMBSTONE_RETENTION.as_secs()))
}

/// The number of machines that are read by each of the first queries for lapsed activations: enough for most license keys,
/// and few where many leases have lapsed.
const SMALL_LAPSED_PAGE: i32 = 200;
/// The number of machines that are read per query where the first found none. It bounds the size of a response.
const LARGE_LAPSED_PAGE: i32 = 1000;

/// Requires that the activation is live under this license key.
fn live_condition(license: &License) -> Condition {
    let live = Condition::new("generation = :generation AND attribute_not_exists(ended_at)")
        .value(":generation", n(license.generation));
    match license.max_users {
        None => live,
        Some(max_users) => live.and("seat < :max_users").value(":max_users", n(max_users)),
    }
}
