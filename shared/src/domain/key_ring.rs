//! The signing key ring: what each key is good for, and which step is due.
//!
//! A key is published before it signs, for as long as a JWKS may be cached, so that no app meets a token whose key it
//! can't have seen; and it stays published until the last token that it signed has ended. Every step is a new version
//! of the ring, written on condition of the one that was read: of two at once, one is taken.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a signing key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SigningKeyState)]
pub enum KeyState {
    /// Published, and signs once it has been for long enough.
    Next,
    /// Signs.
    Current,
    /// Published until the last token that it signed has ended.
    Previous,
    /// No longer published; still known here.
    Retired,
    /// Compromised: nothing that it signed is honoured.
    Condemned,
}

/// A signing key, as the ring knows it: its public part, and where its private part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// The how manyth key of the ring it is.
    #[serde(default)]
    pub serial: u32,
    /// What it is good for.
    pub state: KeyState,
    /// By which its signer knows it.
    pub handle: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is in the JWKS.
    pub published_at: Option<Timestamp>,
    /// Since when it signs, or signed.
    pub signs_since: Option<Timestamp>,
    /// When it leaves the JWKS.
    pub retires_at: Option<Timestamp>,
    /// The longest life, in seconds, of a token that it signs, with the grace period after it. No longer-lived one is
    /// signed before this says so.
    #[serde(default)]
    pub longest_life_seconds: i64,
    /// When it was condemned.
    #[serde(default)]
    pub condemned_at: Option<Timestamp>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub condemned_reason: Option<String>,
    /// When its signer was told to let the private part end.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// A root key: signs sets of signing keys, and never a license token. Apps build its public part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// By which its signer knows it.
    pub handle: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
}

/// The published keys as a JWT that a root key signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedKeySet {
    /// The JWT.
    pub jwt: String,
    /// Its `iss` and `sub`.
    pub issuer: String,
    /// The keys in it.
    pub kids: Vec<String>,
    /// Who signed it.
    pub root_kid: String,
    /// Its `iat`.
    pub issued_at: Timestamp,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

/// That a process is making a key. A process that dies leaves this, and under the name that the serial gives, perhaps,
/// the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingKey {
    /// The how manyth key of the ring it is.
    pub serial: u32,
    /// Since when.
    pub since: Timestamp,
}

/// The whole ring, as one read found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRing {
    /// Every step moves it; 0 before the first.
    pub version: u64,
    /// How many keys were made for it.
    pub made: u32,
    /// The key that is being made.
    pub making: Option<PendingKey>,
    /// All keys that it ever had, oldest first.
    pub keys: Vec<SigningKey>,
    /// The root keys; the first signs.
    pub roots: Vec<RootKey>,
    /// The published keys, signed.
    pub signed_set: Option<SignedKeySet>,
}

/// How the ring turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a key signs.
    pub rotation: SignedDuration,
    /// How old a warm function's copy of the ring may be; a JWKS may be cached for as long again.
    pub refresh: SignedDuration,
}

impl Default for RotationPolicy {
    /// A key signs for 90 days, and a copy is five minutes old at most.
    fn default() -> Self {
        Self { rotation: SignedDuration::from_hours(90 * 24), refresh: SignedDuration::from_mins(5) }
    }
}

impl RotationPolicy {
    /// How long a key is published before it signs: a copy of the ring may be of a moment before, and the JWKS that
    /// was made from it is cached after that.
    pub fn publication(self) -> SignedDuration {
        self.refresh.saturating_mul(2)
    }
}

/// A process that began to make a key so long ago has died.
const MAKING: SignedDuration = SignedDuration::from_mins(2);

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueStep {
    /// A key is missing.
    Make,
    /// The next key has been published for long enough, and the current one has signed for long enough.
    Promote,
    /// The last tokens of some keys have ended.
    Retire,
}

/// Why a key can't be condemned or promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingConflict {
    /// Nothing would be left to sign with.
    #[error("there is no next key to sign in its place yet: one is made within minutes")]
    NoNext,
    /// Apps may not have seen it.
    #[error("the next key has not been published for long enough: it may sign at {0}")]
    NotPublishedLongEnough(Timestamp),
}

impl SigningKey {
    /// Whether the JWKS lists it.
    pub fn is_published(&self) -> bool {
        matches!(self.state, KeyState::Next | KeyState::Current | KeyState::Previous)
    }

    fn signing(&self, now: Timestamp) -> Self {
        Self { state: KeyState::Current, signs_since: Some(now), ..self.clone() }
    }

    fn demoted(&self, rules: RotationPolicy, now: Timestamp) -> Self {
        // Functions with an older copy of the ring go on signing with it for a while.
        let life = rules.refresh.saturating_add(SignedDuration::from_secs(self.longest_life_seconds));
        Self { state: KeyState::Previous, retires_at: Some(later(now, life)), ..self.clone() }
    }

    fn is_due_to_retire(&self, now: Timestamp) -> bool {
        self.state == KeyState::Previous && self.retires_at.is_some_and(|at| at <= now)
    }

    fn is_due_to_end(&self, rules: RotationPolicy, now: Timestamp) -> bool {
        let signs_no_more = match self.state {
            KeyState::Retired => true,
            // A function with an older copy signs with it, and verifies that, until its copy is read anew.
            KeyState::Condemned => self.condemned_at.is_none_or(|at| later(at, rules.refresh) <= now),
            KeyState::Next | KeyState::Current | KeyState::Previous => false,
        };
        signs_no_more && self.ended_at.is_none()
    }
}

impl KeyRing {
    /// The key in a state of which there is one at most.
    fn one(&self, state: KeyState) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.state == state)
    }

    /// The key that signs.
    pub fn current(&self) -> Option<&SigningKey> {
        self.one(KeyState::Current)
    }

    /// The key that will sign.
    pub fn next(&self) -> Option<&SigningKey> {
        self.one(KeyState::Next)
    }

    /// The key of a kid.
    pub fn key(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The keys that the JWKS lists.
    pub fn published(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(|key| key.is_published())
    }

    /// The signed set, if it still holds: it has not ended, and vouches for no key that was condemned since.
    pub fn good_set(&self, now: Timestamp) -> Option<&SignedKeySet> {
        let is_condemned = |kid: &String| self.key(kid).is_some_and(|key| key.state == KeyState::Condemned);
        self.signed_set.as_ref().filter(|set| now < set.expires_at && !set.kids.iter().any(is_condemned))
    }

    /// The first step that is due.
    pub fn due(&self, rules: RotationPolicy, now: Timestamp) -> Option<DueStep> {
        let is_being_made = self.making.is_some_and(|making| now.duration_since(making.since) < MAKING);
        let is_missing = self.current().is_none() || self.next().is_none();
        let is_old = self.current().and_then(|key| key.signs_since).is_none_or(|at| later(at, rules.rotation) <= now);
        if self.keys.iter().any(|key| key.is_due_to_retire(now)) {
            Some(DueStep::Retire)
        } else if is_missing {
            (!is_being_made).then_some(DueStep::Make)
        } else {
            (is_old && self.promoted(rules, now).is_ok()).then_some(DueStep::Promote)
        }
    }

    /// When the next key takes its turn, if nothing happens before.
    pub fn next_rotation_at(&self, rules: RotationPolicy) -> Option<Timestamp> {
        let signed = self.current()?.signs_since.map(|at| later(at, rules.rotation));
        let published = self.next().and_then(|key| key.published_at).map(|at| later(at, rules.publication()));
        signed.max(published)
    }

    /// The keys that change when the next key takes its turn, once it has been published for long enough.
    pub fn promoted(&self, rules: RotationPolicy, now: Timestamp) -> Result<Vec<SigningKey>, RingConflict> {
        let next = self.next().ok_or(RingConflict::NoNext)?;
        let signs_at = later(next.published_at.unwrap_or(now), rules.publication());
        if now < signs_at {
            return Err(RingConflict::NotPublishedLongEnough(signs_at));
        }
        self.promoted_at_once(rules, now)
    }

    /// The same, whoever may not have seen it.
    pub fn promoted_at_once(&self, rules: RotationPolicy, now: Timestamp) -> Result<Vec<SigningKey>, RingConflict> {
        let next = self.next().ok_or(RingConflict::NoNext)?;
        Ok(self.current().map(|key| key.demoted(rules, now)).into_iter().chain([next.signing(now)]).collect())
    }

    /// The keys that change when the last tokens of some have ended.
    pub fn retired(&self, now: Timestamp) -> Vec<SigningKey> {
        let due = self.keys.iter().filter(|key| key.is_due_to_retire(now));
        due.map(|key| SigningKey { state: KeyState::Retired, ..key.clone() }).collect()
    }

    /// The keys whose private part may end, as they are once it has been told to. No step waits for it: who may not
    /// delete keys has a ring that turns all the same.
    pub fn ended(&self, rules: RotationPolicy, now: Timestamp) -> Vec<SigningKey> {
        let due = self.keys.iter().filter(|key| key.is_due_to_end(rules, now));
        due.map(|key| SigningKey { ended_at: Some(now), ..key.clone() }).collect()
    }

    /// The keys that change when one is condemned: where it is the one that signs, the next signs in its place, whoever
    /// may not have seen it. None where it was condemned before, or is not there.
    pub fn condemned(&self, kid: &str, reason: Option<&str>, now: Timestamp) -> Result<Vec<SigningKey>, RingConflict> {
        let Some(key) = self.key(kid).filter(|key| key.state != KeyState::Condemned) else { return Ok(Vec::new()) };
        let condemned = SigningKey {
            state: KeyState::Condemned,
            retires_at: None,
            condemned_at: Some(now),
            condemned_reason: reason.map(str::to_owned),
            ..key.clone()
        };
        if key.state != KeyState::Current {
            return Ok(vec![condemned]);
        }
        let next = self.next().ok_or(RingConflict::NoNext)?;
        Ok(vec![condemned, next.signing(now)])
    }

    /// A key that was made, as it enters the ring: the first signs at once.
    pub fn admitted(&self, key: SigningKey, now: Timestamp) -> SigningKey {
        let published = SigningKey { state: KeyState::Next, published_at: Some(now), ..key };
        if self.current().is_none() { published.signing(now) } else { published }
    }

    /// The ring with these keys as they are now.
    pub fn with(mut self, changed: &[SigningKey]) -> Self {
        for key in changed {
            match self.keys.iter_mut().find(|own| own.kid == key.kid) {
                Some(own) => own.clone_from(key),
                None => self.keys.push(key.clone()),
            }
        }
        self
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: RotationPolicy =
        RotationPolicy { rotation: SignedDuration::from_hours(24 * 90), refresh: SignedDuration::from_secs(300) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(kid: u32) -> SigningKey {
        SigningKey {
            kid: kid.to_string(),
            serial: kid,
            state: KeyState::Next,
            handle: kid.to_string(),
            n: "n".to_owned(),
            e: "AQAB".to_owned(),
            created_at: at(0),
            published_at: None,
            signs_since: None,
            retires_at: None,
            longest_life_seconds: 0,
            condemned_at: None,
            condemned_reason: None,
            ended_at: None,
        }
    }

    /// A ring that does what is due, as its keeper does.
    #[derive(Debug, Clone, Default)]
    struct Turning(KeyRing);

    impl Turning {
        fn make(&mut self, now: Timestamp) {
            self.0.made += 1;
            let key = self.0.admitted(key(self.0.made), now);
            self.0 = std::mem::take(&mut self.0).with(&[key]);
        }

        fn keep(&mut self, now: Timestamp) {
            while let Some(step) = self.0.due(RULES, now) {
                let changed = match step {
                    DueStep::Make => {
                        self.make(now);
                        continue;
                    }
                    DueStep::Promote => self.0.promoted(RULES, now).unwrap(),
                    DueStep::Retire => self.0.retired(now),
                };
                assert!(!changed.is_empty(), "a step that is due does something");
                self.0 = std::mem::take(&mut self.0).with(&changed);
            }
            let ended = self.0.ended(RULES, now);
            self.0 = std::mem::take(&mut self.0).with(&ended);
        }

        fn states(&self) -> Vec<KeyState> {
            self.0.keys.iter().map(|key| key.state).collect()
        }
    }

    #[test]
    fn a_ring_begins_with_a_key_that_signs_and_one_that_will() {
        let mut ring = Turning::default();
        ring.keep(at(1000));
        assert_eq!(ring.states(), [KeyState::Current, KeyState::Next]);
        assert_eq!(ring.0.next_rotation_at(RULES), Some(at(1000 + 90 * 86_400)));
    }

    #[test]
    fn a_key_signs_when_it_was_published_for_long_enough_and_stays_while_its_tokens_live() {
        let mut ring = Turning::default();
        ring.keep(at(0));
        assert_eq!(ring.0.promoted(RULES, at(599)), Err(RingConflict::NotPublishedLongEnough(at(600))));
        ring.0.keys[0].longest_life_seconds = 3600;
        let turn = 90 * 86_400;
        ring.keep(at(turn - 1));
        assert_eq!(ring.states(), [KeyState::Current, KeyState::Next]);
        ring.keep(at(turn));
        assert_eq!(ring.states(), [KeyState::Previous, KeyState::Current, KeyState::Next]);
        ring.keep(at(turn + 300 + 3599));
        assert_eq!(ring.states()[0], KeyState::Previous);
        ring.keep(at(turn + 300 + 3600));
        assert_eq!(ring.states(), [KeyState::Retired, KeyState::Current, KeyState::Next]);
        assert_eq!(ring.0.keys[0].ended_at, Some(at(turn + 300 + 3600)));
    }

    #[test]
    fn a_key_that_is_being_made_is_not_made_again_until_its_maker_has_died() {
        let ring = KeyRing { making: Some(PendingKey { serial: 1, since: at(1000) }), ..KeyRing::default() };
        assert_eq!(ring.due(RULES, at(1119)), None);
        assert_eq!(ring.due(RULES, at(1120)), Some(DueStep::Make));
    }

    #[test]
    fn a_condemned_key_signs_nothing_more_and_another_does() {
        let mut ring = Turning::default();
        ring.keep(at(0));
        let changed = ring.0.condemned("1", Some("leak"), at(10)).unwrap();
        ring.0 = ring.0.with(&changed);
        assert_eq!(ring.states(), [KeyState::Condemned, KeyState::Current]);
        assert_eq!(ring.0.condemned("2", None, at(10)), Err(RingConflict::NoNext));
        assert_eq!(ring.0.condemned("1", None, at(11)), Ok(Vec::new()), "once and for all");
        ring.keep(at(309));
        assert_eq!(ring.0.keys[0].ended_at, None, "a function with an older copy may sign with it");
        ring.keep(at(310));
        assert_eq!(ring.0.keys[0].ended_at, Some(at(310)));
        let changed = ring.0.condemned("3", None, at(400)).unwrap();
        ring.0 = ring.0.with(&changed);
        assert_eq!(ring.states(), [KeyState::Condemned, KeyState::Current, KeyState::Condemned]);
    }

    #[derive(Debug, Clone)]
    enum Act {
        Wait(u32),
        Sign(u16),
        Keep,
        Force,
        Condemn(u8),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0_u32..8_000_000).prop_map(Act::Wait),
            3 => any::<u16>().prop_map(Act::Sign),
            4 => Just(Act::Keep),
            1 => Just(Act::Force),
            1 => any::<u8>().prop_map(Act::Condemn),
        ];
        prop::collection::vec(act, 1..60)
    }

    proptest! {
        /// Whatever happens in whatever order: one key signs at any time, and a token is known to the JWKS until it
        /// ends, unless its key was condemned.
        #[test]
        fn a_good_token_has_a_published_key(acts in acts()) {
            let (mut ring, mut now) = (Turning::default(), 0_i64);
            ring.keep(at(0));
            let mut tokens: Vec<(String, i64)> = Vec::new();
            for act in acts {
                match act {
                    Act::Wait(seconds) => now += i64::from(seconds),
                    Act::Sign(life) => {
                        let kid = ring.0.current().unwrap().kid.clone();
                        let own = ring.0.keys.iter_mut().find(|key| key.kid == kid).unwrap();
                        own.longest_life_seconds = own.longest_life_seconds.max(life.into());
                        tokens.push((kid, now + i64::from(life)));
                    }
                    Act::Keep => ring.keep(at(now)),
                    Act::Force => {
                        let changed = ring.0.promoted_at_once(RULES, at(now)).unwrap_or_default();
                        ring.0 = ring.0.clone().with(&changed);
                    }
                    Act::Condemn(which) => {
                        let kid = ring.0.keys[usize::from(which) % ring.0.keys.len()].kid.clone();
                        let changed = ring.0.condemned(&kid, None, at(now)).unwrap_or_default();
                        ring.0 = ring.0.clone().with(&changed);
                    }
                }
                let states = ring.states();
                let count = |state| states.iter().filter(|own| **own == state).count();
                prop_assert_eq!(count(KeyState::Current), 1);
                prop_assert!(count(KeyState::Next) <= 1);
                for (kid, end) in &tokens {
                    let key = ring.0.key(kid).unwrap();
                    prop_assert!(key.state == KeyState::Condemned || now >= *end || key.is_published());
                }
                for key in &ring.0.keys {
                    prop_assert!(!key.is_published() || key.ended_at.is_none());
                }
            }
        }
    }
}
