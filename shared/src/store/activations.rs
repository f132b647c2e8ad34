//! Activations. Heartbeats update the item of an activation and no other item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    count::MAX_CONCURRENCY,
    error::StoreError,
    holder::nonce,
    item::{Item, Key, TTL_ATTRIBUTE, b, from_item, n, s, to_item},
    keys,
    licenses::{LicenseFilter, LicenseOrder, licenses_list},
    pagination::{InvalidCursorError, ListError, Page, PageRequest, paginate_query},
    table::{Query, Table},
    transaction::Condition,
};
use crate::domain::{
    Activation, ActivationId, Borrow, CustomerId, DescribedActivation, EncryptionKey, License, LicenseId, MachineHash,
    SeatStatus, seat::whole_second,
};

/// The index partition key of the activations of a machine. An ended activation has none.
pub(super) const MACHINE_INDEX: &str = "GSI8PK";

/// How long the item of a process without a seat remains after its lease. DynamoDB deletes it then: apps that end without
/// deactivating would otherwise leave an item each time they start.
const SEATLESS_PROCESS_RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// Returns when DynamoDB may delete the activation of a process without a seat, as Unix time.
pub(super) fn seatless_process_ttl(lease_expires_at: Timestamp) -> i64 {
    whole_second(lease_expires_at) + SEATLESS_PROCESS_RETENTION.as_secs()
}

/// The attribute of the app's public key.
pub(super) const PUBLIC_KEY: &str = "public_key";

/// The attribute of the digest of the facts about the machine that the app has reported last.
pub(super) const FACTS_DIGEST: &str = "facts";
/// The attribute of the time at which the facts about the machine are deleted, of a process without a seat.
pub(super) const FACTS_UNTIL: &str = "facts_until";

/// The attributes of an activation. The license key and the machine follow from the item's key.
#[derive(Serialize, Deserialize)]
struct ActivationRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seat: Option<u32>,
    generation: u32,
    machine_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance_id: Option<String>,
    last_ip: String,
    /// Unix time in milliseconds.
    last_heartbeat_at: i64,
    /// Unix time, a number that conditions can compare.
    lease_expires_at: i64,
    /// Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    borrowed_until: Option<i64>,
    /// The longest time for which the seat could be borrowed when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_borrow_seconds: Option<u32>,
    /// Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offline_file_until: Option<i64>,
    /// Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts_until: Option<i64>,
    /// Unix time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
}

pub(super) fn activation_item(activation: &Activation) -> Result<Item, StoreError> {
    let record = ActivationRecord {
        seat: activation.seat,
        generation: activation.generation,
        machine_id: activation.machine_id.clone(),
        instance_id: activation.instance_id.clone(),
        last_ip: activation.last_ip.clone(),
        last_heartbeat_at: activation.last_heartbeat_at.as_millisecond(),
        lease_expires_at: whole_second(activation.lease_expires_at),
        borrowed_until: activation.borrow.map(|borrow| whole_second(borrow.until)),
        max_borrow_seconds: activation.borrow.map(|borrow| borrow.max_seconds),
        offline_file_until: activation.offline_file_until.map(whole_second),
        facts_until: activation.facts_until.map(whole_second),
        ended_at: activation.ended_at.map(Timestamp::as_millisecond),
    };
    let mut item = to_item(keys::activation(activation.id.license, activation.id.machine), &record)?;
    item.insert("life".to_owned(), nonce(&activation.id));
    item.insert(MACHINE_INDEX.to_owned(), s(keys::activations_of_machine(activation.machine())));
    if activation.is_seatless_process() {
        item.insert(TTL_ATTRIBUTE.to_owned(), n(seatless_process_ttl(activation.lease_expires_at)));
    }
    if let Some(digest) = activation.facts_digest {
        item.insert(FACTS_DIGEST.to_owned(), b(digest));
    }
    if let Some(key) = &activation.public_key {
        item.insert(PUBLIC_KEY.to_owned(), public_key(key));
    }
    Ok(item)
}

/// Parses the license key and the hash of the machine or process from the key of an activation.
fn activation_key(item: &Item) -> Option<(LicenseId, MachineHash)> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let machine = text("SK")?.strip_prefix(keys::ACTIVATION)?.parse().ok()?;
    Some((keys::parse_id_suffix(text("PK")?, "LICENSE#")?, machine))
}

pub(super) fn parse_activation(item: &Item) -> Result<Activation, StoreError> {
    let invalid = |attribute: &str| StoreError::InvalidItem(format!("activation: {attribute}"));
    let (license, machine) = activation_key(item).ok_or_else(|| invalid("key"))?;
    let bytes = |attribute: &str| item.get(attribute).and_then(|value| Some(value.as_b().ok()?.as_ref()));
    let nonce = bytes("life").and_then(|nonce| nonce.try_into().ok());
    let id = ActivationId { license, machine, nonce: nonce.ok_or_else(|| invalid("life"))? };
    let public_key = item.get(PUBLIC_KEY).map(|value| parse_public_key(value).ok_or_else(|| invalid(PUBLIC_KEY)));
    let record: ActivationRecord = from_item(item.clone())?;
    let time = |name: &str, second| Timestamp::from_second(second).map_err(|_| invalid(name));
    let exact_time = |name: &str, millis| Timestamp::from_millisecond(millis).map_err(|_| invalid(name));
    let borrowed_until = record.borrowed_until.map(|second| time("borrowed_until", second)).transpose()?;
    let max_seconds = record.max_borrow_seconds.unwrap_or_default();
    Ok(Activation {
        id,
        seat: record.seat,
        generation: record.generation,
        machine_id: record.machine_id,
        instance_id: record.instance_id,
        last_ip: record.last_ip,
        last_heartbeat_at: exact_time("last_heartbeat_at", record.last_heartbeat_at)?,
        lease_expires_at: time("lease_expires_at", record.lease_expires_at)?,
        public_key: public_key.transpose()?,
        borrow: borrowed_until.map(|until| Borrow { until, max_seconds }),
        offline_file_until: record.offline_file_until.map(|second| time("offline_file_until", second)).transpose()?,
        facts_digest: bytes(FACTS_DIGEST).and_then(|digest| digest.try_into().ok()),
        facts_until: record.facts_until.map(|second| time(FACTS_UNTIL, second)).transpose()?,
        ended_at: record.ended_at.map(|millis| exact_time("ended_at", millis)).transpose()?,
    })
}

/// Stores the modulus and exponent only: heartbeats write this item, and are billed per KB.
pub(super) fn public_key(key: &EncryptionKey) -> AttributeValue {
    AttributeValue::M(HashMap::from([("n".to_owned(), b(key.n())), ("e".to_owned(), b(key.e()))]))
}

fn parse_public_key(value: &AttributeValue) -> Option<EncryptionKey> {
    let bytes = |name: &str| value.as_m().ok()?.get(name)?.as_b().ok();
    EncryptionKey::new(bytes("n")?.as_ref(), bytes("e")?.as_ref()).ok()
}

impl Table {
    /// Reads the activation of a machine, live or ended.
    pub async fn activation(&self, license: LicenseId, machine: MachineHash) -> Result<Option<Activation>, StoreError> {
        self.get(keys::activation(license, machine)).await?.as_ref().map(parse_activation).transpose()
    }

    /// Reads a page of the live activations of a license key, sorted by machine hash.
    pub async fn activations(
        &self,
        license: &License,
        paging: &PageRequest,
    ) -> Result<Page<DescribedActivation>, ListError> {
        let query = Query {
            filter: Some(live_condition(license)),
            ..Query::prefix(keys::license_partition(license.id), keys::ACTIVATION)
        };
        let list = format!("activations {}", license.id);
        let page = paginate_query(self, query, &list, paging).await?;
        let items = page.items.iter().map(parse_activation).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items: self.describe(license.id, items).await?, next: page.next })
    }

    /// Reads a page of the live activations of a machine with their license keys, sorted by license key. A page can be
    /// shorter than its limit: activations that are no longer live are left out after the index was read.
    pub async fn activations_of_machine(
        &self,
        machine: MachineHash,
        paging: &PageRequest,
    ) -> Result<Page<(License, DescribedActivation)>, ListError> {
        let partition = keys::activations_of_machine(machine);
        let query = Query { index: Some("GSI8"), ..Query::prefix(partition, "LICENSE#") };
        let page = paginate_query(self, query, &format!("activations of machine {machine}"), paging).await?;
        let read = |item: Item| async move {
            let Some(key) = activation_key(&item) else { return Ok(None) };
            let (license, activation) = try_join!(self.license(key.0), self.described_activation(key.0, key.1))?;
            Ok::<_, StoreError>(license.zip(activation))
        };
        let read: Vec<_> =
            stream::iter(page.items.into_iter().map(read)).buffered(MAX_CONCURRENCY).try_collect().await?;
        let is_live = |(license, found): &(License, DescribedActivation)| {
            found.activation.seat_status(license) != SeatStatus::NotLive
        };
        Ok(Page { items: read.into_iter().flatten().filter(is_live).collect(), next: page.next })
    }

    /// Reads a page of the live activations of a customer's license keys, sorted by license key. Reads at most
    /// `MAX_LICENSES_READ` license keys, and then returns a short page.
    pub async fn activations_of_customer(
        &self,
        customer: CustomerId,
        now: Timestamp,
        paging: &PageRequest,
    ) -> Result<Page<(License, DescribedActivation)>, ListError> {
        let list = format!("activations of customer {customer}");
        let after = paging.position::<2>(&list)?;
        let mut licenses = self.licenses_of(customer, LicenseFilter::default(), now).await?;
        licenses.sort_by_key(|license| license.id.to_string());
        licenses.retain(|license| after.as_ref().is_none_or(|[id, _]| license.id.to_string() >= *id));
        let mut found: Vec<(License, DescribedActivation)> = Vec::new();
        for (read, license) in licenses.into_iter().enumerate() {
            let id = license.id.to_string();
            if read == MAX_LICENSES_READ {
                return Ok(Page { items: found, next: Some(paging.encode_cursor(&list, vec![id, String::new()])) });
            }
            let last = after.as_ref().filter(|[after, last]| *after == id && !last.is_empty());
            // A page of one license key, and one activation more to see whether there is a next page.
            let rest = paging.limit + 1 - found.len();
            let activations = self.live_activations(&license, last.map(|[_, last]| last.as_str()), rest).await?;
            found.extend(activations.into_iter().map(|activation| (license.clone(), activation)));
            if found.len() > paging.limit {
                found.truncate(paging.limit);
                let next = found.last().map(|(license, last)| {
                    let sort_key = keys::activation(license.id, last.activation.id.machine).sk;
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
    ) -> Result<Page<(License, DescribedActivation)>, ListError> {
        let list = "activations of all";
        let filter = LicenseFilter { order: LicenseOrder::OldestFirst, ..LicenseFilter::default() };
        let cursor = |[sort_key, id, last]: [String; 3]| paging.encode_cursor(list, vec![sort_key, id, last]);
        let position = |license: &License| (keys::time_sort_key("LICENSE", license.issued_at), license.id.to_string());
        let mut found: Vec<(License, DescribedActivation)> = Vec::new();
        let mut after_license = None;
        if let Some([sort_key, id, last]) = paging.position::<3>(list)? {
            // The rest of the activations of the license key in which the previous page ended.
            let license = if last.is_empty() { None } else { self.license(parse_cursor_id(&id)?).await? };
            if let Some(license) = license {
                let activations = self.live_activations(&license, Some(&last), paging.limit + 1).await?;
                found.extend(activations.into_iter().map(|activation| (license.clone(), activation)));
            }
            after_license = Some(keys::license(parse_cursor_id(&id)?)).map(|key| vec![sort_key, key.pk, key.sk]);
        }
        let cursor_of_licenses = after_license.map(|at| paging.encode_cursor(&licenses_list(&filter), at));
        let request = PageRequest { limit: MAX_LICENSES_READ, cursor: cursor_of_licenses, key: paging.key.clone() };
        let page = self.licenses(&filter, now, &request).await?;
        let last_read = page.items.last().map(position);
        let rest = (paging.limit + 1).saturating_sub(found.len());
        let read = page.items.into_iter().map(|license| async move {
            let activations = self.live_activations(&license, None, rest).await?;
            Ok::<_, StoreError>((license, activations))
        });
        let mut read = stream::iter(read).buffered(MAX_CONCURRENCY);
        while found.len() <= paging.limit
            && let Some((license, activations)) = read.try_next().await?
        {
            found.extend(activations.into_iter().map(|activation| (license.clone(), activation)));
        }
        if found.len() > paging.limit {
            found.truncate(paging.limit);
            let next = found.last().map(|(license, last)| {
                let (sort_key, id) = position(license);
                cursor([sort_key, id, keys::activation(license.id, last.activation.id.machine).sk])
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
    ) -> Result<Vec<DescribedActivation>, StoreError> {
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
                let activations = found.iter().map(parse_activation).collect::<Result<_, _>>()?;
                return self.describe(license.id, activations).await;
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
pub(super) fn machine_ranges() -> [(String, String); 4] {
    [("00", "40"), ("40", "80"), ("80", "c0"), ("c0", "g")]
        .map(|(from, to)| (format!("{}{from}", keys::ACTIVATION), format!("{}{to}", keys::ACTIVATION)))
}

/// Requires that the activation is live under this license key.
pub(super) fn live_condition(license: &License) -> Condition {
    let live = Condition::new("generation = :generation AND attribute_not_exists(ended_at)")
        .value(":generation", n(license.generation));
    match license.max_users {
        None => live,
        Some(max_users) => live.and("seat < :max_users").value(":max_users", n(max_users)),
    }
}
