//! The events of the signing keys.

use super::{
    payload::{NoData, Reason, SigningKeyCreated, SigningKeyPromoted},
    subject::Subject,
    types::EventData,
};
use crate::domain::key_ring::{KeyRing, KeyState, SigningKey};

/// Returns the events of a change of the ring, in the order in which they happened. `changed` are keys in their new state, some
/// of which may be new. A change of other properties than the state has none.
pub fn key_ring_events(before: &KeyRing, changed: &[SigningKey]) -> Vec<(Subject, EventData)> {
    let replaces = || before.current().map(|key| key.kid.clone());
    let events = changed.iter().flat_map(|key| {
        let old = before.key(&key.kid).map(|old| old.state);
        let created = [
            EventData::SigningKeyCreated(SigningKeyCreated { serial: key.serial }),
            EventData::SigningKeyPublished(NoData {}),
        ];
        let created = created.into_iter().filter(|_| old.is_none());
        let transition = match key.state {
            state if old == Some(state) => None,
            KeyState::Current => Some(EventData::SigningKeyPromoted(SigningKeyPromoted { replaces: replaces() })),
            KeyState::Retired => Some(EventData::SigningKeyRetired(NoData {})),
            KeyState::Condemned => {
                Some(EventData::SigningKeyCondemned(Reason { reason: key.condemned_reason.clone() }))
            }
            KeyState::Next | KeyState::Previous => None,
        };
        created.chain(transition).map(|data| (Subject::SigningKey(key.kid.clone()), data)).collect::<Vec<_>>()
    });
    events.collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{event::EventType, key_ring::RotationPolicy};

    fn key(kid: &str, serial: u32) -> SigningKey {
        let public = ["n", "AQAB"].map(str::to_owned);
        SigningKey::new(kid.to_owned(), serial, kid.to_owned(), public, Timestamp::UNIX_EPOCH)
    }

    fn types(before: &KeyRing, changed: &[SigningKey]) -> Vec<(String, EventType)> {
        let events = key_ring_events(before, changed).into_iter();
        events.map(|(subject, data)| (subject.id(), data.event_type())).collect()
    }

    #[test]
    fn each_step_of_a_key_has_its_events() {
        let now = Timestamp::UNIX_EPOCH;
        let policy = RotationPolicy::default();
        let event = |kid: &str, event_type| (kid.to_owned(), event_type);
        let (created, published) = (EventType::SigningKeyCreated, EventType::SigningKeyPublished);
        let promoted = EventType::SigningKeyPromoted;

        let ring = KeyRing::default();
        let first = ring.admit(key("a", 1), now);
        let expected = [event("a", created), event("a", published), event("a", promoted)];
        assert_eq!(types(&ring, std::slice::from_ref(&first)), expected, "the first key signs at once");
        let ring = ring.with(&[first]);
        let second = ring.admit(key("b", 2), now);
        let expected = [event("b", created), event("b", published)];
        assert_eq!(types(&ring, std::slice::from_ref(&second)), expected);
        let ring = ring.with(&[second]);

        let changed = ring.promote_immediately(policy, now).unwrap();
        assert_eq!(types(&ring, &changed), [event("b", promoted)]);
        let data = EventData::SigningKeyPromoted(SigningKeyPromoted { replaces: Some("a".to_owned()) });
        assert_eq!(key_ring_events(&ring, &changed)[0].1, data);
        let rotated = ring.clone().with(&changed);
        let later = Timestamp::from_second(1_000_000).unwrap();
        let retired = rotated.retire(later);
        assert_eq!(types(&rotated, &retired), [event("a", EventType::SigningKeyRetired)]);
        let rotated = rotated.with(&retired);
        assert_eq!(types(&rotated, &rotated.due_deletions(policy, later)), [], "the deletion of a private key");

        let condemned = ring.condemn("a", Some("leak"), now).unwrap();
        let expected = [event("a", EventType::SigningKeyCondemned), event("b", promoted)];
        assert_eq!(types(&ring, &condemned), expected);
        let data = EventData::SigningKeyCondemned(Reason { reason: Some("leak".to_owned()) });
        assert_eq!(key_ring_events(&ring, &condemned)[0].1, data);
    }
}
