//! Deliveries of events to webhook endpoints: their states, and how an attempt changes them.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::schedule::pause;
use crate::domain::id::{EventId, WebhookEndpointId};

/// The time after which another attempt is made if the process that makes one crashes. Longer than an attempt takes.
pub const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// The id of a delivery, `whd_…`. It contains the endpoint and the event, so that an event has one delivery per endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryId {
    /// The endpoint.
    pub endpoint: WebhookEndpointId,
    /// The event.
    pub event: EventId,
}

/// The text is not the id of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid delivery id")]
pub struct ParseDeliveryIdError;

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whd_{}_{}", self.endpoint.ulid(), self.event.ulid())
    }
}

impl FromStr for DeliveryId {
    type Err = ParseDeliveryIdError;

    fn from_str(text: &str) -> Result<Self, ParseDeliveryIdError> {
        let parts = text.strip_prefix("whd_").and_then(|rest| rest.split_once('_'));
        let (endpoint, event) = parts.ok_or(ParseDeliveryIdError)?;
        let endpoint = format!("whe_{endpoint}").parse().map_err(|_| ParseDeliveryIdError)?;
        let event = format!("evt_{event}").parse().map_err(|_| ParseDeliveryIdError)?;
        Ok(Self { endpoint, event })
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for DeliveryId {
    fn schema() -> RefOr<Schema> {
        let ulid = "[0-7][0-9A-HJKMNP-TV-Z]{25}";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^whd_{ulid}_{ulid}$")))
            .examples(["whd_01JD8W0V5XK6Q3R7T2N4M8P9ZB_01KF1Q5T9C8V0R2M4N6P7S3W5X"])
            .into()
    }
}

impl ToSchema for DeliveryId {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("WebhookDeliveryId")
    }
}

/// An event to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredEvent {
    /// `evt_…`
    pub id: EventId,
    /// The type, such as `license.renewed`.
    pub kind: String,
    /// The index partition in which the event is found.
    pub partition: String,
    /// What the event belongs to, such as a license key. Events with the same key are sent in their order if the endpoint
    /// responds in time.
    pub ordering_key: String,
}

/// The delivery of an event to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The endpoint that receives the event.
    pub endpoint: WebhookEndpointId,
    /// The event.
    pub event: DeliveredEvent,
    /// Whether it is pending, delivered or failed.
    pub state: DeliveryState,
    /// The number of attempts, including one that is being made.
    pub attempts: u32,
    /// The latest attempt that has ended.
    pub last_attempt: Option<Attempt>,
    /// When the delivery was created, or last requested by an operator.
    pub created_at: Timestamp,
    /// The number of changes, by which concurrent ones are detected.
    pub version: u64,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// The next attempt will be made, or one is being made.
    Pending {
        /// When the next attempt is due. While one is being made, when another one is if that does not end.
        due_at: Timestamp,
        /// The number of attempts since the delivery was created or last requested by an operator.
        step: u32,
    },
    /// The endpoint accepted the event.
    Delivered,
    /// All attempts failed.
    Failed,
}

/// The name of the state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookDeliveryStatus)]
pub enum DeliveryStatus {
    /// Another attempt will be made.
    Pending,
    /// The endpoint accepted the event with a 2xx response.
    Delivered,
    /// All attempts failed. It can be retried.
    Failed,
}

impl DeliveryStatus {
    /// Returns the status as a JSON string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The endpoint responded.
    Response {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, at most [`MAX_RESPONSE_BYTES`].
        body: String,
    },
    /// No response was received.
    NoResponse(SendError),
}

/// The maximum size of the body of a response that is stored, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 1024;

/// The maximum number of bytes of an event that is sent. The largest events, updates of pricing tiers with 500 features, have half
/// of it.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Why no response was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookSendError)]
pub enum SendError {
    /// The endpoint did not respond in time.
    Timeout,
    /// The host name could not be resolved.
    DnsFailed,
    /// The host has no address of the public internet.
    AddressForbidden,
    /// The connection could not be established or was closed, or TLS failed.
    ConnectionFailed,
    /// The URL is no longer allowed.
    UrlForbidden,
    /// The event could not be read.
    EventUnavailable,
    /// The event has more than 262,144 bytes.
    EventTooLarge,
}

impl AttemptOutcome {
    /// Returns whether the endpoint accepted the event. Redirects are not followed.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Response { status: 200..=299, .. })
    }

    /// Returns whether the endpoint no longer exists.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Response { status: 410, .. })
    }
}

impl Delivery {
    /// Creates a delivery, which is due at once.
    pub fn new(endpoint: WebhookEndpointId, event: DeliveredEvent, now: Timestamp) -> Self {
        let state = DeliveryState::Pending { due_at: now, step: 0 };
        Self { endpoint, event, state, attempts: 0, last_attempt: None, created_at: now, version: 1 }
    }

    /// Returns the id.
    pub fn id(&self) -> DeliveryId {
        DeliveryId { endpoint: self.endpoint, event: self.event.id }
    }

    /// Returns the name of the state.
    pub fn status(&self) -> DeliveryStatus {
        match self.state {
            DeliveryState::Pending { .. } => DeliveryStatus::Pending,
            DeliveryState::Delivered => DeliveryStatus::Delivered,
            DeliveryState::Failed => DeliveryStatus::Failed,
        }
    }

    /// Returns when the next attempt is due; `None` if there is none.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            DeliveryState::Pending { due_at, .. } => Some(due_at),
            DeliveryState::Delivered | DeliveryState::Failed => None,
        }
    }

    /// Returns the delivery while an attempt is made. It becomes due again if the attempt does not end. Returns `None` if the
    /// delivery is not due.
    pub fn begin_attempt(&self, now: Timestamp) -> Option<Self> {
        match self.state {
            DeliveryState::Pending { due_at, step } if due_at <= now => {
                let state = DeliveryState::Pending { due_at: now + LEASE, step: step.saturating_add(1) };
                Some(Self { state, attempts: self.attempts.saturating_add(1), ..self.next_version() })
            }
            _ => None,
        }
    }

    /// Returns the delivery after the attempt that was begun. `jitter`, from 0 to 1, extends the pause before the next one.
    #[must_use]
    pub fn end_attempt(&self, attempt: Attempt, now: Timestamp, jitter: f64) -> Self {
        let state = match self.state {
            _ if attempt.outcome.is_success() => DeliveryState::Delivered,
            DeliveryState::Pending { step, .. } => match pause(step, jitter) {
                Some(pause) => DeliveryState::Pending { due_at: now + pause, step },
                None => DeliveryState::Failed,
            },
            ended => ended,
        };
        Self { state, last_attempt: Some(attempt), ..self.next_version() }
    }

    /// Returns the delivery after an operator has requested it: due at once, with all attempts.
    #[must_use]
    pub fn request(&self, now: Timestamp) -> Self {
        let state = DeliveryState::Pending { due_at: now, step: 0 };
        Self { state, created_at: now, ..self.next_version() }
    }

    fn next_version(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }
}

/// Returns the beginning of a response body that is stored: at most [`MAX_RESPONSE_BYTES`], without half a character.
pub fn stored_body(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_RESPONSE_BYTES)]).into_owned();
    if bytes.len() > MAX_RESPONSE_BYTES {
        // A character that was cut is replaced by at most one replacement character.
        text = text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned();
    }
    let mut end = text.len().min(MAX_RESPONSE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;
    use crate::domain::{Id, webhooks::schedule::MAX_ATTEMPTS};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn delivery() -> Delivery {
        let event = DeliveredEvent {
            id: Id::from_ulid(Ulid::from_parts(1, 2)),
            kind: "license.renewed".to_owned(),
            partition: "EVENTS#1970-01-01#0".to_owned(),
            ordering_key: "LICENSE#1".to_owned(),
        };
        Delivery::new(Id::from_ulid(Ulid::from_parts(3, 4)), event, at(0))
    }

    fn attempt(at: Timestamp, status: u16) -> Attempt {
        Attempt { at, duration_ms: 5, outcome: AttemptOutcome::Response { status, body: String::new() } }
    }

    #[test]
    fn delivery_fails_after_all_attempts_and_can_be_requested_again() {
        let (mut delivery, mut made) = (delivery(), 0);
        while let Some(due_at) = delivery.due_at() {
            assert!(delivery.begin_attempt(due_at - SignedDuration::from_millis(1)).is_none());
            let begun = delivery.begin_attempt(due_at).unwrap();
            assert_eq!(begun.due_at(), Some(due_at + LEASE), "due again if the process crashes");
            made += 1;
            delivery = begun.end_attempt(attempt(due_at, 500), due_at, 0.5);
        }
        assert_eq!((made, delivery.attempts, delivery.status()), (MAX_ATTEMPTS, MAX_ATTEMPTS, DeliveryStatus::Failed));
        let requested = delivery.request(at(1_000_000));
        assert_eq!(requested.state, DeliveryState::Pending { due_at: at(1_000_000), step: 0 });
        let delivered = requested.begin_attempt(at(1_000_000)).unwrap().end_attempt(attempt(at(1), 204), at(1), 0.0);
        assert_eq!((delivered.status(), delivered.attempts), (DeliveryStatus::Delivered, MAX_ATTEMPTS + 1));
        assert!(delivered.begin_attempt(at(2_000_000)).is_none());
    }

    #[test]
    fn crashes_use_up_attempts_but_the_delivery_fails_only_after_one_that_ended() {
        let mut delivery = delivery();
        for _ in 0..2 * MAX_ATTEMPTS {
            delivery = delivery.begin_attempt(delivery.due_at().unwrap()).unwrap();
        }
        assert_eq!(delivery.status(), DeliveryStatus::Pending);
        assert_eq!(delivery.end_attempt(attempt(at(1), 500), at(1), 0.0).status(), DeliveryStatus::Failed);
    }

    #[test]
    fn only_2xx_is_success_and_only_410_is_gone() {
        for status in 100..600 {
            let outcome = AttemptOutcome::Response { status, body: String::new() };
            assert_eq!(outcome.is_success(), (200..300).contains(&status), "{status}");
            assert_eq!(outcome.is_gone(), status == 410, "{status}");
        }
        let outcome = AttemptOutcome::NoResponse(SendError::Timeout);
        assert!(!outcome.is_success() && !outcome.is_gone());
    }

    proptest! {
        #[test]
        fn id_round_trips(endpoint in any::<u128>(), event in any::<u128>()) {
            let id = DeliveryId { endpoint: Id::from_ulid(endpoint.into()), event: Id::from_ulid(event.into()) };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn parsed_id_is_canonical(text in prop_oneof![any::<String>(), "whd_[0-7][0-9A-HJKMNP-TV-Za-z]{24,26}_[0-7][0-9A-Z]{25}"]) {
            if let Ok(id) = text.parse::<DeliveryId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn every_change_has_a_new_version(steps in proptest::collection::vec((0..3_u8, 200..600_u16, 0..100_000_i64), 0..30)) {
            let (mut delivery, mut now) = (delivery(), 0);
            for (step, status, pause) in steps {
                now += pause;
                let before = delivery.version;
                let changed = match step {
                    0 => delivery.begin_attempt(at(now)),
                    1 => Some(delivery.end_attempt(attempt(at(now), status), at(now), 0.5)),
                    _ => Some(delivery.request(at(now))),
                };
                let Some(changed) = changed else { continue };
                prop_assert_eq!(changed.version, before + 1);
                delivery = changed;
            }
        }

        #[test]
        fn stored_body_is_a_prefix_of_at_most_a_kilobyte(text in "\\PC{0,600}", padding in 0..1100_usize) {
            let text = "a".repeat(padding) + &text;
            let stored = stored_body(text.as_bytes());
            prop_assert!(stored.len() <= MAX_RESPONSE_BYTES);
            let is_prefix = text.starts_with(stored.trim_end_matches(char::REPLACEMENT_CHARACTER));
            prop_assert!(is_prefix);
            prop_assert!(stored == text || stored.len() > MAX_RESPONSE_BYTES - 16);
        }

        #[test]
        fn stored_body_accepts_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(stored_body(&bytes).len() <= MAX_RESPONSE_BYTES);
        }
    }
}
