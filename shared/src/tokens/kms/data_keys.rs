//! A cache of data keys, each with a limited lifetime and number of uses.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::envelope::DataKey;
use crate::{domain::secret::sha256, ttl_cache::Cached};

/// How long a data key is cached. It is also how long an instance can still seal and open values after KMS denies
/// access.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The maximum number of values that a data key seals. With random nonces of 96 bits, NIST SP 800-38D (§8.3) allows 2³²
/// per key; among 2¹⁶ values, two have the same nonce with a probability of 2⁻⁶⁵.
const MAX_SEALED: u32 = 1 << 16;
/// The maximum number of cached data keys for opening.
const MAX_OPENING_KEYS: usize = 128;

/// The cached data keys of a sealer; not a [`TtlCache`](crate::ttl_cache::TtlCache), which holds one value and does not
/// count its uses.
#[derive(Default)]
pub(super) struct DataKeyCache {
    sealing: Option<SealingKey>,
    /// Keys for opening, by the SHA-256 of their header.
    opening: HashMap<[u8; 32], Cached<DataKey>>,
}

struct SealingKey {
    cached: Cached<DataKey>,
    sealed_count: u32,
}

impl DataKeyCache {
    /// Returns the key for sealing one more value.
    pub(super) fn sealing_key(&mut self, now: Timestamp) -> Option<Arc<DataKey>> {
        let is_usable =
            |sealing: &&mut SealingKey| sealing.sealed_count < MAX_SEALED && sealing.cached.is_fresh(LIFETIME, now);
        let Some(sealing) = self.sealing.as_mut().filter(is_usable) else {
            self.sealing = None;
            return None;
        };
        sealing.sealed_count += 1;
        Some(Arc::clone(&sealing.cached.value))
    }

    /// Adds a new key for sealing, which the caller uses for one value. It is cached for opening, too, because the
    /// value may be read soon.
    pub(super) fn add_sealing_key(&mut self, key: &Arc<DataKey>, now: Timestamp) {
        self.sealing = Some(SealingKey { cached: Cached { value: Arc::clone(key), read_at: now }, sealed_count: 1 });
        self.add_opening_key(key, now);
    }

    /// Returns the key for opening values with this header.
    pub(super) fn opening_key(&mut self, header: &[u8], now: Timestamp) -> Option<Arc<DataKey>> {
        self.opening.retain(|_, cached| cached.is_fresh(LIFETIME, now));
        self.opening.get(&sha256(header)).map(|cached| Arc::clone(&cached.value))
    }

    /// Adds a decrypted key for opening. Evicts the oldest key if there are too many.
    pub(super) fn add_opening_key(&mut self, key: &Arc<DataKey>, now: Timestamp) {
        while self.opening.len() >= MAX_OPENING_KEYS {
            let oldest = self.opening.iter().min_by_key(|(_, cached)| cached.read_at).map(|(hash, _)| *hash);
            let Some(oldest) = oldest else { break };
            self.opening.remove(&oldest);
        }
        self.opening.insert(sha256(&key.header), Cached { value: Arc::clone(key), read_at: now });
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{super::envelope::KmsKeyId, *};

    const NOW: Timestamp = Timestamp::constant(1_768_478_400, 0);

    fn key(number: usize) -> Arc<DataKey> {
        let encrypted = number.to_be_bytes();
        Arc::new(DataKey::new(KmsKeyId::from_arn("arn:key"), &encrypted, &Zeroizing::new(vec![7; 32])).unwrap())
    }

    #[test]
    fn a_key_seals_for_five_minutes_and_65536_values() {
        let mut keys = DataKeyCache::default();
        assert!(keys.sealing_key(NOW).is_none());
        keys.add_sealing_key(&key(0), NOW);
        let last = NOW + SignedDuration::from_millis(299_999);
        assert!(keys.sealing_key(last).is_some());
        assert!(keys.sealing_key(last + SignedDuration::from_millis(1)).is_none());
        keys.add_sealing_key(&key(0), NOW);
        assert!(keys.sealing_key(NOW - SignedDuration::from_secs(1)).is_none());
        keys.add_sealing_key(&key(0), NOW);
        let sealed = (0..100_000).take_while(|_| keys.sealing_key(NOW).is_some()).count();
        assert_eq!(sealed + 1, 65_536);
    }

    #[test]
    fn keys_open_for_five_minutes_and_the_oldest_are_evicted() {
        let mut keys = DataKeyCache::default();
        for number in 0..200 {
            keys.add_opening_key(&key(number), NOW + SignedDuration::from_millis(number.try_into().unwrap()));
        }
        assert_eq!(keys.opening.len(), MAX_OPENING_KEYS);
        let later = NOW + SignedDuration::from_secs(1);
        assert!(keys.opening_key(&key(199).header, later).is_some());
        assert!(keys.opening_key(&key(0).header, later).is_none());
        assert!(keys.opening_key(&key(199).header, NOW + SignedDuration::from_mins(6)).is_none());
        assert!(keys.opening.is_empty(), "expired keys are removed from memory");
    }
}
