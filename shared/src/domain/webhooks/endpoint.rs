//! Webhook endpoints, and when they are disabled.

use jiff::{SignedDuration, Timestamp};

use super::{AttemptOutcome, EventSelector};
use crate::domain::{
    event::{EventType, payload::WebhookDisabledReason},
    id::WebhookEndpointId,
};

/// The maximum number of endpoints of an installation.
pub const MAX_ENDPOINTS: usize = 20;
/// The maximum number of event types of an endpoint.
pub const MAX_EVENT_TYPES: usize = 50;
/// How long the previous secret also signs after a rotation.
pub const PREVIOUS_SECRET_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How long an endpoint can fail before it is disabled.
const MAX_FAILING: SignedDuration = SignedDuration::from_hours(5 * 24);
/// The time without attempts after which an endpoint is no longer considered to be failing. It is longer than any pause between
/// the attempts of a delivery.
const MAX_GAP: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How precisely the time of the latest failure is stored.
const FAILURE_PRECISION: SignedDuration = SignedDuration::from_hours(1);

/// A URL that receives events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// `whe_…`
    pub id: WebhookEndpointId,
    /// The URL, as the operator wrote it.
    pub url: String,
    /// The types of events that it receives.
    pub event_types: Vec<EventSelector>,
    /// A note of the operator.
    pub description: Option<String>,
    /// Whether the operator wants it to receive events.
    pub is_enabled: bool,
    /// Events before this time are not sent: when the endpoint was created or last activated.
    pub delivers_from: Timestamp,
    /// Whether it accepts webhooks.
    pub health: EndpointHealth,
    /// When the previous secret stops to sign, after a rotation.
    pub previous_secret_expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed by an operator.
    pub updated_at: Timestamp,
}

impl WebhookEndpoint {
    /// Returns whether webhooks are sent to the endpoint.
    pub fn is_active(&self) -> bool {
        self.is_enabled && !matches!(self.health, EndpointHealth::Disabled { .. })
    }

    /// Returns whether an event of this type and time, about the resource with this id, is sent to the endpoint. Events about the
    /// endpoint itself are not. Test events are sent only to the endpoint that is tested.
    pub fn receives(&self, event_type: &str, at: Timestamp, subject_id: Option<&str>) -> bool {
        self.is_active()
            && at >= self.delivers_from
            && subject_id.is_none_or(|id| id != self.id.to_string())
            && event_type != EventType::WebhookEndpointTest.as_str()
            && self.event_types.iter().any(|selector| selector.selects(event_type))
    }

    /// Returns whether the previous secret also signs.
    pub fn has_previous_secret(&self, now: Timestamp) -> bool {
        self.previous_secret_expires_at.is_some_and(|end| now < end)
    }
}

/// Whether an endpoint accepts webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointHealth {
    /// The latest attempt succeeded, or none was made.
    Healthy,
    /// All attempts since a time failed.
    Failing {
        /// The first failed attempt since the last successful one.
        since: Timestamp,
        /// The latest failed attempt, to the hour.
        last_failed_at: Timestamp,
    },
    /// Signet sends nothing until an operator activates the endpoint again.
    Disabled {
        /// Why.
        reason: WebhookDisabledReason,
        /// When.
        at: Timestamp,
    },
}

impl EndpointHealth {
    /// Returns the health after an attempt: 410 disables the endpoint at once, and so does a failure if every attempt has
    /// failed for five days.
    #[must_use]
    pub fn after(self, outcome: &AttemptOutcome, now: Timestamp) -> Self {
        if let Self::Disabled { .. } = self {
            return self;
        }
        if outcome.is_success() {
            return Self::Healthy;
        }
        if outcome.is_gone() {
            return Self::Disabled { reason: WebhookDisabledReason::Gone, at: now };
        }
        match self {
            Self::Failing { since, last_failed_at } if now.duration_since(last_failed_at) <= MAX_GAP => {
                if now.duration_since(since) >= MAX_FAILING {
                    Self::Disabled { reason: WebhookDisabledReason::Failing, at: now }
                } else if now.duration_since(last_failed_at) >= FAILURE_PRECISION {
                    Self::Failing { since, last_failed_at: now }
                } else {
                    self
                }
            }
            _ => Self::Failing { since: now, last_failed_at: now },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::webhooks::SendError;

    const OK: AttemptOutcome = AttemptOutcome::Response { status: 204, body: String::new() };
    const GONE: AttemptOutcome = AttemptOutcome::Response { status: 410, body: String::new() };
    const FAILED: AttemptOutcome = AttemptOutcome::NoResponse(SendError::Timeout);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn after(outcomes: &[(i64, AttemptOutcome)]) -> EndpointHealth {
        outcomes.iter().fold(EndpointHealth::Healthy, |health, (hour, outcome)| health.after(outcome, at(*hour)))
    }

    #[test]
    fn endpoint_is_disabled_after_five_days_in_which_every_attempt_failed() {
        let daily = |days: i64| (0..=days).map(|day| (day * 24, FAILED)).collect::<Vec<_>>();
        assert_eq!(after(&daily(4)), EndpointHealth::Failing { since: at(0), last_failed_at: at(96) });
        assert_eq!(after(&daily(5)), EndpointHealth::Disabled { reason: WebhookDisabledReason::Failing, at: at(120) });
        let mut with_success = daily(5);
        with_success[3].1 = OK;
        assert_eq!(after(&with_success), EndpointHealth::Failing { since: at(96), last_failed_at: at(120) });
        assert_eq!(after(&[(0, FAILED), (1, OK)]), EndpointHealth::Healthy);
    }

    #[test]
    fn a_failure_after_a_long_time_without_attempts_starts_again() {
        assert_eq!(
            after(&[(0, FAILED), (500, FAILED)]),
            EndpointHealth::Failing { since: at(500), last_failed_at: at(500) }
        );
    }

    #[test]
    fn gone_disables_at_once_and_nothing_enables() {
        let disabled = EndpointHealth::Disabled { reason: WebhookDisabledReason::Gone, at: at(1) };
        assert_eq!(after(&[(0, OK), (1, GONE)]), disabled);
        assert_eq!(after(&[(1, GONE), (2, OK), (500, FAILED)]), disabled);
    }

    proptest! {
        #[test]
        fn no_endpoint_with_a_success_in_the_last_five_days_is_disabled_as_failing(
            steps in proptest::collection::vec((1..200_i64, any::<bool>()), 1..40),
        ) {
            let (mut hour, mut health, mut last_success) = (0, EndpointHealth::Healthy, None);
            for (pause, is_success) in steps {
                hour += pause;
                let before = health;
                let outcome = if is_success { OK } else { FAILED };
                health = health.after(&outcome, at(hour));
                if is_success {
                    last_success = Some(hour);
                }
                if before != health && matches!(health, EndpointHealth::Disabled { .. }) {
                    prop_assert!(!is_success && last_success.is_none_or(|success| hour - success >= 120));
                }
            }
        }
    }
}
