//! Events: the audit log of license keys, which is never deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::{EventId, LicenseId};

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// The license key was issued.
    Issued,
    /// A customer claimed the license key, which belonged to none.
    Claimed,
    /// The license key was replaced by a newer one.
    Superseded,
    /// The license key was suspended.
    Suspended,
    /// The license key was reinstated after a suspension.
    Reinstated,
    /// The expiry of the license key was changed.
    Renewed,
    /// The tier or the limits of the license key were changed.
    Changed,
    /// The overrides of the license key were replaced.
    Overridden,
    /// The customer, the name, the external id or the metadata of the license key were changed.
    Updated,
    /// The license key got a new key string.
    Regenerated,
    /// The license key was permanently disabled.
    Revoked,
    /// The license key was checked for inconsistencies.
    Audited,
    /// A machine took a free seat.
    Activated,
    /// A machine borrowed its seat, for itself or for a license file.
    Borrowed,
    /// A machine was deactivated and its seat freed.
    Deactivated,
    /// A machine took the seat of another machine whose lease had lapsed.
    TakenOver,
}

/// The type of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// An API key of the operator.
    ApiKey,
    /// A signed-in user.
    User,
    /// An app, authenticated by its license key or license token.
    App,
    /// Signet itself.
    System,
}

impl ActorKind {
    /// Returns the name in JSON and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::User => "user",
            Self::App => "app",
            Self::System => "system",
        }
    }
}

/// The caller who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// The type of caller.
    pub kind: ActorKind,
    /// The id of the API key, the subject of the user, or the id of the activation.
    #[schema(example = "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub id: String,
}

/// An event of a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// `evt_…`
    pub id: EventId,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When the event happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The license key.
    pub license_id: LicenseId,
    /// The caller who caused the event.
    pub actor: Actor,
    /// The client address, as seen by the gateway or the socket.
    #[schema(example = "203.0.113.7")]
    pub ip: String,
    /// Additional data, depending on the type.
    #[schema(value_type = Object, example = json!({"tier": "pro"}))]
    pub data: serde_json::Value,
}

impl Event {
    /// Returns the event without the client address and the name of the machine.
    #[must_use]
    pub fn without_personal_data(mut self) -> Self {
        self.ip.clear();
        if let Some(data) = self.data.as_object_mut() {
            data.remove("machine_name");
        }
        self
    }
}
