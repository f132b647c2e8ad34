//! Replaces the overrides of license keys.

use super::{
    error::StoreError,
    events::event_item,
    keys,
    license_writes::{TransitionOutcome, active_or_suspended},
    metadata::{metadata_as_read, write_metadata},
    overrides::{OVERRIDES, notes_of, overrides_attribute},
    table::Table,
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{Event, License};

impl Table {
    /// Replaces the overrides of a license key and their notes, on condition that both are those that were read, and that the
    /// license key is active or suspended.
    pub async fn replace_overrides(
        &self,
        (read, next): (&License, &License),
        event: &Event,
    ) -> Result<TransitionOutcome, StoreError> {
        let as_read = match overrides_attribute(read)? {
            None => active_or_suspended().and("attribute_not_exists(overrides)"),
            Some(value) => active_or_suspended().and("overrides = :overrides").value(":overrides", value),
        };
        let update =
            ItemUpdate::new(keys::license(read.id), as_read).set_or_remove(OVERRIDES, overrides_attribute(next)?);
        let (old, new) = (notes_of(read), notes_of(next));
        let mut transaction = Transaction::new();
        transaction.update(&update).put(event_item(event)?, Condition::absent());
        if old == new {
            transaction.check(keys::override_notes(read.id), metadata_as_read(&old)?);
        }
        write_metadata(&mut transaction, keys::override_notes(read.id), (&old, &new))?;
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => TransitionOutcome::Done,
            // Event ids are unique: an existing event was written by an earlier attempt.
            CommitOutcome::ConditionFailed(failures) if failures.old(1).is_some() => TransitionOutcome::Done,
            CommitOutcome::ConditionFailed(_) => TransitionOutcome::Conflict,
        })
    }
}
