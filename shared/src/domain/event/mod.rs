//! Events: the audit log of all resources, which is never deleted.

mod key_ring;
mod pattern;
pub mod payload;
mod subject;
mod types;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

pub use self::{
    key_ring::key_ring_events,
    pattern::{EventTypePattern, ParseEventTypePatternError},
    subject::{ParseSubjectError, Subject, SubjectType},
    types::{EventData, EventType, ParseEventTypeError, PayloadSchema},
};
use super::id::{EventId, IdGenerator, LicenseId};

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
    /// The id of the API key, the subject of the user, the id of the activation or of the license key that an app has, or the
    /// part of Signet.
    #[schema(example = "key_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub id: String,
}

impl Actor {
    /// Returns a part of Signet as the actor.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorKind::System, id: part.to_owned() }
    }
}

/// An event: a change of a resource, or something that happened to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: EventId,
    /// The type and the data.
    #[serde(flatten)]
    pub data: EventData,
    /// When the event happened.
    pub at: Timestamp,
    /// The caller who caused the event.
    pub actor: Actor,
    /// The resource.
    pub subject: Subject,
    /// The license key that the resource is or belongs to.
    pub license_id: Option<LicenseId>,
    /// The client address, as seen by the gateway or the socket; `None` without a request, and after the customer was erased.
    pub ip: Option<String>,
    /// The id of the request; `None` without a request.
    pub request_id: Option<String>,
}

/// The schema of an event of any type.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes the fields")]
struct AnyEvent {
    /// `evt_…`
    id: EventId,
    /// The type of the event.
    r#type: EventType,
    /// When the event happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The caller who caused the event.
    actor: Actor,
    /// The resource that was changed, or to which something happened.
    subject: Subject,
    /// The license key that the resource is or belongs to; null for other resources.
    #[schema(required)]
    license_id: Option<LicenseId>,
    /// The client address, as seen by the gateway or the socket; null if there was no request, or if the customer was erased.
    #[schema(required, example = "203.0.113.7")]
    ip: Option<String>,
    /// The `X-Request-Id` of the response to the request; null if there was none.
    #[schema(required, example = "1-5759e988-bd862e3fe1be46a994272793")]
    request_id: Option<String>,
    /// Details, by type. Their schema is that of the webhook with the name of the type.
    #[schema(value_type = Object, example = json!({"tier": "pro", "customer_id": "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB"}))]
    data: serde_json::Value,
}

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        AnyEvent::schema()
    }
}

impl ToSchema for Event {
    fn name() -> std::borrow::Cow<'static, str> {
        "Event".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        AnyEvent::schemas(schemas);
    }
}

impl Event {
    /// Returns the type.
    pub const fn event_type(&self) -> EventType {
        self.data.event_type()
    }

    /// Returns the event without the client address and the name of the machine.
    #[must_use]
    pub fn without_personal_data(mut self) -> Self {
        self.ip = None;
        match &mut self.data {
            EventData::ActivationCreated(data) => data.machine_name = None,
            EventData::ActivationTakenOver(data) => data.activation.machine_name = None,
            _ => {}
        }
        self
    }
}

/// Who causes events, when, and with which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource {
    /// The time of the request.
    pub at: Timestamp,
    /// The caller.
    pub actor: Actor,
    /// The client address.
    pub ip: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl EventSource {
    /// Returns the source of events that a part of Signet causes without a request.
    pub fn system(part: &str, at: Timestamp) -> Self {
        Self { at, actor: Actor::system(part), ip: None, request_id: None }
    }

    /// Creates an event.
    pub fn event(&self, ids: &mut IdGenerator, subject: Subject, data: EventData) -> Event {
        Event {
            id: ids.generate(),
            data,
            at: self.at,
            actor: self.actor.clone(),
            license_id: subject.license_id(),
            subject,
            ip: self.ip.clone(),
            request_id: self.request_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn event_has_the_fields_of_the_reference() {
        let at = "2026-01-15T12:00:00.123Z".parse().unwrap();
        let actor = Actor { kind: ActorKind::ApiKey, id: "key_1".to_owned() };
        let source = EventSource { at, actor, ip: Some("203.0.113.7".to_owned()), request_id: Some("r1".to_owned()) };
        let license: LicenseId = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB".parse().unwrap();
        let data = EventData::LicenseRenewed(payload::LicenseRenewed { from: None, expires_at: Some(at) });
        let event = source.event(&mut IdGenerator::new(at), Subject::License(license), data);
        let expected = json!({
            "id": event.id, "type": "license.renewed", "at": "2026-01-15T12:00:00.123Z",
            "actor": {"kind": "api_key", "id": "key_1"},
            "subject": {"type": "license", "id": "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB"},
            "license_id": "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "ip": "203.0.113.7", "request_id": "r1",
            "data": {"from": null, "expires_at": "2026-01-15T12:00:00.123Z"},
        });
        assert_eq!(serde_json::to_value(&event).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Event>(expected).unwrap(), event);
    }
}
