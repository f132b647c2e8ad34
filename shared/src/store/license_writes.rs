//! What changes a license key: issuing, its steps from state to state, regenerating and ending it. Each write sets its
//! own attributes alone, on condition of what was read, in one transaction with its event.

use jiff::Timestamp;

use super::{
    events::event_item,
    idempotency::Completion,
    keys,
    licenses::{ACTIVE, CurrentRecord, KeyPointer, REVOKED, SUPERSEDED, SUSPENDED, Sealed, license_item, license_of},
    table::{Item, StoreError, Table, UpdateOutcome, b, bare_item, n, s, to_item},
    transaction::{Change, CommitOutcome, Condition, Transaction},
};
use crate::domain::{Event, KeyString, License, LicenseId, State};

/// A license key to be issued, and what it was checked against.
#[derive(Debug)]
pub struct Issue<'a> {
    /// The new one.
    pub license: &'a License,
    /// Its key string.
    pub key: &'a KeyString,
    /// What is sealed of it.
    pub sealed: Sealed,
    /// That it was issued.
    pub event: &'a Event,
    /// The customer's current key for the product, as it was read.
    pub current: Option<LicenseId>,
    /// The key whose place it takes, and the event that says so.
    pub supersedes: Option<Superseding<'a>>,
    /// That a customer claims the tier of the new key, which can be done once.
    pub claims_tier: bool,
    /// What a repeat of the request is told.
    pub done: Option<Completion>,
}

/// A license key that is to be superseded.
#[derive(Debug)]
pub struct Superseding<'a> {
    /// Which.
    pub license: LicenseId,
    /// That it was superseded.
    pub event: &'a Event,
    /// Only if it is still active by its status and ended then, as it was read: a claim must not end a key that was
    /// renewed or suspended meanwhile.
    pub only_if_expired_at: Option<Timestamp>,
}

/// A license key that gets a new key string.
#[derive(Debug)]
pub struct Regeneration<'a> {
    /// The license as it will be, of the next generation.
    pub license: &'a License,
    /// Its new key string.
    pub key: &'a KeyString,
    /// What is sealed of it.
    pub sealed: Sealed,
    /// That it was regenerated.
    pub event: &'a Event,
    /// The time by which it must not have expired.
    pub now: Timestamp,
    /// What a repeat of the request is told.
    pub done: Option<Completion>,
}

/// A step that changes a few attributes of a license key. Each writes its own attributes alone: a license that was
/// put whole by a late writer would undo a suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// From active.
    Suspend,
    /// From suspended.
    Reinstate,
    /// To an end that was given.
    Renew,
    /// By a billing period from the end that was read: two such renewals must not pay for one period.
    RenewAsRead,
    /// To another tier or other limits, from those that were read: of two changes at once, each keeps what the other
    /// leaves alone.
    Change,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionOutcome {
    /// It was done.
    Done,
    /// The license is no longer as it was read: read it and decide again.
    Moved,
}

/// What became of issuing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueOutcome {
    /// It was issued.
    Done,
    /// The customer's current key, or its state, is no longer what was read.
    Moved,
}

/// What became of ending a license key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// It is revoked now.
    Done,
    /// It was revoked before.
    Already(Box<License>),
    /// It is no longer as it was read: read it and end it again.
    Moved,
    /// There is no such license key.
    Absent,
}

impl Table {
    /// Issues a license key: everything of it in one transaction, with the end of the one that it replaces.
    pub async fn issue(&self, issue: &Issue<'_>) -> Result<IssueOutcome, StoreError> {
        let license = issue.license;
        let pointer = KeyPointer { license_id: license.id, generation: license.generation };
        let as_read = match issue.current {
            None => Condition::absent(),
            Some(id) => Condition::new("license_id = :read").value(":read", s(id.to_string())),
        };
        let current = CurrentRecord { license_id: license.id };
        let mut transaction = Transaction::new();
        transaction
            .put(license_item(license)?, Condition::absent())
            .put(to_item(keys::key_string(&issue.key.sha256()), &pointer)?, Condition::absent())
            .put(to_item(keys::current(license.customer_id, license.product_id), &current)?, as_read)
            .put_always(sealed_item(license.id, &issue.sealed))
            .put_always(event_item(issue.event)?);
        if let Some(Superseding { license: old, event, only_if_expired_at }) = &issue.supersedes {
            let as_read = match only_if_expired_at {
                None => Condition::new("#status <> :revoked").value(":revoked", s(REVOKED)),
                Some(end) => Condition::new("#status = :active AND expires_at = :end")
                    .value(":active", s(ACTIVE))
                    .value(":end", n(end.as_millisecond())),
            };
            let superseded = Change::new(keys::license(*old), as_read)
                .set("status", s(SUPERSEDED))
                .set("superseded_by", s(license.id.to_string()));
            transaction.change(&superseded).put_always(event_item(event)?);
        }
        if issue.claims_tier {
            let claim = to_item(keys::claim(license.customer_id, license.tier_id), &current)?;
            transaction.put(claim, Condition::absent());
        }
        Ok(match self.commit_once(transaction, issue.done.as_ref()).await? {
            CommitOutcome::Done => IssueOutcome::Done,
            // Its id was drawn for this request: whoever wrote it was this request.
            CommitOutcome::Refused(refused) if refused.old(0).is_some() => IssueOutcome::Done,
            CommitOutcome::Refused(_) => IssueOutcome::Moved,
        })
    }

    /// Ends a license key for good, from any other state: as it was read, so that what is answered is what was ended.
    pub async fn revoke(
        &self,
        read: &License,
        at: Timestamp,
        reason: Option<&str>,
        event: &Event,
        done: Option<&Completion>,
    ) -> Result<RevokeOutcome, StoreError> {
        let change = Change::new(keys::license(read.id), as_read(read))
            .set("status", s(REVOKED))
            .set("revoked_at", s(at.to_string()))
            .set_or_remove("revocation_reason", reason.map(s));
        let mut transaction = Transaction::new();
        transaction.change(&change).put_always(event_item(event)?);
        Ok(match self.commit_once(transaction, done).await? {
            CommitOutcome::Done => RevokeOutcome::Done,
            CommitOutcome::Refused(refused) => match refused.old(0).cloned().map(license_of).transpose()? {
                Some(old) if matches!(old.state, State::Revoked { .. }) => RevokeOutcome::Already(Box::new(old)),
                Some(_) => RevokeOutcome::Moved,
                None => RevokeOutcome::Absent,
            },
        })
    }

    /// Takes a license key from one state to the next, as they were read and decided.
    pub async fn transition(
        &self,
        transition: Transition,
        (read, next): (&License, &License),
        event: &Event,
        done: Option<&Completion>,
    ) -> Result<TransitionOutcome, StoreError> {
        let open = Condition::new("#status IN (:active, :suspended)")
            .value(":active", s(ACTIVE))
            .value(":suspended", s(SUSPENDED));
        let is = |status| Condition::new("#status = :status").value(":status", s(status));
        let change = |condition| Change::new(keys::license(read.id), condition);
        let expires_at = next.expires_at.map(|end| n(end.as_millisecond()));
        let change = match transition {
            Transition::Suspend => change(is(ACTIVE)).set("status", s(SUSPENDED)),
            Transition::Reinstate => change(is(SUSPENDED)).set("status", s(ACTIVE)),
            Transition::Renew => change(open).set_or_remove("expires_at", expires_at),
            Transition::RenewAsRead => change(end_as_read(open, read)).set_or_remove("expires_at", expires_at),
            Transition::Change => change(limits_as_read(open, read))
                .set("tier_id", s(next.tier_id.to_string()))
                .set_or_remove("max_users", next.max_users.map(n))
                .set_or_remove("max_tenants", next.max_tenants.map(n)),
        };
        let mut transaction = Transaction::new();
        transaction.change(&change).put(event_item(event)?, Condition::absent());
        Ok(match self.commit_once(transaction, done).await? {
            CommitOutcome::Done => TransitionOutcome::Done,
            // Its id was drawn for this step: whoever wrote it was this step. Else a renewal might pay for two periods.
            CommitOutcome::Refused(refused) if refused.old(1).is_some() => TransitionOutcome::Done,
            CommitOutcome::Refused(_) => TransitionOutcome::Moved,
        })
    }

    /// Gives a license key its new key string, from active, unexpired and the generation before.
    pub async fn regenerate(&self, regeneration: &Regeneration<'_>) -> Result<TransitionOutcome, StoreError> {
        let license = regeneration.license;
        let as_read = Condition::new(
            "#status = :active AND generation = :read AND (attribute_not_exists(expires_at) OR expires_at > :now)",
        )
        .value(":active", s(ACTIVE))
        .value(":read", n(license.generation - 1))
        .value(":now", n(regeneration.now.as_millisecond()));
        let change = Change::new(keys::license(license.id), as_read)
            .set("generation", n(license.generation))
            .set("key_hint", s(&license.key_hint));
        let pointer = KeyPointer { license_id: license.id, generation: license.generation };
        let mut transaction = Transaction::new();
        transaction
            .change(&change)
            .put(to_item(keys::key_string(&regeneration.key.sha256()), &pointer)?, Condition::absent())
            .put_always(sealed_item(license.id, &regeneration.sealed))
            .put_always(event_item(regeneration.event)?);
        Ok(match self.commit_once(transaction, regeneration.done.as_ref()).await? {
            CommitOutcome::Done => TransitionOutcome::Done,
            // The string was drawn for this request: whoever wrote it was this request.
            CommitOutcome::Refused(refused) if refused.old(1).is_some() => TransitionOutcome::Done,
            CommitOutcome::Refused(_) => TransitionOutcome::Moved,
        })
    }

    /// Keeps a newer token of a license key, of the key string that it was read with; tells whether it still had that.
    pub async fn reseal(&self, id: LicenseId, read: &Sealed, token: Vec<u8>) -> Result<bool, StoreError> {
        let as_read = Condition::new("license_key = :read").value(":read", b(read.license_key.clone()));
        let change = Change::new(keys::sealed(id), as_read).set("token", b(token));
        Ok(matches!(self.update(&change).await?, UpdateOutcome::Done(_)))
    }

    /// Writes what is sealed of a license key anew, if both parts are still what was read. Tells whether they were.
    pub async fn replace_sealed(&self, id: LicenseId, read: &Sealed, anew: &Sealed) -> Result<bool, StoreError> {
        let as_read = Condition::new("license_key = :key AND #token = :token")
            .value(":key", b(read.license_key.clone()))
            .value(":token", b(read.token.clone()));
        let (license_key, token) = (b(anew.license_key.clone()), b(anew.token.clone()));
        let change =
            Change::new(keys::sealed(id), as_read).set("license_key", license_key.clone()).set("token", token.clone());
        Ok(match self.update(&change).await? {
            UpdateOutcome::Done(_) => true,
            // No two sealings are alike: whoever wrote these was this request, whose first answer was lost.
            UpdateOutcome::Refused(item) => item
                .is_some_and(|item| item.get("license_key") == Some(&license_key) && item.get("token") == Some(&token)),
        })
    }
}

/// All that may change of a license is still what was read.
fn as_read(read: &License) -> Condition {
    let state = Condition::new("#status = :status AND generation = :generation")
        .value(":status", s(read.state.word()))
        .value(":generation", n(read.generation));
    end_as_read(limits_as_read(state, read), read)
}

/// The license's end is still the one that was read.
fn end_as_read(open: Condition, read: &License) -> Condition {
    match read.expires_at {
        None => open.and("attribute_not_exists(expires_at)"),
        Some(end) => open.and("expires_at = :end").value(":end", n(end.as_millisecond())),
    }
}

/// The license's tier and limits are still those that were read.
fn limits_as_read(open: Condition, read: &License) -> Condition {
    let mut condition = open.and("tier_id = :tier").value(":tier", s(read.tier_id.to_string()));
    for (name, place, limit) in [("max_users", ":users", read.max_users), ("max_tenants", ":tenants", read.max_tenants)]
    {
        condition = match limit {
            None => condition.and(&format!("attribute_not_exists({name})")),
            Some(limit) => condition.and(&format!("{name} = {place}")).value(place, n(limit)),
        };
    }
    condition
}

fn sealed_item(id: LicenseId, sealed: &Sealed) -> Item {
    let mut item = bare_item(keys::sealed(id));
    item.insert("token".to_owned(), b(sealed.token.clone()));
    item.insert("license_key".to_owned(), b(sealed.license_key.clone()));
    item
}
