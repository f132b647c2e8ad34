//! What a request records while it runs: the actor and the counters for its log line, and the rate limit for its response.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::domain::{Actor, rate_limit::RateLimitStatus};

/// A counter for the operator's dashboards and alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// License keys that were issued or claimed.
    Issued,
    /// Machines that took a seat. Renewals do not count.
    Activated,
    /// Heartbeats that returned a token, new or unchanged.
    Heartbeats,
    /// Signatures, each of which is a billed KMS request.
    Signatures,
    /// Requests that failed with a 4xx status other than 429, by problem code.
    Refused,
    /// Requests that failed with 429.
    RateLimited,
}

impl Metric {
    /// All metrics, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Issued, Self::Activated, Self::Heartbeats, Self::Signatures, Self::Refused, Self::RateLimited];

    /// Returns the metric's name in the log and in CloudWatch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Activated => "activated",
            Self::Heartbeats => "heartbeats",
            Self::Signatures => "signatures",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// The metrics, the actor and the rate limit of a request. Cheap to clone; all clones share their state.
#[derive(Debug, Clone, Default)]
pub struct RequestMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    actor: OnceLock<Actor>,
    counts: [AtomicU64; Metric::ALL.len()],
    rate_limit: Mutex<Option<RateLimitStatus>>,
}

impl RequestMetrics {
    /// Sets the authenticated actor. Only the first call has an effect.
    pub fn set_actor(&self, actor: Actor) {
        let _ = self.0.actor.set(actor);
    }

    /// Increments a counter.
    pub fn count(&self, metric: Metric) {
        self.0.counts[metric as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Records the state of a rate limit's counter. Of several, the one with the fewest remaining requests is reported.
    pub fn record_rate_limit(&self, status: RateLimitStatus) {
        let mut recorded = self.0.rate_limit.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.is_none_or(|recorded| status.remaining < recorded.remaining) {
            *recorded = Some(status);
        }
    }

    /// Returns the recorded state of a rate limit, if the request was counted.
    pub(crate) fn rate_limit(&self) -> Option<RateLimitStatus> {
        *self.0.rate_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the actor if it is known.
    pub(crate) fn actor(&self) -> Option<&Actor> {
        self.0.actor.get()
    }

    /// Returns the value of a counter, or `None` if it is zero.
    pub(crate) fn value(&self, metric: Metric) -> Option<u64> {
        Some(self.0.counts[metric as usize].load(Ordering::Relaxed)).filter(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ActorKind;

    #[test]
    fn each_metric_has_its_own_counter() {
        let metrics = RequestMetrics::default();
        for (number, metric) in Metric::ALL.into_iter().enumerate() {
            for _ in 0..number {
                metrics.clone().count(metric);
            }
        }
        let counts = Metric::ALL.map(|metric| metrics.value(metric));
        assert_eq!(counts, [None, Some(1), Some(2), Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn the_rate_limit_with_the_fewest_remaining_requests_is_reported() {
        let metrics = RequestMetrics::default();
        assert_eq!(metrics.rate_limit(), None);
        let [few, many] = [1, 2].map(|remaining| RateLimitStatus { limit: 9, remaining, reset_seconds: 60 });
        for status in [many, few, many] {
            metrics.record_rate_limit(status);
        }
        assert_eq!(metrics.rate_limit(), Some(few));
    }

    #[test]
    fn only_the_first_actor_is_recorded() {
        let metrics = RequestMetrics::default();
        for id in ["a", "b"] {
            metrics.set_actor(Actor { kind: ActorKind::User, id: id.to_owned() });
        }
        assert_eq!(metrics.actor().unwrap().id, "a");
    }
}
