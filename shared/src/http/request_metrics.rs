//! What is noted of a request while it is answered, for its line in the log.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use crate::domain::Actor;

/// What is counted, for the operator's graphs and alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// License keys that were issued or claimed.
    Issued,
    /// Machines that took a seat. One that has its seat takes none.
    Activated,
    /// Heartbeats that were answered with a token, fresh or not.
    Heartbeats,
    /// Signatures that were paid for.
    Signatures,
    /// Requests that were refused, each code on its own.
    Refused,
    /// Requests that came too often.
    RateLimited,
}

impl Metric {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 6] =
        [Self::Issued, Self::Activated, Self::Heartbeats, Self::Signatures, Self::Refused, Self::RateLimited];

    /// Its name in the log and in CloudWatch.
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

/// What a request did, and who sent it. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct RequestMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    actor: OnceLock<Actor>,
    counts: [AtomicU64; Metric::ALL.len()],
}

impl RequestMetrics {
    /// Notes who asks, once that is proved. Of several credentials, the first is who asks.
    pub fn actor(&self, actor: Actor) {
        let _ = self.0.actor.set(actor);
    }

    /// Counts one more.
    pub fn count(&self, metric: Metric) {
        self.0.counts[metric as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Who asks, where that is known.
    pub(super) fn who(&self) -> Option<&Actor> {
        self.0.actor.get()
    }

    /// How many there were; none where there was none.
    pub(super) fn counted(&self, metric: Metric) -> Option<u64> {
        Some(self.0.counts[metric as usize].load(Ordering::Relaxed)).filter(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ActorKind;

    #[test]
    fn each_metric_is_counted_on_its_own() {
        let metrics = RequestMetrics::default();
        for (number, metric) in Metric::ALL.into_iter().enumerate() {
            for _ in 0..number {
                metrics.clone().count(metric);
            }
        }
        let counts = Metric::ALL.map(|metric| metrics.counted(metric));
        assert_eq!(counts, [None, Some(1), Some(2), Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn the_first_credential_is_who_asks() {
        let metrics = RequestMetrics::default();
        for id in ["a", "b"] {
            metrics.actor(Actor { kind: ActorKind::User, id: id.to_owned() });
        }
        assert_eq!(metrics.who().unwrap().id, "a");
    }
}
