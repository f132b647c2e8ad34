//! Imports of customers, license keys and activations from another system. A repeated import recognizes what it has created:
//! the record of an external id contains the hash of the line, and an imported machine has a record of its own. Both are
//! written in the transaction of the resource.

use serde::de::DeserializeOwned;

pub use super::metadata::LineHash;
use super::{
    customers::{OwnerRecord, absent_or_own, customer_item, email_item},
    error::StoreError,
    events::event_item,
    item::{Item, from_item, key_only_item, n, to_item},
    keys,
    license_writes::{NewCurrent, check_customer, put_current, sealed_item},
    licenses::{CurrentRecord, EXPIRY_SET_AT, KeyPointer, SealedValues, license_item},
    metadata::{put_external_id, put_metadata},
    table::Table,
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::domain::{Customer, CustomerId, Event, License, LicenseId, MachineHash};

/// The resource that has an external id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalIdOwner<T> {
    /// The id of the resource.
    pub id: T,
    /// The hash of the line, if the resource was imported.
    pub imported: Option<LineHash>,
}

impl<T: Copy> ExternalIdOwner<T> {
    fn parse<R: DeserializeOwned>(record: Item, id: impl Fn(&R) -> T) -> Result<Self, StoreError> {
        let imported = LineHash::of(&record);
        Ok(Self { id: id(&from_item(record)?), imported })
    }
}

/// A license key to import.
#[derive(Debug)]
pub struct ImportedLicense<'a> {
    /// The license key, with its external id.
    pub license: &'a License,
    /// The hash of the key string, by which it is looked up.
    pub key_sha256: [u8; 32],
    /// The sealed key string; `None` if only its hash is known.
    pub sealed: Option<SealedValues>,
    /// The event that the license key was issued.
    pub event: &'a Event,
    /// How it becomes the customer's current license key for the product; `None` if it does not, or has no customer.
    pub current: Option<NewCurrent<'a>>,
    /// The hash of the line.
    pub line: LineHash,
}

/// The outcome of importing a customer or a license key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was created.
    Created,
    /// Another resource has the external id: one that was imported from a line with this hash, or one that was not imported.
    ExternalIdUsed(Option<LineHash>),
    /// Another customer has the email address, or another license key has the key string.
    UniqueValueTaken,
    /// The customer was erased.
    CustomerErased,
    /// The customer's current license key was changed since it was read. Read it and retry.
    Conflict,
}

impl Table {
    /// Reads which customer has an external id.
    pub async fn customer_with_external_id(
        &self,
        external_id: &str,
    ) -> Result<Option<ExternalIdOwner<CustomerId>>, StoreError> {
        let record = self.get(keys::customer_external_id(external_id)).await?;
        record.map(|record| ExternalIdOwner::parse(record, |owner: &OwnerRecord| owner.customer_id)).transpose()
    }

    /// Reads which license key has an external id.
    pub async fn license_with_external_id(
        &self,
        external_id: &str,
    ) -> Result<Option<ExternalIdOwner<LicenseId>>, StoreError> {
        let record = self.get(keys::license_external_id(external_id)).await?;
        record.map(|record| ExternalIdOwner::parse(record, |owner: &CurrentRecord| owner.license_id)).transpose()
    }

    /// Returns whether a customer has an email address.
    pub async fn is_email_taken(&self, email: &str) -> Result<bool, StoreError> {
        Ok(self.get(keys::email(&Customer::email_key(email))).await?.is_some())
    }

    /// Adds a customer with an external id, unless another customer has that or the email address.
    pub async fn import_customer(
        &self,
        customer: &Customer,
        line: LineHash,
        event: &Event,
    ) -> Result<ImportOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction
            .put(customer_item(customer, 1)?, Condition::absent())
            .put(email_item(customer)?, absent_or_own(customer.id));
        let owner = ("customer_id", &*customer.id.to_string());
        let key = keys::customer_external_id(customer.external_id.as_deref().unwrap_or_default());
        let external_id = put_external_id(&mut transaction, owner, key, Some(&line));
        transaction.put_always(event_item(event)?);
        put_metadata(&mut transaction, keys::customer_metadata(customer.id), customer.metadata.as_ref())?;
        Ok(import_outcome(&self.commit(&transaction).await?, (1, external_id)))
    }

    /// Adds a license key with an external id, unless another license key has that or the key string. No other license key
    /// is superseded.
    pub async fn import_license(&self, new: &ImportedLicense<'_>) -> Result<ImportOutcome, StoreError> {
        let license = new.license;
        let pointer = KeyPointer { license_id: license.id, generation: license.generation };
        let mut transaction = Transaction::new();
        let mut item = license_item(license)?;
        item.insert(EXPIRY_SET_AT.to_owned(), n(new.event.at.as_millisecond()));
        transaction
            .put(item, Condition::absent())
            .put(to_item(keys::key_string(&new.key_sha256), &pointer)?, Condition::absent());
        let owner = ("license_id", &*license.id.to_string());
        let key = keys::license_external_id(license.external_id.as_deref().unwrap_or_default());
        let external_id = put_external_id(&mut transaction, owner, key, Some(&new.line));
        // Without its key string, the item says that this is not stored, rather than lost.
        let sealed = match &new.sealed {
            Some(sealed) => sealed_item(license.id, sealed),
            None => key_only_item(keys::sealed(license.id)),
        };
        transaction.put_always(sealed).put_always(event_item(new.event)?);
        put_metadata(&mut transaction, keys::license_metadata(license.id), license.metadata.as_ref())?;
        let customer_check = match license.customer_id.zip(new.current.as_ref()) {
            Some((customer, current)) => Some(put_current(&mut transaction, license, customer, current)?),
            None => license.customer_id.map(|customer| check_customer(&mut transaction, customer)),
        };
        let committed = self.commit(&transaction).await?;
        let outcome = import_outcome(&committed, (1, external_id));
        Ok(match &committed {
            CommitOutcome::ConditionFailed(failures)
                if outcome == ImportOutcome::Conflict && customer_check.is_some_and(|index| failures.failed(index)) =>
            {
                ImportOutcome::CustomerErased
            }
            _ => outcome,
        })
    }

    /// Returns whether a machine was imported for a license key, whether or not it is still active.
    pub async fn is_machine_imported(&self, license: LicenseId, machine: MachineHash) -> Result<bool, StoreError> {
        Ok(self.get(keys::imported_machine(license, machine)).await?.is_some())
    }

    /// Records that a machine that is already active was imported.
    pub async fn record_imported_machine(&self, license: LicenseId, machine: MachineHash) -> Result<(), StoreError> {
        let item = key_only_item(keys::imported_machine(license, machine));
        self.put(item, &Condition::absent()).await.map(|_| ())
    }
}

/// Interprets the result of a transaction whose first write is the resource, with the indexes of the writes that make a value
/// and the external id unique.
fn import_outcome(committed: &CommitOutcome, (unique_value, external_id): (usize, usize)) -> ImportOutcome {
    let failures = match committed {
        CommitOutcome::Done => return ImportOutcome::Created,
        CommitOutcome::ConditionFailed(failures) => failures,
    };
    if failures.failed(0) {
        // Ids are unique: an existing item was written by an earlier attempt of this request.
        ImportOutcome::Created
    } else if failures.failed(external_id) {
        ImportOutcome::ExternalIdUsed(failures.old(external_id).and_then(LineHash::of))
    } else if failures.failed(unique_value) {
        ImportOutcome::UniqueValueTaken
    } else {
        ImportOutcome::Conflict
    }
}
