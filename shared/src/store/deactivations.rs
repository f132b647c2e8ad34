//! Deactivations: the end of an activation, which frees its seat.

use jiff::SignedDuration;

use super::{
    activations::{MACHINE_INDEX, parse_activation},
    borrows::{CountedReturn, put_return},
    error::StoreError,
    events::event_item,
    holder::{not_ended, still_held_by},
    item::{TTL_ATTRIBUTE, n},
    keys,
    machine_facts::facts_update,
    table::Table,
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{Activation, DescribedActivation, Event, Timestamp, seat::whole_second};

/// How long the item of an ended activation remains, so that a repeated deactivation gets the same response.
const TOMBSTONE_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long the item of an ended activation of a process remains. A floating license has many of them.
const PROCESS_TOMBSTONE_RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// The outcome of a deactivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeactivateOutcome {
    /// The activation has ended, by this request or before.
    Done(Box<Activation>),
    /// The activation does not exist: it was replaced by a later activation of the machine, or deleted after it ended.
    NotFound,
    /// The seat was borrowed or a borrowed seat was returned since they were read. Read again and retry.
    Conflict,
}

impl Table {
    /// Ends an activation and frees its seat in one transaction. If another activation holds the seat, only the activation is
    /// ended. `returned` counts the early return of a borrowed seat. The borrow and the license file must be those that were
    /// read: they decide whether the caller may end the activation, and whether it is counted.
    pub async fn deactivate(
        &self,
        DescribedActivation { activation, facts }: &DescribedActivation,
        event: &Event,
        returned: Option<&CountedReturn>,
    ) -> Result<DeactivateOutcome, StoreError> {
        let mut without_seat = Transaction::new();
        without_seat.update(&tombstone(activation, as_read(activation), event.at)).put_always(event_item(event)?);
        if let Some(returned) = returned {
            put_return(&mut without_seat, activation.id.license, returned)?;
        }
        if facts.is_some() {
            without_seat.update(&facts_tombstone(activation, event.at));
        }
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
                    Some(old) if old.ended_at.is_some() => DeactivateOutcome::Done(Box::new(old)),
                    Some(_) => DeactivateOutcome::Conflict,
                    None => DeactivateOutcome::NotFound,
                });
            }
            if returned.is_some() && failures.failed(2) {
                return Ok(DeactivateOutcome::Conflict);
            }
        }
        Err(StoreError::Contended)
    }
}

/// Requires that the activation has not ended, and that its borrow and license file are those that were read.
fn as_read(activation: &Activation) -> Condition {
    let times = [
        ("borrowed_until", ":borrowed", activation.borrow.map(|borrow| borrow.until)),
        ("offline_file_until", ":file", activation.offline_file_until),
    ];
    times.into_iter().fold(not_ended(&activation.id), |condition, (name, placeholder, read)| match read {
        None => condition.and(&format!("attribute_not_exists({name})")),
        Some(until) => condition.and(&format!("{name} = {placeholder}")).value(placeholder, n(whole_second(until))),
    })
}

/// Returns the update that ends an activation. The item is deleted after a retention period.
pub(super) fn tombstone(activation: &Activation, condition: Condition, at: Timestamp) -> ItemUpdate {
    ItemUpdate::new(keys::activation(activation.id.license, activation.id.machine), condition)
        .set("ended_at", n(at.as_millisecond()))
        .set_or_remove(MACHINE_INDEX, None)
        .set(TTL_ATTRIBUTE, n(tombstone_ttl(activation, at)))
}

/// Returns the update after which the facts about the machine are deleted with its ended activation.
pub(super) fn facts_tombstone(activation: &Activation, at: Timestamp) -> ItemUpdate {
    facts_update(&activation.id).set(TTL_ATTRIBUTE, n(tombstone_ttl(activation, at)))
}

/// Returns when DynamoDB may delete an activation that ended at `at`, as Unix time.
fn tombstone_ttl(activation: &Activation, at: Timestamp) -> i64 {
    let retention = if activation.instance_id.is_some() { PROCESS_TOMBSTONE_RETENTION } else { TOMBSTONE_RETENTION };
    whole_second(at) + retention.as_secs()
}
