//! Activations with the facts about their machines.

use super::{machine_facts::MachineFacts, seat::Activation};

/// An activation and the facts about its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedActivation {
    /// The activation.
    pub activation: Activation,
    /// The facts; `None` if they were deleted, or replaced by those of a later activation after the activation was read.
    pub facts: Option<MachineFacts>,
}

impl DescribedActivation {
    /// Returns the name of the machine, or else its id.
    pub fn display_name(&self) -> &str {
        let name = self.facts.as_ref().and_then(|facts| facts.name.as_deref());
        name.unwrap_or(&self.activation.machine_id)
    }
}
