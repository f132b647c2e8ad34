//! License keys of which a search has found every seat taken, in memory for a few seconds.
//!
//! Such a search reads all seats and all machines, so its cost grows with the number of seats. Without this memory, each
//! machine too many would repeat it. Only license keys whose seats do not fit into one window are remembered.
//!
//! A remembered license key is full only while nothing has freed a seat. A change of the generation or the limit is seen,
//! because each request reads the license key first. Everything else that frees a seat adds an event, so the newest event
//! is compared, too: one read, in place of a search. What remains are leases that lapse, which adds no event, repairs by
//! the audit, whose event follows, and an event of an instance whose clock is behind. They are found after [`FULL_TTL`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{License, LicenseId},
    ttl_cache::Cached,
};

/// How long a license key is remembered as full.
pub const FULL_TTL: SignedDuration = SignedDuration::from_secs(5);
/// The maximum number of remembered license keys. Further ones are searched.
const MAX_REMEMBERED: usize = 1000;

/// What a search of the seats of a license key is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchBasis {
    generation: u32,
    max_users: Option<u32>,
    /// The sort key of the newest event.
    pub(super) newest_event: Option<String>,
}

impl SearchBasis {
    pub(super) fn new(license: &License, newest_event: Option<String>) -> Self {
        Self { generation: license.generation, max_users: license.max_users, newest_event }
    }
}

/// The license keys that are known to be full, each since the start of the search that found it full. Not a
/// [`TtlCache`](crate::ttl_cache::TtlCache), which holds one value. Clones share the memory.
#[derive(Debug, Clone, Default)]
pub(super) struct FullLicenses(Arc<Mutex<BTreeMap<LicenseId, Cached<SearchBasis>>>>);

impl FullLicenses {
    /// Returns the basis of a search that has found the license key full, if it is remembered.
    pub(super) fn get(&self, license: LicenseId, now: Timestamp) -> Option<Arc<SearchBasis>> {
        self.lock().get(&license).filter(|found| found.is_fresh(FULL_TTL, now)).map(|found| Arc::clone(&found.value))
    }

    /// Remembers that a search has found every seat taken and no lapsed lease. `now` is the time of the request.
    pub(super) fn insert(&self, license: LicenseId, basis: SearchBasis, now: Timestamp) {
        let mut full = self.lock();
        if full.len() >= MAX_REMEMBERED {
            full.retain(|_, found| found.is_fresh(FULL_TTL, now));
        }
        if full.len() < MAX_REMEMBERED {
            full.insert(license, Cached::new(basis, now));
        }
    }

    /// Forgets a license key, because this process has freed a seat of it.
    pub(super) fn remove(&self, license: LicenseId) {
        self.lock().remove(&license);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LicenseId, Cached<SearchBasis>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IdGenerator;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn at_most_a_thousand_license_keys_are_remembered_for_five_seconds() {
        let (full, mut ids) = (FullLicenses::default(), IdGenerator::new(at(0)));
        let basis = || SearchBasis { generation: 1, max_users: Some(200), newest_event: None };
        let remembered: Vec<LicenseId> = (0..=MAX_REMEMBERED).map(|_| ids.generate()).collect();
        for id in &remembered {
            full.insert(*id, basis(), at(0));
        }
        let count = |second| remembered.iter().filter(|id| full.get(**id, at(second)).is_some()).count();
        assert_eq!([0, 4, 5].map(count), [MAX_REMEMBERED, MAX_REMEMBERED, 0]);
        assert_eq!(count(-1), 0, "the clock was set back");
        let later: LicenseId = ids.generate();
        full.insert(later, basis(), at(5));
        assert_eq!(full.lock().len(), 1, "old ones make room");
        full.remove(later);
        assert!(full.get(later, at(5)).is_none());
    }
}
