//! What happened to a license key, kept for ever.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::{EventId, LicenseId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// The license key was made.
    Issued,
    /// A newer one took its place.
    Superseded,
    /// It was suspended.
    Suspended,
    /// It was taken out of suspension.
    Reinstated,
    /// Its end was moved.
    Renewed,
    /// Its tier or its limit changed.
    Changed,
    /// It got a new key string.
    Regenerated,
    /// It was ended for good.
    Revoked,
    /// It was audited.
    Audited,
    /// A machine took a free seat.
    Activated,
    /// A machine gave up its seat.
    Deactivated,
    /// A machine took the seat of one whose lease had lapsed.
    TakenOver,
}

/// What kind of caller acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// An API key of the operator.
    ApiKey,
    /// A person who signed in.
    User,
    /// A consuming app, by its license key or token.
    App,
    /// Signet itself.
    System,
}

impl ActorKind {
    /// Its name in JSON and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::User => "user",
            Self::App => "app",
            Self::System => "system",
        }
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// The API key's id, the user's subject, or the activation's id.
    #[schema(example = "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub id: String,
}

/// One entry in the history of a license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// `evt_…`
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// To which license key.
    pub license_id: LicenseId,
    /// Who did it.
    pub actor: Actor,
    /// From where, as the gateway or the socket saw it.
    #[schema(example = "203.0.113.7")]
    pub ip: String,
    /// What else there is to say of it.
    #[schema(value_type = Object, example = json!({"tier": "pro"}))]
    pub data: serde_json::Value,
}
