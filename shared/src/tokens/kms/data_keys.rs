//! Data keys that KMS need not be asked for again, each for a bounded time and number of uses.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::envelope::DataKey;
use crate::domain::secret::sha256;

/// How long a data key is kept. So long, at most, does a warm function open and seal after KMS says that it must not.
const LIFE: SignedDuration = SignedDuration::from_mins(5);
/// How many values one data key seals at most. With random nonces of 96 bits, NIST SP 800-38D (§8.3) allows 2³² for one
/// key; of 2¹⁶ values, two have the same nonce with a probability of 2⁻⁶⁵.
const MAX_SEALED: u32 = 1 << 16;
/// How many data keys are kept for opening.
const MAX_OPENED: usize = 128;

/// The data keys of one sealer.
#[derive(Default)]
pub(super) struct DataKeys {
    sealing: Option<Sealing>,
    opening: HashMap<[u8; 32], Kept>,
}

struct Sealing {
    key: Kept,
    sealed: u32,
}

#[derive(Clone)]
struct Kept {
    key: Arc<DataKey>,
    since: Timestamp,
}

impl Kept {
    /// An age below zero is of a clock that was set back: nothing is known of the key's age then.
    fn is_good(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.since);
        age >= SignedDuration::ZERO && age < LIFE
    }
}

impl DataKeys {
    /// The key that seals, for one more value.
    pub(super) fn for_sealing(&mut self, now: Timestamp) -> Option<Arc<DataKey>> {
        let sealing = self.sealing.as_mut().filter(|sealing| sealing.sealed < MAX_SEALED && sealing.key.is_good(now));
        let Some(sealing) = sealing else {
            self.sealing = None;
            return None;
        };
        sealing.sealed += 1;
        Some(Arc::clone(&sealing.key.key))
    }

    /// Takes a new key to seal with, and has used it for one value. It opens, too: what was just sealed may be asked for.
    pub(super) fn seal_with(&mut self, key: &Arc<DataKey>, now: Timestamp) {
        self.sealing = Some(Sealing { key: Kept { key: Arc::clone(key), since: now }, sealed: 1 });
        self.open_with(key, now);
    }

    /// The key that opens what begins with this header.
    pub(super) fn for_opening(&mut self, header: &[u8], now: Timestamp) -> Option<Arc<DataKey>> {
        self.opening.retain(|_, kept| kept.is_good(now));
        self.opening.get(&sha256(header)).map(|kept| Arc::clone(&kept.key))
    }

    /// Keeps a key that was unwrapped. Where there are too many, the oldest goes.
    pub(super) fn open_with(&mut self, key: &Arc<DataKey>, now: Timestamp) {
        while self.opening.len() >= MAX_OPENED {
            let oldest = self.opening.iter().min_by_key(|(_, kept)| kept.since).map(|(hash, _)| *hash);
            let Some(oldest) = oldest else { break };
            self.opening.remove(&oldest);
        }
        self.opening.insert(sha256(&key.header), Kept { key: Arc::clone(key), since: now });
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{super::envelope::WrappedBy, *};

    const NOW: Timestamp = Timestamp::constant(1_768_478_400, 0);

    fn key(number: usize) -> Arc<DataKey> {
        let wrapped = number.to_be_bytes();
        Arc::new(DataKey::new(WrappedBy::arn("arn:key"), &wrapped, &Zeroizing::new(vec![7; 32])).unwrap())
    }

    #[test]
    fn a_key_seals_for_five_minutes_and_so_many_values() {
        let mut keys = DataKeys::default();
        assert!(keys.for_sealing(NOW).is_none());
        keys.seal_with(&key(0), NOW);
        let last = NOW + SignedDuration::from_millis(299_999);
        assert!(keys.for_sealing(last).is_some());
        assert!(keys.for_sealing(last + SignedDuration::from_millis(1)).is_none());
        keys.seal_with(&key(0), NOW);
        assert!(keys.for_sealing(NOW - SignedDuration::from_secs(1)).is_none());
        keys.seal_with(&key(0), NOW);
        let sealed = (0..100_000).take_while(|_| keys.for_sealing(NOW).is_some()).count();
        assert_eq!(sealed + 1, 65_536);
    }

    #[test]
    fn keys_open_for_five_minutes_and_the_newest_are_kept() {
        let mut keys = DataKeys::default();
        for number in 0..200 {
            keys.open_with(&key(number), NOW + SignedDuration::from_millis(number.try_into().unwrap()));
        }
        assert_eq!(keys.opening.len(), MAX_OPENED);
        let later = NOW + SignedDuration::from_secs(1);
        assert!(keys.for_opening(&key(199).header, later).is_some());
        assert!(keys.for_opening(&key(0).header, later).is_none());
        assert!(keys.for_opening(&key(199).header, NOW + SignedDuration::from_mins(6)).is_none());
        assert!(keys.opening.is_empty(), "what is too old is not kept in memory");
    }
}
