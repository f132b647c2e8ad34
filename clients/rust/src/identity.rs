use std::collections::HashMap;

use crate::jwt::PublicKey;

/// What a token must be for, and which root keys are trusted.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) issuer: String,
    pub(crate) product: String,
    /// The URL of the API, for support.
    pub(crate) api_url: String,
    /// The root keys by their thumbprints.
    pub(crate) root_keys: HashMap<String, PublicKey>,
    pub(crate) machine_id: String,
    /// The machine id is random and lasts only as long as this process.
    pub(crate) is_ephemeral: bool,
    pub(crate) instance_id: Option<String>,
}

impl Identity {
    /// Returns whether the token belongs to this process and not to the machine.
    pub(crate) fn is_of_process(&self) -> bool {
        self.is_ephemeral || self.instance_id.is_some()
    }
}
