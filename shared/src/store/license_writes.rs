//! Writes of license keys: issuing, state transitions, regenerating and revoking. Each write sets only the attributes
//! that it changes, on condition that the state is still the one that was read, in one transaction with its event.

use jiff::Timestamp;

use super::{
    error::StoreError,
    events::event_item,
    idempotency::Completion,
    item::{Item, b, key_only_item, n, s, to_item},
    keys,
    licenses::{
        ACTIVE, CurrentRecord, EXPIRY_SET_AT, KeyPointer, REVOKED, SUPERSEDED, SUSPENDED, SealedValues, expiry_index,
        index_keys, license_item, parse_license,
    },
    metadata::{metadata_as_read, move_external_id, put_metadata, write_metadata},
    overrides::{notes_of, with_notes},
    table::{Table, UpdateOutcome},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{CustomerId, Event, KeyString, License, LicenseId, State};

/// The number of license keys of a batch in one transaction, which has four writes for each and at most 100.
const BATCH_CHUNK: usize = 25;

/// A license key to issue, and the state on which the decision was based.
#[derive(Debug)]
pub struct NewLicense<'a> {
    /// The new license key.
    pub license: &'a License,
    /// The key string.
    pub key: &'a KeyString,
    /// The sealed token and key string.
    pub sealed: SealedValues,
    /// The event that the license key was issued.
    pub event: &'a Event,
    /// How it becomes the customer's current license key for the product. Must be given if it has a customer.
    pub current: Option<NewCurrent<'a>>,
    /// Whether the customer claims the tier, which is possible once.
    pub claims_tier: bool,
    /// The completion of the idempotency record.
    pub completion: Option<Completion>,
}

/// The state on which the decision to make a license key the customer's current one for the product was based.
#[derive(Debug)]
pub struct NewCurrent<'a> {
    /// The customer's current license key for the product, as read.
    pub read: Option<LicenseId>,
    /// The license key to supersede.
    pub supersedes: Option<SupersededLicense<'a>>,
}

/// A license key of a batch: it belongs to no customer yet, and no token was signed for it.
#[derive(Debug)]
pub struct BatchLicense<'a> {
    /// The license key.
    pub license: &'a License,
    /// The key string.
    pub key: &'a KeyString,
    /// The sealed key string.
    pub sealed: SealedValues,
    /// The event that the license key was issued.
    pub event: Event,
}

/// A license key to supersede.
#[derive(Debug)]
pub struct SupersededLicense<'a> {
    /// The id of the license key.
    pub license: LicenseId,
    /// The event that it was superseded.
    pub event: &'a Event,
    /// If set, supersedes the license key only if it is active and is honoured as long as this one, as read: a claim must
    /// not supersede a license key that has been renewed or suspended since.
    pub only_if_expired: Option<&'a License>,
}

/// The outcome of an update of a license key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateLicenseOutcome {
    /// The license key was updated.
    Done,
    /// The license key was changed since it was read. Read it again and retry.
    Conflict,
    /// Another license key has the external id.
    ExternalIdTaken,
    /// The customer was erased.
    CustomerErased,
}

/// A regeneration of a license key.
#[derive(Debug)]
pub struct Regeneration<'a> {
    /// The license key after the regeneration, with the next generation.
    pub license: &'a License,
    /// The new key string.
    pub key: &'a KeyString,
    /// The sealed token and key string.
    pub sealed: SealedValues,
    /// The event that the license key was regenerated.
    pub event: &'a Event,
    /// The time at which the license key must not have expired.
    pub now: Timestamp,
    /// The completion of the idempotency record.
    pub completion: Option<Completion>,
}

/// A transition that updates some attributes of a license key. Writing the whole item instead could undo a concurrent
/// suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Suspends an active license key.
    Suspend,
    /// Reinstates a suspended license key.
    Reinstate,
    /// Sets the expiry to a given time, on condition that the expiry and the grace after it are those that were read.
    Renew,
    /// Extends the expiry by a billing period, on the same condition, and with the anchor day that was read. Otherwise, two
    /// concurrent renewals would extend it by one period only.
    RenewByPeriod,
    /// Changes the tier or the limits, on condition that they, the expiry, the grace after it and the borrows are those that were
    /// read. Otherwise, concurrent changes of different attributes could overwrite each other, and a seat that is borrowed at the
    /// same time could be lost.
    Change,
}

/// The outcome of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionOutcome {
    /// The transition took effect.
    Done,
    /// The license key was changed since it was read. Read it and decide again.
    Conflict,
}

/// The outcome of issuing a license key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueOutcome {
    /// The license key was issued.
    Done,
    /// The customer's current license key was changed since it was read. Read it and decide again.
    Conflict,
    /// Another license key has the external id.
    ExternalIdTaken,
    /// The customer was erased.
    CustomerErased,
}

/// The outcome of revoking a license key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// The license key was revoked.
    Done,
    /// The license key had been revoked before.
    AlreadyRevoked(Box<License>),
    /// The license key was changed since it was read. Read it and retry.
    Conflict,
    /// The license key does not exist.
    NotFound,
}

impl Table {
    /// Issues a license key, and supersedes the one that it replaces, in one transaction.
    pub async fn issue(&self, new: &NewLicense<'_>) -> Result<IssueOutcome, StoreError> {
        let license = new.license;
        let mut transaction = Transaction::new();
        put_license(&mut transaction, license, (new.key, &new.sealed), new.event)?;
        let mut customer_check = None;
        if let (Some(customer), Some(current)) = (license.customer_id, &new.current) {
            customer_check = Some(put_current(&mut transaction, license, customer, current)?);
            if new.claims_tier {
                let claim = CurrentRecord { license_id: license.id };
                transaction.put(to_item(keys::claim(customer, license.tier_id), &claim)?, Condition::absent());
            }
        }
        let external_id = put_external_id(&mut transaction, license, None);
        put_metadata(&mut transaction, keys::license_metadata(license.id), license.metadata.as_ref())?;
        Ok(match self.commit_with_completion(transaction, new.completion.as_ref()).await? {
            CommitOutcome::Done => IssueOutcome::Done,
            // Ids are unique: an existing item was written by an earlier attempt of this request.
            CommitOutcome::ConditionFailed(failures) if failures.old(0).is_some() => IssueOutcome::Done,
            CommitOutcome::ConditionFailed(failures) if customer_check.is_some_and(|index| failures.failed(index)) => {
                IssueOutcome::CustomerErased
            }
            CommitOutcome::ConditionFailed(failures) if external_id.is_some_and(|index| failures.failed(index)) => {
                IssueOutcome::ExternalIdTaken
            }
            CommitOutcome::ConditionFailed(_) => IssueOutcome::Conflict,
        })
    }

    /// Issues license keys of a batch, in transactions of a fixed number of them. Repeats, for example after a time-out,
    /// write those that are missing: they must pass the same license keys in the same order.
    pub async fn issue_batch(&self, batch: &[BatchLicense<'_>]) -> Result<(), StoreError> {
        for chunk in batch.chunks(BATCH_CHUNK) {
            let mut transaction = Transaction::new();
            for BatchLicense { license, key, sealed, event } in chunk {
                put_license(&mut transaction, license, (key, sealed), event)?;
            }
            match self.commit(&transaction).await? {
                CommitOutcome::Done => {}
                // Ids are unique: an existing item was written by an earlier attempt, with all others of the chunk.
                CommitOutcome::ConditionFailed(failures) if failures.old(0).is_some() => {}
                CommitOutcome::ConditionFailed(_) => {
                    return Err(StoreError::Rejected("a key string of the batch exists".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Writes the customer, the name, the external id, the metadata, the notes of the overrides and the index keys of a license
    /// key, unless anything of it was changed since it was read with its metadata. `current` must be given if it gets a customer.
    pub async fn update_license(
        &self,
        (read, next): (&License, &License),
        current: Option<&NewCurrent<'_>>,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<UpdateLicenseOutcome, StoreError> {
        let unchanged = text_as_read(as_read(read), ("#name", ":name"), read.name.as_deref());
        let unchanged = text_as_read(unchanged, ("external_id", ":external_id"), read.external_id.as_deref());
        let owner = |license: &License| license.customer_id.map(|id| id.to_string());
        let unchanged = text_as_read(unchanged, ("customer_id", ":customer"), owner(read).as_deref());
        let item = ItemUpdate::new(keys::license(read.id), unchanged)
            .set_or_remove("customer_id", owner(next).map(s))
            .set_or_remove("name", next.name.as_ref().map(s))
            .set_or_remove("external_id", next.external_id.as_ref().map(s));
        let item = index_keys(next).fold(item, |item, (name, value)| item.set_or_remove(name, value));
        let mut transaction = Transaction::new();
        transaction.update(&item).put_always(event_item(event)?);
        let mut customer_check = None;
        if let (Some(customer), Some(current)) = (next.customer_id, current) {
            customer_check = Some(put_current(&mut transaction, next, customer, current)?);
        }
        let (old, new) = (read.metadata.clone().unwrap_or_default(), next.metadata.clone().unwrap_or_default());
        if old == new {
            transaction.check(keys::license_metadata(read.id), metadata_as_read(&old)?);
        }
        write_metadata(&mut transaction, keys::license_metadata(read.id), (&old, &new))?;
        write_metadata(&mut transaction, keys::override_notes(read.id), (&notes_of(read), &notes_of(next)))?;
        let external_id = put_external_id(&mut transaction, next, read.external_id.as_deref());
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::Done => UpdateLicenseOutcome::Done,
            CommitOutcome::ConditionFailed(failures)
                if !failures.failed(0) && customer_check.is_some_and(|index| failures.failed(index)) =>
            {
                UpdateLicenseOutcome::CustomerErased
            }
            CommitOutcome::ConditionFailed(failures)
                if !failures.failed(0) && external_id.is_some_and(|index| failures.failed(index)) =>
            {
                UpdateLicenseOutcome::ExternalIdTaken
            }
            CommitOutcome::ConditionFailed(_) => UpdateLicenseOutcome::Conflict,
        })
    }

    /// Revokes a license key in any state. It must not have been changed since it was read, so that the response shows
    /// what was revoked.
    pub async fn revoke(
        &self,
        read: &License,
        at: Timestamp,
        reason: Option<&str>,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<RevokeOutcome, StoreError> {
        let update = ItemUpdate::new(keys::license(read.id), as_read(read))
            .set("status", s(REVOKED))
            .set("GSI5PK", s(keys::licenses_with_status(REVOKED)))
            .set("revoked_at", s(at.to_string()))
            .set_or_remove("GSI7PK", None)
            .set_or_remove("GSI7SK", None)
            .set_or_remove("revocation_reason", reason.map(s));
        let mut transaction = Transaction::new();
        transaction.update(&update).put_always(event_item(event)?);
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::Done => RevokeOutcome::Done,
            CommitOutcome::ConditionFailed(failures) => {
                match failures.old(0).cloned().map(parse_license).transpose()? {
                    Some(old) if matches!(old.state, State::Revoked { .. }) => {
                        let old = License { metadata: read.metadata.clone(), ..old };
                        RevokeOutcome::AlreadyRevoked(Box::new(with_notes(old, &notes_of(read))))
                    }
                    Some(_) => RevokeOutcome::Conflict,
                    None => RevokeOutcome::NotFound,
                }
            }
        })
    }

    /// Writes a transition of a license key from the state that was read to the next state.
    pub async fn transition(
        &self,
        transition: Transition,
        (read, next): (&License, &License),
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<TransitionOutcome, StoreError> {
        let active_or_suspended = active_or_suspended();
        let status_is = |status| Condition::new("#status = :status").value(":status", s(status));
        let update = |condition| ItemUpdate::new(keys::license(read.id), condition);
        let with_status = |update: ItemUpdate, status| {
            update.set("status", s(status)).set("GSI5PK", s(keys::licenses_with_status(status)))
        };
        // Also written from the grace: a renewal and a change at the same time must not undo each other.
        let with_end = |update: ItemUpdate| {
            update
                .set_or_remove("honoured_until", next.honoured_until().map(|end| n(end.as_millisecond())))
                .set("GSI5SK", s(keys::honoured_sort_key(next.honoured_until())))
        };
        let with_expiry = |update: ItemUpdate| {
            let [(partition, expiring), (sort, expires)] = expiry_index(next.expires_at);
            with_end(update)
                .set(EXPIRY_SET_AT, n(event.at.as_millisecond()))
                .set_or_remove("expires_at", next.expires_at.map(|end| n(end.as_millisecond())))
                .set_or_remove("anchor_day", next.anchor_day.map(n))
                .set_or_remove(partition, expiring)
                .set_or_remove(sort, expires)
        };
        let update = match transition {
            Transition::Suspend => with_status(update(status_is(ACTIVE)), SUSPENDED),
            Transition::Reinstate => with_status(update(status_is(SUSPENDED)), ACTIVE),
            Transition::Renew => with_expiry(update(end_as_read(active_or_suspended, read))),
            Transition::RenewByPeriod => {
                with_expiry(update(anchor_as_read(end_as_read(active_or_suspended, read), read)))
            }
            Transition::Change => {
                with_end(update(borrows_as_read(end_as_read(limits_as_read(active_or_suspended, read), read), read)))
                    .set("expiry_grace_seconds", n(next.expiry_grace_seconds))
                    .set("tier_id", s(next.tier_id.to_string()))
                    .set("GSI4PK", s(keys::licenses_of_tier(next.tier_id)))
                    .set_or_remove("max_users", next.max_users.map(n))
                    .set_or_remove("max_tenants", next.max_tenants.map(n))
            }
        };
        let mut transaction = Transaction::new();
        transaction.update(&update).put(event_item(event)?, Condition::absent());
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::Done => TransitionOutcome::Done,
            // Event ids are unique: an existing event was written by an earlier attempt of this transition. Retrying it
            // could extend the expiry twice.
            CommitOutcome::ConditionFailed(failures) if failures.old(1).is_some() => TransitionOutcome::Done,
            CommitOutcome::ConditionFailed(_) => TransitionOutcome::Conflict,
        })
    }

    /// Writes a new key string of a license key, on condition that the license key is active, unexpired and of the
    /// previous generation.
    pub async fn regenerate(&self, regeneration: &Regeneration<'_>) -> Result<TransitionOutcome, StoreError> {
        let license = regeneration.license;
        let as_read = Condition::new(
            "#status = :active AND generation = :read AND (attribute_not_exists(honoured_until) OR honoured_until > :now)",
        )
        .value(":active", s(ACTIVE))
        .value(":read", n(license.generation - 1))
        .value(":now", n(regeneration.now.as_millisecond()));
        let update = ItemUpdate::new(keys::license(license.id), as_read)
            .set("generation", n(license.generation))
            .set("key_hint", s(&license.key_hint));
        let pointer = KeyPointer { license_id: license.id, generation: license.generation };
        let mut transaction = Transaction::new();
        transaction
            .update(&update)
            .put(to_item(keys::key_string(&regeneration.key.sha256()), &pointer)?, Condition::absent())
            .put_always(sealed_item(license.id, &regeneration.sealed))
            .put_always(event_item(regeneration.event)?);
        Ok(match self.commit_with_completion(transaction, regeneration.completion.as_ref()).await? {
            CommitOutcome::Done => TransitionOutcome::Done,
            // Key strings are unique: an existing item was written by an earlier attempt of this request.
            CommitOutcome::ConditionFailed(failures) if failures.old(1).is_some() => TransitionOutcome::Done,
            CommitOutcome::ConditionFailed(_) => TransitionOutcome::Conflict,
        })
    }

    /// Stores a newer token of a license key. Returns false if the key string was changed since it was read.
    pub async fn replace_sealed_token(
        &self,
        id: LicenseId,
        read: &SealedValues,
        token: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let as_read = Condition::new("license_key = :read").value(":read", b(read.license_key.clone()));
        let update = ItemUpdate::new(keys::sealed(id), as_read).set("token", b(token));
        Ok(matches!(self.update(&update).await?, UpdateOutcome::Done(_)))
    }

    /// Replaces the sealed values of a license key. Returns false if they were changed since they were read.
    pub async fn replace_sealed(
        &self,
        id: LicenseId,
        read: &SealedValues,
        new: &SealedValues,
    ) -> Result<bool, StoreError> {
        let as_read = Condition::new("license_key = :key").value(":key", b(read.license_key.clone()));
        let as_read = match &read.token {
            Some(token) => as_read.and("#token = :token").value(":token", b(token.clone())),
            None => as_read.and("attribute_not_exists(#token)"),
        };
        let (license_key, token) = (b(new.license_key.clone()), new.token.clone().map(b));
        let update = ItemUpdate::new(keys::sealed(id), as_read)
            .set("license_key", license_key.clone())
            .set_or_remove("token", token.clone());
        Ok(match self.update(&update).await? {
            UpdateOutcome::Done(_) => true,
            // Sealing is randomized: equal values were written by an earlier attempt of this request.
            UpdateOutcome::ConditionFailed(item) => item.is_some_and(|item| {
                item.get("license_key") == Some(&license_key) && item.get("token") == token.as_ref()
            }),
        })
    }
}

/// Adds the writes of a new license key: first the license key, then its key string, its sealed values and its event.
fn put_license(
    transaction: &mut Transaction,
    license: &License,
    (key, sealed): (&KeyString, &SealedValues),
    event: &Event,
) -> Result<(), StoreError> {
    let pointer = KeyPointer { license_id: license.id, generation: license.generation };
    transaction
        .put(license_item(license)?, Condition::absent())
        .put(to_item(keys::key_string(&key.sha256()), &pointer)?, Condition::absent())
        .put_always(sealed_item(license.id, sealed))
        .put_always(event_item(event)?);
    Ok(())
}

/// Adds the writes that make a license key the customer's current one for the product, and supersede the one that it
/// replaces. Returns the index of the check that fails if the customer was erased.
pub(super) fn put_current(
    transaction: &mut Transaction,
    license: &License,
    customer: CustomerId,
    NewCurrent { read, supersedes }: &NewCurrent<'_>,
) -> Result<usize, StoreError> {
    let as_read = match read {
        None => Condition::absent(),
        Some(id) => Condition::new("license_id = :read").value(":read", s(id.to_string())),
    };
    let current = CurrentRecord { license_id: license.id };
    transaction.put(to_item(keys::current_license(customer, license.product_id), &current)?, as_read);
    let customer_check = check_customer(transaction, customer);
    let Some(SupersededLicense { license: old, event, only_if_expired }) = supersedes else {
        return Ok(customer_check);
    };
    let as_read = match only_if_expired {
        None => Condition::new("#status <> :revoked").value(":revoked", s(REVOKED)),
        Some(read) => end_as_read(Condition::new("#status = :active").value(":active", s(ACTIVE)), read),
    };
    let superseded = ItemUpdate::new(keys::license(*old), as_read)
        .set("status", s(SUPERSEDED))
        .set("GSI5PK", s(keys::licenses_with_status(SUPERSEDED)))
        .set("superseded_by", s(license.id.to_string()));
    transaction.update(&superseded).put_always(event_item(event)?);
    Ok(customer_check)
}

/// Adds the check that a customer was not erased. Returns its index.
pub(super) fn check_customer(transaction: &mut Transaction, customer: CustomerId) -> usize {
    transaction.check(keys::erased_customer(customer), Condition::absent());
    transaction.len() - 1
}

/// Requires that the state, generation, expiry, tier and limits are those that were read.
fn as_read(read: &License) -> Condition {
    let state = Condition::new("#status = :status AND generation = :generation")
        .value(":status", s(read.state.as_str()))
        .value(":generation", n(read.generation));
    end_as_read(limits_as_read(state, read), read)
}

/// Requires that the license key is active, and that its generation, expiry, tier, limits and borrows are those that were read.
pub(super) fn usable_as_read(read: &License) -> Condition {
    let active = Condition::new("#status = :active AND generation = :generation")
        .value(":active", s(ACTIVE))
        .value(":generation", n(read.generation));
    borrows_as_read(end_as_read(limits_as_read(active, read), read), read)
}

/// Requires that the license key is active or suspended.
pub(super) fn active_or_suspended() -> Condition {
    Condition::new("#status IN (:active, :suspended)").value(":active", s(ACTIVE)).value(":suspended", s(SUSPENDED))
}

/// Requires that no seat was borrowed since the license key was read.
fn borrows_as_read(condition: Condition, read: &License) -> Condition {
    match read.borrows.count {
        0 => condition.and("attribute_not_exists(borrow_count)"),
        count => condition.and("borrow_count = :borrows").value(":borrows", n(count)),
    }
}

/// Requires that an optional text is the one that was read.
fn text_as_read(condition: Condition, (name, placeholder): (&str, &str), read: Option<&str>) -> Condition {
    match read {
        None => condition.and(&format!("attribute_not_exists({name})")),
        Some(text) => condition.and(&format!("{name} = {placeholder}")).value(placeholder, s(text)),
    }
}

/// Adds the writes of the record of the license key's external id. Returns the index of the write that fails if another
/// license key has it.
fn put_external_id(transaction: &mut Transaction, license: &License, old: Option<&str>) -> Option<usize> {
    let owner = ("license_id", &*license.id.to_string());
    move_external_id(transaction, owner, keys::license_external_id, (old, license.external_id.as_deref()))
}

/// Requires that the expiry and the grace after it are those that were read.
pub(super) fn end_as_read(condition: Condition, read: &License) -> Condition {
    let condition =
        condition.and("expiry_grace_seconds = :expiry_grace").value(":expiry_grace", n(read.expiry_grace_seconds));
    match read.expires_at {
        None => condition.and("attribute_not_exists(expires_at)"),
        Some(end) => condition.and("expires_at = :end").value(":end", n(end.as_millisecond())),
    }
}

/// Requires that the anchor day is the one that was read. Items that were written before the attribute existed do not
/// have it.
fn anchor_as_read(condition: Condition, read: &License) -> Condition {
    match read.anchor_day {
        None => condition.and("attribute_not_exists(anchor_day)"),
        Some(day) => condition.and("attribute_not_exists(anchor_day) OR anchor_day = :anchor").value(":anchor", n(day)),
    }
}

/// Requires that the tier and the limits are those that were read.
fn limits_as_read(condition: Condition, read: &License) -> Condition {
    let mut condition = condition.and("tier_id = :tier").value(":tier", s(read.tier_id.to_string()));
    for (name, placeholder, limit) in
        [("max_users", ":users", read.max_users), ("max_tenants", ":tenants", read.max_tenants)]
    {
        condition = match limit {
            None => condition.and(&format!("attribute_not_exists({name})")),
            Some(limit) => condition.and(&format!("{name} = {placeholder}")).value(placeholder, n(limit)),
        };
    }
    condition
}

pub(super) fn sealed_item(id: LicenseId, sealed: &SealedValues) -> Item {
    let mut item = key_only_item(keys::sealed(id));
    item.extend(sealed.token.clone().map(|token| ("token".to_owned(), b(token))));
    item.insert("license_key".to_owned(), b(sealed.license_key.clone()));
    item
}
