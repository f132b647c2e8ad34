//! Who holds a seat: the attributes of a seat item that name an activation, and conditions on them.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    item::{b, n},
    transaction::Condition,
};
use crate::domain::{Activation, ActivationId, MachineHash};

/// Returns the nonce of an activation id as an attribute. The item's key contains the rest of the id.
pub(super) fn nonce(id: &ActivationId) -> AttributeValue {
    b(id.nonce)
}

/// Requires that the item belongs to this activation, and not to another one of the machine.
pub(super) fn of_activation(id: &ActivationId) -> Condition {
    Condition::new("life = :life").value(":life", nonce(id))
}

/// Requires that the activation is this one and has not ended.
pub(super) fn not_ended(id: &ActivationId) -> Condition {
    of_activation(id).and("attribute_not_exists(ended_at)")
}

/// Requires that the activation is this one, has not ended, and is of this generation.
pub(super) fn live(id: &ActivationId, generation: u32) -> Condition {
    not_ended(id).and("generation = :generation").value(":generation", n(generation))
}

/// Requires that the seat is held by this activation.
pub(super) fn still_held_by(holder: &Activation) -> Condition {
    held_by(&holder.id, holder.generation)
}

/// Requires that the seat is free or held by another activation.
pub(super) fn not_held_by(activation: &Activation) -> Condition {
    let held = still_held_by(activation);
    Condition { expression: format!("attribute_not_exists(PK) OR NOT ({})", held.expression), ..held }
}

pub(super) fn held_by(id: &ActivationId, generation: u32) -> Condition {
    Condition::new("machine = :holder AND life = :holder_life AND generation = :holder_generation")
        .value(":holder", machine_attribute(id.machine))
        .value(":holder_life", nonce(id))
        .value(":holder_generation", n(generation))
}

pub(super) fn machine_attribute(hash: MachineHash) -> AttributeValue {
    b(hash.0)
}
