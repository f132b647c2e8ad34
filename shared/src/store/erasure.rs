//! The erasure of customers: first the customer's own data in one transaction, then, in a job that can stop and continue at
//! any time, the personal data in the history of its license keys. Ids and events stay.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    activations::{FACTS_DIGEST, parse_activation},
    customers::{SUBJECT_RECORD, VersionedCustomer, absent_or_own, email_key, put_external_id},
    deactivations::DeactivateOutcome,
    error::StoreError,
    events::event_item,
    holder::of_activation,
    item::{Item, Key, from_item, key_only_item, n, s, to_item},
    keys,
    license_writes::UpdateLicenseOutcome,
    licenses::LicenseFilter,
    metadata::write_metadata,
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{
    Activation, Customer, CustomerId, DescribedActivation, Event, EventData, EventSource, IdGenerator, License,
    LicenseId, Metadata, Override, ProductId, SearchResource, Status, Subject,
    event::payload::{ActivationDeactivated, ChangedFields},
};

/// The maximum number of pointers to current license keys that an erasure checks, so that the transaction has at most 100
/// writes. Products beyond it are not checked for a license key that is issued at the same moment.
pub const MAX_CHECKED_PRODUCTS: usize = 80;
/// The number of items of one license key that are written at the same time.
const CONCURRENCY: usize = 8;
/// How long after the erasure the job ends at the earliest. Until then, an index may lack a license key that was issued just
/// before.
const MIN_AGE: SignedDuration = SignedDuration::from_mins(1);

/// The outcome of erasing a customer's own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraseOutcome {
    /// The data are erased.
    Done,
    /// The customer was changed, or got a license key, since it was read. Read it again and retry.
    Conflict,
}

/// A job that is not finished.
#[derive(Serialize, Deserialize)]
struct ErasureRecord {
    customer_id: CustomerId,
    erased_at: Timestamp,
}

impl Table {
    /// Erases the customer's own data and starts the job that erases the history of its license keys. The customer must be
    /// as it was read with its metadata, and `current`, at most [`MAX_CHECKED_PRODUCTS`] pointers to its current license keys, too.
    pub async fn erase_customer(
        &self,
        read: &VersionedCustomer,
        current: &[(ProductId, Option<LicenseId>)],
        event: &Event,
    ) -> Result<EraseOutcome, StoreError> {
        let (customer, at) = (&read.customer, event.at);
        let unchanged =
            Condition::new("version = :read AND attribute_not_exists(erased_at)").value(":read", n(read.version));
        let update = ItemUpdate::new(keys::customer(customer.id), unchanged)
            .set("erased_at", s(at.to_string()))
            .set("updated_at", s(at.to_string()))
            .set("version", n(read.version + 1));
        let personal = ["name", "email", "company", "subject", "external_id", SUBJECT_RECORD];
        let indexed = ["GSI1PK", "GSI1SK", "GSI3PK", "GSI3SK"];
        let update = personal.iter().chain(&indexed).fold(update, |update, name| update.set_or_remove(name, None));
        let mut transaction = Transaction::new();
        transaction.update(&update).delete(keys::email(&email_key(customer)), absent_or_own(customer.id));
        if let Some(record) = &read.subject_record {
            transaction.delete(Key::new(record.clone(), record.clone()), absent_or_own(customer.id));
        }
        put_external_id(
            &mut transaction,
            &Customer { external_id: None, ..customer.clone() },
            customer.external_id.as_deref(),
        );
        let metadata = customer.metadata.clone().unwrap_or_default();
        write_metadata(&mut transaction, keys::customer_metadata(customer.id), (&metadata, &Metadata::default()))?;
        let job = ErasureRecord { customer_id: customer.id, erased_at: at };
        transaction
            .put_always(to_item(keys::erasure(customer.id), &job)?)
            .put_always(key_only_item(keys::erased_customer(customer.id)))
            .put_always(event_item(event)?);
        for (product, license) in current {
            let as_read = match license {
                None => Condition::absent(),
                Some(id) => Condition::new("license_id = :read").value(":read", s(id.to_string())),
            };
            transaction.check(keys::current_license(customer.id, *product), as_read);
        }
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => EraseOutcome::Done,
            CommitOutcome::ConditionFailed(_) => EraseOutcome::Conflict,
        })
    }

    /// Continues all jobs, with at most about `max_writes` writes. Returns the number of jobs that are left.
    pub async fn continue_erasures(&self, now: Timestamp, max_writes: usize) -> Result<usize, StoreError> {
        let budget = WriteBudget(AtomicUsize::new(max_writes));
        let jobs = self.query_all(Query::prefix(keys::ERASURES.to_owned(), "")).await?;
        let mut left = jobs.len();
        for job in jobs {
            let ErasureRecord { customer_id, erased_at } = from_item(job)?;
            let is_complete = self.erase_history(customer_id, now, &budget).await?;
            if is_complete && erased_at + MIN_AGE <= now {
                self.delete(keys::erasure(customer_id), &Condition::present()).await?;
                left -= 1;
            }
        }
        Ok(left)
    }

    /// Erases the history of a customer and its license keys, with at most about `max_writes` writes.
    pub async fn start_erasure(
        &self,
        customer: CustomerId,
        now: Timestamp,
        max_writes: usize,
    ) -> Result<(), StoreError> {
        self.erase_history(customer, now, &WriteBudget(AtomicUsize::new(max_writes))).await.map(|_| ())
    }

    /// Returns whether nothing was left to erase. What has been erased is only read again.
    async fn erase_history(
        &self,
        customer: CustomerId,
        now: Timestamp,
        budget: &WriteBudget,
    ) -> Result<bool, StoreError> {
        self.index_words([SearchResource::Customer(customer)], now).await?;
        let own = keys::event_history(&Subject::Customer(customer));
        if !self.erase_items(own, keys::EVENT, budget, |item| self.erase_event(item)).await? {
            return Ok(false);
        }
        for listed in self.licenses_of(customer, LicenseFilter::default(), now).await? {
            let Some(license) = self.license_with_metadata(listed.id).await? else { continue };
            let is_usable = matches!(license.status(now), Status::Active | Status::Suspended);
            let partition = || keys::license_partition(license.id);
            if !(self.erase_labels(&license, now, budget).await?
                && self
                    .erase_items(partition(), keys::ACTIVATION, budget, |item| {
                        self.erase_activation(item, is_usable, now)
                    })
                    .await?
                && self.erase_items(partition(), keys::MACHINE_FACTS, budget, |item| self.erase_facts(item)).await?
                && self.erase_items(partition(), keys::EVENT, budget, |item| self.erase_event(item)).await?)
            {
                return Ok(false);
            }
            self.index_license_and_machines(license.id, now).await?;
        }
        Ok(true)
    }

    /// Removes the name, the external id, the metadata and the notes of the overrides of a license key. Returns false if the budget
    /// is used up, or if it was changed at the same moment.
    async fn erase_labels(&self, read: &License, now: Timestamp, budget: &WriteBudget) -> Result<bool, StoreError> {
        let overrides = read.overrides.iter().map(|one| Override { note: None, ..one.clone() }).collect();
        let metadata = Some(Metadata::default());
        let next = License { name: None, external_id: None, metadata, overrides, ..read.clone() };
        if *read == next {
            return Ok(true);
        }
        if !budget.take() {
            return Ok(false);
        }
        let data = EventData::LicenseUpdated(ChangedFields::new(read.changed_fields(&next)));
        let event = system_event(Subject::License(read.id), data, now);
        let outcome = self.update_license((read, &next), None, &event, None).await?;
        Ok(outcome == UpdateLicenseOutcome::Done)
    }

    /// Erases the items of a partition with a prefix of their sort key. Returns false if the budget was used up.
    async fn erase_items<F: Future<Output = Result<(), StoreError>>>(
        &self,
        partition: String,
        prefix: &str,
        budget: &WriteBudget,
        erase: impl Fn(Item) -> F,
    ) -> Result<bool, StoreError> {
        let mut query = Query::prefix(partition, prefix);
        loop {
            let page = self.query(query.clone()).await?;
            let personal: Vec<Item> = page.items.into_iter().filter(has_personal_data).collect();
            let total = personal.len();
            let affordable: Vec<Item> = personal.into_iter().take_while(|_| budget.take()).collect();
            let is_complete = affordable.len() == total;
            stream::iter(affordable.into_iter().map(&erase)).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
            if !is_complete {
                return Ok(false);
            }
            if page.next.is_none() {
                return Ok(true);
            }
            query.after = page.next;
        }
    }

    /// Removes the address of a machine and the digest of what it reported. If the license key can't be used, the machine is
    /// deactivated first: its heartbeats would write the address again.
    async fn erase_activation(&self, item: Item, is_usable: bool, now: Timestamp) -> Result<(), StoreError> {
        let activation = parse_activation(&item)?;
        if activation.ended_at.is_none() && !is_usable {
            let Activation { id, machine_id, .. } = &activation;
            let data = EventData::ActivationDeactivated(ActivationDeactivated::new(*id, machine_id));
            let event = system_event(Subject::Activation(*id), data, now);
            let facts = self.machine_facts(id).await?;
            let described = DescribedActivation { activation: activation.clone(), facts };
            if self.deactivate(&described, &event, None).await? == DeactivateOutcome::Conflict {
                return Err(StoreError::Contended);
            }
        }
        let key = keys::activation(activation.id.license, activation.id.machine);
        let update =
            ItemUpdate::new(key, of_activation(&activation.id)).set("last_ip", s("")).set_or_remove(FACTS_DIGEST, None);
        self.update(&update).await.map(|_| ())
    }

    /// Removes the names and the address of a machine from the facts about it.
    async fn erase_facts(&self, item: Item) -> Result<(), StoreError> {
        let invalid = || StoreError::InvalidItem("machine facts: life".to_owned());
        let life = item.get("life").cloned().ok_or_else(invalid)?;
        let key = Key::of(&item).ok_or_else(invalid)?;
        let same_life = Condition::new("life = :life").value(":life", life);
        let names = ["machine_name", "hostname"];
        let update = ItemUpdate::new(key, same_life).set("ip", s(""));
        let update = names.into_iter().fold(update, |update, name| update.set_or_remove(name, None));
        self.update(&update).await.map(|_| ())
    }

    /// Removes the address and the name of the machine from an event.
    async fn erase_event(&self, item: Item) -> Result<(), StoreError> {
        let event: Event = from_item(item)?;
        self.put(event_item(&event.without_personal_data())?, &Condition::present()).await.map(|_| ())
    }
}

/// Returns whether an event, an activation or the facts about a machine contain an address or the name of a machine.
fn has_personal_data(item: &Item) -> bool {
    let is_set = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).is_some_and(|text| !text.is_empty());
    let data = item.get("data").and_then(|data| data.as_m().ok());
    ["ip", "last_ip", "machine_name", "hostname"].into_iter().any(is_set)
        || data.and_then(|data| data.get("machine_name")).is_some_and(AttributeValue::is_s)
}

fn system_event(subject: Subject, data: EventData, at: Timestamp) -> Event {
    EventSource::system("erasure", at).event(&mut IdGenerator::new(at), subject, data)
}

/// The number of writes that may still be made.
struct WriteBudget(AtomicUsize);

impl WriteBudget {
    /// Returns false if none is left.
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}
